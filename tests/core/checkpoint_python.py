#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files that Python and PyTorch write themselves, read by the importer's reader. Usage: checkpoint_python.py TEST

Exit status 77 (skipped) without PyTorch.
"""
import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from collections import OrderedDict, defaultdict

try:
    import torch
except ImportError:
    sys.exit(77)

program = sys.argv[1]


class Vocabulary:
    """As the captioning tutorial's."""

    def __init__(self, words):
        self.word2idx = {w: i for i, w in enumerate(words)}
        self.idx2word = dict(enumerate(words))
        self.idx = len(words)


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, ("touch " + self.path,)


def read(path):
    lines = subprocess.run([program, path], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    tensors, others = {}, {}
    for line in lines:
        if line.startswith("# "):
            name, why = line[2:].split(" ", 1)
            others[name] = why
            continue
        head, values = line.split(" :")
        name, kind, *shape = head.split()
        data = torch.tensor([float(v) for v in values.split()], dtype=torch.float64)
        tensors[name] = (kind, data.reshape([int(s) for s in shape]))
    return tensors, others


def check(path, expected):
    tensors, others = read(path)
    assert set(tensors) == set(expected), (path, set(tensors) ^ set(expected))
    for name, value in expected.items():
        kind, data = tensors[name]
        want = value.detach().to(torch.float32).to(torch.float64)
        assert data.shape == want.shape, (path, name)
        assert torch.allclose(data, want, rtol=1e-6, atol=0, equal_nan=True), (path, name, data, want)
    return others


def main(folder):
    torch.manual_seed(1)
    base = torch.randn(6, 5)
    state = OrderedDict(
        conv=torch.nn.Parameter(torch.randn(3, 2, 3, 3)), turned=base.t(), part=base[2:4, 1:3], half=torch.randn(7).half(),
        brain=torch.randn(7).bfloat16(), double=torch.randn(4).double(), count=torch.tensor(12), empty=torch.zeros(0, 3),
        byte=torch.arange(5, dtype=torch.uint8), small=torch.tensor([-3, 4], dtype=torch.int8),
        truth=torch.tensor([True, False]), short=torch.tensor([-300], dtype=torch.int16))
    wrapped = {"epoch": 3, "state_dict": OrderedDict(("module." + k, v) for k, v in state.items()),
               "optimizer": torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))]).state_dict(),
               "args": argparse.Namespace(lr=0.1)}
    for zipped in (True, False):
        for protocol in (2, 3, 4, 5):
            for i, obj in enumerate((state, wrapped)):
                path = os.path.join(folder, f"{zipped}-{protocol}-{i}.pth")
                torch.save(obj, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
                check(path, state)

    words = ["<end>", "a", "bird", "r\u00f4ti", "with"]
    captions = [[1, 2, 4], [2], list(range(5)) * 300]
    files = {
        "attngan": [captions, captions, dict(enumerate(words)), {w: i for i, w in enumerate(words)}],
        "defaultdict": [captions, [], defaultdict(str, enumerate(words)), {}],
        "vocabulary": Vocabulary(words),
    }
    for name, obj in files.items():
        for protocol in range(6):
            path = os.path.join(folder, f"{name}-{protocol}.pickle")
            with open(path, "wb") as file:
                pickle.dump(obj, file, protocol=protocol)
            out = subprocess.run([program, "--words", path], check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
            wanted = words + [f"{0 if name == 'vocabulary' else 3} captions"]
            assert out.splitlines() == wanted, (path, out)

    marker = os.path.join(folder, "ran")
    for zipped in (True, False):
        path = os.path.join(folder, "attack.pth")
        torch.save({"w": torch.zeros(1), "x": Attack(marker)}, path, _use_new_zipfile_serialization=zipped)
        others = check(path, {"w": torch.zeros(1)})
        assert "system" in others["x"], others
        assert not os.path.exists(marker)


with tempfile.TemporaryDirectory() as temporary:
    main(temporary)
