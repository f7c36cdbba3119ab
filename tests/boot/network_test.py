#!/usr/bin/env python3
"""A guest on the user network: an address by DHCP, a download from a server on the host's loopback, a server in the guest
reached through hostfwd and net-forward, many short connections that leave nothing behind.

  network_test.py TANDEM GUEST_FOLDER ENGINE VCPUS ADAPTER MEGABYTES CONNECTIONS
    ADAPTER: virtio's rings, split or packed, or e1000
"""
import hashlib
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

from talking_guest import LIMIT, Failure, Guest, Server, free_port

GUEST, MTU = socket.inet_aton("10.0.2.15"), 9000


def descriptors(guest):
    return len(os.listdir(f"/proc/{guest.process.pid}/fd"))


def connect_often(port, count):
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
            s.recv(1)  # until the guest's refusal has come back


def settled(guest, before):
    """What the connections took is given back, if not at once."""
    for _ in range(300):
        if descriptors(guest) <= before:
            return True
        time.sleep(0.1)
    return False


def frames_of(capture):
    """Those of a pcap file (tcpdump's format, little-endian)."""
    with capture.open("rb") as file:
        if file.read(24)[:4] != bytes.fromhex("d4c3b2a1"):
            raise Failure("the capture has another format")
        while header := file.read(16):
            yield file.read(struct.unpack("<8xI4x", header)[0])


def sum_of(words):
    """Of 16-bit words, in ones' complement; 0 is what a good checksum gives."""
    return int.from_bytes(words + bytes(len(words) % 2), "big") % 0xffff


def check_capture(capture, least):
    """All frames are there; the guest leaves it to the device to cut its TCP segments and to sum them up."""
    received, large = 0, 0
    for frame in frames_of(capture):
        ip = frame[14:]
        if frame[12:14] != b"\x08\x00" or ip[9] != socket.IPPROTO_TCP:
            continue
        if ip[12:16] != GUEST:
            received += len(frame)
            continue
        large += len(frame) > MTU + 14
        segment = ip[4 * (ip[0] & 15):int.from_bytes(ip[2:4], "big")]
        if large <= 500 and sum_of(ip[12:20] + struct.pack(">HH", socket.IPPROTO_TCP, len(segment)) + segment):
            raise Failure(f"a segment of {len(segment)} bytes has a wrong checksum")
    if received < least:
        raise Failure(f"the capture has {received} bytes for the guest, which got {least}")
    if not large:
        raise Failure("no segment was longer than the MTU")


def check(tandem, folder, engine, vcpus, adapter, megabytes, connections, scratch):
    adapter = ["--vif", "model=e1000,"] if adapter == "e1000" else ["--virtio", adapter, "--vif", ""]
    data = random.Random(5).randbytes(megabytes << 20)
    server = Server(data)
    web, closed = free_port(), free_port()
    command = ("while ! ip addr show eth0 | grep -q 'inet 10.0.2.15'; do usleep 50000; done; "
               f"H=http://10.0.2.2:{server.port}; wget -q -O - $H/data | sha256sum; "
               f"dd if=/dev/urandom of=/tmp/made bs=64k count={megabytes * 4} 2>/dev/null; sha256sum /tmp/made; "
               "httpd -p 80 -h /tmp; echo serving; wget -q -O /dev/null $H/end; echo over")
    capture, control = scratch / "frames.pcap", scratch / "control"
    with Guest(tandem, folder, command, "--engine", engine + "!", "--vcpus", vcpus, "--control", control, *adapter[:-1], adapter[-1] +
               f"type=user,hostfwd=tcp:127.0.0.1:{web}-:80,hostfwd=tcp:127.0.0.1:{closed}-:9,capture={capture}") as guest:
        guest.wait_for(hashlib.sha256(data).hexdigest())
        made = guest.wait_for("").split()[0]
        guest.wait_for("serving")
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/made", timeout=LIMIT) as answer:
            if hashlib.sha256(answer.read()).hexdigest() != made:
                raise Failure("what the guest serves arrives as something else")
        later = free_port()
        subprocess.run([tandem, "ctl", control, "net-forward", f"tcp:127.0.0.1:{later}-:80"], check=True)
        with urllib.request.urlopen(f"http://127.0.0.1:{later}/made", timeout=LIMIT) as answer:
            if hashlib.sha256(answer.read()).hexdigest() != made:
                raise Failure("a port that was forwarded later gives something else")
        before = descriptors(guest)
        connect_often(closed, connections)
        if not settled(guest, before):
            raise Failure(f"{before} descriptors before {connections} connections, {descriptors(guest)} after")
        server.ended.set()
        guest.wait_for("over")
        guest.end()
    check_capture(capture, len(data))


def main():
    tandem, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    engine, vcpus, adapter = sys.argv[3:6]
    megabytes, connections = int(sys.argv[6]), int(sys.argv[7])
    if not (folder / "default.cfg").exists():
        print(f"{folder}: no guest; make it by tools/guest/make")
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        try:
            check(tandem, folder, engine, vcpus, adapter, megabytes, connections, pathlib.Path(scratch))
        except (Failure, OSError, subprocess.CalledProcessError) as failure:
            print("FAILED:", failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
