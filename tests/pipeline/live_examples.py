#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/rtp-send and rtp-receive, two processes over UDP on this machine: what was sent is recorded, with losses, encryption, repair packets and
sound. Usage: live_examples.py SOURCE-ROOT"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = sys.argv[1]
KEY = "0123456789abcdef" * 3 + "0123456789ab"
PICTURES, RATE = 60, 10  # the stream header comes once a second: losing all of them is unlikely
# Programs of others may warn as they like.
ENV = {k: v for k, v in os.environ.items() if k not in ("G_DEBUG", "GST_TRACERS")}


def check(condition, text):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)


def launch(line):
    return subprocess.run(["gst-launch-1.0"] + line.split(), env=ENV, capture_output=True, text=True, timeout=240)


def units(path):
    """Access units that a parser finds in a file."""
    out = launch(f"-v filesrc location={path} ! semanticparse ! identity silent=false ! fakesink")
    check(out.returncode == 0, f"{path} does not read:\n{out.stdout}{out.stderr}")
    return out.stdout.count("chain   *")


def free_port():
    """A port of which the second next is free too, for the sound."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
            a.bind(("0.0.0.0", 0))
            port = a.getsockname()[1]
            try:
                b.bind(("0.0.0.0", port + 2))
            except (OSError, OverflowError):
                continue
            return port


def listens(port):
    with open("/proc/net/udp", encoding="ascii") as table:
        return any(line.split()[1].endswith(":%04X" % port) for line in list(table)[1:])


def settle(path, expected):
    """Until so many bytes are in the file, or no more come for two seconds: nobody knows how slow this machine is."""
    deadline, size, since = time.monotonic() + (60 if expected else 3), 0, time.monotonic()
    while time.monotonic() < deadline and not (size and time.monotonic() - since > 2):
        now = os.path.getsize(path)
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.05)


def call(folder, source, send, receive, expected=True):
    """One call; the recorded file and what the receiver said."""
    port = free_port()
    recording = os.path.join(folder, f"{port}.gsem")
    receiver = subprocess.Popen([f"{ROOT}/examples/rtp-receive", "--port", str(port), "--record", recording] + receive,
                                env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 60
        while not listens(port) and receiver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        check(receiver.poll() is None and listens(port), "the receiver does not listen: " + (receiver.stdout.read() if receiver.poll() else ""))
        sender = subprocess.run([f"{ROOT}/examples/rtp-send", "--port", str(port)] + send + source, env=ENV,
                                capture_output=True, text=True, timeout=120)
        check(sender.returncode == 0, sender.stdout + sender.stderr)
        settle(recording, expected)
        receiver.send_signal(signal.SIGINT)
        said = receiver.communicate(timeout=60)[0]
    finally:
        receiver.kill()
    check("ERROR" not in said, said)
    return recording, said


def main():
    with tempfile.TemporaryDirectory() as folder:
        clip = os.path.join(folder, "clip.gsem")
        made = launch(f"-q videotestsrc pattern=ball num-buffers={PICTURES} ! "
                      f"video/x-raw,format=RGB,width=64,height=64,framerate={RATE}/1 ! semanticencodebin ! semanticparse ! filesink location={clip}")
        check(made.returncode == 0, made.stdout + made.stderr)
        check(units(clip) == PICTURES, "the clip")

        recording, _ = call(folder, [clip], [], ["--sink", f"pngenc ! multifilesink location={folder}/%03d.png"])
        check(units(recording) == PICTURES, f"{units(recording)} units of {PICTURES} without losses")
        shown = [name for name in os.listdir(folder) if name.endswith(".png")]
        # What a busy machine is late with is left out.
        check(shown, "no pictures")

        recording, _ = call(folder, [clip], ["--loss", "20"], ["--no-decode"])
        check(0 < units(recording) < PICTURES, f"{units(recording)} units at 20 % loss")

        secret = ["--srtp", KEY, "--fec", "100", "--loss", "10", "--sound", "test", "--seconds", "6"]
        recording, _ = call(folder, [clip], secret, ["--srtp", KEY, "--fec", "--no-decode", "--sound", "fakesink"])
        check(units(recording) > PICTURES / 2, "encrypted, with repair packets")

        recording, _ = call(folder, [clip], ["--srtp", KEY], ["--srtp", KEY[::-1], "--no-decode"], expected=False)
        check(os.path.getsize(recording) == 0, "another key reads the stream")

        adaptive = ["--adaptive", "--wait", "120", "--no-decode"]
        recording, _ = call(folder, [clip], ["--adaptive", "--copies", "2"], adaptive)
        check(PICTURES / 2 < units(recording) <= PICTURES, f"{units(recording)} units over rtpbin")

        for program in ("rtp-send", "rtp-receive"):
            for arguments in (["--nonsense", "1"], ["--port"]):
                result = subprocess.run([f"{ROOT}/examples/{program}"] + arguments, capture_output=True, text=True)
                check(result.returncode == 1 and program in result.stderr, f"{program} {arguments}")


main()
