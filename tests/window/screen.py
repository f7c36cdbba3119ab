"""An X server with a window manager for a test, a guest that shows itself there, and what is on the screen."""
import json
import os
import re
import struct
import subprocess
import time

LIMIT = 200
PROMPT = "7c00\n>"  # behind the firmware's last words
REPORT = re.compile(r"\[[0-9A-F]{2} [0-9A-F]{2} [0-9A-F]{2}\]")


class Failure(Exception):
    pass


def said(text):
    return text if isinstance(text, str) else text()


def check(condition, text):
    if not condition:
        raise Failure(said(text))


def wait_for(condition, what):
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        check(time.monotonic() < end, lambda: f"no {said(what)}")
        time.sleep(0.05)
    return found


class Screen:
    def __init__(self, folder, dpi=96):
        ours, theirs = os.pipe()
        self.processes = [subprocess.Popen(["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1600x1200x24", "-dpi", str(dpi), "-nolisten", "tcp"],
                                           pass_fds=[theirs], stderr=subprocess.DEVNULL)]
        os.close(theirs)
        with os.fdopen(ours) as numbers:
            self.name = ":" + numbers.readline().strip()
        self.folder = folder
        self.environment = dict(os.environ, DISPLAY=self.name, XDG_RUNTIME_DIR=str(folder), XDG_CONFIG_HOME=str(folder), XDG_CACHE_HOME=str(folder),
                                HOME=str(folder), SDL_VIDEODRIVER="x11")
        self.environment.pop("WAYLAND_DISPLAY", None)
        self.other = None
        manager = self.start("openbox", "--sm-disable")

        def is_managed():
            nonlocal manager
            if manager.poll() is not None:  # on a busy host, it may find the server not ready
                manager = self.start("openbox", "--sm-disable")
            return b"window id" in self.run("xprop", "-root", "_NET_SUPPORTING_WM_CHECK", fails=True)
        wait_for(is_managed, "window manager")

    def start(self, *words, stdin_text=""):
        process = subprocess.Popen(words, env=self.environment, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, text=True)
        process.stdin.write(stdin_text)
        process.stdin.close()
        self.processes.append(process)
        return process

    def run(self, *words, fails=False, **more):
        try:
            done = subprocess.run(words, env=self.environment, cwd=self.folder, capture_output=True, timeout=LIMIT, **more)
        except subprocess.TimeoutExpired as expired:
            raise Failure(f"{words}: does not end") from expired
        check(fails or done.returncode == 0, f"{words}: {done.stderr}")
        return done.stdout

    def x(self, *words, fails=False):
        return self.run("xdotool", *map(str, words), fails=fails).decode()

    def focus(self, window):
        self.x("windowfocus", window)
        wait_for(lambda: self.x("getwindowfocus", fails=True).strip() == window, lambda: f"focus of {window}")

    def other_program(self):
        """A window that is not the guest's."""
        if not self.other:
            self.other = self.find("^xclock", self.start("xclock"))
        return self.other

    def clipboard(self):
        """Empty where its owner is not there yet."""
        return self.run("xclip", "-o", "-selection", "clipboard", fails=True).decode()

    def find(self, pattern, process):
        """The window of a process that is to have one."""
        def look():
            check(process.poll() is None, lambda: f"{pattern}: ended with status {process.returncode}: {process.stderr and process.stderr.read()}")
            return self.x("search", "--onlyvisible", "--name", pattern, fails=True).split()
        return wait_for(look, lambda: f"window {pattern} among\n{self.run('xwininfo', '-root', '-tree', fails=True).decode()}")[0]

    def shown(self, window):
        """Size and RGB rows of a window on the screen, from an X window dump (X11/XWDFile.h)."""
        def whole():
            """None while windows of several visuals are in the place, as where one comes up from behind another: xwd mixes them its own way."""
            dump = self.run("xwd", "-silent", "-id", window)
            header = struct.unpack(">25I", dump[:100])
            return (dump, header) if (header[11], header[7]) == (32, 0) else None  # bits of a pixel, byte order
        dump, header = wait_for(whole, lambda: f"dump of {window} with 32 bits for a pixel")
        size, width, height, line, colors = (header[i] for i in (0, 4, 5, 12, 19))
        pixels = dump[size + 12 * colors:]
        rows = []
        for y in range(height):
            row = pixels[y * line:y * line + 4 * width]
            rgb = bytearray(3 * width)
            rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
            rows.append(bytes(rgb))
        return width, height, rows

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Guest:
    """The echo floppy, which says what is typed, and what its mouse reports."""

    def __init__(self, screen, tandem, floppy, name, *words):
        self.screen, self.tandem, self.name = screen, tandem, name
        self.log = screen.folder / f"{name}.typed"
        self.process = subprocess.Popen([tandem, "run", "--name", name, "--disk", f"vdev=fda,access=ro,target={floppy}", "--boot", "a", "--debugcon", f"file:{self.log}",
                                         "--timeout", str(3 * LIMIT), *words], cwd=screen.folder, env=screen.environment,
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def starts(self):
        """Of the boot sector."""
        return self.log.read_text(errors="replace").count(PROMPT)

    def said(self):
        """Since the boot sector's prompt; None before it."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return text.rpartition(PROMPT)[2] if PROMPT in text else None

    def typed(self):
        """Without reports of the mouse."""
        text = self.said()
        return None if text is None else REPORT.sub("", text)

    def reports(self):
        return "".join(REPORT.findall(self.said()))

    def ctl(self, *words):
        said = self.screen.run(self.tandem, "ctl", self.name, *words)
        return json.loads(said) if said else {}

    def clipboard(self, *text):
        return self.screen.run(self.tandem, "ctl", self.name, "clipboard", *text).decode()

    def own_picture(self, png):
        path = self.screen.folder / "own.png"
        self.ctl("screenshot", path)
        width, height, rgb = png.read(path)
        return width, height, [rgb[3 * width * y:3 * width * (y + 1)] for y in range(height)]

    def end(self):
        self.process.kill()
        self.process.wait()
