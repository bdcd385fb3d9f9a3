#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The loss bench over a few pictures: without losses nothing is missing, with losses they show, and retransmission helps (the program checks that).
Usage: smoke.py LIVE-BENCH"""
import os
import subprocess
import sys
import tempfile

env = {k: v for k, v in os.environ.items() if k not in ("G_DEBUG", "GST_TRACERS")}
SIDE, PICTURES = 64, 50
with tempfile.TemporaryDirectory() as folder:
    clip, page = os.path.join(folder, "clip.y4m"), os.path.join(folder, "live.md")
    line = f"-q videotestsrc pattern=ball num-buffers={PICTURES} ! video/x-raw,format=I420,width={SIDE},height={SIDE},framerate=10/1 ! y4menc ! filesink location={clip}"
    subprocess.run(["gst-launch-1.0"] + line.split(), env=env, check=True, timeout=60)
    done = subprocess.run([sys.argv[1], "--clip", clip, "--out", page, "--brief", "yes"], env=env, timeout=280)
    text = open(page, encoding="utf-8").read()
    if done.returncode or text.count("| 10 % independent |") != 2 or text.count("| 10 % independent, NACK |") != 1:
        print("FAILED", done.returncode, text)
        sys.exit(1)
