#!/usr/bin/env python3
"""A host without a way to other networks, whose name server is a program on it: the user gets a line, the guest goes on, and
finds names by the user network's own name server.

  offline_test.py TANDEM GUEST_FOLDER ENGINE

Runs in a network of its own, which takes the right to make one (root, or user namespaces); skips without.
"""
import fcntl
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

LIMIT = 120  # seconds
SKIPPED = 77
NAME, ADDRESS = "box.tandem.test", "192.0.2.77"
COMMAND = ("while ! ip addr show eth0 | grep -q 'inet 10.0.2.15'; do usleep 50000; done; nslookup %s 10.0.2.3; "
           "wget -T 5 -O - http://192.0.2.1/ || echo unreachable; echo it goes on") % NAME


class Failure(Exception):
    pass


def answer(query):
    """RFC 1035, 4: an A record of the one name, and no record for others."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack(">H", query[at + 1:at + 3])[0]
    known = ".".join(labels) == NAME and kind == 1
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(ADDRESS) if known else b""
    return query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(record) > 0, 0, 0) + query[12:at + 5] + record


def serve_names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve():
        while True:
            query, client = server.recvfrom(512)
            server.sendto(answer(query), client)

    threading.Thread(target=serve, daemon=True).start()


def bring_up(interface):
    """netdevice(7)"""
    set_flags, up = 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, set_flags, struct.pack("16sH14x", interface.encode(), up))


def must(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{command}: {done.stdout}{done.stderr}")


def check(tandem, folder, engine, scratch):
    bring_up("lo")
    (scratch / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    must("mount", "--bind", scratch / "resolv.conf", os.path.realpath("/etc/resolv.conf"))
    serve_names()
    done = subprocess.run([str(a) for a in [
        tandem, "run", folder / "default.cfg", "--engine", engine + "!", "--timeout", LIMIT, "--control", "none",
        "--cmdline", f'console=ttyS0 quiet run="{COMMAND}"', "--expect", "^it goes on"]],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    said = f"{done.stdout[-2000:]}{done.stderr}"
    if done.returncode:
        raise Failure(f"status {done.returncode}: {said}")
    if "no route to other networks" not in done.stderr:
        raise Failure(f"the user is not told: {done.stderr}")
    for words in (ADDRESS, "unreachable"):
        if words not in done.stdout:
            raise Failure(f"{words!r} is missing: {said}")


def main():
    tandem, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    if "INSIDE" not in os.environ:
        apart = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
        if subprocess.run([*apart, "true"], capture_output=True).returncode:
            print("no right to make a network")
            return SKIPPED
        return subprocess.run([*apart, sys.executable, *sys.argv], env={**os.environ, "INSIDE": "1"}).returncode
    with tempfile.TemporaryDirectory() as scratch:
        try:
            check(tandem, folder, sys.argv[3], pathlib.Path(scratch))
        except (Failure, OSError) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
