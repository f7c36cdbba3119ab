#!/usr/bin/env python3
"""Engines changed through the whole life of a Debian, from SeaBIOS over GRUB, kernel and systemd to a load and the power-off: in each
phase, in each mode of the CPU, without a long stretch on one engine; checksums right, time goes forward, the disk is clean.

  switching_boot_test.py TANDEM MEDIA_FOLDER VCPUS [SEED]
"""
import hashlib
import pathlib
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "start"))
from guest import Failure, Guest
from switcher import Refused, Switcher

TANDEM, MEDIA = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
VCPUS = sys.argv[3]
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 16)
LIMIT = 900  # seconds
LEAST = 10  # switches in each phase, and in each mode
MOST_OF_ALL = 0.1  # the longest stretch without a switch, of the guest's life
MODES = ["real", "protected", "kernel", "user"]
MEBIBYTES = 16
SUM = hashlib.sha256(bytes(MEBIBYTES << 20)).hexdigest()
LOAD = ("stty -echo; (while [ ! -e /run/stop ]; do echo uptime $(cut -d' ' -f1 /proc/uptime); sleep 0.2; done) & "
        f"for i in 1 2 3 4 5; do echo sum $(head -c {MEBIBYTES}M /dev/zero | sha256sum); "
        "dd if=/dev/urandom of=/var/a bs=64k count=40 status=none; cp /var/a /var/b; sync; echo 3 > /proc/sys/vm/drop_caches; "
        "cmp /var/a /var/b && echo copy $((40+2)); done; touch /run/stop; wait; echo load-$((40+2))\n")
# What the guest says when a phase is over.
PHASES = [("firmware", "GNU GRUB"), ("boot loader", "Linux version"), ("kernel", "Run /init as init process"),
          ("initramfs", "systemd .* running in system mode"), ("services", "tandem login: "), ("login", "root@tandem:~# "),
          ("load", "load-42"), ("power-off", "reboot: Power down")]
ANSWERS = {"services": "root\n", "login": LOAD, "load": "systemctl poweroff\n"}
# Seconds on one engine. A new one has to translate all anew: Debian gets nowhere if there are none but short ones.
PAUSES = [0, 0.002, 0.02, 0.3, 0.6]
SHORT_PAUSES = {"firmware": [0, 0.002], "boot loader": [0, 0.002, 0.02, 0.1], "kernel": [0, 0.002, 0.02, 0.1]}  # what is soon through
GRUB_SWITCHES = 50  # at its menu
COMPLAINTS = r"BUG|Oops|rcu: INFO|lost interrupt|timed out|clocksource.*unstable|I/O error|segfault|differ|Caught <|Freezing|endpoint is not connected|Kernel panic"


def check(condition, text):
    if not condition:
        raise Failure(text)


def live(guest, switcher):
    """The number of switches that had been made when each phase was over."""
    until = []
    for phase, end in PHASES:
        switcher.pauses = SHORT_PAUSES.get(phase, PAUSES)
        if phase == "boot loader":
            guest.wait_for("Debian amd64")
            for _ in range(GRUB_SWITCHES):
                switcher.switch()
            guest.send("\n")
        while not (found := re.compile(end).search(guest.said, guest.seen)):
            switcher.switch()
            going_on = guest.read_more(0)
            complaints = [line for line in guest.said.splitlines() if re.search(COMPLAINTS, line)]
            check(going_on and not complaints, f"in the phase {phase!r} {complaints}: {guest.said[-6000:]}")
        guest.seen = found.end()
        until.append(switcher.made)
        print(f"{phase}: over after {switcher.made} switches", flush=True)
        guest.send(ANSWERS.get(phase, ""))
    return until


class Record:
    """One switch, as the trace point has it."""

    def __init__(self, line):
        self.time = float(line.split()[0])
        values = {name: int(value, 0) for name, value in re.findall(r"(\w+)=(\w+)", line)}
        self.vcpu = values["vcpu"]
        if not values["cr0"] & 1:
            self.mode = "real"
        elif not values["cr0"] >> 31:
            self.mode = "protected"
        else:
            self.mode = "user" if values["cs"] & 3 == 3 else "kernel"


def judge_switches(records, until):
    made = [r for r in records if r.vcpu == 0][-until[-1]:]  # without the first look whether there is a KVM
    start = 0
    for (phase, _), end in zip(PHASES, until):
        modes = {m: sum(r.mode == m for r in made[start:end]) for m in MODES}
        print(f"{phase:12} {end - start:5} switches, {made[start].time:7.2f} to {made[end - 1].time:7.2f} s:", modes)
        check(phase == "login" or end - start >= LEAST, f"{phase}: only {end - start} switches")
        start = end
    for mode in MODES:
        count = sum(r.mode == mode for r in made)
        check(count >= LEAST, f"only {count} switches in mode {mode}")
    times = [0.0] + [r.time for r in made]
    gap, at = max((b - a, a) for a, b in zip(times, times[1:]))
    print(f"{until[-1]} switches in all; the longest stretch without one: {gap:.2f} s from {at:.2f} s on")
    check(gap <= MOST_OF_ALL * times[-1], f"{gap:.2f} s without a switch from {at:.2f} s on, of {times[-1]:.2f} s")


def judge_work(text):
    sums = re.findall(r"^sum (\w+)", text, re.MULTILINE)
    check(sums == [SUM] * 5, f"checksums: {sums} instead of {SUM}")
    check(text.count("copy 42") == 5, "the disk gave other bytes back")
    uptimes = [float(t) for t in re.findall(r"^uptime ([\d.]+)", text, re.MULTILINE)]
    check(len(uptimes) > 3 and uptimes == sorted(uptimes), f"time went back: {uptimes}")
    stamps = [float(t) for t in re.findall(r"^\[ *(\d+\.\d+)\]", text, re.MULTILINE)]
    print(len(sums), "checksums,", len(uptimes), "looks at the clock,", len(stamps), "lines of the kernel")


def must(folder, *command):
    done = subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, text=True)
    check(done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def main():
    print("seed", SEED)
    random.seed(SEED)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        must(folder, TANDEM, "img", "create", "disk.qcow2", "1025M", "--backing", MEDIA / "amd64.img")
        with Guest(TANDEM, folder, LIMIT, ["--engine", "jit", "--vcpus", VCPUS, "--display", "none", "--boot", "c", "--trace", "engine",
                                           "--disk", "vdev=hda,target=disk.qcow2"]) as guest:
            while not guest.control.exists():
                guest.left()
            until = live(guest, Switcher(guest.control))
            guest.wait_for_end()
            trace = [line for line in (folder / "errors").read_text().splitlines() if " engine vcpu=" in line]
            judge_switches([Record(line) for line in trace], until)
            judge_work(guest.said)
        must(folder, TANDEM, "img", "check", "disk.qcow2")
        must(folder, TANDEM, "img", "convert", "disk.qcow2", "disk.img")
        must(folder, "e2fsck", "-fn", "disk.img?offset=1048576")


if __name__ == "__main__":
    try:
        main()
    except (Failure, Refused) as failure:
        print("FAILED:", failure)
        sys.exit(1)
