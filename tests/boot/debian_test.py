#!/usr/bin/env python3
"""Boots Debian's kernel to its shell by the tandem program, on one engine, and checks its end.

  debian_test.py TANDEM GUEST_FOLDER ENGINE VCPUS JIT MEMORY_CHECK

MEMORY_CHECK: "none" in a build with sanitizers, whose own memory is in the way; otherwise "memory".
"""
import json
import pathlib
import subprocess
import sys
import tempfile

LIMIT = 240  # seconds
MAX_OVERHEAD_KIB = 150 * 1024


def run(tandem, folder, engine, vcpus, jit, stats):
    command = ("cat /proc/cpuinfo | grep -c processor; echo 6*7 | bc; "
               "dd if=/dev/zero bs=1M count=8 2>/dev/null | md5sum; echo all-done")
    arguments = [tandem, "run", folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--jit", jit, "--timeout", str(LIMIT),
                 "--cmdline", f'console=ttyS0 run="{command}"', "--stats", stats,
                 "--expect", "Linux version", "--expect", "To end: poweroff", "--expect", f"^{vcpus}$",
                 "--expect", "^42$", "--expect", "96995b58d4cbf6aaa9041b4f00c7f6ae", "--expect", "^all-done",
                 "--expect", "Power down"]
    return subprocess.run(["/usr/bin/env", "python3", "-c", RESIDENT, *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)


# Runs its arguments and says the largest resident size, which only a parent learns.
RESIDENT = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print("resident", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def main():
    tandem, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    engine, vcpus, jit, memory_check = sys.argv[3:7]
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        stats = pathlib.Path(scratch) / "stats.json"
        done = run(tandem, folder, engine, vcpus, jit, stats)
        print(done.stdout[-4000:], done.stderr, sep="\n")
        if done.returncode != 0:
            print(f"status {done.returncode}, 0 expected")
            return 1
        figures = json.loads(stats.read_text())
    if figures["engine"] != engine or not figures["retired"][engine] > 500_000_000:
        print(f"implausible figures: {figures}")
        return 1
    resident = int(done.stderr.split("resident ")[1].split()[0])
    if memory_check == "memory" and resident > 512 * 1024 + MAX_OVERHEAD_KIB:
        print(f"{resident} KiB resident for 512 MiB of guest memory")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
