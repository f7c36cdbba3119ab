#!/usr/bin/env python3
"""The tandem program against wrong usage and bad files: one line on standard error, the right status, nothing written.

  cli_test.py TANDEM GUEST_FOLDER
"""
import os
import pathlib
import subprocess
import sys
import tempfile

TANDEM = pathlib.Path(sys.argv[1]).resolve()
GUEST = pathlib.Path(sys.argv[2]).resolve()


class Failure(Exception):
    pass


def run(arguments, folder, stdin=None):
    return subprocess.run([TANDEM, *map(str, arguments)], cwd=folder, stdin=stdin or subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)


def expect_refusal(folder, arguments, status, words):
    before = sorted(p.name for p in folder.iterdir())
    done = run(arguments, folder)
    lines = done.stderr.splitlines()
    if done.returncode != status or len(lines) != 1 or done.stdout:
        raise Failure(f"{arguments}: status {done.returncode} (wanted {status}), {done.stdout!r}, {done.stderr!r}")
    for word in words:
        if word not in lines[0]:
            raise Failure(f"{arguments}: {lines[0]!r} does not say {word!r}")
    if sorted(p.name for p in folder.iterdir()) != before:
        raise Failure(f"{arguments}: wrote files")


def refusals(folder):
    kernel = GUEST / "vmlinuz"
    truncated = folder / "truncated"
    truncated.write_bytes(kernel.read_bytes()[:100000])
    foreign = folder / "foreign"
    foreign.write_text("#!/bin/sh\n")
    empty = folder / "empty"
    empty.write_bytes(b"")
    bad_cfg = folder / "bad.cfg"
    bad_cfg.write_text("memory = 5\nname 'x'\n")
    direct = ["run", "--kernel", kernel]
    return [
        (["rum"], 2, ["rum", "run"]),
        (["run", "--firmware", "missing"], 2, ["missing", "No such file"]),
        (["run", "--firmware", foreign], 2, ["firmware", "64 KiB"]),
        (["run", "--boot", "cx"], 2, ["boot", "x"]),
        (["run", "--uuid", "12"], 2, ["uuid", "12"]),
        (direct + ["--firmware", "missing"], 2, ["firmware", "kernel"]),
        (["run", "--kernl", "x"], 2, ["--kernl", "--kernel"]),
        (["run", "--memory"], 2, ["--memory", "missing"]),
        (["run", "missing.cfg"], 2, ["missing.cfg", "No such file"]),
        (["run", bad_cfg], 2, ["bad.cfg:2", "="]),
        (["run", "--kernel", "missing"], 2, ["missing", "No such file"]),
        (["run", "--kernel", folder], 2, [folder.name, "folder"]),
        (["run", "--kernel", truncated], 2, ["truncated"]),
        (["run", "--kernel", foreign], 2, ["foreign", "not a kernel"]),
        (["run", "--kernel", empty], 2, ["empty", "not a kernel"]),
        (direct + ["--ramdisk", "missing"], 2, ["missing", "No such file"]),
        (direct + ["--memory", "0"], 2, ["memory"]),
        (direct + ["--memory", "lots"], 2, ["memory", "size"]),
        (direct + ["--memory", "9000G"], 3, ["memory", "host"]),
        (direct + ["--vcpus", "0"], 2, ["vcpus", "1"]),
        (direct + ["--vcpus", "1000"], 2, ["vcpus", "254"]),
        (direct + ["--cpu", "z80"], 2, ["z80"]),
        (direct + ["--cpu", "x86-64-v2,+nonsense"], 2, ["nonsense"]),
        (direct + ["--engine", "steam"], 2, ["steam", "interp"]),
        *([] if os.access("/dev/kvm", os.R_OK | os.W_OK) else [(direct + ["--engine", "kvm!"], 3, ["kvm"])]),
        (direct + ["--jit", "base,+turbo"], 2, ["jit", "+turbo"]),
        (direct + ["--jit", "threshold=many"], 2, ["jit", "threshold=many"]),
        (direct + ["--jit", "cache=0"], 2, ["jit", "cache=0"]),
        (direct + ["--jit", "llvm=later"], 2, ["jit", "llvm=later"]),
        (direct + ["--verify", "1/0"], 2, ["verify", "1/0"]),
        (direct + ["--engine", "interp", "--verify", "1/9"], 2, ["verify", "interpreter"]),
        (direct + ["--serial", "carrier-pigeon"], 2, ["carrier-pigeon"]),
        (direct + ["--serial", "file:/nowhere/x"], 2, ["/nowhere/x"]),
        (direct + ["--expect", "("], 2, ["expect", "("]),
        (direct + ["--on-reboot", "x"], 2, ["--on-reboot", "--on_reboot"]),
        (direct + ["--on_reboot", "x"], 2, ["on_reboot", "destroy"]),
        (direct + ["--exit_port", "70000"], 2, ["exit_port"]),
        (direct + ["--disk", "x.img"], 2, ["disk", "x.img", "No such file"]),
        (direct + ["--disk", "vdev=xvda,target=x.img"], 2, ["xvda", "Xen", "virtio", "hda"]),
        (direct + ["--disk", "foreign", "--disk", "vdev=vda,target=truncated"], 2, ["vda", "twice"]),
        (direct + ["--disk", "vdev=vda,cdrom,target=foreign"], 2, ["vda", "CD-ROM", "IDE"]),
        (direct + ["--vif", "type=bridge"], 2, ["vif", "bridge", "user, tap, none"]),
        (direct + ["--vif", "hostfwd=tcp:22"], 2, ["vif", "hostfwd", "tcp:22"]),
        (direct + ["--vif", "hostfwd=tcp:192.0.2.1:1-:1"], 2, ["vif", "hostfwd", "port 1"]),
        (direct + ["--vif", "type=none,capture=/nowhere/x", "--vif", "capture=/nowhere/x"], 2, ["capture", "/nowhere/x"]),
        (direct + ["--p9", "tag=x"], 2, ["p9", "path=FOLDER"]),
        (direct + ["--p9", "tag=x,path=/nowhere"], 2, ["p9", "/nowhere", "No such file"]),
        (direct + ["--p9", "tag=x,path=foreign"], 2, ["p9", "foreign", "Not a directory"]),
        (direct + ["--p9", "tag=x,path=.", "--p9", "tag=x,path=."], 2, ["p9", "x", "twice"]),
        (direct + ["--balloon", "x"], 2, ["balloon", "on, off"]),
        (direct + ["--console", "name=,null"], 2, ["console", "name"]),
        (direct + ["--console", "name=x,pigeon"], 2, ["console", "pigeon"]),
        (direct + ["--virtio", "x"], 2, ["virtio", "packed, split"]),
        (direct + ["--disk", "vdev=sda,target=foreign", "--disk", "vdev=sda,target=truncated"], 2, ["sda", "twice"]),
        (direct + ["--disk", "vdev=hda1,target=x.img"], 2, ["hda1"]),
        (direct + ["--disk", "vdev=hda,target=missing.img"], 2, ["missing.img", "No such file"]),
        (direct + ["--disk", "vdev=hda,target=empty"], 2, ["empty: is empty"]),
        (direct + ["--disk", "vdev=hda,format=qcow2,target=foreign"], 2, ["foreign: is no qcow2 image"]),
        (direct + ["--disk", "vdev=hdc,target=foreign", "--cdrom", "truncated"], 2, ["hdc", "twice"]),
        (direct + ["--disk", "vdev=hda,target=foreign", "--disk", "vdev=hdb,target=foreign"], 2, ["foreign", "elsewhere"]),
        (["run", "--vga", "cga"], 2, ["vga", "cga"]),
        (["run", "--usbdevice", "modem"], 2, ["usbdevice", "modem", "tablet, keyboard, none"]),
        (["run", "--videoram", "3"], 2, ["videoram", "power of two"]),
        (["run", "--videoram", "99999999999999"], 2, ["videoram"]),
        (["run", "--vga", "none", "--screenshot", "x.png"], 2, ["screenshot"]),
        (direct + ["--screenshot", "x.png"], 2, ["screenshot"]),
        (["run", "--fda", "missing"], 2, ["fda", "missing", "No such file"]),
        (["run", "--fda", empty], 2, ["fda", "empty"]),
        (["run", "--fda", folder], 2, ["fda", folder.name]),
        (direct + ["--gdb", "here"], 2, ["gdb", "here"]),
        (direct + ["--gdb", "1234,later"], 2, ["gdb", "later"]),
        (direct + ["--gdb", "70000"], 2, ["gdb", "70000"]),
        (direct + ["--gdb", "unix:/nowhere/x"], 2, ["gdb", "/nowhere/x"]),
        (direct + ["--control", "/nowhere/x"], 2, ["control", "/nowhere/x"]),
        (direct + ["--control", foreign], 2, ["control", "no socket"]),
        (direct + ["--display", "sdl"], 2, ["display", "vga"]),
        (direct + ["--display", "vnc"], 2, ["display", "vga"]),
        (["run", "--display", "vnc:one"], 2, ["display", "vnc:one"]),
        (["run", "--clipboard", "maybe"], 2, ["clipboard", "maybe"]),
        (direct + ["--trace", "port_wirte"], 2, ["trace", "port_write"]),
        (direct + ["--trace", "halt:/nowhere/x"], 2, ["trace", "/nowhere/x"]),
        (["trace"], 2, ["file"]),
        (["trace", foreign], 2, ["foreign", "no trace file"]),
        (["trace", "missing"], 2, ["missing", "No such file"]),
        (["batch"], 2, ["suite"]),
        (["batch", "missing.toml"], 2, ["missing.toml"]),
        (["ctl", "nobody", "status"], 2, ["nobody", "No such file"]),
        (["dis"], 2, ["file"]),
        (["dis", "missing"], 2, ["missing", "No such file"]),
        (["dis", foreign, "--bits", "17"], 2, ["--bits"]),
        (["dis", "--guest", "nobody", "0x1000"], 2, ["nobody"]),
        (["dis", "--guest"], 2, ["--guest", "missing"]),
        (["dis", "--guest", "nobody", "--bits", "16"], 2, ["--bits", "files"]),
        (["dis", foreign, "--code"], 2, ["--code", "guests"]),
        (["dis", foreign, "--fly", "1"], 2, ["--fly"]),
        (["probe", "x"], 2, ["probe"]),
    ]


