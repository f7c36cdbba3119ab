#!/usr/bin/env python3
"""A Linux guest with virtio's display, keyboard and tablet in a window: its picture, places of the pointer, keys, and the window's size.

  linux_test.py TANDEM GUEST_FOLDER FOLDER_OF_PNG.PY
"""
import pathlib
import re
import subprocess
import sys
import tempfile

from screen import LIMIT, Failure, Screen, check, wait_for

TANDEM, GUEST = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
sys.path.insert(0, sys.argv[3])
import png  # noqa: E402  (of tests/firmware)

KEYBOARD, TABLET = 1, 2  # their serial ports
RANGE, WIDTH, HEIGHT = 0x7FFF, 1280, 800
# linux/input-event-codes.h
EV_KEY, EV_ABS, ABS_X, ABS_Y, BTN_LEFT, KEY_A, KEY_LEFTSHIFT = 1, 3, 0, 1, 0x110, 30, 42
WORK = ("echo 0 > /sys/class/graphics/fbcon/cursor_blink; for e in /dev/input/event*; do case $(cat /sys/class/input/${e##*/}/device/name) in "
        "*keyboard) t=1 ;; *tablet) t=2 ;; *) continue ;; esac; hexdump -v -C $e > /dev/ttyS$t & done; sleep 1; echo listening > /dev/ttyS0; "
        "sleep 1000")


class Window:
    def __init__(self, screen):
        self.screen = screen
        self.serials = [screen.folder / name for name in ("console", "keyboard", "tablet")]
        self.process = subprocess.Popen([TANDEM, "run", GUEST / "default.cfg", "--name", "in-linux", "--vga", "virtio", "--vif", "type=none",
                                         *(word for path in self.serials for word in ("--serial", f"file:{path}")),
                                         "--timeout", str(3 * LIMIT), "--cmdline",
                                         f'console=ttyS0 console=tty0 quiet run="{WORK}"'], cwd=screen.folder, env=screen.environment,
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.id = screen.find("^in-linux", self.process)
        wait_for(lambda: "listening" in self.text(0), lambda: f"guest that listens, but {self.text(0)[-2000:]}")
        screen.focus(self.id)

    def text(self, port):
        return self.serials[port].read_text(errors="replace") if self.serials[port].exists() else ""

    def events(self, port):
        """(type, code, value), of struct input_event as hexdump -C shows it: 24 bytes on one and a half lines."""
        found = []
        data = bytes(int(b, 16) for line in re.findall(r"^[0-9a-f]{8}  ((?:[0-9a-f]{2} +)+)\|", self.text(port), re.MULTILINE) for b in line.split())
        for at in range(0, len(data) - 23, 24):
            found.append((int.from_bytes(data[at + 16:at + 18], "little"), int.from_bytes(data[at + 18:at + 20], "little"),
                          int.from_bytes(data[at + 20:at + 24], "little")))
        return found

    def picture(self):
        """Below the menu bar."""
        width, height, rows = self.screen.shown(self.id)
        bar = height - self.own()[1]
        return width, height - bar, rows[bar:]

    def own(self):
        path = self.screen.folder / "own.png"
        self.screen.run(TANDEM, "ctl", "in-linux", "screenshot", path)
        width, height, rgb = png.read(path)
        return width, height, [rgb[3 * width * y:3 * width * (y + 1)] for y in range(height)]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def check_picture(window, size):
    def same():
        own = window.own()
        return own[:2] == size and any(any(row) for row in own[2]) and window.picture() == own
    wait_for(same, lambda: f"picture of {size} in the window: {window.own()[:2]}, {window.screen.shown(window.id)[:2]}")


def check_pointer(window, size):
    """Each place of the picture, without a grab."""
    width, height = size
    bar = window.screen.shown(window.id)[1] - height
    for x, y in [(width // 2, height // 4), (width - 1, height - 1), (17, 23)]:
        window.screen.x("mousemove", "--window", window.id, x, y + bar)
        wanted = {(EV_ABS, ABS_X, x * RANGE // (width - 1)), (EV_ABS, ABS_Y, y * RANGE // (height - 1))}
        wait_for(lambda: wanted <= set(window.events(TABLET)), lambda: f"{wanted} in {window.events(TABLET)[-12:]}")
    window.screen.x("click", 1)
    wait_for(lambda: {(EV_KEY, BTN_LEFT, 1), (EV_KEY, BTN_LEFT, 0)} <= set(window.events(TABLET)), lambda: f"click in {window.events(TABLET)[-12:]}")
    check("Ctrl+Alt+G" not in window.screen.x("getwindowname", window.id), "the click takes the pointer")


def check_keys(window):
    window.screen.x("key", "shift+a")
    wanted = {(EV_KEY, KEY_LEFTSHIFT, 1), (EV_KEY, KEY_A, 1), (EV_KEY, KEY_A, 0), (EV_KEY, KEY_LEFTSHIFT, 0)}
    wait_for(lambda: wanted <= set(window.events(KEYBOARD)), lambda: f"{wanted} in {window.events(KEYBOARD)[-12:]}")


def check_size(window):
    """The guest's mode becomes what the window's size is. The console that Linux draws itself can only shrink."""
    bar = window.screen.shown(window.id)[1] - HEIGHT
    for width, height in [(1024, 700), (1200, 768)]:
        window.screen.x("windowsize", "--sync", window.id, width, height + bar)
        check_picture(window, (width, height))
        check_pointer(window, (width, height))


def main():
    with tempfile.TemporaryDirectory() as scratch:
        screen, window = Screen(pathlib.Path(scratch)), None
        try:
            window = Window(screen)
            check_picture(window, (WIDTH, HEIGHT))
            check_pointer(window, (WIDTH, HEIGHT))
            check_keys(window)
            check_size(window)
        finally:
            if window:
                window.end()
            screen.close()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
