#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/test-clip draws the same clip again, the same scene at 10 and 25 frames a second, moving, with a cut every five seconds.
Usage: test_clip.py PROGRAM"""
import os
import struct
import subprocess
import sys
import tempfile
import zlib

SIZE = 64
PLANE = SIZE * SIZE
FRAME = PLANE * 3 // 2


def check(condition, text):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)


def write_stamp(path, colour):
    """A disc on nothing, RGBA."""
    side = 40
    rows = b""
    for y in range(side):
        rows += b"\0"
        for x in range(side):
            inside = (x - side / 2) ** 2 + (y - side / 2) ** 2 < 300
            rows += bytes(colour) + (b"\xff" if inside else b"\0")

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)) +
                   chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def draw(folder, rate, seconds, *more):
    path = os.path.join(folder, "clip.y4m")
    subprocess.run([sys.argv[1], "--stamps", folder, "--output", path, "--size", str(SIZE), "--rate", str(rate),
                    "--seconds", str(seconds), *more], check=True, timeout=120)
    with open(path, "rb") as file:
        header = file.readline().decode()
        data = file.read()
    check(header.startswith("YUV4MPEG2 ") and f" W{SIZE} " in header and f" F{rate}:1 " in header, header)
    step = len(b"FRAME\n") + FRAME
    check(len(data) % step == 0, "not whole frames")
    return [data[i + 6:i + step] for i in range(0, len(data), step)]


def difference(a, b):
    return sum(abs(x - y) for x, y in zip(a[:PLANE], b[:PLANE])) / PLANE


with tempfile.TemporaryDirectory() as folder:
    write_stamp(os.path.join(folder, "a.png"), (200, 30, 30))
    write_stamp(os.path.join(folder, "b.png"), (20, 30, 220))
    slow, fast = draw(folder, 10, 6), draw(folder, 25, 2)
    check(len(slow) == 60 and len(fast) == 50, "length")
    check(slow == draw(folder, 10, 6), "not the same again")
    check(slow != draw(folder, 10, 6, "--seed", "2"), "another seed, the same clip")
    for moment in (0, 2, 4, 18):  # in tenths of a second: both rates have a frame there
        check(slow[moment] == fast[moment * 25 // 10], f"another picture at {moment / 10} s")
    steps = [difference(a, b) for a, b in zip(slow, slow[1:])]
    check(min(steps) > 0.2, "nothing moves")
    check(steps[49] > 3 * max(steps[:49] + steps[50:]), "no cut after five seconds")
    bad = subprocess.run([sys.argv[1], "--stamps", "/dev/null", "--output", "/dev/null"], capture_output=True, text=True)
    check(bad.returncode == 1 and "test-clip: " in bad.stderr, "a folder without pictures")
