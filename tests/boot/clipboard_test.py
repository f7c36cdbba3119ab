#!/usr/bin/env python3
"""clipboard=on with the agent of tools/guest/clipboard-agent in a Linux guest: texts go both ways.

  clipboard_test.py TANDEM GUEST_FOLDER AGENT
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT = 200
# The guest's clipboard is a file, which the host writes and sees through a shared folder.
WORK = ("mkdir /tmp/host; mount -t 9p -o trans=virtio,version=9p2000.L host /tmp/host; cd /tmp/host; "
        "sh clipboard-agent --file /tmp/clip & "
        "while [ ! -e stop ]; do [ ! -e copy ] || mv copy /tmp/clip; cp /tmp/clip seen 2>/dev/null; sleep 0.1; done")
TEXTS = ["one line", "über alles ☃\nand two lines\n", " \t spaces ", "x" * 200_000, "100 % \\n $HOME `id` \"'"]


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


class Session:
    def __init__(self, tandem, guest, folder):
        self.tandem, self.folder = tandem, folder
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(folder))
        self.process = subprocess.Popen(
            [tandem, "run", guest / "default.cfg", "--name", "copies", "--clipboard", "on", "--p9", f"tag=host,path={folder}", "--vif",
             "type=none", "--timeout", str(3 * LIMIT), "--serial", "null", "--cmdline", f'console=ttyS0 quiet run="{WORK}"'],
            env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def clipboard(self, *text):
        done = subprocess.run([self.tandem, "ctl", "copies", "clipboard", *text], env=self.environment, capture_output=True, text=True)
        check(done.returncode == 0, done.stderr)
        return done.stdout

    def wait_for(self, condition, what):
        end = time.monotonic() + LIMIT
        while not condition():
            check(self.process.poll() is None, f"the guest ended before {what}")
            check(time.monotonic() < end, f"no {what}")
            time.sleep(0.1)

    def seen(self):
        path = self.folder / "seen"
        return path.read_text() if path.exists() else None


def run(session):
    session.wait_for((session.folder / "tandem" / "copies").exists, "control socket")
    session.clipboard(TEXTS[0])  # before the guest is there: it waits
    session.wait_for(lambda: session.seen() == TEXTS[0], "first text in the guest")
    for text in TEXTS[1:]:
        part = session.folder / "part"
        part.write_text(text + "?")
        part.rename(session.folder / "copy")
        session.wait_for(lambda: session.clipboard() == text + "?", f"{text[:20]!r} on the host")
        if len(text) < 100_000:  # an argument of a program holds no more
            session.clipboard(text)
            session.wait_for(lambda: session.seen() == text, f"{text[:20]!r} in the guest")
    (session.folder / "stop").touch()
    check(session.process.wait(LIMIT) == 0, f"status {session.process.returncode}: {session.process.stderr.read()}")


def main():
    tandem, guest, agent = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        shutil.copy(agent, folder / "clipboard-agent")
        session = Session(tandem, guest, folder)
        try:
            run(session)
        finally:
            session.process.kill()
            session.process.wait()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
