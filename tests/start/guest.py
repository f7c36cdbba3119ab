"""A guest that starts as a PC does, with its first serial port, its display and its control socket in the test's hands."""
import os
import pathlib
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "firmware"))
import png  # noqa: E402

FONT_ROM = pathlib.Path("/usr/share/seabios/vgabios-stdvga.bin")
LETTER_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")
CELL_WIDTH, CELL_HEIGHT = 9, 16
# What Linux and systemd say of a crash, their own or a program's.
CRASH = re.compile(r"[^\n]*(?:Kernel panic|Oops: |BUG: |general protection fault|segfault at |Freezing execution|Caught <[A-Z]+>).*")


class Failure(Exception):
    pass


def glyphs():
    rom = FONT_ROM.read_bytes()
    font = rom.index(LETTER_A) - ord("A") * CELL_HEIGHT
    return {rom[font + c * CELL_HEIGHT:font + (c + 1) * CELL_HEIGHT]: chr(c) for c in range(126, 31, -1)}


def text_of(width, height, pixels, known):
    """The rows of a text mode's picture; a cell that is no letter of the BIOS's font gives '?'."""
    rows = []
    for top in range(0, height - CELL_HEIGHT + 1, CELL_HEIGHT):
        row = ""
        for left in range(0, width - CELL_WIDTH + 1, CELL_WIDTH):
            def at(x, y):
                start = 3 * ((top + y) * width + left + x)
                return pixels[start:start + 3]
            ground = at(8, 0)
            cell = bytes(sum((at(x, y) != ground) << (7 - x) for x in range(8)) for y in range(CELL_HEIGHT))
            row += known.get(cell, "?")
        rows.append(row.rstrip())
    return "\n".join(rows)


class Guest:
    def __init__(self, tandem, folder, limit, options):
        self.tandem, self.folder, self.options = tandem, folder, options
        self.end = time.monotonic() + limit
        self.control = folder / "control"
        self.process = subprocess.Popen([tandem, "run", "--serial", "stdio", "--control", self.control, *map(str, options)], cwd=folder,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(folder / "errors").open("w"))
        self.said, self.seen = "", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def fail(self, what):
        errors = (self.folder / "errors").read_text()
        raise Failure(f"{what} (status {self.process.poll()}); it said: {self.said[-3000:]}\n{errors}")

    def left(self):
        if time.monotonic() > self.end:
            self.fail("the time is over")
        return self.end - time.monotonic()

    def read_more(self, patience):
        """False: the guest has ended."""
        if not select.select([self.process.stdout], [], [], min(patience, self.left()))[0]:
            return True
        more = os.read(self.process.stdout.fileno(), 1 << 16)
        self.said += more.decode(errors="replace")
        return bool(more)

    def fail_if_crashed(self):
        """At once: what is waited for does not come, or comes for no good."""
        if CRASH.search(self.said):
            self.read_more(1)
            self.fail("it crashed: " + "; ".join(m[0].strip() for m in CRASH.finditer(self.said)))

    def wait_for(self, pattern):
        """Behind what was waited for before."""
        while not (found := re.compile(pattern).search(self.said, self.seen)):
            self.fail_if_crashed()
            if time.monotonic() > self.end:
                self.fail(f"{pattern!r} never came")
            if not self.read_more(1):
                self.fail(f"the guest ended before {pattern!r}")
        self.seen = found.end()
        return found

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def begin(self, command):
        """In the shell of the test guest."""
        self.send(f"echo be''gin; {command}; echo en''d\n")
        self.wait_for("begin\r*\n")

    def end_of_command(self):
        """What it has printed. Behind it comes the prompt: what is typed before would be read in two modes."""
        start = self.seen
        self.wait_for(r"end\r*\n/root # ")
        return self.said[start:self.seen].rsplit("end", 1)[0]

    def run(self, command):
        self.begin(command)
        return self.end_of_command()

    def must_ctl(self, *words):
        if (done := self.ctl(*words)).returncode:
            raise Failure(f"{words}: {done.stderr}")

    def ctl(self, *words):
        return subprocess.run([self.tandem, "ctl", self.control, *map(str, words)], capture_output=True, text=True, timeout=60)

    def picture(self):
        """Width, height, pixels."""
        file = self.folder / "screen.png"
        while (done := self.ctl("screenshot", file)).returncode:
            if self.process.poll() is not None:
                self.fail("no screenshot: " + done.stderr)
            self.left()
            time.sleep(0.2)
        return png.read(file)

    def wait_for_picture(self, looks_right, what):
        while not looks_right(*self.picture()):
            if time.monotonic() > self.end:
                self.fail(f"the display never shows {what}")
            self.read_more(1)

    def wait_for_screen(self, pattern):
        """Of text mode."""
        known, shown = glyphs(), ""

        def looks_right(width, height, pixels):
            nonlocal shown
            shown = text_of(width, height, pixels, known) if (width, height) == (720, 400) else ""
            return re.search(pattern, shown)
        try:
            self.wait_for_picture(looks_right, pattern)
        except Failure as failure:
            raise Failure(f"{failure}\nthe display: {shown}") from None

    def wait_for_end(self):
        while self.read_more(1):
            pass
        if self.process.wait(self.left()):
            self.fail("it ended badly")
