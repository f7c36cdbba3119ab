#!/usr/bin/env python3
"""Systems that people start: from SeaBIOS over a boot loader to what shows that they run.

  start_test.py TANDEM MEDIA_FOLDER CASE ENGINE VCPUS
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

from guest import Failure, Guest

LIMIT = 900  # seconds; a busy host takes four times what a quiet one does


class Bench:
    def __init__(self, tandem, media, engine, vcpus, folder):
        self.tandem, self.media, self.engine, self.vcpus, self.folder = tandem, media, engine, vcpus, folder

    def must(self, *command):
        done = subprocess.run([str(c) for c in command], cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def guest(self, *options, limit=LIMIT):
        return Guest(self.tandem, self.folder, limit, ["--engine", self.engine + "!", "--vcpus", self.vcpus, "--display", "none", *options])

    def rescue(self, key, *options, vdev="hdc", **named):
        """The rescue disc, its menu's entry chosen by a key on the serial port."""
        guest = self.guest("--disk", f"vdev={vdev},devtype=cdrom,target={self.media / 'rescue.iso'}", "--boot", "d", *options, **named)
        guest.wait_for("GNU GRUB")
        guest.wait_for("debian")
        guest.send(key)
        return guest

    def overlay(self, architecture, vdev="hda"):
        self.must(self.tandem, "img", "create", "disk.qcow2", "1025M", "--backing", self.media / f"{architecture}.img")
        return ["--disk", f"vdev={vdev},target=disk.qcow2"]

    def check_disk(self):
        self.must(self.tandem, "img", "check", "disk.qcow2")
        self.must(self.tandem, "img", "convert", "disk.qcow2", "disk.img")
        self.must("e2fsck", "-fn", "disk.img?offset=1048576")


def type_on_keyboard(guest):
    """A login and a command by the guest's own keyboard, on its first virtual terminal."""
    guest.ctl("send-text", "root\n")
    while "typed-42" not in guest.said[guest.seen:]:
        guest.ctl("send-text", "echo typed-$((6*7)) >/dev/ttyS0\n")
        guest.read_more(2)


def use_debian(bench, guest, version):
    """Logs in, looks around, shuts down."""
    guest.wait_for("tandem login: ")
    guest.send("root\n")
    guest.wait_for(r"root@tandem:~# ")
    guest.send("stty -echo; echo $(uname -r) $(findmnt -no FSTYPE,OPTIONS /) $(nproc) processors\n")
    guest.wait_for(rf"{version} ext4 rw,\S+ {bench.vcpus} processors")
    type_on_keyboard(guest)
    guest.send("cp -r /etc /var/copy; systemctl poweroff\n")
    guest.wait_for("reboot: Power down")
    guest.wait_for_end()
    bench.check_disk()


def start_disk(bench, architecture, kernel, keys="", vdev="hda"):
    with bench.guest(*bench.overlay(architecture, vdev), "--boot", "c") as guest:
        guest.wait_for("GNU GRUB")
        guest.wait_for(f"Debian {kernel}")
        guest.send(keys + "\n")
        use_debian(bench, guest, rf"\S*{kernel}")


def disk_amd64(bench):
    start_disk(bench, "amd64", "amd64")


def disk_ahci(bench):
    start_disk(bench, "amd64", "amd64", vdev="sda")


def disk_686(bench):
    start_disk(bench, "i386", "686")


def disk_686_pae(bench):
    start_disk(bench, "i386", "686-pae", "v")


def disc_amd64(bench):
    """GRUB from a disc, the system from a disk."""
    with bench.rescue("d", *bench.overlay("amd64")) as guest:
        use_debian(bench, guest, r"\S*amd64")


def disc_ahci(bench):
    """The same, both on AHCI."""
    with bench.rescue("d", *bench.overlay("amd64", "sda"), vdev="sdb") as guest:
        use_debian(bench, guest, r"\S*amd64")


# The tree that a root file system gets, its sums, and what it gets from then on.
CUT_WRITE = ("mkdir /tree && for i in $(seq 40); do dd if=/dev/urandom of=/tree/$i bs=7777 count=$i status=none; done; "
             "cp -r /etc /tree/etc; ln -s etc/passwd /tree/link; (cd /tree && find . -type f | sort | xargs sha256sum > /sums); "
             "sync; echo synced $((6*7)); while true; do cp -r /tree /more; rm -rf /more; echo round $((6*7)); done\n")


def cut(bench, disk):
    """Power fails while a Debian whose root is on virtio writes: what was synced is there, the file system is sound."""
    with bench.guest("--disk", f"vdev=vda,target={disk}", "--boot", "c") as guest:
        guest.wait_for("GNU GRUB")
        guest.wait_for("Debian amd64")
        guest.send("\n")
        guest.wait_for("tandem login: ")
        guest.send("root\n")
        guest.wait_for(r"root@tandem:~# ")
        guest.send("stty -echo; echo $(readlink -f $(findmnt -no SOURCE /)) $(findmnt -no FSTYPE /)\n")
        guest.wait_for(r"/dev/vda1 ext4")
        guest.send(CUT_WRITE)
        for words in ["synced 42", "round 42", "round 42"]:
            guest.wait_for(words)
        guest.process.kill()
    if disk.endswith("qcow2"):
        bench.must(bench.tandem, "img", "check", disk)
        bench.must(bench.tandem, "img", "convert", disk, "after.img")
        disk = "after.img"
    bench.must("dd", f"if={disk}", "of=root.img", "bs=1M", "skip=1", "conv=sparse", "status=none")
    journal = subprocess.run(["e2fsck", "-p", "root.img"], cwd=bench.folder, capture_output=True, text=True)
    if journal.returncode not in (0, 1):
        raise Failure(f"e2fsck after the cut: {journal.stdout}{journal.stderr}")
    bench.must("e2fsck", "-fn", "root.img")
    (bench.folder / "out").mkdir()
    bench.must("debugfs", "-R", "rdump /tree /sums out", "root.img")
    bench.must("sh", "-c", "cd out/tree && sha256sum --quiet -c ../sums && [ $(wc -l < ../sums) -gt 100 ]")


