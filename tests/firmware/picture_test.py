#!/usr/bin/env python3
"""Boots picture.asm in each mode on one engine and compares the screenshot with pictures.txt.

  picture_test.py TANDEM IMAGES_FOLDER ENGINE
  picture_test.py --print TANDEM IMAGES_FOLDER ENGINE     prints pictures.txt anew
"""
import hashlib
import pathlib
import subprocess
import sys

import png

LIMIT = 60  # seconds
GOLDEN = pathlib.Path(__file__).with_name("pictures.txt")


def golden_rows():
    rows = [line.split() for line in GOLDEN.read_text().splitlines() if line and not line.startswith("#")]
    return {name: (int(width), int(height), digest) for name, width, height, digest in rows}


def take(tandem, images, engine, name):
    picture = images / f"{name}.{engine}.png"
    picture.unlink(missing_ok=True)
    done = subprocess.run([tandem, "run", "--engine", engine + "!", "--display", "none", "--memory", "64",
                           "--fda", images / f"picture_{name}.img", "--exit_port", "0x501", "--timeout", str(LIMIT),
                           "--screenshot", picture], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 42:
        return f"status {done.returncode}: {done.stderr}"
    width, height, pixels = png.read(picture)
    return width, height, hashlib.sha256(pixels).hexdigest()


def main():
    arguments = sys.argv[1:]
    printing = arguments[0] == "--print"
    tandem, images, engine = arguments[printing:]
    tandem, images = pathlib.Path(tandem).resolve(), pathlib.Path(images)
    failed = 0
    for name, wanted in golden_rows().items():
        got = take(tandem, images, engine, name)
        if printing:
            print(name, *got)
        elif got != wanted:
            print(f"FAILED {name}: {got}, {wanted} expected; the picture is {images / name}.{engine}.png")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
