#!/usr/bin/env python3
"""Runs the stress program on the host and in a guest: every line must be the same.

  stress_test.py STRESS TANDEM GUEST_FOLDER BENCH_FOLDER ENGINE VCPUS JIT SCALE SEED
"""
import difflib
import pathlib
import subprocess
import sys
import tempfile

LIMIT = 280  # seconds
PREFIX = "stress: "


def lines_of(output):
    return [line[line.index(PREFIX):].strip() for line in output.splitlines() if PREFIX in line]


def native(program, arguments):
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
    return lines_of(done.stdout)


def guest(tandem, folder, ramdisk, options, arguments):
    command = [tandem, "run", folder / "default.cfg", "--ramdisk", ramdisk, *options, "--timeout", LIMIT, "--cmdline",
               f'console=ttyS0 quiet run="/stress/stress {" ".join(arguments)}"']
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"status {done.returncode}", done.stdout[-4000:], done.stderr, sep="\n")
    return done.returncode == 0, lines_of(done.stdout)


def main():
    program, tandem, folder, bench = (pathlib.Path(a).resolve() for a in sys.argv[1:5])
    engine, vcpus, jit, scale, seed = sys.argv[5:]
    sys.path.insert(0, str(bench))
    import initramfs

    arguments = ["--scale", scale, "--seed", seed]
    expected = native(program, arguments)
    if expected[-1:] != ["stress: done"]:
        print("on the host:", *expected, sep="\n")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        ramdisk = pathlib.Path(scratch) / "initrd.gz"
        initramfs.with_program(folder / "initrd.gz", program, ramdisk, "stress/stress")
        ok, seen = guest(tandem, folder, ramdisk, ["--engine", engine + "!", "--vcpus", vcpus, "--jit", jit], arguments)
    differences = list(difflib.unified_diff(expected, seen, "host", "guest", lineterm="", n=0))
    print(*(differences or [f"{len(seen)} lines agree"]), sep="\n")
    return 0 if ok and not differences else 1


if __name__ == "__main__":
    sys.exit(main())
