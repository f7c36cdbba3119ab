#!/usr/bin/env python3
"""Every key of a PC's keyboard reaches Linux as what it is: its own codes, through scan codes and back.

  keys_test.py TANDEM GUEST_FOLDER
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

LIMIT = 200
EV_KEY = 1
# linux/input-event-codes.h: the main keys, the cursor keys and their like, those of ISO, Brazilian and Japanese keyboards, Korean ones,
# keys for sound. F13 to F24 are not asked for: Linux takes older codes than Microsoft's table has.
MAIN = [code for code in range(1, 89) if code not in (84, 85)]
OTHERS = [96, 97, 98, 99, 100, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 119, 125, 126, 127]
JAPANESE = [85, 89, 90, 91, 92, 93, 94, 95, 121, 117, 124]
KOREAN = [122, 123]
SOUND = [113, 114, 115, 163, 164, 165, 166, 158, 159, 172]
KEYS = MAIN + OTHERS + JAPANESE + KOREAN + SOUND
NO_RELEASE = {122, 123}  # sent when pressed alone; the driver lets go by itself
WORK = "sleep 0.2; echo listening; hexdump -v -C /dev/input/event0"


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def events(text):
    """(code, value) of key events in what hexdump printed."""
    data = bytes(int(byte, 16) for line in re.findall(r"^[0-9a-f]{8}  ((?:[0-9a-f]{2} +)+)\|", text, re.MULTILINE) for byte in line.split())
    found = []
    for at in range(0, len(data) - 23, 24):
        kind, code = (int.from_bytes(data[at + n:at + n + 2], "little") for n in (16, 18))
        if kind == EV_KEY:
            found.append((code, int.from_bytes(data[at + 20:at + 24], "little")))
    return found


def main():
    tandem, guest = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        serial = folder / "serial"
        environment = dict(os.environ, XDG_RUNTIME_DIR=scratch)
        process = subprocess.Popen([tandem, "run", guest / "default.cfg", "--name", "keys", "--vif", "type=none", "--display", "none", "--serial", f"file:{serial}",
                                    "--timeout", str(2 * LIMIT), "--cmdline", f'console=ttyS0 quiet run="{WORK}"'], env=environment,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

        def text():
            return serial.read_text(errors="replace") if serial.exists() else ""

        def wait_for(condition, what):
            end = time.monotonic() + LIMIT
            while not condition():
                check(process.poll() is None and time.monotonic() < end, what)
                time.sleep(0.1)
        try:
            wait_for(lambda: "listening" in text(), "the guest does not listen")
            # SysRq with other keys is for the kernel: it comes first and alone.
            for key in [99] + [k for k in KEYS if k != 99]:
                subprocess.run([tandem, "ctl", "keys", "send-keys", f"#{key}"], env=environment, check=True)
            # hexdump writes lines of 16 bytes: the last event may lack its end.
            for _ in range(3):
                subprocess.run([tandem, "ctl", "keys", "send-keys", "#28"], env=environment, check=True)
            wait_for(lambda: sum(1 for e in events(text()) if e == (28, 1)) >= 3, "the last keys do not come")
            seen = events(text())
            missing = [k for k in KEYS if (k, 1) not in seen or (k not in NO_RELEASE and (k, 0) not in seen)]
            strange = sorted({code for code, _ in seen} - set(KEYS))
            check(not missing and not strange, f"keys that did not come: {missing}; others came: {strange}")
        finally:
            process.kill()
            process.wait()
    print(f"{len(KEYS)} keys")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
