#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sender and a receiver as two processes over a network that loses packets: their memory and threads over time, and what
the leaks tracer finds at the end. Small pictures, so that it costs little. Ends with 1 when one of them grows or leaks.
Usage: soak.py [SECONDS [LOSS-PERCENT]]     600, 10; GST_PLUGIN_PATH and GST_SEMANTIC_PROFILE_PATH as for any pipeline"""
import os
import signal
import subprocess
import sys
import tempfile
import time

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 600
LOSS = float(sys.argv[2]) / 100 if len(sys.argv) > 2 else 0.1
PORT = 5000 + os.getpid() % 10000 * 2
EVERY = 5.0
SETTLED = SECONDS / 4  # pools and caches are full by then
RTP = "application/x-rtp,media=video,clock-rate=90000,encoding-name=X-SEMANTIC"
SEND = (f"videotestsrc is-live=true pattern=ball ! video/x-raw,width=96,height=64,framerate=10/1 ! videoconvert ! "
        f"semanticencodebin ! rtpsemanticpay config-interval=1 ! netsim drop-probability={LOSS} ! "
        f"udpsink host=127.0.0.1 port={PORT}")
RECEIVE = (f'udpsrc port={PORT} caps="{RTP}" ! rtpjitterbuffer latency=200 ! rtpsemanticdepay ! semanticdecodebin ! '
           f"fakesink name=sink sync=true silent=true")


def status(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith(field + ":")).split()[1])


def start(line, folder, name):
    log = os.path.join(folder, name)
    env = dict(os.environ, GST_TRACERS="leaks(check-refs=false)", GST_DEBUG="GST_TRACER:7", GST_DEBUG_FILE=log, GST_DEBUG_NO_COLOR="1",
               OMP_NUM_THREADS="1")
    return subprocess.Popen(f"exec gst-launch-1.0 -q -e {line}", shell=True, env=env), log


def leaks(log):
    with open(log, encoding="utf-8", errors="replace") as file:
        return [line.strip() for line in file if "object-alive, type-name=" in line and "new format" not in line]


def watch(name, samples):
    """`samples`: (seconds, kB, threads). Prints what became of them; the growth in kB a minute after settling."""
    late = [s for s in samples if s[0] >= SETTLED]
    third = max(1, len(late) // 3)
    early, last = (sorted(s[1] for s in part)[third // 2] for part in (late[:third], late[-third:]))
    minutes = (late[-1][0] - late[0][0]) / 60 * 2 / 3  # from the middle of the first third to that of the last
    growth = (last - early) / minutes if minutes > 0 else 0
    threads = sorted({s[2] for s in late})
    print(f"{name}: {early / 1024:.1f} MB after {SETTLED:.0f} s, {last / 1024:.1f} MB at the end ({growth:+.0f} kB a minute), threads {threads}")
    return growth, threads


def main():
    with tempfile.TemporaryDirectory() as folder:
        runs = {"receiver": start(RECEIVE, folder, "receiver.log")}
        time.sleep(2)
        runs["sender"] = start(SEND, folder, "sender.log")
        samples = {name: [] for name in runs}
        begin = time.monotonic()
        while time.monotonic() - begin < SECONDS:
            time.sleep(min(EVERY, SECONDS))
            for name, (process, _) in runs.items():
                if process.poll() is not None:
                    sys.exit(f"the {name} has ended early, with {process.returncode}")
                samples[name].append((time.monotonic() - begin, status(process.pid, "VmRSS"), status(process.pid, "Threads")))
        bad = False
        for name, (process, log) in runs.items():
            process.send_signal(signal.SIGINT)
        for name, (process, log) in runs.items():
            process.wait(timeout=60)
            growth, threads = watch(name, samples[name])
            alive = leaks(log)
            print(f"{name}: {len(alive)} objects left", *alive[:5], sep="\n  ")
            bad = bad or growth > 200 or max(threads) - min(threads) > 1 or bool(alive)
        return 1 if bad else 0


sys.exit(main())
