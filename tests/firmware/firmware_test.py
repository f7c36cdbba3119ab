#!/usr/bin/env python3
"""SeaBIOS and boot sectors on it, on one engine, by the tandem program.

  firmware_test.py TANDEM IMAGES_FOLDER ENGINE
"""
import array
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import wave

import png

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "start"))
from guest import Failure, Guest  # noqa: E402

LIMIT = 60  # seconds
SECTOR = 512


class Bench:
    def __init__(self, tandem, images, engine, scratch):
        self.tandem, self.images, self.engine, self.scratch = tandem, images, engine, scratch

    # Status, the firmware's log, and what went to the first serial port.
    def run(self, *options):
        log, serial = self.scratch / "log", self.scratch / "serial"
        done = subprocess.run([self.tandem, "run", "--engine", self.engine + "!", "--display", "none", "--memory", "64",
                               "--debugcon", f"file:{log}", "--serial", f"file:{serial}", "--timeout", str(LIMIT),
                               "--exit_port", "0x501", *map(str, options)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.returncode, log.read_text(errors="replace"), serial.read_text(errors="replace")

    # Until its log has a word; the log.
    def run_until(self, word, *options):
        log = self.scratch / "log"
        options = ["--engine", self.engine + "!", "--display", "none", "--memory", 64, "--debugcon", f"file:{log}", *options]
        with Guest(self.tandem, self.scratch, LIMIT, options) as guest:
            while not log.exists() or word not in log.read_text(errors="replace"):
                if not guest.read_more(0.1):
                    guest.fail(f"{word!r} never came")
            guest.must_ctl("quit")
            guest.process.wait(LIMIT)
        return log.read_text(errors="replace")

    def floppy(self, name):
        return shutil.copy(self.images / f"{name}.img", self.scratch / f"{name}.img")


def expect_in_order(text, *words):
    at = 0
    for word in words:
        found = text.find(word, at)
        if found < 0:
            raise Failure(f"{word!r} is missing in {text[-3000:]!r}")
        at = found + len(word)


def expect_equal(what, got, wanted):
    if got != wanted:
        raise Failure(f"{what}: {got!r}, {wanted!r} expected")


def no_media(bench):
    log = bench.run_until("No bootable device.")
    expect_in_order(log, "Running on QEMU (i440fx)", "fw_cfg DMA interface supported", "len 0x0000000004000000 [RAM]",
                    "Found 1 cpu(s)", "Copying SMBIOS", "ACPI: parse DSDT", "Booting from", "No bootable device.")


def processors(bench):
    log = bench.run_until("Machine UUID", "--vcpus", 3, "--uuid", "00112233-4455-6677-8899-aabbccddeeff")
    expect_in_order(log, "Found 3 cpu(s)", "Machine UUID 00112233-4455-6677-8899-aabbccddeeff")


def floppy_boots(bench):
    image = bench.floppy("hello")
    status, log, serial = bench.run("--fda", image)
    expect_equal("status", status, 42)
    expect_in_order(log, "Booting from Floppy...")
    expect_equal("serial", serial, "Tandem boots from a floppy\nfloppy is done\n")
    content = pathlib.Path(image).read_bytes()
    expect_equal("the sector written", content[-SECTOR:][:4], b"grot")
    expect_equal("size", len(content), 1440 * 1024)


# One of the same format, whose end can't be written.
def short_image(bench):
    image = pathlib.Path(bench.floppy("hello"))
    before = image.read_bytes()[:-SECTOR]
    image.write_bytes(before)
    status, _, serial = bench.run("--fda", image)
    expect_equal("status", status, 3)
    expect_in_order(serial, "Tandem boots from a floppy")
    expect_equal("content", image.read_bytes(), before)


# The firmware's own screen: text in the upper left corner, in the grey of mode 3, nothing below it.
def screenshot(bench):
    picture = bench.scratch / "screen.png"
    bench.run_until("No bootable device.", "--screenshot", picture)
    width, height, pixels = png.read(picture)
    expect_equal("size", (width, height), (720, 400))
    colors = {pixels[i:i + 3] for i in range(0, len(pixels), 3)}
    expect_equal("colours", colors, {bytes(3), b"\xa8" * 3})
    lit = [any(pixels[3 * width * 16 * row:3 * width * 16 * (row + 1)]) for row in range(height // 16)]
    expect_equal("rows with text", lit[:3], [True] * 3)
    expect_equal("rows at the end", lit[-8:], [False] * 8)


# Moved memory and ROM survive a system reset: the guest comes up twice.
def reset(bench):
    image = bench.floppy("reset")
    status, log, serial = bench.run("--fda", image)
    expect_equal("status", status, 42)
    expect_in_order(log, "Booting from Floppy...", "SeaBIOS (version", "Booting from Floppy...")
    expect_equal("serial", serial, "12")


# BIOS codes until Escape, then codes of the controller until F10.
def keyboard(bench):
    options = ["--engine", bench.engine + "!", "--display", "none", "--memory", 64, "--vif", "type=none", "--exit_port", "0x501",
               "--fda", bench.floppy("keyboard")]
    with Guest(bench.tandem, bench.scratch, LIMIT, options) as guest:
        guest.wait_for("keys\n")
        guest.ctl("send-keys", "a", "shift-b", "f1", "up", "esc")
        guest.wait_for("1E61\n3042\n3B00\n4800\n011B\ncodes\n")
        guest.ctl("send-keys", "a", "up", "f10")
        guest.wait_for("1E\n9E\nE0\n48\nE0\nC8\n44\nC4\n")
        expect_equal("status", guest.process.wait(LIMIT), 42)


def timer(bench):
    status, _, serial = bench.run("--fda", bench.floppy("timer"))
    expect_equal("status", status, 42)
    expect_equal("serial", serial, "rate\none-shot\n")


# What a WAV file of one channel holds: for each stretch that is not silent, its length and how often it rises, in a second.
def tones(path):
    with wave.open(str(path)) as file:
        rate, samples = file.getframerate(), array.array("h", file.readframes(file.getnframes()))
    heard, start, last, rises = [], None, None, 0
    for i, sample in enumerate(samples):
        if not sample:
            continue
        if start is None or i - last > rate // 20:
            if start is not None:
                heard.append(((last - start) / rate, rises))
            start, rises = i, 0
        rises += not samples[i - 1] if i else 1
        last = i
    return [(seconds, count / seconds) for seconds, count in heard + [((last - start) / rate, rises)]] if start is not None else []


def speaker(bench):
    sound = bench.scratch / "sound.wav"
    status, _, _ = bench.run("--fda", bench.floppy("speaker"), "--speaker", f"file:{sound}")
    expect_equal("status", status, 42)
    heard = tones(sound)
    expect_equal("tones", len(heard), 2)
    for (seconds, hertz), wanted in zip(heard, (440, 880)):
        if not 0.1 < seconds < 2 or abs(hertz - wanted) > wanted * 0.02:
            raise Failure(f"{heard}: {wanted} Hz for some ticks expected")


# A disc of its own boot image, from IDE and from AHCI.
def cdrom(bench):
    tree = bench.scratch / "tree"
    tree.mkdir()
    data = random.Random(3).randbytes(70001)
    (tree / "data.bin").write_bytes(data)
    shutil.copy(bench.images / "cdrom.img", tree / "boot.bin")
    disc = bench.scratch / "disc.iso"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", disc, "-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4", tree],
                   check=True, capture_output=True)
    for vdev in "hdc", "sda":
        status, _, serial = bench.run("--disk", f"vdev={vdev},devtype=cdrom,target={disc}", "--boot", "d")
        expect_equal(f"status from {vdev}", status, 42)
        expect_equal(f"serial from {vdev}", serial, f"sum {sum(data):08X}\n")


# One line that says what to install, where the package's folder is empty.
def missing_package(bench):
    for folder, package, options in ("/usr/share/seabios", "seabios", []), ("/usr/lib/ipxe", "ipxe-qemu", ["--boot", "n"]):
        hide = ["unshare", "-rm", "sh", "-c", f"mount -t tmpfs none {folder} || exit 77; exec \"$@\"", "sh"]
        done = subprocess.run([*hide, bench.tandem, "run", "--display", "none", *options], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 77 or done.stderr.startswith("unshare"):
            print("skipped missing_package: this host has no namespaces for this user")
            return
        expect_equal("status", done.returncode, 2)
        expect_in_order(done.stderr, folder, "is missing: install the package " + package)
        expect_equal("lines", done.stderr.count("\n"), 1)


CASES = [missing_package, no_media, processors, floppy_boots, short_image, screenshot, reset, keyboard, timer, speaker, cdrom]


def main():
    tandem, images, engine = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]), sys.argv[3]
    failed = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                case(Bench(tandem, images, engine, pathlib.Path(scratch)))
                print("ok", case.__name__)
            except Failure as failure:
                print("FAILED", case.__name__, failure)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
