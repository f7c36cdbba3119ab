#!/usr/bin/env python3
"""The window under Xvfb: real key presses and clicks, the picture on the screen against the guest's, menu, closing.

  window_test.py TANDEM FLOPPY FOLDER_OF_PNG.PY
"""
import ctypes
import pathlib
import re
import sys
import tempfile
import time

from screen import LIMIT, Failure, Guest, Screen, check, wait_for

TANDEM, FLOPPY = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
sys.path.insert(0, sys.argv[3])
import png  # noqa: E402  (of tests/firmware)

TYPED = "Hello, World! 0123 (a-z) [x] {Y} ~;:'\"\\|<>/?"


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
    event = ClientMessage(type=33, window=int(window), message_type=atoms[0], format=32)
    event.data[0] = atoms[1]
    x.XSendEvent(display, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), ctypes.byref(event))
    x.XCloseDisplay(display)


class Window:
    """A guest and its window."""

    def __init__(self, screen, name, *words):
        self.screen = screen
        started = time.monotonic()
        # Nothing says display=sdl: where there is a display, that is what a guest gets.
        self.guest = Guest(screen, TANDEM, FLOPPY, name, *words)
        self.id = screen.find(f"^{name}", self.guest.process)
        print(f"{name}: a window after {time.monotonic() - started:.1f} s")
        wait_for(lambda: self.guest.typed() is not None, "prompt")
        screen.focus(self.id)

    def title(self):
        return self.screen.x("getwindowname", self.id)

    def key(self, *keys):
        self.screen.x("key", *keys)

    def type(self, text):
        self.screen.x("type", "--delay", "40", text)

    def move(self, x, y):
        self.screen.x("mousemove", "--window", self.id, x, y)

    def click(self, x, y, button=1):
        self.move(x, y)
        self.screen.x("click", button)

    def size(self):
        return self.screen.shown(self.id)[:2]

    def bar(self, scale=1):
        """Pixels of the menu bar, above a picture of 400 rows."""
        return self.size()[1] - 400 * scale

    def picture(self, scale=1):
        width, height, rows = self.screen.shown(self.id)
        return width, height - self.bar(scale), rows[self.bar(scale):]

    def shows_the_guest(self):
        return self.picture() == self.guest.own_picture(png)

    def end(self):
        self.guest.end()


def check_picture(window):
    wait_for(window.shows_the_guest, "window with the guest's picture")
    bar = window.screen.shown(window.id)[2][:window.bar()]
    check(len(bar) > 10 and all(any(row) for row in bar[2:-2]), "no menu bar")


def check_keys(window):
    window.type(TYPED)
    wait_for(lambda: window.guest.typed() == TYPED, lambda: f"{TYPED!r}, but {window.guest.typed()!r}")
    check_picture(window)
    # A modifier that is held while the focus goes away is not stuck.
    window.screen.x("keydown", "shift")
    window.screen.focus(window.screen.other_program())
    window.screen.x("keyup", "shift")
    time.sleep(0.2)
    window.screen.focus(window.id)
    window.type("small")
    wait_for(lambda: window.guest.typed().endswith("small"), lambda: f"small letters, but {window.guest.typed()!r}")


def check_hot_keys(window):
    check(re.fullmatch(r"in-a-window - jit\n", window.title()), window.title())
    window.key("ctrl+alt+e")
    wait_for(lambda: "interp" in window.title(), "other engine in the title")
    window.key("ctrl+alt+p")
    wait_for(lambda: "paused" in window.title(), "pause in the title")
    window.key("ctrl+alt+p")
    wait_for(lambda: "paused" not in window.title(), "end of the pause")
    window.key("ctrl+alt+s")
    wait_for((window.screen.folder / "in-a-window-1.png").exists, "screenshot")
    text = window.guest.typed()
    window.type("x")
    wait_for(lambda: window.guest.typed() == text + "x", "a key behind hot keys")


