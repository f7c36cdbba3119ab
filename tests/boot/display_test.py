#!/usr/bin/env python3
"""A guest that is booted directly, with a display and a keyboard and a tablet on virtio: what it draws is what is shown,
what is typed and pointed at arrives, and it hears of a size that the user wants.

  display_test.py TANDEM GUEST_FOLDER ENGINE VCPUS VIRTIO    VIRTIO: packed, split, mmio
"""
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "start"))
from guest import Failure, Guest  # noqa: E402

LIMIT = 200  # seconds
WIDTH, HEIGHT, DRAWN_ROWS = 1280, 800, 64
SMALLER = (1024, 700)  # the console that Linux draws itself keeps its memory, so its display can only shrink
# linux/input-event-codes.h
EV_KEY, EV_ABS, KEY_T, KEY_V, BTN_LEFT, ABS_X, ABS_Y = 1, 3, 20, 47, 0x110, 0, 1


def wait_until(condition, what):
    """what: says how it is instead."""
    for _ in range(400):
        if condition():
            return
        time.sleep(0.1)
    raise Failure(what())


def said(guest, command):
    return guest.run(command).replace("\r", "").strip()


def check_picture(guest):
    """Known pixels into the frame buffer's first rows, by a file that the guest makes itself."""
    if said(guest, "cat /sys/class/graphics/fb0/virtual_size") != f"{WIDTH},{HEIGHT}":
        raise Failure(f"the frame buffer has another size: {guest.said[-500:]!r}")
    guest.run("echo 0 > /sys/class/graphics/fbcon/cursor_blink; printf '\\033[2J\\033[?25l' > /dev/tty0")
    guest.run(f"seq 1 200000 | head -c {WIDTH * 4 * DRAWN_ROWS} > /tmp/pixels; cat /tmp/pixels > /dev/fb0")
    expected = "".join(f"{i}\n" for i in range(1, 200001))[:WIDTH * 4 * DRAWN_ROWS].encode()
    want = b"".join(expected[i + 2:i + 3] + expected[i + 1:i + 2] + expected[i:i + 1] for i in range(0, len(expected), 4))
    shown = []

    def same():
        width, height, pixels = guest.picture()
        shown[:] = [(width, height), sum(a != b for a, b in zip(pixels, want))]
        return (width, height) == (WIDTH, HEIGHT) and pixels[:len(want)] == want

    wait_until(same, lambda: f"the picture is another: {shown}")


def events(data):
    """struct input_event: two words of time, then type, code, value."""
    return [(kind, code, value) for _, _, kind, code, value in struct.iter_unpack("<QQHHi", data)]


def device_of(guest, name):
    return said(guest, f"for d in /sys/class/input/event*; do grep -q '{name}' $d/device/name && basename $d; done")


def check_input(guest):
    keyboard, tablet = device_of(guest, "Tandem keyboard"), device_of(guest, "Tandem tablet")
    guest.run(f"cat /dev/input/{keyboard} > /tmp/keys & cat /dev/input/{tablet} > /tmp/places & usleep 200000")
    guest.must_ctl("send-keys", "t", "shift-v")
    guest.must_ctl("mouse", "point", 1234, 23456)
    guest.must_ctl("mouse", "click", "left")

    def seen(file):
        text = said(guest, f"hexdump -v -e '1/1 \"%02x\"' /tmp/{file}")
        return events(bytes.fromhex(text.split()[-1])) if text else []

    for file, wanted in [("keys", [(EV_KEY, KEY_T, 1), (EV_KEY, KEY_T, 0), (EV_KEY, KEY_V, 1), (EV_KEY, KEY_V, 0)]),
                         ("places", [(EV_ABS, ABS_X, 1234), (EV_ABS, ABS_Y, 23456), (EV_KEY, BTN_LEFT, 1), (EV_KEY, BTN_LEFT, 0)])]:
        wait_until(lambda: set(wanted) <= set(seen(file)), lambda: f"{file}: {seen(file)}, wanted {wanted}")


def check_size(guest):
    modes = said(guest, "cat /sys/class/drm/card0-Virtual-1/modes").split()
    if f"{WIDTH}x{HEIGHT}" not in modes[:1]:
        raise Failure(f"the display's modes are {modes}")
    guest.must_ctl("display-size", *SMALLER)

    wait_until(lambda: guest.picture()[:2] == SMALLER, lambda: f"the guest does not take the size that is wanted: {guest.picture()[:2]}")
    name = bytes.fromhex(said(guest, "hexdump -v -e '1/1 \"%02x\"' /sys/class/drm/card0-Virtual-1/edid").split()[-1])
    if len(name) != 128 or b"Tandem" not in name:
        raise Failure("the guest does not see who made the display")


def check(tandem, folder, engine, vcpus, virtio, scratch):
    options = [folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--vif", "type=none", "--display", "none", "--vga", "virtio",
               "--virtio", virtio]
    with Guest(tandem, scratch, LIMIT, options) as guest:
        guest.wait_for("/root # ")
        guest.run("stty -echo")
        check_picture(guest)
        check_input(guest)
        check_size(guest)
        guest.send("poweroff -f\n")
        guest.wait_for_end()


def main():
    tandem, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        try:
            check(tandem, folder, *sys.argv[3:6], pathlib.Path(scratch))
        except (Failure, OSError, ValueError, subprocess.SubprocessError) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
