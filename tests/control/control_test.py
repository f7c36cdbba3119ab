#!/usr/bin/env python3
"""A Linux guest by its control socket: verbs, nonsense, engines switched under it while it computes.

  control_test.py TANDEM GUEST_FOLDER VCPUS
"""
import json
import os
import pathlib
import random
import re
import socket
import stat
import subprocess
import sys
import tempfile
import time

TANDEM = pathlib.Path(sys.argv[1]).resolve()
GUEST = pathlib.Path(sys.argv[2]).resolve()
VCPUS = int(sys.argv[3])
LIMIT = 240
SWITCHES = 40
SUM = "96995b58d4cbf6aaa9041b4f00c7f6ae"  # of 8 MiB of zeros
WORK = ("echo at-work; (while sleep 0.1; do cut -d. -f1 /proc/uptime; done) & "
        "while [ ! -e /stop ]; do dd if=/dev/zero bs=1M count=8 2>/dev/null | md5sum; done")


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


class Guest:
    """A guest of its own name and runtime folder."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.socket = folder / "tandem" / "under-test"
        self.log = folder / "log"
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(folder))
        self.process = subprocess.Popen(
            [TANDEM, "run", GUEST / "default.cfg", "--name", "under-test", "--vcpus", str(VCPUS), "--timeout", str(LIMIT),
             "--serial", f"file:{self.log}", "--cmdline", f'console=ttyS0 run="{WORK}"', *options],
            env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for(self, condition, what):
        end = time.monotonic() + LIMIT
        while not condition():
            check(self.process.poll() is None, f"the guest ended before {what}: {self.process.returncode}")
            check(time.monotonic() < end, f"no {what} within {LIMIT} s: {self.text()[-2000:]}")
            time.sleep(0.05)

    def ctl(self, *words):
        return subprocess.run([TANDEM, "ctl", "under-test", *words], env=self.environment, capture_output=True, text=True, timeout=60)

    def ask(self, *words):
        done = self.ctl(*words)
        check(done.returncode == 0, f"ctl {words}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout else {}

    def raw(self, data):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(str(self.socket))
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: s.recv(4096), b"")).decode()


def check_verbs(guest):
    status = guest.ask("status")
    check((status["name"], status["state"], status["engine"], status["vcpus"]) == ("under-test", "running", "jit", VCPUS), f"{status}")
    check(stat.S_IMODE(guest.socket.stat().st_mode) == 0o600, "others may use the control socket")
    check(guest.ask("stats")["retired"] > 1_000_000, "stats count nothing")
    for words, reason in [(["paus"], "pause"), (["engine", "steam"], "steam"), (["engine"] * 3, "unexpected"),
                          (["screenshot", "x.png"], "no display"), (["screenshot"], "missing"), (["cd-change", "vda"], "vda"), (["send-keys", "ctrl-alt-delet"], "delete"), (["send-keys", "#0"], "#0"), (["send-keys", "#1x"], "#1x"),
                          (["send-text", "\u00e4"], "0xc3"), (["mouse", "point", "1", "2"], "tablet"), (["mouse", "click", "top"], "top"),
                          (["mouse", "move", "1"], "DX DY"), (["gdb", "there"], "there"), (["net-forward", "tcp:1"], "tcp:1")]:
        done = guest.ctl(*words)
        check(done.returncode == 2 and reason in done.stderr and done.stderr.count("\n") == 1, f"{words}: {done.stderr!r}")


def check_input(guest):
    for words in [["send-keys", "a", "shift-f1", "-", "ctrl-alt-f2", "#", "#89", "shift-#30"], ["send-text", "ls", "-l /tmp | wc\n"], ["mouse", "move", "5", "-3"],
                  ["mouse", "click", "left"]]:
        check(guest.ask(*words) == {}, f"{words}")


def leave_socket(path):
    """As a guest leaves it that was killed."""
    left_over = socket.socket(socket.AF_UNIX)
    left_over.bind(str(path))
    left_over.close()


def check_gdb_address(guest):
    path = guest.folder / "gdb"
    leave_socket(path)
    check(guest.ask("gdb", f"unix:{path}") == {"at": f"unix:{path}"}, "a socket that was left is in the way")
    check(guest.ask("gdb")["at"] == f"unix:{path}" and guest.ask("gdb", "off") == {"at": "off"}, "gdb off")
    check(not path.exists(), "the debugger's socket is left behind")


def check_monitor(guest):
    """What a debugger's monitor says, without one; on a guest that stands still too."""
    def says(*words):
        done = guest.ctl("monitor", *words)
        check(done.returncode == 0, f"monitor {words}: {done.stderr}")
        return done.stdout
    for words, pattern in [(["help"], "info"), (["info", "engine"], "^jit\n$"), (["info", "registers"], "cr3 [0-9a-f]"), (["info", "irq"], "ioapic pin"),
                           (["info", "cpus"], f"  {VCPUS - 1} pc|^\\* 0 pc"), (["vcpu", str(VCPUS - 1), "x/3i", "$pc"], "(0x[0-9a-f]+: .*\n){3}"),
                           (["vcpu", str(VCPUS), "x/3i", "$pc"], "vcpu N"), (["fly"], "unknown")]:
        check(re.search(pattern, says(*words)), f"monitor {words}: {says(*words)!r}")
    guest.ask("pause")
    first = says("x/4i", "$pc")
    dis = subprocess.run([TANDEM, "dis", "--guest", "under-test", "--count", "4"], env=guest.environment, capture_output=True, text=True)
    check(dis.stdout == first, f"dis: {dis}")
    address = re.match("0x[0-9a-f]+", first)[0]
    code = subprocess.run([TANDEM, "dis", "--guest", "under-test", "--code", address], env=guest.environment, capture_output=True, text=True).stdout
    check(address[2:] in code or code == "the engine has nothing of it\n", f"dis --code: {code!r}")
    guest.ask("resume")


