#!/usr/bin/env python3
"""tandem batch: suites, their mistakes, verdicts, reports, what failures leave behind, and Ctrl-C.

  batch_test.py TANDEM ROM LINUX_GUEST_FOLDER

ROM ends by port 501h, which gives status 1.
"""
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

TANDEM, ROM, GUEST = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
LIMIT = 120

ENDS = f'[[guest]]\nname = "ends"\nfirmware = "{ROM}"\ndebug_exit = 0x501\nstatus = 1\n'
STAYS = '[[guest]]\nname = "stays"\ntimeout = 1\nretries = 1\n'  # firmware finds nothing to start
LINUX = f"""[[guest]]
name = "linux"
config = "{GUEST}/default.cfg"
cmdline = 'console=ttyS0 run="true"'
forbid = ["^Linux never says this", "Run /init as (init)"]
"""


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


class Folder:
    def __init__(self, path):
        self.path = path

    def suite(self, text):
        (self.path / "suite.toml").write_text(text)

    def batch(self, *words, **more):
        return subprocess.run([TANDEM, "batch", "suite.toml", *words], cwd=self.path, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=LIMIT, **more)

    def left(self):
        return sorted(p.name for p in self.path.iterdir())


def check_mistakes(folder):
    for text, words in [
            ("", ["no [[guest]]"]), ("x", ["suite.toml:1"]), ("[[guest]]\n", ["without a name"]), ("[other]\na = 1\n", ["other"]),
            ('[[guest]]\nname = "a"\nmemroy = 5\n', ["memroy", "memory"]), ('[[guest]]\nname = "a"\nmemory = "lots"\n', ["a:", "memory"]),
            ('[[guest]]\nname = "a"\nmemory = { x = 1 }\n', ["memory", "list"]), ('[[guest]]\nname = "a"\nforbid = ["("]\n', ["a:", "forbid"]),
            ('[[guest]]\nname = "a"\nconfig = "${where}/x.cfg"\n', ["where", "--set"]), ('[[guest]]\nname = "a"\nconfig = "missing.cfg"\n', ["missing.cfg"]),
            ('[[guest]]\nname = "a"\n[[guest]]\nname = "a"\n', ["a", "two guests"]), ('[[guest]]\nname = "a"\nretries = "x"\n', ["retries"]),
            ('[[guest]]\nname = "a"\nmatrix.engin = ["jit"]\n', ["engin", "engine"])]:
        folder.suite(text)
        done = folder.batch()
        check(done.returncode == 2 and done.stderr.count("\n") == 1 and all(w in done.stderr for w in words), f"{text!r}: {done}")
        check(folder.left() == ["suite.toml"], f"{text!r}: left {folder.left()}")
    for words, reason in [(["-j", "0"], "-j"), (["--shard", "3/2"], "--shard"), (["--only", "("], "--only"), (["--fly", "1"], "--fly"), (["-j"], "missing")]:
        folder.suite(ENDS)
        done = folder.batch(*words)
        check(done.returncode == 2 and reason in done.stderr and done.stderr.count("\n") == 1, f"{words}: {done}")


def check_matrix(folder):
    folder.suite(ENDS + 'matrix.engine = ["interp!", "jit!"]\nmatrix.vcpus = [1, 2]\nexclude = [{ engine = "jit!", vcpus = 2 }]\n')
    names = folder.batch("--list").stdout.split()
    check(names == ["ends/interp-1", "ends/interp-2", "ends/jit-1"], f"{names}")
    check(folder.batch("--list", "--only", "jit|2").stdout.split() == names[1:], "--only")
    shards = [folder.batch("--list", "--shard", f"{i}/2").stdout.split() for i in (1, 2)]
    check(sorted(shards[0] + shards[1]) == names, f"--shard: {shards}")
    folder.suite('[[guest]]\nname = "all"\nmatrix.kernel = ["a/vmlinuz", "b/vmlinuz"]\nmatrix.cpu = ["x86-64-v1", "pentium3"]\nmatrix.engine = ["interp!"]\n')
    check(folder.batch("--list").stdout.split() == [f"all/{cpu}-interp-{k}-vmlinuz" for cpu in ("x86-64-v1", "pentium3") for k in "ab"],
          f"kernels and CPU models: {folder.batch('--list')}")
    folder.suite(ENDS + 'matrix.engine = ["interp!", "jit!"]\nmatrix.vcpus = [1, 2]\nexclude = [{ engine = "jit!", vcpus = 2 }]\n')
    done = folder.batch("-j", "2", "--junit", "j.xml", "--json", "r.json")
    check(done.returncode == 0 and "3 of 3 passed" in done.stdout and done.stdout.count("PASS ends/") == 3, f"{done}")
    report = json.loads((folder.path / "r.json").read_text())
    check((report["passed"], report["failed"]) == (3, 0) and all(c["status"] == 1 for c in report["cases"]), f"{report}")
    suite = xml.etree.ElementTree.parse(folder.path / "j.xml").getroot().find("testsuite")
    check((suite.get("tests"), suite.get("failures"), len(suite)) == ("3", "0", 3), f"{suite.attrib}")
    check(folder.left() == ["j.xml", "r.json", "suite.toml"], f"left {folder.left()}")


