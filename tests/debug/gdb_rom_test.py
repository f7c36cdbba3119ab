#!/usr/bin/env python3
"""The real gdb at a guest of our own with known places (steps.asm), from its first instruction, in 16, 32 and 64 bits.

  gdb_rom_test.py TANDEM STEPS_ROM ENGINE
"""
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time

from real_gdb import LIMIT, check, check_refused, end_with, gdb, says

TANDEM, ROM = (pathlib.Path(a).resolve() for a in sys.argv[1:3])
ENGINE = sys.argv[3]
OWN = ["--firmware", ROM, "--debug-exit", "0x501"]
LABELS = ("main16 after_real main32 main64 work repeated after_repeated fault after_fault written after_write after_read after_update "
          "after_vector after_push patched spin after_spin done neighbour held").split()


def labels():
    image = ROM.read_bytes()
    at = image.index(b"LABELS  ") + 8
    return dict(zip(LABELS, struct.unpack_from(f"<{len(LABELS)}Q", image, at)))


class Session:
    """A guest to which a debugger may come; the own one waits for it before its first instruction."""

    def __init__(self, folder, *words, gdb="unix:gdb,paused"):
        self.folder = folder
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(folder), HOME=str(folder))
        self.process = subprocess.Popen([TANDEM, "run", "--engine", ENGINE + "!", "--gdb", gdb, "--name", "rom", "--display", "none",
                                         "--timeout", str(3 * LIMIT), *words], cwd=folder, env=self.environment, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        said = []
        while not said or (said[-1] and "gdb: " not in said[-1]):
            said.append(self.process.stderr.readline())
        if not said[-1]:
            check_refused(self.process.wait(LIMIT), "".join(said))
        check(said[-1], f"the guest does not say where a debugger may come: {said}")
        self.at = said[-1].split()[-1].removeprefix("unix:")

    def gdb(self, *commands):
        return gdb(self.at, commands, cwd=self.folder, env=self.environment)

    def ends(self, status):
        check(self.process.wait(LIMIT) == status, f"status {self.process.returncode}: {self.process.stderr.read()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def check_16(folder, at):
    with Session(folder, *OWN, gdb="unix:gdb,paused,arch=16") as guest:
        text = guest.gdb("show architecture", "x/i $pc", "p/x $cs", "p/x $cs_base", f"break *{at['main16']:#x}", "continue", "x/i $pc", "stepi",
                         "p/x $ax", "p $pc", f"tbreak *{at['main32']:#x}", "continue", "p $cr0", "detach")
        says(text, r"i8086", r"=> 0xfffffff0:\tljmp|=> 0xfffffff0:\tjmp", r"= 0xf000", r"= 0xffff0000", r"Breakpoint 1, ",
             r"=> \w+:\tmov +\$0x1234,%ax", r"= 0x1234", rf"= .*{at['after_real']:#x}", r"Temporary breakpoint 2, ", r"= \[ PE.*ET", r"detached")
        guest.ends(1)


def check_32(folder, at):
    with Session(folder, *OWN, gdb="unix:gdb,paused,arch=32") as guest:
        text = guest.gdb("show architecture", f"hbreak *{at['main32']:#x}", "continue", "x/2i $pc", "stepi", "p/x $eax", "p/x $cs_base",
                         "p/x $esp", "info registers cr0 efer", "set $eax = 0x55", "p/x $eax", "kill")
        says(text, r'"i386"', r"Breakpoint 1, ", r"mov +\$0x11223344,%eax", r"= 0x11223344", r"= 0x0", r"= 0x", r"PE", r"efer", r"= 0x55")
        guest.ends(0)


def check_64(folder, at):
    cell = "*(int *)0x20100"
    with Session(folder, *OWN) as guest:
        text = guest.gdb(
            f"break *{at['main64']:#x}", "continue", "p $efer", "stepi 3", "info registers st0", "p $xmm0.v4_float[0]",
            f"break *{at['work']:#x}", "ignore 2 2", "continue", "p $r8", "delete",  # its third time
            f"tbreak *{at['repeated']:#x}", "continue", "p $rcx", "stepi", "p $pc", "p $rcx",  # REP is one step
            f"tbreak *{at['fault']:#x}", "continue", "stepi", "p $pc", "x/2i $pc",  # into the handler of #UD
            f"tbreak *{at['after_fault']:#x}", "continue",
            f"watch {cell}", "continue", "p $pc", "delete",
            f"rwatch {cell}", "continue", "p $pc", "delete",
            f"awatch {cell}", "continue", "p $pc", "delete",
            f"x/i {at['patched']:#x}", f"set *(char *){at['patched'] + 1:#x} = 0x2a", f"tbreak *{at['spin']:#x}", "continue", "p/x $esi",
            "monitor info mem", "monitor x/i $pc", "monitor info engine", f"set $pc = {at['done']:#x}", "detach")
        says(text, r"Breakpoint 1, ", r"LMA", r"st0 +3\.14159265", r"= 3\.14159", r"hit Breakpoint 2|Breakpoint 2, ", r"= 2$",
             r"Temporary breakpoint 3, ", r"= 5000", rf"= .*{at['after_repeated']:#x}", r"= 0$",
             r"Temporary breakpoint 4, ", r"=> ", r"Temporary breakpoint 5, ",
             r"Hardware watchpoint 6", r"New value = 7", rf"= .*{at['after_write']:#x}",
             r"Hardware read watchpoint 7", r"Value = 7", rf"= .*{at['after_read']:#x}",
             r"Hardware access \(read/write\) watchpoint 8", r"New value = 8", rf"= .*{at['after_update']:#x}",
             r"mov +\$0x1,%esi", r"Temporary breakpoint 9, ", r"= 0x2a", r"urwx", r"call", ENGINE, r"detached")
        guest.ends(1)


def check_garbage(folder, at):
    """Clients that talk nonsense, or say nothing, over TCP; then a debugger. Firmware that finds nothing to start runs on."""
    with Session(folder, gdb="127.0.0.1:0") as guest:
        host, port = guest.at.rsplit(":", 1)
        for garbage in [b"", b"GET / HTTP/1.0\r\n\r\n", bytes(range(256)) * 64, b"$" * 100_000, b"$vCont;c:ffffffffffffffff#00\x03\x03",
                        b"$g#67$m0,ffffffffffffffff#00$Z9,0,0#00$qRcmd,zz#00" * 20]:
            with socket.create_connection((host, int(port)), timeout=LIMIT) as s:
                try:
                    s.sendall(garbage)
                    time.sleep(0.05)
                except OSError:
                    pass
        text = guest.gdb("p $efer", "stepi", "monitor info cpus", "break *0x1000", "detach")
        says(text, r"\[ \]", r"running|halted", r"Breakpoint 1", r"detached")
        subprocess.run([TANDEM, "ctl", "rom", "quit"], env=guest.environment, check=True)
        guest.ends(0)


def main():
    at = labels()
    for test in [check_16, check_32, check_64, check_garbage]:
        with tempfile.TemporaryDirectory() as scratch:
            started = time.monotonic()
            test(pathlib.Path(scratch), at)
            print(f"{test.__name__}: {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    end_with(main, ENGINE)