def check_forward(guest):
    """A port of the host is open from then on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    guest.ask("net-forward", f"tcp:127.0.0.1:{port}-:7")
    with socket.create_connection(("127.0.0.1", port), timeout=20):
        pass
    done = guest.ctl("net-forward", f"tcp:127.0.0.1:{port}-:7")
    check(done.returncode == 2 and str(port) in done.stderr, f"a port in use: {done.stderr!r}")


def check_nonsense(guest):
    for line, answers in [(b"\n", 0), (b"{}\n", 1), (b"[1]\n", 1), (b'{"do": 5}\n', 1), (b'{"do": "fly"}\n', 1), (b"\xff\xfe\n", 1),
                          (b'{"do": "engine", "to": 7}\n', 1), (b"{" * 3000 + b"\n", 1), (b'{"do": "status"}', 0)]:
        lines = guest.raw(line).splitlines()
        check(len(lines) == answers and all(json.loads(t)["ok"] is False for t in lines), f"{line[:40]}: {lines}")
    two = guest.raw(b'{"do": "status"}\n{"do": "engine"}\n').splitlines()
    check(len(two) == 2 and json.loads(two[1])["engine"] == "jit", f"two requests at once: {two}")


def check_pause(guest):
    """Guest time stands still, and nothing is printed."""
    guest.ask("pause")
    time.sleep(0.3)  # what was on its way to the file
    before, seconds = guest.text(), guest.ask("stats")["guest_seconds"]
    time.sleep(1)
    check(guest.text() == before, "a guest that is paused prints")
    check(guest.ask("stats")["guest_seconds"] == seconds, "guest time goes on in a pause")
    check(guest.ask("status")["state"] == "paused", "status does not say paused")
    guest.ask("resume")
    guest.wait_for(lambda: len(guest.text()) > len(before), "output after a pause")


def check_switching(guest, seed):
    random.seed(seed)
    for _ in range(SWITCHES):
        engine = random.choice(["interp", "jit"])
        check(guest.ask("engine", engine)["engine"] == engine, "the engine was not switched")
        time.sleep(random.uniform(0, 0.1))
    guest.ask("engine", "jit")
    done = len(guest.text())
    guest.wait_for(lambda: guest.text().count(SUM, done) >= 2, "two checksums after switching")
    sums = set(re.findall(r"^([0-9a-f]{32})  -\r?$", guest.text(), re.MULTILINE))
    check(sums == {SUM}, f"wrong checksums (seed {seed}): {sums}")
    uptimes = [int(t) for t in re.findall(r"^(\d+)\r?$", guest.text(), re.MULTILINE)]
    check(len(uptimes) > 3 and uptimes == sorted(uptimes), f"time went back (seed {seed}): {uptimes}")
    check("rcu: INFO" not in guest.text() and "BUG" not in guest.text(), "the kernel complains")


def check_second_guest(guest):
    """The same name goes without a socket; the same path is an error."""
    done = subprocess.run([TANDEM, "run", GUEST / "default.cfg", "--name", "under-test", "--control", guest.socket],
                          capture_output=True, text=True, env=guest.environment, stdin=subprocess.DEVNULL, timeout=60)
    check(done.returncode == 2 and "is running" in done.stderr, f"a socket in use: {done.returncode} {done.stderr!r}")
    check(guest.ask("status")["name"] == "under-test", "the first guest lost its socket")


def main():
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.randrange(1 << 16)
    print("seed", seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "tandem").mkdir(mode=0o700)
        leave_socket(folder / "tandem" / "under-test")
        guest = Guest(folder)
        try:
            guest.wait_for(lambda: SUM in guest.text(), "checksum")
            check_verbs(guest)
            check_input(guest)
            check_gdb_address(guest)
            check_monitor(guest)
            check_forward(guest)
            check_nonsense(guest)
            check_second_guest(guest)
            check_pause(guest)
            check_switching(guest, seed)
            guest.ask("pause")  # a guest that is paused ends too
            guest.ask("quit")
            check(guest.process.wait(20) == 0, f"status {guest.process.returncode}")
            check(not guest.socket.exists(), "the socket is left behind")
        finally:
            guest.process.kill()
            guest.process.wait()


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
