#!/usr/bin/env python3
"""tandem img against qemu-img: what one writes, the other reads; refusals leave nothing behind.

  img_test.py TANDEM
"""
import pathlib
import random
import subprocess
import sys
import tempfile

TANDEM = pathlib.Path(sys.argv[1]).resolve()


class Failure(Exception):
    pass


def call(folder, *arguments):
    return subprocess.run([str(a) for a in arguments], cwd=folder, capture_output=True, text=True, timeout=120)


def must(folder, *arguments):
    done = call(folder, *arguments)
    if done.returncode:
        raise Failure(f"{arguments}: status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def img(folder, *arguments):
    return must(folder, TANDEM, "img", *arguments)


def refuse(folder, words, *arguments):
    before = sorted(p.name for p in folder.iterdir())
    done = call(folder, TANDEM, "img", *arguments)
    lines = done.stderr.splitlines()
    if done.returncode not in (2, 3) or len(lines) != 1 or any(w not in lines[0] for w in words):
        raise Failure(f"img {arguments}: {done.returncode} {done.stderr!r}, not {words}")
    if sorted(p.name for p in folder.iterdir()) != before:
        raise Failure(f"img {arguments}: left files")


def make_disk(folder, name, size=9 * 1024 * 1024 + 512):
    source = random.Random(7)
    with open(folder / name, "wb") as f:
        for at in range(0, size, 65536):
            n = min(65536, size - at)
            f.write(source.randbytes(n) if source.random() < 0.3 else bytes(n))


def same(folder, a, a_format, b, b_format):
    must(folder, "qemu-img", "compare", "-f", a_format, "-F", b_format, a, b)


def check_create(folder):
    img(folder, "create", "a.qcow2", "3G")
    img(folder, "create", "b.img", "64M")
    img(folder, "create", "huge.qcow2", "5T")
    img(folder, "create", "over.qcow2", "64M", "--backing", "b.img")
    img(folder, "create", "over2.qcow2", "64M", "--backing", "over.qcow2")
    for name, size in (("a.qcow2", 3 << 30), ("huge.qcow2", 5 << 40), ("over.qcow2", 64 << 20), ("over2.qcow2", 64 << 20)):
        must(folder, "qemu-img", "check", name)
        if f"({size} bytes)" not in must(folder, "qemu-img", "info", name):
            raise Failure(f"{name}: wrong size")
    if (folder / "b.img").stat().st_size != 64 << 20:
        raise Failure("b.img: wrong size")
    must(folder, "qemu-io", "-c", "write -P 5 60G 1M", "-c", "write -P 5 4T 64k", "huge.qcow2")
    must(folder, "qemu-img", "check", "huge.qcow2")
    img(folder, "check", "huge.qcow2")


def check_convert(folder):
    make_disk(folder, "source.raw")
    img(folder, "convert", "source.raw", "one.qcow2")
    must(folder, "qemu-img", "check", "one.qcow2")
    same(folder, "source.raw", "raw", "one.qcow2", "qcow2")
    img(folder, "convert", "one.qcow2", "two.raw")
    if (folder / "two.raw").read_bytes() != (folder / "source.raw").read_bytes():
        raise Failure("two.raw differs")
    if (folder / "two.raw").stat().st_blocks * 512 > 5 << 20:
        raise Failure("two.raw holds its zeros")
    for options in (["-c"], ["-c", "-o", "compression_type=zstd"], ["-o", "compat=0.10"], ["-o", "cluster_size=4k"]):
        must(folder, "qemu-img", "convert", *options, "-f", "raw", "-O", "qcow2", "source.raw", "q.qcow2")
        img(folder, "convert", "q.qcow2", "back.raw")
        same(folder, "source.raw", "raw", "back.raw", "raw")
        (folder / "back.raw").unlink()


def check_info(folder):
    must(folder, "qemu-img", "create", "-f", "qcow2", "s.qcow2", "16M")
    must(folder, "qemu-img", "snapshot", "-c", "before the flood", "s.qcow2")
    must(folder, "qemu-img", "snapshot", "-c", "after", "s.qcow2")
    text = img(folder, "info", "s.qcow2")
    for words in ("format    qcow2", "size      16777216 bytes", "clusters of 65536", "snapshot  1 before the flood (2", "snapshot  2 after"):
        if words not in text:
            raise Failure(f"info: {words!r} is not in {text!r}")


def check_check(folder):
    must(folder, "qemu-img", "create", "-f", "qcow2", "c.qcow2", "16M")
    must(folder, "qemu-io", "-c", "write 0 1M", "c.qcow2")
    img(folder, "check", "c.qcow2")
    bytes_ = bytearray((folder / "c.qcow2").read_bytes())
    block = int.from_bytes(bytes_[0x10000:0x10008], "big")
    leaky = bytearray(bytes_)
    leaky[block + 2 * 5 + 1] += 1
    (folder / "leaky.qcow2").write_bytes(leaky)
    if "no damage, 1 clusters without use" not in img(folder, "check", "leaky.qcow2"):
        raise Failure("a leak is not found")
    bytes_[block + 2 * 5 + 1] = 0
    (folder / "bad.qcow2").write_bytes(bytes_)
    refuse(folder, ["bad.qcow2", "damaged: 1 faults"], "check", "bad.qcow2")


def check_refusals(folder):
    (folder / "there.img").write_bytes(bytes(512))
    (folder / "text.qcow2").write_text("no image")
    must(folder, "qemu-img", "create", "-f", "qcow2", "looks.img", "1M")
    rows = [
        (["'' is none"], []),
        (["'make'", "create"], ["make"]),
        (["usage", "SIZE"], ["create", "x.img"]),
        (["'lots'"], ["create", "x.img", "lots"]),
        (["'0'"], ["create", "x.img", "0"]),
        (["there.img: exists already"], ["create", "there.img", "1M"]),
        (["nowhere/x.img"], ["create", "nowhere/x.img", "1M"]),
        (["--format", "'vmdk'"], ["create", "x.img", "1M", "--format", "vmdk"]),
        (["--format", "missing"], ["create", "x.img", "1M", "--format"]),
        (["--colour"], ["create", "x.img", "1M", "--colour"]),
        (["gone.img", "No such file"], ["create", "x.qcow2", "1M", "--backing", "gone.img"]),
        (["looks.img", "looks like qcow2"], ["create", "x.qcow2", "1M", "--backing", "looks.img"]),
        (["raw image"], ["create", "x.img", "1M", "--backing", "there.img"]),
        (["x.qcow2: ", "bytes"], ["create", "x.qcow2", "9000000T"]),
        (["gone", "No such file"], ["convert", "gone", "x.img"]),
        (["there.img: exists"], ["convert", "there.img", "there.img"]),
        (["text.qcow2", "is no qcow2 image"], ["convert", "text.qcow2", "x.img"]),
        (["looks like qcow2"], ["convert", "looks.img", "x.img"]),
        (["gone", "No such file"], ["info", "gone"]),
        (["is a folder"], ["info", "."]),
        (["gone", "No such file"], ["check", "gone"]),
    ]
    for words, arguments in rows:
        refuse(folder, words, *arguments)


def main():
    failed = 0
    rows = (check_create, check_convert, check_info, check_check, check_refusals)
    for row in rows:
        with tempfile.TemporaryDirectory() as name:
            try:
                row(pathlib.Path(name))
            except Failure as failure:
                print("FAILED:", row.__name__, failure)
                failed += 1
    print(f"{len(rows)} rows, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
