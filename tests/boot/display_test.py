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
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "firmware"))
import png  # noqa: E402

LIMIT = 200  # seconds
WIDTH, HEIGHT, DRAWN_ROWS = 1280, 800, 64
SMALLER = (1024, 700)  # the console that Linux draws itself keeps its memory, so its display can only shrink
# linux/input-event-codes.h
EV_KEY, EV_ABS, KEY_T, KEY_V, BTN_LEFT, ABS_X, ABS_Y = 1, 3, 20, 47, 0x110, 0, 1


class Failure(Exception):
    pass


class Guest:
    """Its shell on a port of a virtio console would be one device more; the serial port does."""

    def __init__(self, tandem, folder, engine, vcpus, virtio, scratch):
        self.tandem, self.control = tandem, scratch / "control"
        self.process = subprocess.Popen([str(a) for a in [
            tandem, "run", folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--timeout", LIMIT, "--vif", "type=none",
            "--display", "none", "--vga", "virtio", "--virtio", virtio, "--control", self.control, "--cmdline", "console=ttyS0 quiet"]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.watchdog = threading.Timer(LIMIT, self.process.kill)
        self.watchdog.start()
        self.text = ""
        self.read_until("# ")
        self.run("stty -echo; PS1=")

    def read_until(self, words):
        start = len(self.text)
        while words not in self.text[start:]:
            data = self.process.stdout.read1(1 << 16).decode(errors="replace")
            if not data:
                raise Failure(f"{words!r} never came; the guest said: {self.text[-3000:]}")
            self.text += data
        return self.text[start:].split(words)[0]

    def run(self, command):
        self.process.stdin.write(f"{command}; echo do''ne\n".encode())
        self.process.stdin.flush()
        return self.read_until("done").replace("\r", "").strip()

    def ctl(self, *words):
        done = subprocess.run([self.tandem, "ctl", self.control, *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"ctl {words}: {done.stderr}")


def wait_until(what, condition):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.1)
    raise Failure(what)


def check_picture(guest, scratch):
    """Random pixels into the frame buffer's first rows, by a file that the guest makes itself."""
    if guest.run("cat /sys/class/graphics/fb0/virtual_size") != f"{WIDTH},{HEIGHT}":
        raise Failure("the frame buffer has another size")
    guest.run("echo 0 > /sys/class/graphics/fbcon/cursor_blink; printf '\\033[2J\\033[?25l' > /dev/tty0")
    guest.run(f"seq 1 200000 | head -c {WIDTH * 4 * DRAWN_ROWS} > /tmp/pixels; cat /tmp/pixels > /dev/fb0")
    expected = "".join(f"{i}\n" for i in range(1, 200001))[:WIDTH * 4 * DRAWN_ROWS].encode()
    want = b"".join(expected[i + 2:i + 3] + expected[i + 1:i + 2] + expected[i:i + 1] for i in range(0, len(expected), 4))
    shown = []

    def same():
        guest.ctl("screenshot", scratch / "shown.png")
        width, height, pixels = png.read(scratch / "shown.png")
        shown[:] = [(width, height), sum(a != b for a, b in zip(pixels, want))]
        return (width, height) == (WIDTH, HEIGHT) and pixels[:len(want)] == want

    wait_until(f"the picture is another: {shown}", same)


def events(data):
    """struct input_event: two words of time, then type, code, value."""
    return [(kind, code, value) for _, _, kind, code, value in struct.iter_unpack("<QQHHi", data)]


def device_of(guest, name):
    return guest.run(f"for d in /sys/class/input/event*; do grep -q '{name}' $d/device/name && basename $d; done")


def check_input(guest):
    keyboard, tablet = device_of(guest, "Tandem keyboard"), device_of(guest, "Tandem tablet")
    guest.run(f"cat /dev/input/{keyboard} > /tmp/keys & cat /dev/input/{tablet} > /tmp/places & usleep 200000")
    guest.ctl("send-keys", "t", "shift-v")
    guest.ctl("mouse", "point", 1234, 23456)
    guest.ctl("mouse", "click", "left")

    def seen(file):
        text = guest.run(f"hexdump -v -e '1/1 \"%02x\"' /tmp/{file}")
        return events(bytes.fromhex(text.split()[-1])) if text else []

    for file, wanted in [("keys", [(EV_KEY, KEY_T, 1), (EV_KEY, KEY_T, 0), (EV_KEY, KEY_V, 1), (EV_KEY, KEY_V, 0)]),
                         ("places", [(EV_ABS, ABS_X, 1234), (EV_ABS, ABS_Y, 23456), (EV_KEY, BTN_LEFT, 1), (EV_KEY, BTN_LEFT, 0)])]:
        wait_until(f"{file}: {seen(file)}, wanted {wanted}", lambda: set(wanted) <= set(seen(file)))


def check_size(guest, scratch):
    modes = guest.run("cat /sys/class/drm/card0-Virtual-1/modes").split()
    if f"{WIDTH}x{HEIGHT}" not in modes[:1]:
        raise Failure(f"the display's modes are {modes}")
    guest.ctl("display-size", *SMALLER)

    def shown():
        guest.ctl("screenshot", scratch / "shown.png")
        return png.read(scratch / "shown.png")[:2]

    wait_until(f"the guest does not take the size that is wanted: {shown()}", lambda: shown() == SMALLER)
    name = bytes.fromhex(guest.run("hexdump -v -e '1/1 \"%02x\"' /sys/class/drm/card0-Virtual-1/edid").split()[-1])
    if len(name) != 128 or b"Tandem" not in name:
        raise Failure("the guest does not see who made the display")


def check(tandem, folder, engine, vcpus, virtio, scratch):
    guest = Guest(tandem, folder, engine, vcpus, virtio, scratch)
    try:
        check_picture(guest, scratch)
        check_input(guest)
        check_size(guest, scratch)
        guest.process.stdin.write(b"poweroff\n")
        guest.process.stdin.close()
        if guest.process.wait(LIMIT):
            raise Failure(f"status {guest.process.returncode}")
    finally:
        guest.watchdog.cancel()
        guest.process.kill()
        guest.process.wait()


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
