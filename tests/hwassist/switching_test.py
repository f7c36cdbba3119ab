#!/usr/bin/env python3
"""Engines changed under a guest that boots, computes, keeps a disk busy and looks at the clock: checksums right, nothing lost, time goes
forward, the disk is clean. KVM takes part where this host has one of any use.

  switching_test.py TANDEM GUEST_FOLDER BENCH_PROGRAM VCPUS SWITCHES [SEED]
"""
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "bench"))
import initramfs
from switcher import Refused, Switcher

TANDEM, GUEST, PROGRAM = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
VCPUS, SWITCHES = sys.argv[4], int(sys.argv[5])
SEED = int(sys.argv[6]) if len(sys.argv) > 6 else random.randrange(1 << 16)
LIMIT = 900  # seconds
RESULTS = {"crc32": "00000000cf00d104", "sha256": "8b1ba9f446d7fc11", "fib": "0000000000001a6d"}
UNTIL_STOP = "while [ ! -e /stop ]; do"
WORK = ("mount -t ext4 /dev/sda /mnt; cd /mnt; "
        f"({UNTIL_STOP} cut -d' ' -f1 /proc/uptime; sleep 0.1; done) & "
        f"({UNTIL_STOP} dd if=/dev/urandom of=a bs=64k count=40 2>/dev/null; sync; cp a b; sync; echo 3 > /proc/sys/vm/drop_caches; "
        "cmp a b && echo same; done) & "
        f"({UNTIL_STOP} /bench/workloads --ms 200 {' '.join(RESULTS)}; done) & "
        "echo at-work; read x < /dev/ttyS0; touch /stop; wait; cd /; umount /mnt; echo clean-end")


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


class Guest:
    def __init__(self, folder):
        self.log, self.socket = folder / "log", folder / "control"
        self.stats = folder / "stats.json"
        disk = folder / "disk.img"
        subprocess.run(["truncate", "-s", "64M", disk], check=True)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", disk], check=True)
        ramdisk = folder / "initrd.gz"
        initramfs.with_program(GUEST / "initrd.gz", PROGRAM, ramdisk)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [TANDEM, "run", GUEST / "default.cfg", "--ramdisk", ramdisk, "--engine", "jit", "--vcpus", VCPUS, "--timeout", str(LIMIT),
                 "--control", self.socket, "--disk", f"vdev=hda,format=raw,target={disk}", "--stats", self.stats,
                 "--cmdline", f'console=ttyS0 run="{WORK}"'],
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT)
        self.disk = disk

    def text(self):
        return self.log.read_text(errors="replace")

    def lines(self, pattern):
        return re.findall(rf"^{pattern}\r?$", self.text(), re.MULTILINE)

    def wait_for(self, condition, what):
        end = time.monotonic() + LIMIT
        while not condition():
            check(self.process.poll() is None and time.monotonic() < end, f"no {what}: {self.text()[-3000:]}")
            time.sleep(0.1)


def switch(guest, switcher, times):
    for _ in range(times):
        switcher.switch()
        check(guest.process.poll() is None, f"the guest ended: {guest.text()[-3000:]}")
    print(f"{times} switches, the longest {switcher.longest * 1000:.0f} ms")
    switcher.to("jit")


def judge(guest):
    text = guest.text()
    for name, result in RESULTS.items():
        found = set(guest.lines(rf"{name} \d+ \S+ (\S+)"))
        check(found == {result}, f"{name}: {found} instead of {result}")
    check(len(guest.lines("same")) >= 2 and "differ" not in text, "the disk gave other bytes back")
    uptimes = [float(t) for t in guest.lines(r"(\d+\.\d\d)")]
    check(len(uptimes) > 5 and uptimes == sorted(uptimes), f"time went back: {uptimes}")
    complaints = [l for l in text.splitlines() if re.search(r"BUG|Oops|rcu: INFO|lost interrupt|timed out|unstable|I/O error|segfault", l)]
    check(not complaints, f"the kernel complains: {complaints}")
    done = subprocess.run(["e2fsck", "-fn", guest.disk], capture_output=True, text=True)
    check(done.returncode == 0, f"e2fsck: {done.stdout}")


def main():
    print("seed", SEED)
    random.seed(SEED)
    with tempfile.TemporaryDirectory() as scratch:
        guest = Guest(pathlib.Path(scratch))
        try:
            guest.wait_for(guest.socket.exists, "control socket")
            switcher = Switcher(guest.socket)
            switch(guest, switcher, SWITCHES // 2)
            guest.wait_for(lambda: guest.lines("at-work") and guest.lines("same"), "work")
            switch(guest, switcher, SWITCHES - SWITCHES // 2)
            guest.process.stdin.write(b"\n")
            guest.process.stdin.flush()
            guest.wait_for(lambda: guest.lines("clean-end"), "end of the work")
            check(guest.process.wait(60) == 0, f"status {guest.process.returncode}: {guest.text()[-2000:]}")
            judge(guest)
            counters = json.loads(guest.stats.read_text())["counters"]
            print({name: value for name, value in counters.items() if name.startswith("kvm.")})
        finally:
            guest.process.kill()
            guest.process.wait()


if __name__ == "__main__":
    try:
        main()
    except (Failure, Refused) as failure:
        print(failure)
        sys.exit(1)