def cut_raw(bench):
    shutil.copy(bench.media / "amd64.img", bench.folder / "disk.img")
    cut(bench, "disk.img")


def cut_overlay(bench):
    bench.overlay("amd64")
    cut(bench, "disk.qcow2")


def xen(bench):
    with bench.rescue("x", "--memory", 768) as guest:
        for words in ["Xen version 4", rf"Brought up {bench.vcpus} CPUs", f"Dom0 has maximum {bench.vcpus} VCPUs", "This is Linux .* on Tandem", "# "]:
            guest.wait_for(words)
        guest.send("cat /sys/hypervisor/type\n")
        guest.wait_for(r"\nxen\r*\n")
        guest.send("poweroff -f\n")
        guest.wait_for_end()


def ipxe(bench):
    with bench.rescue("i", "--memory", 64) as guest:
        guest.wait_for_screen(r"iPXE \S+ -- Open Source Network Boot Firmware")


def start_network(bench, model, driver):
    """The boot ROM of an adapter gets an address."""
    with bench.guest("--boot", "n", "--memory", 64, "--vif", f"model={model}") as guest:
        guest.wait_for_screen(rf"net0: \S+ using {driver} on")
        guest.wait_for_screen(r"net0: 10\.0\.2\.15/255\.255\.255\.0 gw 10\.0\.2\.2")


def network_e1000(bench):
    start_network(bench, "e1000", "82540em")


def network_virtio(bench):
    start_network(bench, "virtio", "virtio-net")


def ovmf(bench):
    """UEFI firmware to its shell; a variable is there at the next start."""
    shutil.copy("/usr/share/OVMF/OVMF_VARS.fd", bench.folder / "variables")
    for command, answer in [("set tandem forty-two", r"Shell> "), ("set", r"tandem[^\n]{,60}forty-two")]:
        with bench.guest("--firmware", "/usr/share/OVMF/OVMF_CODE.fd", "--nvram", "variables", "--vif", "type=none") as guest:
            guest.wait_for("UEFI Interactive Shell")
            guest.wait_for("Press")
            guest.send("\x1b")
            guest.wait_for("Shell> ")
            guest.send(command + "\r")
            guest.wait_for(answer)
            guest.send("reset -s\r")
            guest.wait_for_end()


def memtest(bench):
    """All tests of memory that compute; the last one of a pass only waits."""
    with bench.rescue("m", "--memory", 64) as guest:
        guest.wait_for("Memtest86")
        guest.wait_for(r"#10 \[Bit fade")
        guest.wait_for(r"Errors: 0 ")
        if "FAIL" in guest.said:
            raise Failure("memtest finds errors: " + guest.said[-2000:])


def memtest_pass(bench):
    with bench.rescue("m", "--memory", 64, limit=1400) as guest:
        guest.wait_for(r"Pass:  1        Errors: 0 ")


def isolinux(bench):
    with bench.guest("--cdrom", bench.media / "installer.iso", "--boot", "d") as guest:
        for words in ["ISOLINUX", "Debian on Tandem", "text", "gtk", "Press .*Tab.* to edit options"]:
            guest.wait_for(words)
        guest.wait_for_screen("Debian on Tandem")
        guest.send("\t")
        guest.wait_for("initrd=/text/initrd.gz")


def installer(bench):
    with bench.guest("--cdrom", bench.media / "installer.iso", "--boot", "d", "--memory", 1024) as guest:
        guest.wait_for("to edit options")
        guest.send("\n")
        for words in ["Select a language", "English"]:
            guest.wait_for(words)


def installer_gtk(bench):
    """Its first screen: the banner in its colours, the list of languages in black on white."""
    def first_screen(width, height, pixels):
        (bench.folder / "shape").write_text(f"{width} {height}")
        counts = {}
        for i in range(0, len(pixels), 3):
            counts[pixels[i:i + 3]] = counts.get(pixels[i:i + 3], 0) + 1
        return len(counts) > 500 and counts.get(b"\xff\xff\xff", 0) > width * height // 4
    with bench.guest("--cdrom", bench.media / "installer.iso", "--boot", "d", "--memory", 1024) as guest:
        guest.wait_for("to edit options")
        guest.send("\x1b[B\n")
        guest.wait_for_picture(first_screen, "the installer")


CASES = [disk_amd64, disk_ahci, disk_686, disk_686_pae, disc_amd64, disc_ahci, cut_raw, cut_overlay, xen, ipxe, network_e1000, network_virtio, ovmf, memtest, memtest_pass, isolinux, installer, installer_gtk]


def main():
    tandem, media = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    case, engine, vcpus = sys.argv[3:6]
    with tempfile.TemporaryDirectory() as folder:
        try:
            next(c for c in CASES if c.__name__ == case)(Bench(tandem, media, engine, vcpus, pathlib.Path(folder)))
        except (Failure, subprocess.TimeoutExpired) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
