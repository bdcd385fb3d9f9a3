#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/rtsp-server: three clients at the same time, one with everything, one with words only, one with little rate. Usage: rtsp_server.py PROGRAM"""
import os
import re
import subprocess
import sys
import tempfile
import time

env = {k: v for k, v in os.environ.items() if k not in ("G_DEBUG", "GST_TRACERS")}


def check(condition, text):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)


def launch(line):
    out = subprocess.run(["gst-launch-1.0"] + line.split(), env=env, capture_output=True, text=True, timeout=240)
    check(out.returncode == 0, f"{line}\n{out.stdout}{out.stderr}")
    return out.stdout


def buffers(path, layer):
    """How many access units of a recording have this layer."""
    others = [name for name in ("caption", "structure", "signal") if name != layer]
    out = launch(f"-v filesrc location={path} ! semanticparse ! semanticdemux name=d  d.{layer} ! queue ! identity silent=false ! fakesink async=false "
                 + "  ".join(f"d.{name} ! queue ! fakesink async=false" for name in others))
    return out.count("chain   *")


with tempfile.TemporaryDirectory() as folder:
    clip = os.path.join(folder, "clip.gsem")
    launch(f"-q videotestsrc pattern=ball num-buffers=20 ! video/x-raw,format=RGB,width=64,height=64,framerate=10/1 ! "
           f"semanticencodebin semanticenc::refresh=500 ! semanticparse ! filesink location={clip}")
    source = f"multifilesrc location={clip} loop=true ! semanticparse ! clocksync"
    server = subprocess.Popen([sys.argv[1], "--port", "0", source], env=env, stdout=subprocess.PIPE, text=True)
    clients = []
    try:
        address = server.stdout.readline().strip()
        check(re.fullmatch(r"rtsp://127\.0\.0\.1:\d+/bird", address), address)
        wanted = {"all": "", "words": "?layers=1", "slow": "?bitrate=4000"}
        for name, query in wanted.items():
            line = f"-q rtspsrc location={address}{query} latency=100 ! rtpsemanticdepay ! filesink buffer-mode=unbuffered location={folder}/{name}.gsem"
            clients.append(subprocess.Popen(["gst-launch-1.0"] + line.split(), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        deadline = time.monotonic() + 60

        def size(name):
            path = f"{folder}/{name}.gsem"
            return os.path.getsize(path) if os.path.exists(path) else 0

        clip_size = os.path.getsize(clip)
        while time.monotonic() < deadline and not (size("all") > 2 * clip_size and size("words") > 40 and size("slow") > 100):
            time.sleep(0.1)
        sizes = {name: size(name) for name in wanted}
        check(server.poll() is None, "the server has ended")
        check(sizes["all"] > 2 * clip_size, f"{sizes} of {clip_size}")
    finally:
        for client in clients:
            client.kill()
            client.wait()
        server.terminate()
    check(server.wait(timeout=30) == 0, "the server's end")
    check(buffers(f"{folder}/all.gsem", "signal") > 20, "signals for who wants all")
    check(buffers(f"{folder}/words.gsem", "caption") > 0, "words for who wants words")
    check(sizes["words"] < sizes["all"] / 10 and sizes["slow"] < sizes["all"] / 2, f"{sizes}")
