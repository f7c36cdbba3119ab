#!/usr/bin/env python3
"""Discs are changed under a Linux that uses them, on IDE and on AHCI.

  disc_test.py TANDEM GUEST_FOLDER ENGINE
"""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "start"))
from guest import Failure, Guest  # noqa: E402

LIMIT = 240  # seconds
AHCI = "0000:00:03.0"  # its place on the PCI bus


def make_disc(folder, name):
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tree/name").write_text(name)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", name.upper(), "-o", folder / f"{name}.iso", folder / "tree"], check=True,
                   capture_output=True)


def label(guest, device):
    """The volume's name, in the descriptor in sector 16 (ISO 9660); nothing without a disc."""
    return guest.run(f"dd if=/dev/{device} bs=1 skip=$((16 * 2048 + 40)) count=3 2>/dev/null").strip()


def change(guest, drive, device, folder):
    """Another disc, none, and one that the guest holds on to."""
    if label(guest, device) != "ONE":
        raise Failure(f"{drive}: not the first disc: {guest.said[-500:]}")
    guest.must_ctl("cd-change", drive, folder / "two.iso")
    if label(guest, device) != "TWO":
        raise Failure(f"{drive}: not the second disc: {guest.said[-500:]}")
    if "two" not in guest.run(f"mount -t iso9660 -o ro /dev/{device} /mnt && cat /mnt/name"):
        raise Failure(f"{drive}: the second disc holds something else: {guest.said[-500:]}")
    if (refused := guest.ctl("cd-change", drive, folder / "one.iso")).returncode != 2 or "locked" not in refused.stderr:
        raise Failure(f"{drive}: a disc in use is taken away: {refused}")
    guest.run("umount /mnt")
    guest.must_ctl("cd-change", drive)
    if label(guest, device):
        raise Failure(f"{drive}: a disc where there is none: {guest.said[-500:]}")
    guest.must_ctl("cd-change", drive, folder / "one.iso")
    if label(guest, device) != "ONE":
        raise Failure(f"{drive}: not the first disc again: {guest.said[-500:]}")


def check(tandem, guest_folder, engine, folder):
    make_disc(folder, "one")
    make_disc(folder, "two")
    drives = [f"vdev={drive},devtype=cdrom,target={folder}/one.iso" for drive in ("hdc", "sda")]
    options = [guest_folder / "default.cfg", "--engine", engine + "!", "--display", "none", "--vif", "type=none", "--disk", drives[0], "--disk", drives[1]]
    with Guest(tandem, folder, LIMIT, options) as guest:
        guest.wait_for("/root # ")
        guest.run("stty -echo; while ! [ -b /dev/sr1 ]; do usleep 100000; done")
        ahci, ide = ("sr0", "sr1") if AHCI in guest.run("readlink -f /sys/block/sr0") else ("sr1", "sr0")
        change(guest, "sda", ahci, folder)
        change(guest, "hdc", ide, folder)
        guest.send("poweroff -f\n")
        guest.wait_for_end()


def main():
    tandem, guest_folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    if not (guest_folder / "default.cfg").exists():
        print(f"{guest_folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(tandem, guest_folder, sys.argv[3], pathlib.Path(folder))
        except (Failure, subprocess.CalledProcessError) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
