"""The real gdb in batch mode, for tests on one engine, and how these end."""
import os
import re
import subprocess
import sys

LIMIT = 200


class Failure(Exception):
    pass


class Refused(Exception):
    """The host refuses this engine: a KVM that is too slow just now."""


def check_refused(status, text):
    """text: what tandem said on standard error."""
    if status == 3 and "engine kvm:" in text:
        raise Refused(text.strip())


def check(condition, text):
    if not condition:
        raise Failure(text)


def gdb(place, commands, **more):
    """What it prints."""
    arguments = ["gdb", "-nx", "-batch", "-ex", "set confirm off", "-ex", "set pagination off", "-ex", "set width 0"]
    for command in [f"target remote {place}", *commands]:
        arguments += ["-ex", command]
    return subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT,
                          **more).stdout


def says(text, *patterns):
    """All patterns are there, in this order."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.MULTILINE).search(text, at)
        check(found, f"no {pattern!r} behind character {at} of:\n{text}")
        at = found.end()


def end_with(test, engine):
    """The status that meson takes for failed or skipped."""
    if engine == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("SKIP: no /dev/kvm here")
        sys.exit(77)
    try:
        test()
    except Failure as failure:
        print(failure)
        sys.exit(1)
    except Refused as refused:
        print("SKIP:", refused)
        sys.exit(77)
