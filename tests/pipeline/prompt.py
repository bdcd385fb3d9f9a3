#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""examples/prompt.py makes a picture of each line that is typed. Usage: prompt.py SOURCE-ROOT (with a python3 that has GObject introspection)"""
import os
import struct
import subprocess
import sys
import tempfile

env = {k: v for k, v in os.environ.items() if k not in ("G_DEBUG", "GST_TRACERS")}
with tempfile.TemporaryDirectory() as folder:
    typed = "this bird is red with a short beak\n\nthis bird is blue\n"
    result = subprocess.run([sys.executable, f"{sys.argv[1]}/examples/prompt.py", "--save", folder], input=typed,
                            env=env, capture_output=True, text=True, timeout=200)
    if result.returncode == 77:
        print(result.stderr)
        sys.exit(77)
    names = sorted(os.listdir(folder))
    pictures = [open(os.path.join(folder, name), "rb").read() for name in names]
    sizes = [struct.unpack(">II", picture[16:24]) for picture in pictures]
    coded = [int(line.split()[0]) for line in result.stdout.splitlines() if line.endswith(" bytes")]
    if result.returncode or sizes != [(256, 256)] * 2 or pictures[0] == pictures[1] or len(coded) != 2 or max(coded) > 20:
        print("FAILED:", names, sizes, coded, result.returncode, result.stdout, result.stderr)
        sys.exit(1)
