#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/adaptive-call in short: feedback comes back, packets go through, and the drawing has all its lines. Usage: adaptive_call.py PROGRAM"""
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

env = {k: v for k, v in os.environ.items() if k not in ("G_DEBUG", "GST_TRACERS")}


def check(condition, text):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "call.svg")
    done = subprocess.run([sys.argv[1], "--step", "1.5", "--output", path], env=env, capture_output=True, text=True, timeout=200)
    check(done.returncode == 0, done.stderr)
    rows = [[float(word) for word in line.replace("%", "").split()] for line in done.stdout.splitlines()[1:]]
    check([row[0] for row in rows] == [500, 60, 20, 2, 500], done.stdout)
    check(sum(row[1] for row in rows) > 1, f"next to nothing was sent:\n{done.stdout}")
    check(sum(row[3] for row in rows) > 0, f"no feedback:\n{done.stdout}")
    # Whatever a busy machine makes of it: the link carries no more than its rate, apart from what was on it before.
    check(rows[3][2] < 2 * 3, f"the link lets too much through:\n{done.stdout}")
    svg = xml.etree.ElementTree.parse(path).getroot()
    texts = {element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    check({"capacity", "estimate", "sent", "received", "layer"} <= texts, texts)
    lines = [e.get("d") for e in svg.iter("{http://www.w3.org/2000/svg}path") if e.get("fill") == "none"]
    check(len(lines) == 5 and all(line.startswith("M") and "L" in line for line in lines), lines)
    bad = subprocess.run([sys.argv[1], "--nonsense"], env=env, capture_output=True, text=True)
    check(bad.returncode == 1 and "usage" in bad.stderr, bad.stderr)
