#!/usr/bin/env python3
"""Two guests of two emulators at once, each with a disk and a network of its own: each writes to its disk what it fetches,
and serves it; none sees anything of the other.

  two_test.py TANDEM GUEST_FOLDER ENGINE MEGABYTES
"""
import contextlib
import hashlib
import pathlib
import random
import subprocess
import sys
import tempfile
import urllib.request

from talking_guest import LIMIT, Failure, Guest, Server, free_port

DISK_MIB = 64


class DiskGuest(Guest):
    """One with a disk and a server of its own, whose content it puts there."""

    def __init__(self, tandem, folder, engine, scratch, name, content):
        self.name, self.content, self.web = name, content, free_port()
        self.disk, self.server = scratch / f"{name}.img", Server(content)
        with self.disk.open("wb") as disk:
            disk.truncate(DISK_MIB << 20)
        must("mke2fs", "-q", "-t", "ext4", self.disk)
        host = f"http://10.0.2.2:{self.server.port}"
        command = ("while ! ip addr show eth0 | grep -q 'inet 10.0.2.15'; do usleep 50000; done; mount -t ext4 /dev/vda /mnt; "
                   f"wget -q -O /mnt/{name} {host}/data; sync; ls /mnt; sha256sum /mnt/{name}; httpd -p 80 -h /mnt; echo serving; "
                   f"wget -q -O /dev/null {host}/end; umount /mnt")
        super().__init__(tandem, folder, command, "--name", name, "--engine", engine + "!", "--control", "none",
                         "--disk", f"vdev=vda,target={self.disk}", "--vif", f"type=user,hostfwd=tcp:127.0.0.1:{self.web}-:80")

    def look(self):
        """What the guest says of its disk, and what it serves."""
        self.wait_for(hashlib.sha256(self.content).hexdigest())
        self.wait_for("serving")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/{self.name}", timeout=LIMIT) as answer:
            if answer.read() != self.content:
                raise Failure(f"{self.name} serves something else")

    def end(self):
        self.server.ended.set()
        super().end()
        must("e2fsck", "-fn", self.disk)


def must(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{command}: {done.stdout}{done.stderr}")


def check(tandem, folder, engine, megabytes, scratch):
    with contextlib.ExitStack() as running:
        guests = [running.enter_context(DiskGuest(tandem, folder, engine, scratch, name, random.Random(name).randbytes(megabytes << 20)))
                  for name in ("first", "second")]
        for guest in guests:
            guest.look()
        if any(guest.process.poll() is not None for guest in guests):
            raise Failure("they were not there at once")
        refused = subprocess.run([tandem, "run", folder / "default.cfg", "--control", "none", "--disk", f"vdev=vda,target={guests[0].disk}"],
                                 capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if refused.returncode != 2 or "elsewhere" not in refused.stderr:
            raise Failure(f"a third guest gets the first one's disk: {refused.returncode} {refused.stderr}")
        for guest in guests:
            guest.end()
            other = "second" if guest.name == "first" else "first"
            if other in guest.text.split():
                raise Failure(f"{guest.name} sees the file of {other}")


def main():
    tandem, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        try:
            check(tandem, folder, sys.argv[3], int(sys.argv[4]), pathlib.Path(scratch))
        except (Failure, OSError) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
