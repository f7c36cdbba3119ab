#!/usr/bin/env python3
"""Keys and the pointer, sent over the control socket, as Linux' drivers report them to programs: by PS/2, and by USB.

  input_test.py TANDEM GUEST_FOLDER ENGINE VCPUS BUS    BUS: ps2, usb
"""
import base64
import pathlib
import re
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "start"))
from guest import Failure, Guest  # noqa: E402

LIMIT = 240  # seconds
EV_KEY, EV_REL, EV_ABS = 1, 2, 3
KEY_LEFTSHIFT, KEY_A, KEY_B, KEY_UP, BTN_LEFT, BTN_RIGHT = 42, 30, 48, 103, 272, 273
REL_X, REL_Y, REL_WHEEL, REL_WHEEL_HI_RES, ABS_X, ABS_Y = 0, 1, 8, 11, 0, 1
NAMES = {"ps2": ("AT Translated Set 2 keyboard", "ImPS/2 Generic Wheel Mouse"), "usb": ("Tandem USB Keyboard", "Tandem USB Tablet")}
KEYS = [(EV_KEY, KEY_LEFTSHIFT, 1), (EV_KEY, KEY_A, 1), (EV_KEY, KEY_A, 0), (EV_KEY, KEY_LEFTSHIFT, 0), (EV_KEY, KEY_B, 1), (EV_KEY, KEY_B, 0),
        (EV_KEY, KEY_UP, 1), (EV_KEY, KEY_UP, 0)]
CLICKS = [(EV_KEY, BTN_LEFT, 1), (EV_KEY, BTN_LEFT, 0), (EV_KEY, BTN_RIGHT, 1), (EV_KEY, BTN_RIGHT, 0)]
MOVES = {"ps2": [(EV_REL, REL_X, 30), (EV_REL, REL_Y, -20), *CLICKS, (EV_REL, REL_WHEEL, 2)],
         "usb": [(EV_ABS, ABS_X, 12345), (EV_ABS, ABS_Y, 321), *CLICKS, (EV_REL, REL_WHEEL, 2), (EV_REL, REL_WHEEL_HI_RES, 240)]}


def event_device(guest, name):
    for _ in range(100):
        blocks = guest.run("cat /proc/bus/input/devices").replace("\r", "").split("\n\n")
        for block in blocks:
            if f'Name="{name}"' in block:
                return re.search(r"event\d+", block)[0]
        guest.run("usleep 100000")
    raise Failure(f"the guest has no {name!r}")


def read_events(guest):
    raw = base64.b64decode(re.sub(r"\s", "", guest.run("base64 /tmp/events")))
    every = [struct.unpack_from("<HHi", raw, at + 16) for at in range(0, len(raw) - 23, 24)]
    return [e for e in every if e[0] in (EV_KEY, EV_REL, EV_ABS)]


def expect_events(guest, device, act, wanted):
    """What comes from the device while act() is carried out."""
    guest.run(f"(cat /dev/input/{device} > /tmp/events & echo $! > /tmp/reader)")  # no job of this shell, which would tell of its end
    while "/dev/input" not in guest.run("ls -l /proc/$(cat /tmp/reader)/fd"):
        pass
    act()
    while len(read_events(guest)) < len(wanted):  # the guest's time limit ends it
        guest.run("usleep 100000")
    guest.run("usleep 200000; kill $(cat /tmp/reader)")
    if (got := read_events(guest)) != wanted:
        raise Failure(f"{got}, {wanted} expected")


def point(guest, bus):
    if bus == "ps2":
        guest.must_ctl("mouse", "move", 30, -20)
    else:
        guest.must_ctl("mouse", "point", 12345, 321)
    guest.must_ctl("mouse", "click", "left")
    guest.must_ctl("mouse", "click", "right")
    guest.must_ctl("mouse", "move", 0, 0, 2)


def check(tandem, guest_folder, engine, vcpus, bus, folder):
    usb = ["--usbdevice", "tablet", "--usbdevice", "keyboard"] if bus == "usb" else []
    options = [guest_folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--display", "none", "--vif", "type=none", *usb]
    with Guest(tandem, folder, LIMIT, options) as guest:
        guest.wait_for("/root # ")
        guest.run("stty -echo; modprobe -a evdev psmouse usbhid hid-generic")
        keyboard, pointer = (event_device(guest, name) for name in NAMES[bus])
        expect_events(guest, keyboard, lambda: guest.must_ctl("send-keys", "shift-a", "b", "up"), KEYS)
        expect_events(guest, pointer, lambda: point(guest, bus), MOVES[bus])
        if bus == "ps2" and guest.ctl("mouse", "point", 1, 1).returncode == 0:
            raise Failure("a guest without a tablet takes points")
        guest.send("poweroff -f\n")
        guest.wait_for_end()


def main():
    tandem, guest_folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    engine, vcpus, bus = sys.argv[3:6]
    if not (guest_folder / "default.cfg").exists():
        print(f"{guest_folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(tandem, guest_folder, engine, vcpus, bus, pathlib.Path(folder))
        except Failure as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
