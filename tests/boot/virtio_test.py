#!/usr/bin/env python3
"""A shell on a virtio console; from there: a named port, the entropy source, memory that comes back to the host when the guest
has it free or is asked for it.

  virtio_test.py TANDEM GUEST_FOLDER ENGINE VCPUS VIRTIO    VIRTIO: split or packed
"""
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

LIMIT = 200  # seconds
FILL_MIB = 180


class Failure(Exception):
    pass


class Shell:
    """The guest's shell at the other end of a socket."""

    def __init__(self, path, process):
        self.process = process
        self.socket = socket.socket(socket.AF_UNIX)
        self.end = time.monotonic() + LIMIT
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > self.end or process.poll() is not None:
                    raise
                time.sleep(0.05)
        self.socket.settimeout(LIMIT)
        self.count = 0

    def wait_for(self, words):
        text = ""
        while words not in text:
            got = self.socket.recv(4096)
            if not got or time.monotonic() > self.end:
                raise Failure(f"{words!r} never came, but {text[-2000:]!r}")
            text += got.decode(errors="replace")
        return text

    def run(self, command):
        """What a command prints."""
        self.count += 1
        mark = f"mark-{self.count}-"
        self.socket.sendall(f"echo {mark}begin; {command}; echo {mark}\"\"end\n".encode())
        return self.wait_for(mark + "end").rsplit(mark + "begin", 1)[1].rsplit(mark + "end", 1)[0].strip()


def resident_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"RssShmem:\s+(\d+)", status)[1]) // 1024


def falls_below(process, mib):
    for _ in range(600):
        if resident_mib(process) < mib:
            return
        time.sleep(0.1)
    raise Failure(f"{resident_mib(process)} MiB resident, less than {mib} expected")


def use(tandem, shell, process, scratch):
    if shell.run("echo $((6 * 7))") != "42":
        raise Failure("the shell can't count")
    shell.run("echo through the port > /dev/$(grep -l org.test.port /sys/class/virtio-ports/*/name | cut -d/ -f5)")
    if (scratch / "port").read_text() != "through the port\n":
        raise Failure("the named port carried something else")
    sums = {shell.run("dd if=/dev/hwrng bs=1k count=4 2>/dev/null | sha256sum") for _ in range(3)}
    if len(sums) != 3 or shell.run("cat /sys/class/misc/hw_random/rng_current") != "virtio_rng.0":
        raise Failure(f"the entropy source gives {sums}")
    shell.run(f"dd if=/dev/zero of=/tmp/fill bs=1M count={FILL_MIB}")
    filled = resident_mib(process)
    if filled < FILL_MIB:
        raise Failure(f"{filled} MiB resident, the guest has filled {FILL_MIB}")
    shell.run("rm /tmp/fill")
    falls_below(process, filled - FILL_MIB * 3 // 4)
    free = int(shell.run("grep MemFree /proc/meminfo | tr -dc 0-9"))
    subprocess.run([tandem, "ctl", scratch / "control", "balloon", "128"], check=True)
    for _ in range(600):
        if int(shell.run("grep MemFree /proc/meminfo | tr -dc 0-9")) < free - 100 * 1024:
            return
        time.sleep(0.1)
    raise Failure("the balloon does not grow")


def check(tandem, folder, engine, vcpus, rings, scratch):
    command = "setsid sh -c 'stty -echo; exec sh' <> /dev/hvc0 >&0 2>&1"
    process = subprocess.Popen([str(a) for a in [
        tandem, "run", folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--timeout", LIMIT, "--virtio", rings,
        "--vif", "type=none", "--balloon", "on", "--control", scratch / "control", "--console", f"unix:{scratch / 'shell'}",
        "--console", f"name=org.test.port,file:{scratch / 'port'}", "--cmdline", f'console=ttyS0 quiet run="{command}"']],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        shell = Shell(scratch / "shell", process)
        shell.wait_for("# ")
        use(tandem, shell, process, scratch)
        shell.socket.sendall(b"exit\n")
        said = process.communicate(timeout=LIMIT)[0]
        if process.returncode:
            raise Failure(f"status {process.returncode}: {said[-2000:]}")
    finally:
        process.kill()
        process.wait()


def main():
    tandem, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        try:
            check(tandem, folder, *sys.argv[3:6], pathlib.Path(scratch))
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
