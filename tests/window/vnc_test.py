#!/usr/bin/env python3
"""display=vnc with a real viewer (TigerVNC's) under Xvfb, and with one of our own that does what it should not.

  vnc_test.py TANDEM FLOPPY FOLDER_OF_PNG.PY
"""
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

from screen import LIMIT, Failure, Guest, Screen, check, wait_for

TANDEM, FLOPPY = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
sys.path.insert(0, sys.argv[3])
import png  # noqa: E402  (of tests/firmware)

TYPED = "Hello, World! 0123 (a-z) [x] {Y} ~;:'\"\\|<>/?"
EXTENDED_KEYS, RAW, FRAMEBUFFER_UPDATE, QEMU = -258, 0, 0, 255


def free_display():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1] - 5900


class Viewer:
    """TigerVNC's, on the screen."""

    def __init__(self, screen, place, name, password=None):
        environment = dict(screen.environment)
        if password:
            environment["VNC_PASSWORD"] = password
        self.screen = screen
        self.process = subprocess.Popen(["xtigervncviewer", place], env=environment, cwd=screen.folder, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        self.id = screen.find(f"^{name} - TigerVNC", self.process)
        screen.focus(self.id)

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


class Client:
    """RFB by hand (RFC 6143)."""

    def __init__(self, place):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET)
        self.socket.settimeout(LIMIT)
        self.socket.connect(place)
        check(self.take(12) == b"RFB 003.008\n", "another version")
        self.socket.sendall(b"RFB 003.008\n")
        self.security = self.take(self.take(1)[0])

    def take(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            check(piece, f"the server hung up after {data!r}")
            data += piece
        return data

    def authenticate(self, kind, response=b""):
        """The result: 0 good."""
        self.socket.sendall(bytes([kind]))
        if kind == 2:
            self.take(16)
            self.socket.sendall(response)
        return struct.unpack(">I", self.take(4))[0]

    def start(self):
        """Width, height, name."""
        self.socket.sendall(b"\x01")
        width, height = struct.unpack(">HH", self.take(4))
        self.take(16)
        return width, height, self.take(struct.unpack(">I", self.take(4))[0]).decode()

    def set_encodings(self, *encodings):
        self.socket.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))

    def rectangle(self):
        kind, count, *place, encoding = struct.unpack(">BxHHHHHi", self.take(16))
        check((kind, count) == (FRAMEBUFFER_UPDATE, 1), f"message {kind} with {count} rectangles")
        return place, encoding


def check_viewer(screen):
    display = free_display()
    (screen.folder / "password").write_text("sesame77\n")
    guest = Guest(screen, TANDEM, FLOPPY, "by-tcp", "--display", f"vnc:{display},password=password",
                  "--clipboard", "on")
    viewer = None
    try:
        # It comes before the guest has chosen a mode, and sees it change.
        wait_for(lambda: accepts(("127.0.0.1", 5900 + display)), "server")
        viewer = Viewer(screen, f"127.0.0.1::{5900 + display}", "by-tcp", "sesame77")
        wait_for(lambda: guest.typed() is not None, "prompt")
        screen.x("type", "--delay", "40", TYPED)
        wait_for(lambda: guest.typed() == TYPED, lambda: f"{TYPED!r}, but {guest.typed()!r}")
        wait_for(lambda: screen.shown(viewer.id) == guest.own_picture(png), "the guest's picture in the viewer")
        before = len(guest.reports())
        screen.x("mousemove", "--window", viewer.id, 100, 100)
        screen.x("click", 1)
        wait_for(lambda: "[09 00 00][08 00 00]" in guest.reports()[before:], lambda: f"click, but {guest.reports()[before:]!r}")
        check_password(display)
        check_clipboard(screen, guest)
    finally:
        if viewer:
            viewer.end()
        guest.end()


