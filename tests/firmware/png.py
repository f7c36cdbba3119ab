"""Reads PNG files of eight-bit RGB, all that Tandem writes."""
import struct
import zlib


def paeth(a, b, c):
    p = a + b - c
    nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))
    return nearest[2]


def unfilter(kind, row, above):
    for i in range(len(row)):
        left, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
        guess = (0, left, above[i], (left + above[i]) // 2, None)[kind]
        row[i] = (row[i] + (paeth(left, above[i], corner) if guess is None else guess)) & 255


def read(path):
    """Width, height, pixels."""
    data = path.read_bytes()
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        content = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, color = struct.unpack(">IIBB", content[:10])
            assert (depth, color) == (8, 2), "not eight-bit RGB"
        if kind == b"IDAT":
            packed += content
        at += 12 + length
    raw, stride = zlib.decompress(packed), 3 * width
    above, pixels = bytearray(stride), bytearray()
    for y in range(height):
        start = y * (stride + 1)
        row = bytearray(raw[start + 1:start + 1 + stride])
        if raw[start]:
            unfilter(raw[start], row, above)
        pixels += row
        above = row
    return width, height, bytes(pixels)
