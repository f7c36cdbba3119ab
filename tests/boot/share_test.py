#!/usr/bin/env python3
"""A folder of the host in a guest: a tree is read and copied within it, changed, and is on the host what it is in the guest;
a read-only folder stays as it is.

  share_test.py TANDEM GUEST_FOLDER ENGINE VCPUS FILES
"""
import hashlib
import pathlib
import random
import subprocess
import sys
import tempfile

LIMIT = 240  # seconds


class Failure(Exception):
    pass


def make_tree(root, files):
    source = random.Random(3)
    for i in range(files):
        path = root / f"ordner-{i % 5}" / f"größe {i} ☃"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(source.choice((0, 1, 4096, 70001))))
        path.chmod(0o755 if i % 3 else 0o640)
    (root / "big").write_bytes(source.randbytes(8 << 20))
    (root / "out").symlink_to("/etc/hostname")
    (root / "in").symlink_to("big")


def listing(root):
    """What sha256sum and readlink say of everything, sorted."""
    lines = []
    for path in sorted(root.rglob("*"), key=lambda p: str(p.relative_to(root)).encode()):
        name = path.relative_to(root)
        if path.is_symlink():
            lines.append(f"{path.readlink()}  {name}\n")
        elif path.is_file():
            lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mode & 0o777:o}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


MOUNT = "for t in host fixed; do mkdir /tmp/$t; mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 $t /tmp/$t; done; "
CHANGE = ("cd /tmp/host; sha256sum in | cut -c 1-64; cp -a tree copy && rm -r tree && mv copy/ordner-1 copy/umbenannt; "
          "echo more >> copy/big; chmod 700 copy/umbenannt/*; sync; "
          "cat out; touch /tmp/fixed/new || echo refused; cat /tmp/fixed/there; echo finished")


def check(tandem, folder, engine, vcpus, files, scratch):
    shared, fixed = scratch / "shared", scratch / "fixed"
    make_tree(shared / "tree", files)
    (shared / "in").symlink_to("tree/big")
    (shared / "out").symlink_to(scratch / "secret")
    fixed.mkdir()
    (fixed / "there").write_text("as it was\n")
    (scratch / "secret").write_text("outside\n")
    big = hashlib.sha256((shared / "tree" / "big").read_bytes()).hexdigest()
    expected = scratch / "expected"
    subprocess.run(["cp", "-a", shared / "tree", expected], check=True)
    (expected / "ordner-1").rename(expected / "umbenannt")
    (expected / "big").write_bytes((expected / "big").read_bytes() + b"more\n")
    for path in (expected / "umbenannt").iterdir():
        path.chmod(0o700)
    done = subprocess.run([str(a) for a in [
        tandem, "run", folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--timeout", LIMIT, "--vif", "type=none",
        "--p9", f"tag=host,path={shared}", "--p9", f"tag=fixed,path={fixed},readonly",
        "--cmdline", f'console=ttyS0 quiet run="{MOUNT + CHANGE}"', "--expect", "^finished"]],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    said = done.stdout + done.stderr
    if done.returncode:
        raise Failure(f"status {done.returncode}: {said[-3000:]}")
    for words in (big, "refused", "as it was"):
        if words not in said:
            raise Failure(f"{words!r} is missing: {said[-3000:]}")
    if "outside" in said:
        raise Failure("the guest reads what is outside of its folder")
    if listing(shared / "copy") != listing(expected) or (shared / "tree").exists():
        raise Failure("the folder is not what the guest made of it")
    if sorted(p.name for p in fixed.iterdir()) != ["there"]:
        raise Failure("the read-only folder has changed")


def main():
    tandem, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    engine, vcpus, files = sys.argv[3], sys.argv[4], int(sys.argv[5])
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        try:
            check(tandem, folder, engine, vcpus, files, pathlib.Path(scratch))
        except Failure as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
