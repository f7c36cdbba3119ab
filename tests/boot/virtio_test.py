#!/usr/bin/env python3
"""A shell on a virtio console; from there: a named port, the entropy source, memory that comes back to the host when the guest
has it free or is asked for it, and room on a disk.

  virtio_test.py TANDEM GUEST_FOLDER ENGINE VCPUS VIRTIO    VIRTIO: split or packed
"""
import pathlib
import random
import re
import socket
import subprocess
import sys
import tempfile
import time

LIMIT = 200  # seconds
FILL_MIB, DISK_MIB = 180, 96


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


def arrives(path, text):
    """The host writes what a port carries in its own time, the shell's answer on another port may come before."""
    for _ in range(600):
        got = path.read_text()
        if got == text:
            return
        time.sleep(0.1)
    raise Failure(f"the named port carried {got!r}, {text!r} expected")


def use(tandem, shell, process, scratch):
    if shell.run("echo $((6 * 7))") != "42":
        raise Failure("the shell can't count")
    shell.run("echo through the port > /dev/$(grep -l org.test.port /sys/class/virtio-ports/*/name | cut -d/ -f5)")
    arrives(scratch / "port", "through the port\n")
    sums = {shell.run("dd if=/dev/hwrng bs=1k count=4 2>/dev/null | sha256sum") for _ in range(3)}
    if len(sums) != 3 or shell.run("cat /sys/class/misc/hw_random/rng_current") != "virtio_rng.0":
        raise Failure(f"the entropy source gives {sums}")
    shell.run(f"dd if=/dev/zero of=/tmp/fill bs=1M count={FILL_MIB}")
    filled = resident_mib(process)
    if filled < FILL_MIB:
        raise Failure(f"{filled} MiB resident, the guest has filled {FILL_MIB}")
    shell.run("rm /tmp/fill")
    falls_below(process, filled - FILL_MIB * 3 // 4)
    use_balloon(tandem, shell, process, scratch)
    use_disk(shell, scratch)


def memory(shell, what):
    return int(shell.run(f"grep ^{what}: /proc/meminfo | tr -dc 0-9")) // 1024  # MiB


def use_balloon(tandem, shell, process, scratch):
    """What the guest keeps of a disk in its page cache is not free; asked for memory, it gives that up."""
    before = resident_mib(process)
    shell.run("exec 9< /dev/vda; cat <&9 > /dev/null")  # when nobody has it open, its cache goes
    full = resident_mib(process)
    if full < before + DISK_MIB // 2:
        raise Failure(f"{before} MiB were resident, and {full} with the disk in the page cache")
    free = memory(shell, "MemFree")
    subprocess.run([tandem, "ctl", scratch / "control", "balloon", str(free + DISK_MIB * 3 // 4)], check=True)
    falls_below(process, full - DISK_MIB // 2)
    if memory(shell, "MemFree") > free // 2:
        raise Failure("it was not the balloon that took the memory")
    subprocess.run([tandem, "ctl", scratch / "control", "balloon", "0"], check=True)
    for _ in range(600):
        if memory(shell, "MemFree") >= free:
            return
        time.sleep(0.1)
    raise Failure(f"the balloon does not shrink: {memory(shell, 'MemFree')} MiB free, {free} before")


def use_disk(shell, scratch):
    """Sectors that are discarded go from the host's disk, and others stay."""
    disk, at, length = scratch / "disk", 8 << 20, 16 << 20
    content, blocks = disk.read_bytes(), disk.stat().st_blocks
    shell.run(f"exec 9<&-; blkdiscard -o {at} -l {length} /dev/vda")
    if disk.stat().st_blocks > blocks - length // 512 * 3 // 4:
        raise Failure(f"the disk had {blocks} blocks, and {disk.stat().st_blocks} after a discard")
    if disk.read_bytes() != content[:at] + bytes(length) + content[at + length:]:
        raise Failure("a discard changed other sectors")


def check(tandem, folder, engine, vcpus, rings, scratch):
    (scratch / "disk").write_bytes(random.Random(9).randbytes(DISK_MIB << 20))
    command = "setsid sh -c 'stty -echo; exec sh' <> /dev/hvc0 >&0 2>&1"
    process = subprocess.Popen([str(a) for a in [
        tandem, "run", folder / "default.cfg", "--engine", engine + "!", "--vcpus", vcpus, "--timeout", LIMIT, "--virtio", rings,
        "--vif", "type=none", "--balloon", "on", "--disk", f"vdev=vda,target={scratch / 'disk'}", "--control", scratch / "control", "--console", f"unix:{scratch / 'shell'}",
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
