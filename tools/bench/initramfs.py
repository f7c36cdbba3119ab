"""An initramfs with one file more: a second archive behind the guest's own, which Linux accepts."""
import gzip

ALIGNMENT = 4
FOLDER, PROGRAM = 0o040755, 0o100755


def entry(name, mode, data, inode):
    """One member of a cpio archive in the format newc."""
    encoded = name.encode() + b"\0"
    fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(header + encoded) + padded(data)


def padded(data):
    return data + bytes(-len(data) % ALIGNMENT)


def with_program(original, program, target, name="bench/workloads"):
    """Writes TARGET: the archive ORIGINAL, then the program as FOLDER/NAME."""
    extra = (entry(name.split("/")[0], FOLDER, b"", 1) + entry(name, PROGRAM, program.read_bytes(), 2) +
             entry("TRAILER!!!", 0, b"", 0))
    target.write_bytes(padded(original.read_bytes()) + gzip.compress(extra, mtime=0))