def check_restarts(window):
    """Ctrl+Alt+Del, which the firmware obeys, and the reset button."""
    for letter in "dr":
        before = window.guest.starts()
        window.key(f"ctrl+alt+{letter}")
        wait_for(lambda: window.guest.starts() == before + 1, lambda: f"start after Ctrl+Alt+{letter.upper()}, but {window.guest.starts()} of {before}")
        window.type("again")
        wait_for(lambda: window.guest.typed() == "again", lambda: f"again, but {window.guest.typed()!r}")


def check_pointer(window):
    """Without a tablet: a click takes the pointer, Ctrl+Alt+G lets it go."""
    before = len(window.guest.reports())

    def reports():
        return window.guest.reports()[before:]
    window.move(300, 200)
    time.sleep(0.2)
    check(not reports(), f"the mouse moved outside of the guest's reach: {reports()}")
    window.screen.x("click", 1)
    wait_for(lambda: "Ctrl+Alt+G" in window.title(), "grab in the title")
    check(not reports(), f"the click that takes the pointer is the guest's: {reports()}")
    window.screen.x("mousemove_relative", 7, 5)
    wait_for(lambda: reports() == "[28 07 FB]", lambda: f"movement: {reports()}")  # y is upwards
    window.screen.x("click", 3)
    wait_for(lambda: reports() == "[28 07 FB][0A 00 00][08 00 00]", lambda: f"click: {reports()}")
    window.key("ctrl+alt+g")
    wait_for(lambda: "Ctrl+Alt+G" not in window.title(), "end of the grab")
    reported = reports()
    window.screen.x("mousemove_relative", 3, 3)
    time.sleep(0.2)
    check(reports() == reported, f"movement after the grab: {reports()}")


def check_menu(window):
    text = window.guest.typed()
    window.click(30, 10)  # Machine
    wait_for(lambda: not window.shows_the_guest(), "menu over the picture")
    window.click(40, 38)  # its first item
    wait_for(lambda: "paused" in window.title(), "pause by the menu")
    wait_for(window.shows_the_guest, "picture without the menu")
    window.key("ctrl+alt+n")  # the same by keys
    wait_for(lambda: not window.shows_the_guest(), "menu by its key")
    window.key("Return")
    wait_for(lambda: "paused" not in window.title(), "end of the pause by the menu")
    window.key("ctrl+alt+n")
    window.key("Escape")
    wait_for(window.shows_the_guest, "picture after Escape")
    check(window.guest.typed() == text, f"the guest has the menu's keys: {window.guest.typed()!r}")
    window.key("ctrl+alt+i")
    wait_for(lambda: not window.shows_the_guest(), "statistics")
    width, height, rows = window.picture()
    own = window.guest.own_picture(png)[2]
    # Top right: everything else is the guest's, up to a cursor that blinks.
    check(any(any(row[3 * (width - 100):]) for row in rows[:100]), "nothing at the top right")
    check(rows[200:] == own[200:], "statistics over all of the picture")
    window.key("ctrl+alt+i")
    wait_for(window.shows_the_guest, "picture without statistics")


def check_disc(window):
    disc = window.screen.folder / "some disc.iso"
    disc.write_bytes(bytes(2048 * 100))
    text = window.guest.typed()
    window.move(600, 300)
    window.key("ctrl+alt+n")
    window.key(*["Down"] * 4, "Right", "Return")  # CD in hdc, Other disc...
    time.sleep(0.5)
    window.type(str(disc))
    window.key("Return")
    check(window.guest.typed() == text, f"the guest has the dialog's keys: {window.guest.typed()!r}")
    wait_for(lambda: window.guest.ctl("status")["cd"] == {"hdc": str(disc)}, lambda: f"{disc} in {window.guest.ctl('status')}")
    wait_for(window.shows_the_guest, "picture after the dialog")


