#!/usr/bin/env python3
"""Runs every workload of tools/bench once, twice over: each must end well, with the same checksum both times.

  workloads_test.py WORKLOADS
"""
import subprocess
import sys


def run(program, *arguments):
    return subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)


def checksums(program):
    done = run(program, "--once")
    if done.returncode != 0:
        sys.exit(f"status {done.returncode}: {done.stdout}{done.stderr}")
    lines = [line.split() for line in done.stdout.splitlines()]
    for line in lines:
        if line[1:] != ["skipped"] and (len(line) != 4 or line[1] != "1" or float(line[2]) <= 0):
            sys.exit(f"unexpected: {line}")
    return {line[0]: line[-1] for line in lines}


def main():
    program = sys.argv[1]
    listed = [line.split()[0] for line in run(program, "--list").stdout.splitlines()]
    first, second = checksums(program), checksums(program)
    if list(first) != listed or len(set(listed)) != len(listed) or not listed:
        sys.exit(f"listed: {listed}, run: {list(first)}")
    if first != second:
        sys.exit(f"checksums differ: {set(first.items()) ^ set(second.items())}")
    for wrong in (["--onse"], ["no-such-workload"]):
        done = run(program, *wrong)
        if done.returncode != 2 or wrong[0] not in done.stderr:
            sys.exit(f"{wrong}: status {done.returncode}, {done.stderr!r}")


if __name__ == "__main__":
    main()
