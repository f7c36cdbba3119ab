#!/usr/bin/env python3
"""The window under Xvfb: real key presses, the picture on the screen against the guest's, hot keys, closing.

  window_test.py TANDEM FLOPPY FOLDER_OF_PNG.PY
"""
import ctypes
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time

TANDEM, FLOPPY = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
sys.path.insert(0, sys.argv[3])
import png  # noqa: E402  (of tests/firmware)

LIMIT = 60
TYPED = "Hello, World! 0123 (a-z) [x] {Y} ~;:'\"\\|<>/?"


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_for(condition, what):
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        check(time.monotonic() < end, f"no {what}")
        time.sleep(0.1)
    return found


class Screen:
    """An X server of its own."""

    def __init__(self):
        ours, theirs = os.pipe()
        self.server = subprocess.Popen(["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
                                       pass_fds=[theirs], stderr=subprocess.DEVNULL)
        os.close(theirs)
        with os.fdopen(ours) as numbers:
            self.name = ":" + numbers.readline().strip()

    def close(self):
        self.server.terminate()
        self.server.wait()


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent, with room for all of an XEvent (Xlib.h)."""
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int), ("display", ctypes.c_void_p),
                ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong), ("format", ctypes.c_int), ("data", ctypes.c_long * 5),
                ("rest", ctypes.c_long * 16)]


def click_close(screen, window):
    """What a window manager sends when a window's close button is clicked (ICCCM 4.2.8.1)."""
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XInternAtom.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x.XOpenDisplay(screen.name.encode()))
    atoms = [x.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")]
    event = ClientMessage(type=33, window=window, message_type=atoms[0], format=32)
    event.data[0] = atoms[1]
    x.XSendEvent(display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))
    x.XCloseDisplay(display)


class Guest:
    def __init__(self, folder, screen):
        self.folder = folder
        self.typed = folder / "typed"
        self.environment = dict(os.environ, DISPLAY=screen.name, XDG_RUNTIME_DIR=str(folder), SDL_VIDEODRIVER="x11")
        self.environment.pop("WAYLAND_DISPLAY", None)
        # Nothing says display=sdl: where there is a display, that is what a guest gets.
        self.process = subprocess.Popen([TANDEM, "run", "--name", "in-a-window", "--fda", FLOPPY, "--boot", "a", "--debugcon",
                                         f"file:{self.typed}", "--timeout", str(2 * LIMIT)], cwd=folder, env=self.environment,
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.window = wait_for(lambda: self.x("search", "--name", "in-a-window", fails=True).strip(), "window")

    def run(self, *words, fails=False):
        done = subprocess.run(words, env=self.environment, cwd=self.folder, capture_output=True, timeout=LIMIT)
        check(fails or done.returncode == 0, f"{words}: {done.stderr}")
        return done.stdout

    def x(self, *words, fails=False):
        return self.run("xdotool", *words, fails=fails).decode()

    def title(self):
        return self.x("getwindowname", self.window)

    def text(self):
        return self.typed.read_text(errors="replace") if self.typed.exists() else ""

    def shown(self):
        """Size and RGB rows of the window on the screen, from an X window dump (X11/XWDFile.h)."""
        dump = self.run("xwd", "-silent", "-id", self.window)
        header = struct.unpack(">25I", dump[:100])
        size, width, height, order, bits, line, colors = (header[i] for i in (0, 4, 5, 7, 11, 12, 19))
        check(bits == 32 and order == 0, f"a screen of {bits} bits, order {order}")
        pixels = dump[size + 12 * colors:]
        rows = []
        for y in range(height):
            row = pixels[y * line:y * line + 4 * width]
            rgb = bytearray(3 * width)
            rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
            rows.append(bytes(rgb))
        return width, height, b"".join(rows)

    def own(self):
        self.run(TANDEM, "ctl", "in-a-window", "screenshot", "own.png")
        return png.read(self.folder / "own.png")


def check_picture(guest):
    wait_for(lambda: guest.shown() == guest.own(), "window with the guest's picture")


def check_keys(guest):
    guest.x("mousemove", "--window", guest.window, "100", "100")
    guest.x("windowfocus", "--sync", guest.window)
    guest.x("type", "--delay", "40", TYPED)
    wait_for(lambda: guest.text().endswith(">" + TYPED), f"{TYPED!r}, but {guest.text()!r}")
    check_picture(guest)
    # A modifier that is held while the focus goes away is not stuck.
    guest.x("keydown", "shift")
    guest.run("xdotool", "windowfocus", "--sync", "0", fails=True)
    guest.x("keyup", "shift")
    time.sleep(0.2)
    guest.x("windowfocus", "--sync", guest.window)
    guest.x("type", "--delay", "40", "small")
    wait_for(lambda: guest.text().endswith("small"), f"small letters, but {guest.text()!r}")


def check_hot_keys(guest):
    check(re.fullmatch(r"in-a-window - jit(, .*)?\n", guest.title()), guest.title())
    guest.x("key", "ctrl+alt+e")
    wait_for(lambda: "interp" in guest.title(), "other engine in the title")
    guest.x("key", "ctrl+alt+p")
    wait_for(lambda: "paused" in guest.title(), "pause in the title")
    guest.x("key", "ctrl+alt+p")
    wait_for(lambda: "paused" not in guest.title(), "end of the pause")
    guest.x("key", "ctrl+alt+g")
    wait_for(lambda: "Ctrl+Alt+G" in guest.title(), "grab in the title")
    guest.x("key", "ctrl+alt+g")
    wait_for(lambda: "Ctrl+Alt+G" not in guest.title(), "end of the grab")
    guest.x("key", "ctrl+alt+s")
    wait_for(lambda: (guest.folder / "in-a-window-1.png").exists(), "screenshot")
    text = guest.text()
    guest.x("type", "--delay", "40", "x")
    wait_for(lambda: guest.text() == text + "x", "a key behind hot keys")


def check_sizes(guest):
    """Stretched to another size; back, it is what it was."""
    guest.x("windowsize", "--sync", guest.window, "900", "700")

    def is_letterboxed():
        """A picture of 9:5 leaves the top of a window of 9:7 black. The window is there before it is drawn anew."""
        width, height, rows = guest.shown()
        top = 3 * width * 90
        return (width, height) == (900, 700) and not any(rows[:top]) and any(rows)

    wait_for(is_letterboxed, "picture in the middle of a larger window")
    guest.x("windowsize", "--sync", guest.window, "720", "400")
    check_picture(guest)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        screen = Screen()
        guest = None
        try:
            guest = Guest(pathlib.Path(scratch), screen)
            wait_for(lambda: guest.text().endswith(">"), "prompt")
            check_picture(guest)
            check_keys(guest)
            check_hot_keys(guest)
            check_sizes(guest)
            click_close(screen, int(guest.window))  # a guest that does not listen to its power button
            time.sleep(0.5)
            check(guest.process.poll() is None, "closing the window once ends the guest")
            click_close(screen, int(guest.window))
            check(guest.process.wait(LIMIT) == 0, f"status {guest.process.returncode}: {guest.process.stderr.read()}")
        finally:
            if guest:
                guest.process.kill()
                guest.process.wait()
            screen.close()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
