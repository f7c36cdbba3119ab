#!/usr/bin/env python3
"""A guest with a disk and a CD-ROM: Debian's kernel mounts ext4, copies a tree from the CD, syncs, and the emulator is
killed. What was synced is there, the file system is sound after its journal, and the next guest reads it.

  disk_test.py TANDEM GUEST_FOLDER ENGINE VCPUS DISK BUS
    DISK: raw, qcow2, backed (qcow2 on a raw file)   BUS: hd for IDE, sd for AHCI, vd for virtio
"""
import hashlib
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading

LIMIT = 200  # seconds
SIZE_MIB = 96


class Failure(Exception):
    pass


def must(folder, *arguments, good=(0,)):
    done = subprocess.run([str(a) for a in arguments], cwd=folder, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode not in good:
        raise Failure(f"{arguments}: status {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def make_tree(root):
    source = random.Random(11)
    for i in range(60):
        path = root / f"d{i % 7}" / f"f{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(source.choice((0, 1, 511, 4096, 70001, 300000))))


def digest(root):
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


def make_images(tandem, folder, disk):
    make_tree(folder / "tree")
    must(folder, "xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", "disc.iso", "tree")
    must(folder, "truncate", "-s", f"{SIZE_MIB}M", "base.img")
    must(folder, "mke2fs", "-q", "-t", "ext4", "base.img")
    if disk == "raw":
        return "base.img"
    if disk == "qcow2":
        must(folder, tandem, "img", "convert", "base.img", "disk.qcow2")
    else:
        must(folder, tandem, "img", "create", "disk.qcow2", f"{SIZE_MIB}M", "--backing", "base.img")
    return "disk.qcow2"


class Guest:
    def __init__(self, tandem, guest, engine, vcpus, folder, disks, command):
        arguments = [tandem, "run", guest / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--timeout", str(LIMIT),
                     "--cmdline", f'console=ttyS0 quiet run="{command}"', "--cdrom", "disc.iso"]
        for disk in disks:
            arguments += ["--disk", disk]
        self.process = subprocess.Popen([str(a) for a in arguments], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, errors="replace")
        self.lines = []

    def wait_for(self, words):
        watchdog = threading.Timer(LIMIT, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                self.lines.append(line)
                if line.startswith(words):
                    return
        finally:
            watchdog.cancel()
        raise Failure(f"{words!r} never came; the guest said: {''.join(self.lines)[-3000:]}")

    def end(self):
        self.wait_for("synced")
        rest = self.process.communicate(timeout=LIMIT)[0]
        if self.process.returncode:
            raise Failure(f"status {self.process.returncode}: {''.join(self.lines)[-2000:]}{rest[-2000:]}")


NAMES = {"hd": "sda", "sd": "sda", "vd": "vda"}  # what Linux calls the first disk
WAIT = "while ! [ -b /dev/{name} -a -b /dev/sr0 ]; do sleep 0.1; done; mount -t ext4 /dev/{name} /mnt; "
COPY = WAIT + "mkdir /tmp/cd; mount -t iso9660 -o ro /dev/sr0 /tmp/cd && cp -r /tmp/cd /mnt/copy && sync && echo synced; "
# Not synced: anything may become of it.
MORE = "while true; do cp -r /mnt/copy /mnt/again; echo round; rm -r /mnt/again; done"
CHECK = WAIT + "cd /mnt/copy && find . -type f | sort | xargs sha256sum > /tmp/sums; cat /tmp/sums | sha256sum; echo scribble > x; sync; " \
    "cd /; umount /mnt; echo synced"


def check_host_side(tandem, folder, disk, tree):
    if disk == "base.img":
        shutil.copy(folder / disk, folder / "check.img")
    else:
        must(folder, "qemu-img", "check", disk, good=(0, 3))
        must(folder, tandem, "img", "check", disk)
        must(folder, "qemu-img", "convert", "-O", "raw", disk, "check.img")
    must(folder, "e2fsck", "-p", "check.img", good=(0, 1))  # the journal
    must(folder, "e2fsck", "-fn", "check.img")
    (folder / "out").mkdir()
    must(folder, "debugfs", "-R", "rdump copy out", "check.img")
    if digest(folder / "out" / "copy") != digest(tree):
        raise Failure("what the guest had synced is not there")


def check(tandem, guest, engine, vcpus, kind, bus, folder):
    copy, again = (command.format(name=NAMES[bus]) for command in (COPY + MORE, CHECK))
    disk = make_images(tandem, folder, kind)
    first = Guest(tandem, guest, engine, vcpus, folder, [f"vdev={bus}a,target={disk}"], copy)
    first.wait_for("synced")
    for _ in range(3):
        first.wait_for("round")
    first.process.kill()
    first.process.wait()
    check_host_side(tandem, folder, disk, folder / "tree")
    before = hashlib.sha256((folder / disk).read_bytes()).hexdigest()
    second = Guest(tandem, guest, engine, vcpus, folder, [f"vdev={bus}a,snapshot,target={disk}"], again)
    second.end()
    sums = "".join(f"{h}  ./{name}\n" for name, h in sorted(digest(folder / "tree").items()))
    if hashlib.sha256(sums.encode()).hexdigest() not in "".join(second.lines):
        raise Failure("the next guest reads something else: " + "".join(second.lines)[-2000:])
    if hashlib.sha256((folder / disk).read_bytes()).hexdigest() != before:
        raise Failure("a snapshot's writes reached the image")


def main():
    tandem, guest = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    engine, vcpus, kind, bus = sys.argv[3:7]
    if not (guest / "default.cfg").exists():
        print(f"{guest}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as name:
        try:
            check(tandem, guest, engine, vcpus, kind, bus, pathlib.Path(name))
        except (Failure, subprocess.TimeoutExpired) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
