#!/usr/bin/env python3
"""A git checkout in a shared folder builds: the guest clones a repository there, compiles it with the host's own programs,
which it has by a second, read-only folder (the whole host), and runs its tests; then it commits a change.

  build_test.py TANDEM GUEST_FOLDER ENGINE VCPUS SOURCES
"""
import pathlib
import subprocess
import sys
import tempfile

LIMIT = 400  # seconds


class Failure(Exception):
    pass


def must(folder, *command):
    done = subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def make_repository(folder, sources):
    """So many C files that need each other, a build file, a test."""
    folder.mkdir()
    rules = ["rule cc", "  command = clang-19 -O1 -MD -MF $out.d -c $in -o $out", "  depfile = $out.d", "rule link",
             "  command = clang-19 $in -o $out", "rule run", "  command = ./$in > $out"]
    for i in range(sources):
        (folder / f"part{i}.h").write_text(f"int part{i}(int n);\n")
        before = f"part{i - 1}(n) + {i}" if i else "n"
        include = f'#include "part{i - 1}.h"\n' if i else ""
        (folder / f"part{i}.c").write_text(f'#include "part{i}.h"\n{include}int part{i}(int n) {{ return {before}; }}\n')
        rules.append(f"build part{i}.o: cc part{i}.c")
    (folder / "main.c").write_text(f'#include <stdio.h>\n#include "part{sources - 1}.h"\n'
                                   f'int main(void) {{ printf("built %d\\n", part{sources - 1}(1000)); return 0; }}\n')
    objects = " ".join(f"part{i}.o" for i in range(sources))
    rules += ["build main.o: cc main.c", f"build program: link main.o {objects}", "build result: run program"]
    (folder / "build.ninja").write_text("\n".join(rules) + "\n")
    (folder / ".gitignore").write_text("*.o\n*.d\nprogram\nresult\n.ninja*\n")
    must(folder, "git", "init", "-q", "-b", "main")
    must(folder, "git", "add", ".")
    must(folder, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "first")


# What a chroot into the host's own root needs, which is read-only, and its /mnt, where the work is.
# Linux writes back late with cache=loose, and builds go by the time of the last write.
MOUNT = ("O=trans=virtio,version=9p2000.L,msize=512000; mkdir /host; mount -t 9p -o $O,cache=loose,ro host /host; "
         "mount -t 9p -o $O,cache=mmap work /host/mnt; mount -t proc proc /host/proc; mount -t devtmpfs dev /host/dev; mount -t tmpfs tmp /host/tmp; ")
SCRIPT = """set -e
export HOME=/tmp PATH=/usr/bin:/bin
git config --global --add safe.directory '*'
git config --global user.name guest; git config --global user.email g@g
cd /mnt
git clone -q origin checkout
cd checkout
ninja
cat result
git status --porcelain
ninja | tail -n 1
echo '/* changed */' >> part0.c
ninja -n | wc -l
git commit -q -a -m 'from the guest'
git log --oneline | wc -l
git fsck --no-dangling
echo all is well
"""


def check(tandem, folder, engine, vcpus, sources, scratch):
    work = scratch / "work"
    work.mkdir()
    make_repository(work / "origin", sources)
    (work / "script").write_text(SCRIPT)
    done = subprocess.run([str(a) for a in [
        tandem, "run", folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--memory", 1024, "--timeout", LIMIT,
        "--vif", "type=none", "--control", "none", "--p9", "tag=host,path=/,readonly", "--p9", f"tag=work,path={work}",
        "--cmdline", f'console=ttyS0 quiet run="{MOUNT}chroot /host sh /mnt/script"', "--expect", "^all is well"]],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise Failure(f"status {done.returncode}: {done.stdout[-3000:]}{done.stderr}")
    result = f"built {1000 + sum(range(sources))}"
    for words in (result, "ninja: no work to do."):
        if words not in done.stdout:
            raise Failure(f"{words!r} is missing: {done.stdout[-3000:]}")
    checkout = work / "checkout"
    if must(checkout, "./program").strip() != result:
        raise Failure("what the guest built does something else on the host")
    if must(checkout, "git", "-c", "safe.directory=*", "log", "--format=%s").split("\n")[0] != "from the guest":
        raise Failure("the guest's commit is not there")
    if must(checkout, "git", "-c", "safe.directory=*", "status", "--porcelain"):
        raise Failure("the host finds changes that the guest did not make")


def main():
    tandem, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    engine, vcpus, sources = sys.argv[3], sys.argv[4], int(sys.argv[5])
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        try:
            check(tandem, folder, engine, vcpus, sources, pathlib.Path(scratch))
        except (Failure, OSError) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
