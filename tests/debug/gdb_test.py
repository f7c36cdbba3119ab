#!/usr/bin/env python3
"""The real gdb at a Debian kernel with two vCPUs, on one engine.

  gdb_test.py TANDEM GUEST_FOLDER ENGINE SYMBOLS_TOOL
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from real_gdb import LIMIT, Failure, check, check_refused, end_with, gdb, says

TANDEM = pathlib.Path(sys.argv[1]).resolve()
GUEST = pathlib.Path(sys.argv[2]).resolve()
ENGINE, SYMBOLS = sys.argv[3], pathlib.Path(sys.argv[4]).resolve()
WORK = ("cat /proc/kallsyms; echo symbols-end; while [ ! -e /etc/stop ]; do cat /proc/uptime > /dev/null; sleep 0.05; done")


class Session:
    def __init__(self, folder):
        self.folder = folder
        self.serial = folder / "serial"
        self.socket = folder / "gdb"
        self.environment = dict(os.environ, XDG_RUNTIME_DIR=str(folder), HOME=str(folder))
        self.process = subprocess.Popen(
            [TANDEM, "run", GUEST / "default.cfg", "--name", "debuggee", "--engine", ENGINE + "!", "--vcpus", "2",
             "--gdb", f"unix:{self.socket},paused", "--serial", f"file:{self.serial}", "--timeout", str(3 * LIMIT),
             "--cmdline", f'console=ttyS0 nokaslr quiet run="{WORK}"'],
            env=self.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def wait_for(self, condition, what):
        end = time.monotonic() + LIMIT
        while not condition():
            if self.process.poll() is not None:
                text = self.process.stderr.read()
                check_refused(self.process.returncode, text)
                raise Failure(f"the guest ended before {what}: {text}")
            check(time.monotonic() < end, f"no {what} in time")
            time.sleep(0.1)

    def gdb(self, *commands, place=None):
        return gdb(place or self.socket, commands, env=self.environment)

    def ctl(self, *words):
        done = subprocess.run([TANDEM, "ctl", "debuggee", *words], env=self.environment, capture_output=True, text=True, timeout=LIMIT)
        check(done.returncode == 0, done.stderr)
        return json.loads(done.stdout) if done.stdout else {}


def check_first_instruction(session):
    text = session.gdb("info threads", "p $cr0", "p/x $efer", "x/i $pc", "stepi", "stepi", "monitor info cpus", "p $ymm0.v8_int32", "p $st0")
    says(text, r"vCPU 0", r"vCPU 1", r"PE.*PG", r"0x[0-9a-f]*500", r"=> 0x1000000:", r"waits for SIPI", r"= \{0")


def check_breakpoints(session, symbols):
    text = session.gdb(f"symbol-file {symbols}", "break vfs_open", "continue", "bt 2", "info registers rip", "delete",
                       "hbreak do_sys_openat2", "continue", "stepi 50", "finish", "monitor info registers", "monitor x/2i $pc",
                       "info threads")
    says(text, r"hit Breakpoint 1, 0x\w+ in vfs_open", r"#0 .*vfs_open", r"#1 ", r"rip .*<vfs_open", r"hit Breakpoint 2, .*do_sys_openat2",
         r"efer", r"0x\w+: \w+", r"Thread 1.*vCPU 0", r"Thread 2.*vCPU 1")


def check_conditions(session, symbols):
    """Breakpoints that are passed over many times, and one that a debugger leaves behind."""
    text = session.gdb(f"symbol-file {symbols}", "break vfs_open", "ignore 1 20", "continue", "info breakpoints", "break schedule")
    says(text, r"hit Breakpoint 1", r"already hit 21 times")


def check_watchpoints(session, symbols):
    text = session.gdb(f"symbol-file {symbols}", "watch *(unsigned long *)&jiffies", "continue", "continue", "x/i $pc", "delete",
                       "rwatch *(unsigned long *)&jiffies", "continue", "p $pc")
    says(text, r"Hardware watchpoint 1", r"Old value = (\d+)", r"New value = (\d+)", r"Old value", r"New value", r"=> 0x",
         r"Hardware read watchpoint 2.*\n\s*\n\s*Value = \d+|Hardware read watchpoint 2")
    values = [int(v) for v in re.findall(r"(?:Old|New) value = (\d+)", text)]
    check(values[0] < values[1] <= values[2] < values[3], f"jiffies: {values}")


def check_memory(session, symbols):
    text = session.gdb(f"symbol-file {symbols}", "x/s &linux_banner", "set $page = (unsigned long)&linux_banner",
                       "p *(char *)&linux_banner = 'l'", "x/s &linux_banner", "p *(char *)&linux_banner = 'L'", "p *(int *)0x10",
                       "monitor info mem", "monitor info mtree", "monitor info irq", "monitor engine", "set $rax = 0x123", "p/x $rax")
    says(text, r'"Linux version', r'"linux version', r"Cannot access memory at address 0x10", r"-r.?w|urw|-rw", r"ioapic", r"local APIC 1",
         ENGINE, r"0x123")


def check_32_bits(session, symbols):
    text = session.gdb(f"symbol-file {symbols}", "show architecture", "break vfs_open", "continue", "bt 2", "p $cs_base", "p $cr4", "stepi 20",
                       "watch -location *(int *)($esp - 8)", "continue", "x/i $pc", "delete", "tbreak do_sys_openat2", "continue", "finish",
                       "info threads", "monitor info registers", "monitor info mem", "detach")
    says(text, r"i386", r"hit Breakpoint 1, 0x\w+ in vfs_open", r"#0 .*vfs_open", r"#1 ", r"= 0$", r"PAE", r"Hardware watchpoint 2",
         r"New value", r"=> 0x", r"hit Temporary breakpoint 3", r"in \w*sys_openat", r"vCPU 1", r"rip 0+[0-9a-f]{8} ", r"rwx|rw-", r"detached")


def check_tcp(session, symbols):
    """Another address, while the guest runs; steps through interrupts and whatever comes."""
    place = session.ctl("gdb", ":0")["at"]
    text = session.gdb(f"symbol-file {symbols}", "tbreak vfs_open", "continue", "stepi 3000", "p $pc", "monitor engine jit", "tbreak vfs_open",
                       "continue", place=place)
    says(text, r"hit Temporary breakpoint 1", r"\$1 = ", "jit", r"hit Temporary breakpoint 2")
    session.ctl("gdb", "off")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        session = Session(pathlib.Path(scratch))
        symbols = session.folder / "symbols.elf"
        try:
            session.wait_for(session.socket.exists, "socket")
            if "686" not in GUEST.name:
                check_first_instruction(session)
            else:
                check("reset" not in session.gdb("show architecture", "detach"), "the guest does not go on")
            session.wait_for(lambda: session.serial.exists() and "symbols-end" in session.serial.read_text(errors="replace"), "symbols")
            subprocess.run([SYMBOLS, session.serial, symbols], check=True, stdout=subprocess.DEVNULL)
            if "686" in GUEST.name:
                check_32_bits(session, symbols)
                return
            check_breakpoints(session, symbols)
            check_conditions(session, symbols)
            check_watchpoints(session, symbols)
            check_memory(session, symbols)
            check_tcp(session, symbols)
            session.ctl("poweroff")
            before = session.ctl("stats")["retired"]
            session.wait_for(lambda: session.ctl("stats")["retired"] > before + 1_000_000, "progress after all")
            session.ctl("quit")
            check(session.process.wait(LIMIT) == 0, f"status {session.process.returncode}")
            check(not session.socket.exists(), "the socket is left behind")
        finally:
            session.process.kill()
            session.process.wait()


if __name__ == "__main__":
    end_with(main, ENGINE)