def check_clipboard(screen, guest):
    """The viewer hands on what is copied on its desktop, and the other way round."""
    text = "über alles: ☃"
    screen.start("xclip", "-selection", "clipboard", stdin_text=text)
    wait_for(lambda: guest.clipboard() == text, lambda: f"{text!r} in {guest.clipboard()!r}")
    guest.clipboard("aus dem Gast: ü☃")
    wait_for(lambda: screen.clipboard() == "aus dem Gast: ü☃", "the guest's text on the desktop")


def accepts(place):
    with socket.socket() as s:
        return s.connect_ex(place) == 0


def check_password(display):
    for response in [bytes(16), b"sesame77sesame77"]:
        client = Client(("127.0.0.1", 5900 + display))
        check(client.security == b"\x02", f"security types {client.security}")
        check(client.authenticate(2, response) == 1, "a wrong password is good enough")
        client.socket.close()


def check_unix_socket(screen):
    path = screen.folder / "vnc.socket"
    guest = Guest(screen, TANDEM, FLOPPY, "by-unix", "--display", f"vnc,unix={path}")
    viewer = None
    try:
        wait_for(lambda: guest.typed() is not None, "prompt")
        viewer = Viewer(screen, path, "by-unix")
        screen.x("type", "--delay", "40", "abc")
        wait_for(lambda: guest.typed() == "abc", lambda: f"abc, but {guest.typed()!r}")
        check_keys_by_place(guest, str(path))
        check_garbage(str(path))
        screen.x("type", "--delay", "40", "d")
        wait_for(lambda: guest.typed().endswith("d"), "key after the garbage")
        guest.ctl("quit")
        check(guest.process.wait(LIMIT) == 0, f"status {guest.process.returncode}: {guest.process.stderr.read()}")
        check(not path.exists(), "the socket is left behind")
    finally:
        if viewer:
            viewer.end()
        guest.end()


def check_keys_by_place(guest, path):
    """What viewers say that know QEMU's extension: the key right of left Shift, whatever is printed on it."""
    client = Client(path)
    check(client.security == b"\x01" and client.authenticate(1) == 0, f"security types {client.security}")
    check(client.start() == (720, 400, "by-unix"), "another screen")
    client.set_encodings(RAW, EXTENDED_KEYS)
    place, encoding = client.rectangle()
    check(encoding == EXTENDED_KEYS, f"rectangle {place} of encoding {encoding}")
    before = guest.typed()
    for code, keysym in [(0x2c, ord("y")), (0x1a, 0xfc), (0xb5, 0xffaf)]:  # German: y and u umlaut; the keypad's /
        for pressed in (1, 0):
            client.socket.sendall(struct.pack(">BBHII", QEMU, 0, pressed, keysym, code))
    wait_for(lambda: guest.typed() == before + "z[/", lambda: f"keys by place, but {guest.typed()!r}")
    client.socket.close()


def check_garbage(path):
    for garbage in [b"", b"\xff" * 4096, b"RFB 003.008\n" * 100, bytes(range(256)) * 64]:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            try:
                s.sendall(garbage)
            except OSError:
                pass  # it has hung up
            time.sleep(0.1)


def check_refusals(screen):
    (screen.folder / "empty").write_text("\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for display, words in [("vnc:x", ["vnc:x"]), ("vnc:99999", ["vnc:99999"]), ("vnc,fly=1", ["fly"]), ("vnc,password=", ["password"]),
                               ("vnc:1,unix=x", ["unix"]), (f"vnc:{free_display()},password=missing", ["missing"]),
                               (f"vnc:{free_display()},password=empty", ["empty"]), ("window", ["sdl", "vnc"]),
                               (f"vnc:{taken.getsockname()[1] - 5900}", ["in use"])]:
            done = subprocess.run([TANDEM, "run", "--display", display], cwd=screen.folder, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=LIMIT)
            check(done.returncode == 2 and done.stderr.count("\n") == 1 and all(w in done.stderr for w in words), f"{display}: {done}")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        screen = Screen(pathlib.Path(scratch))
        try:
            for test in [check_viewer, check_unix_socket, check_refusals]:
                started = time.monotonic()
                test(screen)
                print(f"{test.__name__}: {time.monotonic() - started:.1f} s")
        finally:
            screen.close()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
