"""What the workloads run on: the host itself, QEMU's TCG, Tandem's engines. All guests have one processor."""
import os
import re
import subprocess

import session

SHELL_MARK = "bench:shell"


class Guest:
    """The default guest's kernel, initramfs and memory, as its guest file has them."""

    def __init__(self, folder):
        self.file = folder / "default.cfg"
        text = self.file.read_text()
        self.kernel = re.search(r'^kernel *= *"(.*)"', text, re.MULTILINE)[1]
        self.ramdisk = re.search(r'^ramdisk *= *"(.*)"', text, re.MULTILINE)[1]
        self.memory = int(re.search(r"^memory *= *(\d+)", text, re.MULTILINE)[1])
        self.cmdline = re.search(r'^cmdline *= *"(.*)"', text, re.MULTILINE)[1]


class Native:
    """The host, on one of its processors: a guest has no more."""
    name = "native"

    def __init__(self, program, limit):
        self.program, self.limit = program, limit

    def run(self, arguments):
        processor = min(os.sched_getaffinity(0))
        return session.run([self.program, *arguments], self.limit, lambda: os.sched_setaffinity(0, {processor}))


class Machine:
    """An emulator: subclasses say its command line."""

    def __init__(self, guest, ramdisk, limit):
        self.guest, self.ramdisk, self.limit = guest, ramdisk, limit

    def run(self, arguments):
        return self.start(self.ramdisk, " ".join(["/bench/workloads", *arguments]))

    def boot(self):
        """To the first command of the shell, then power-off; with the guest's own initramfs."""
        return self.start(self.guest.ramdisk, f"echo {SHELL_MARK}")

    def start(self, ramdisk, command):
        return session.run(self.command(ramdisk, f'{self.guest.cmdline} run="{command}"'), self.limit)


class Qemu(Machine):
    name = "tcg"
    program = "qemu-system-x86_64"

    def command(self, ramdisk, cmdline):
        return [self.program, "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", self.guest.memory, "-nodefaults",
                "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", self.guest.kernel,
                "-initrd", ramdisk, "-append", cmdline]

    @classmethod
    def version(cls):
        """Nothing where it is not installed."""
        try:
            done = subprocess.run([cls.program, "--version"], capture_output=True, text=True)
        except FileNotFoundError:
            return None
        return done.stdout.splitlines()[0]


class Tandem(Machine):
    def __init__(self, program, engine, *rest, options=()):
        """OPTIONS: more of tandem run."""
        super().__init__(*rest)
        self.program, self.engine, self.name, self.options = program, engine, engine, options

    def command(self, ramdisk, cmdline):
        return [self.program, "run", self.guest.file, "--engine", self.engine + "!", "--ramdisk", ramdisk,
                "--cmdline", cmdline, "--vcpus", "1", "--display", "none", "--serial", "stdio",
                "--timeout", self.limit, *self.options]
