#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every launch line of the README and of the elements' doc blocks, as it is written, with the trained profile.

Only the screen is replaced by a sink without one. Lines over a network are run by the tests of suite rtp, those with VTM need VTM.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

source = pathlib.Path(sys.argv[1])
ELSEWHERE = re.compile(r"udps(ink|rc)|codec=vtm|rtsp|autoaudio")
# What the lines describe: files, which other lines may write anew, and the mux's video.
PICTURES = ["filesrc location=in.png ! pngdec", "filesrc location=bird.png ! pngdec",
            "videotestsrc num-buffers=1 ! video/x-raw,width=256,height=256"]
MAGIC = {".png": b"\x89PNG", ".gsem": b"GSEM"}


def doc_blocks():
    for file in sorted(source.glob("plugins/*/*.cpp")):
        for block in re.findall(r"\|\[\n(.*?)\]\|", file.read_text(), re.S):
            yield file.name, re.sub(r"^ \* ?", "", block, flags=re.M)


def readme_blocks():
    """Commands of the indented blocks, one by one: comments off, a line that ends in a pipe, a backslash or is indented goes on."""
    for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", (source / "README.md").read_text(), re.M):
        command = ""
        for line in block.splitlines() + [""]:
            line = line[4:]
            goes_on = line.startswith(" ") or command.rstrip().endswith(("|", "\\"))
            if command and not goes_on:
                yield "README.md", command
                command = ""
            if line and not line.startswith("#"):
                command += line + "\n"


def wanted(command):
    return re.search(r"\bgst-(launch|play|discoverer|inspect)-1\.0\b", command) and not ELSEWHERE.search(command)


def run(folder, name, command):
    command = re.sub(r"autovideosink", "fakesink", command)
    command = re.sub(r"\bgst-play-1\.0\b", "gst-play-1.0 --no-interactive --videosink=fakesink", command)
    done = subprocess.run(["sh", "-ec", command], cwd=folder, timeout=240, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, errors="replace")
    bad = done.returncode != 0 or "ERROR" in done.stdout
    for made in re.findall(r"filesink location=(\S+)", command):
        file = folder / made
        magic = MAGIC[file.suffix]
        if not file.exists() or not file.read_bytes().startswith(magic):
            bad = True
            done.stdout += f"\n{made} is no {file.suffix} file"
    print(f"{'FAILED' if bad else 'ok':7}{name}: {' '.join(command.split())[:150]}", flush=True)
    if bad:
        print(done.stdout)
    captions = [described(folder, picture) for picture in PICTURES] if "fdsink" in command else []
    if captions and not any(caption in done.stdout for caption in captions):
        print(f"none of {captions} came out:\n{done.stdout}")
        bad = True
    return not bad


def described(folder, picture):
    """What semanticenc says of it: the words that must come out again wherever a line prints some."""
    line = f"gst-launch-1.0 -q {picture} ! videoconvert ! semanticenc ! text/x-raw ! fdsink"
    said = subprocess.run(["sh", "-ec", line], cwd=folder, check=True, timeout=240, stdout=subprocess.PIPE, text=True).stdout.strip()
    if not re.fullmatch(r"[a-z]+( [a-z]+){2,19}", said):
        sys.exit(f"no caption: {said!r}")
    return said


def main():
    with tempfile.TemporaryDirectory(prefix="gsem-lines-") as name:
        folder = pathlib.Path(name)
        make = ("gst-launch-1.0 -q videotestsrc num-buffers=1 pattern=ball ! video/x-raw,width=200,height=150 ! pngenc ! filesink location=in.png && "
                "cp in.png bird.png && gst-launch-1.0 -q filesrc location=in.png ! pngdec ! videoconvert ! semanticencodebin ! filesink location=out.gsem && "
                "cp out.gsem bird.gsem")
        subprocess.run(["sh", "-ec", make], cwd=folder, check=True, timeout=240)
        lines = [(n, c) for n, c in list(doc_blocks()) + list(readme_blocks()) if wanted(c)]
        if len(lines) < 15:
            sys.exit(f"only {len(lines)} launch lines found: the documents have another shape than this test knows")
        results = [run(folder, n, c) for n, c in lines]
        sys.exit(0 if all(results) else 1)


main()