def check_failures(folder):
    folder.suite(ENDS.replace("status = 1", "status = 0") + STAYS + LINUX)
    done = folder.batch("-j2", "--junit", "j.xml", "--json", "r.json", "--output", "kept", env=dict(os.environ, DISPLAY=":77"))
    check(done.returncode == 1 and "0 of 3 passed" in done.stdout, f"{done}")
    cases = {c["name"]: c for c in json.loads((folder.path / "r.json").read_text())["cases"]}
    check("status 1, 0 expected" in cases["ends"]["reason"], f"{cases}")
    check("124" in cases["stays"]["reason"] and cases["stays"]["attempts"] == 2, f"{cases}")
    check("Run /init" in cases["linux"]["reason"] and cases["linux"]["status"] == 0, f"{cases}")
    for name, files in [("stays", {"log", "screen.png", "serial.log", "stats.json"}), ("linux", {"log", "serial.log", "stats.json"})]:
        kept = {p.name for p in (folder.path / "kept" / name).iterdir()}
        check(kept == files, f"{name} kept {kept}")
    check("display" not in (folder.path / "kept/stays/log").read_text(), "a guest of a batch looks for a screen")
    check((folder.path / "kept/stays/screen.png").read_bytes().startswith(b"\x89PNG"), "no picture")
    suite = xml.etree.ElementTree.parse(folder.path / "j.xml").getroot().find("testsuite")
    outputs = [case.find("system-out").text or "" for case in suite if case.get("name") == "linux"]
    check(suite.get("failures") == "3" and "Linux version" in outputs[0], "JUnit: no serial output of a failure")


def processes_of(folder):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder.path).encode() in (entry / "cmdline").read_bytes():
                found.append(entry.name)
        except OSError:
            pass
    return found


def check_interrupt(folder):
    folder.suite(STAYS.replace("timeout = 1", "timeout = 100") + 'matrix.vcpus = [1, 2, 3]\n')
    output = folder.path / "kept"
    runtime = folder.path / "run"
    runtime.mkdir()
    batch = subprocess.Popen([TANDEM, "batch", "suite.toml", "-j", "2", "--output", output], cwd=folder.path, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ, XDG_RUNTIME_DIR=str(runtime)))
    end = time.monotonic() + LIMIT
    while len(list(output.glob("*/serial.log"))) < 2:
        check(time.monotonic() < end, "the guests do not start")
        time.sleep(0.05)
    batch.send_signal(signal.SIGINT)
    _, errors = batch.communicate(timeout=LIMIT)
    check(batch.returncode == 130 and "interrupted" in errors, f"{batch.returncode} {errors!r}")
    check(not processes_of(folder), f"processes are left: {processes_of(folder)}")
    check(not output.exists() and not list(runtime.iterdir()), f"left: {folder.left()} {list(runtime.iterdir())}")
    runtime.rmdir()


def check_terminal(folder):
    folder.suite(ENDS)
    ours, theirs = pty.openpty()
    batch = subprocess.Popen([TANDEM, "batch", "suite.toml"], cwd=folder.path, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text += piece
    check(batch.wait(LIMIT) == 0 and b"[0/1, 0 failed] ends" in text and b"PASS ends" in text, f"{text!r}")


def main():
    for test in [check_mistakes, check_matrix, check_failures, check_interrupt, check_terminal]:
        with tempfile.TemporaryDirectory() as scratch:
            test(Folder(pathlib.Path(scratch)))


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        print(failure)
        sys.exit(1)