def check_sizes(window):
    """Stretched to another size; back, it is what it was."""
    bar, screen = window.bar(), window.screen
    screen.x("windowsize", "--sync", window.id, "900", 700 + bar)

    def is_letterboxed():
        """A picture of 9:5 leaves the top of a window of 9:7 black. The window is there before it is drawn anew."""
        width, height, rows = screen.shown(window.id)
        return (width, height) == (900, 700 + bar) and not any(any(row) for row in rows[bar:bar + 90]) and any(any(row) for row in rows[bar + 90:])
    wait_for(is_letterboxed, "picture in the middle of a larger window")
    screen.x("windowsize", "--sync", window.id, "1440", 800 + bar)  # twice as large: each pixel becomes four
    wait_for(lambda: screen.shown(window.id)[2][bar:] == doubled(window.guest.own_picture(png)[2]), "picture of twice the size")
    screen.x("windowsize", "--sync", window.id, "720", 400 + bar)
    check_picture(window)


def doubled(rows):
    wide = [b"".join(row[i:i + 3] * 2 for i in range(0, len(row), 3)) for row in rows]
    return [row for row in wide for _ in (0, 1)]


def check_full_screen(window):
    window.key("ctrl+alt+f")
    wait_for(lambda: window.size() == (1600, 1200), "full screen")
    text = window.guest.typed()
    window.type("full")
    wait_for(lambda: window.guest.typed() == text + "full", "keys on the full screen")
    window.key("ctrl+alt+f")
    wait_for(lambda: window.size()[0] == 720, "end of the full screen")
    wait_for(window.shows_the_guest, "picture after the full screen")


def check_clipboard(window):
    """Between the desktop and the guest's port: what one side copies, the other has."""
    screen = window.screen
    text = "über alles: ☃ and\ntwo lines"
    screen.start("xclip", "-selection", "clipboard", stdin_text=text)
    wait_for(lambda: screen.clipboard() == text, "text on the desktop")
    screen.focus(screen.other_program())
    screen.focus(window.id)  # somebody comes back from where it was copied
    wait_for(lambda: window.guest.clipboard() == text, lambda: f"{text!r} in {window.guest.clipboard()!r}")
    window.guest.clipboard("from elsewhere ☃")
    wait_for(lambda: screen.clipboard() == "from elsewhere ☃", "the guest's text on the desktop")
    before = window.guest.typed()
    window.guest.clipboard("Typed (it)!")
    wait_for(lambda: screen.clipboard() == "Typed (it)!", "the other text on the desktop")
    window.key("ctrl+alt+v")
    wait_for(lambda: window.guest.typed() == before + "Typed (it)!", lambda: f"the clipboard as keys: {window.guest.typed()!r}")


def check_closing(window):
    click_close(window.screen, window.id)  # a guest that does not listen to its power button
    wait_for(lambda: not window.shows_the_guest(), "word of what happens")
    check(window.guest.process.poll() is None, "closing the window once ends the guest")
    click_close(window.screen, window.id)
    check(window.guest.process.wait(LIMIT) == 0, f"status {window.guest.process.returncode}: {window.guest.process.stderr.read()}")


def check_fine_screen(folder):
    """On a screen of 192 dots an inch, everything is twice as large."""
    screen, window = Screen(folder, dpi=192), None
    try:
        window = Window(screen, "fine")
        wait_for(lambda: window.size()[0] == 1440, "window of twice the size")
        wait_for(lambda: window.picture(2)[2] == doubled(window.guest.own_picture(png)[2]), "picture of twice the size")
    finally:
        if window:
            window.end()
        screen.close()


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        screen, window = Screen(folder), None
        try:
            window = Window(screen, "in-a-window", "--disk", "devtype=cdrom,vdev=hdc,access=ro,target=", "--clipboard", "on")
            for test in [check_picture, check_keys, check_hot_keys, check_restarts, check_pointer, check_menu, check_disc, check_sizes, check_full_screen,
                         check_clipboard, check_closing]:
                started = time.monotonic()
                test(window)
                print(f"{test.__name__}: {time.monotonic() - started:.1f} s")
        finally:
            if window:
                window.end()
            screen.close()
        check_fine_screen(folder)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
