#!/usr/bin/env python3
"""Boots one of Debian's kernels to its shell by the tandem program, on one engine, and checks its end.

  debian_test.py TANDEM GUEST_FOLDER ENGINE VCPUS JIT SANITIZERS

SANITIZERS: as meson's b_sanitize. Other than "none", they take memory, which is then not checked, and time.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

LIMIT = 240  # seconds
SANITIZED_LIMIT = 2400
MAX_OVERHEAD_KIB = 150 * 1024
# What the kernel says where something went wrong that did not stop it; nothing that a slow host could cause.
COMPLAINT = re.compile(r"^\[[ .0-9]+\] (WARNING: CPU|BUG: |traps: |\S+: segfault|alg: .*(fail|mismatch))", re.IGNORECASE | re.MULTILINE)


def run(tandem, folder, engine, vcpus, jit, limit, stats):
    command = ("cat /proc/cpuinfo | grep -c processor; echo 6*7 | bc; "
               "dd if=/dev/zero bs=1M count=8 2>/dev/null | md5sum; echo all-done")
    arguments = [tandem, "run", folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--jit", jit, "--timeout", limit,
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
    engine, vcpus, jit, sanitizers = sys.argv[3:7]
    sanitized = sanitizers != "none"
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        stats = pathlib.Path(scratch) / "stats.json"
        done = run(tandem, folder, engine, vcpus, jit, SANITIZED_LIMIT if sanitized else LIMIT, stats)
        print(done.stdout[-4000:], done.stderr, sep="\n")
        if done.returncode != 0:
            print(f"status {done.returncode}, 0 expected")
            return 1
        if complaint := COMPLAINT.search(done.stdout):
            print(f"the kernel complains: {complaint[0]}")
            return 1
        figures = json.loads(stats.read_text())
    if figures["engine"] != engine or not figures["retired"][engine] > 500_000_000:
        print(f"implausible figures: {figures}")
        return 1
    resident = int(done.stderr.split("resident ")[1].split()[0])
    if not sanitized and resident > 512 * 1024 + MAX_OVERHEAD_KIB:
        print(f"{resident} KiB resident for 512 MiB of guest memory")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
