#!/usr/bin/env python3
"""Sockets between guest and host: a program of the guest reaches one of the host's Unix sockets, and one of the host a port
of the guest.

  vsock_test.py TANDEM GUEST_FOLDER GUEST_PROGRAM BENCH_FOLDER ENGINE VCPUS BYTES
"""
import pathlib
import random
import socket
import sys
import tempfile
import threading

from talking_guest import LIMIT, Failure, Guest


def listen_and_echo(path):
    """What the guest sends comes back, once."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    listener.settimeout(LIMIT)

    def serve():
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 16):
                connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()


def call_guest(path, port, size):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(LIMIT)
        s.connect(str(path))
        s.sendall(f"CONNECT {port}\n".encode())
        line = b""
        while not line.endswith(b"\n"):
            byte = s.recv(1)
            if not byte:
                raise Failure(f"the guest's port did not answer: {line}")
            line += byte
        if not line.startswith(b"OK "):
            raise Failure(f"the answer was {line}")
        data = random.Random(7).randbytes(size)
        threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True).start()
        back = b""
        while piece := s.recv(1 << 16):
            back += piece
        if back != data:
            raise Failure(f"{len(data)} bytes went, {len(back)} came back")


def refused(path, port):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(LIMIT)
        s.connect(str(path))
        s.sendall(f"CONNECT {port}\n".encode())
        return s.recv(1) == b""


def check(tandem, folder, program, engine, vcpus, size, scratch):
    import initramfs  # of tools/bench
    ramdisk = scratch / "initrd.gz"
    initramfs.with_program(folder / "initrd.gz", program, ramdisk, "test/sockets")
    path = scratch / "v"
    command = f"modprobe vmw_vsock_virtio_transport; /test/sockets send 52 {size}; /test/sockets send 53 1; /test/sockets echo 77; echo over"
    listen_and_echo(scratch / "v_52")
    with Guest(tandem, folder, command, "--engine", engine + "!", "--vcpus", vcpus, "--vif", "type=none", "--ramdisk", ramdisk,
               "--vsock", f"cid=7,path={path}", "--control", "none") as guest:
        guest.wait_for("the same came back")
        guest.wait_for("connect: ")  # nobody listens at the host's port 53
        guest.wait_for("listening")
        if not refused(path, 78):
            raise Failure("a port where nobody listens answers")
        call_guest(path, 77, size)
        guest.wait_for("over")
        guest.end()
    if path.exists():
        raise Failure("the socket is left behind")


def main():
    tandem, folder, program, bench = (pathlib.Path(a).resolve() for a in sys.argv[1:5])
    sys.path.insert(0, str(bench))
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        try:
            check(tandem, folder, program, sys.argv[5], sys.argv[6], int(sys.argv[7]), pathlib.Path(scratch))
        except (Failure, OSError) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