def check_print_config(folder):
    first = run(["run", GUEST / "default.cfg", "--memory", "96", "--expect", 'a "b" \\c', "--print-config"], folder)
    (folder / "again.cfg").write_text(first.stdout)
    second = run(["run", "again.cfg", "--print-config"], folder)
    (folder / "again.cfg").unlink()
    if first.returncode or second.stdout != first.stdout or "memory = 96" not in first.stdout:
        raise Failure(f"--print-config: {first.stdout!r}, then {second.stdout!r} {second.stderr!r}")


def check_unknown_key_is_a_warning(folder):
    (folder / "warn.cfg").write_text("memroy = 5\n")
    done = run(["run", "warn.cfg", "--print-config"], folder)
    (folder / "warn.cfg").unlink()
    if done.returncode or "warn.cfg:1: unknown key memroy (is memory meant?)" not in done.stderr:
        raise Failure(f"unknown key: {done.returncode} {done.stderr!r}")


def check_timeout(folder):
    done = run(["run", GUEST / "default.cfg", "--timeout", "1", "--serial", "null"], folder)
    if done.returncode != 124 or "time limit" not in done.stderr:
        raise Failure(f"--timeout: {done.returncode} {done.stderr!r}")


def check_panic_and_missing_expect(folder):
    # A kernel without a root file system panics and, with panic=-1, resets at once.
    base = ["run", "--kernel", GUEST / "vmlinuz", "--memory", "256", "--timeout", "100"]
    done = run(base + ["--cmdline", "quiet panic=-1", "--on_reboot", "destroy"], folder)
    if done.returncode != 32:
        raise Failure(f"reset: {done.returncode} {done.stderr!r}")
    done = run(base + ["--ramdisk", GUEST / "initrd.gz", "--cmdline", 'quiet run="true"', "--expect", "never"], folder)
    if done.returncode != 35 or "never" not in done.stderr:
        raise Failure(f"missing expect: {done.returncode} {done.stderr!r}")


def check_disassembly(folder):
    (folder / "code").write_bytes(bytes([0x48, 0x89, 0xD8, 0xC3]))
    done = run(["dis", "code", "--base", "0x1000"], folder)
    (folder / "code").unlink()
    if done.returncode or "0000000000001000" not in done.stdout or "mov rax, rbx" not in done.stdout:
        raise Failure(f"dis: {done.returncode} {done.stdout!r}")


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows = [(lambda row=row: expect_refusal(folder, *row)) for row in refusals(folder)]
        rows += [lambda check=check: check(folder) for check in (
            check_print_config, check_unknown_key_is_a_warning, check_timeout, check_panic_and_missing_expect,
            check_disassembly)]
        for row in rows:
            try:
                row()
            except Failure as failure:
                print("FAILED:", failure)
                failed += 1
    print(f"{len(rows)} rows, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
