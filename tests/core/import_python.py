#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""gst-semantic-import on checkpoints that PyTorch writes. Usage: import_python.py IMPORTER RANDOM_REFERENCE

Exit status 77 (skipped) without PyTorch.
"""
import json
import os
import pickle
import subprocess
import sys
import tempfile

try:
    import torch
except ImportError:
    sys.exit(77)

importer, random_reference = sys.argv[1:]


class Call:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, ("touch " + self.marker,)


def load(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    return {k: torch.frombuffer(data[v["data_offsets"][0]:v["data_offsets"][1]], dtype=torch.float32).reshape(v["shape"])
            for k, v in header.items() if k != "__metadata__"}


def part(tensors, prefix):
    return {k[len(prefix):]: v for k, v in tensors.items() if k.startswith(prefix)}


def run(arguments, expected=0):
    done = subprocess.run([importer, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    assert done.returncode == expected, (arguments, done.returncode, done.stdout)
    return done.stdout


def main(folder):
    def at(name):
        return os.path.join(folder, name)

    def save(name, obj, zipped=True):
        torch.save(obj, at(name), _use_new_zipfile_serialization=zipped)
        return at(name)

    subprocess.run([random_reference, at("made")], check=True)
    made = {f[:-len(".safetensors")]: load(at("made/" + f)) for f in os.listdir(at("made")) if f.endswith(".safetensors")}
    with open(at("made/vocab.txt"), encoding="utf-8") as file:
        words = file.read().splitlines()

    # As the authors save them.
    captions = [[1 + (i * k) % 20 for k in range(1, 9)] for i in range(1, 200)]
    with open(at("captions.pickle"), "wb") as file:
        pickle.dump([captions, captions, dict(enumerate(words)), {w: i for i, w in enumerate(words)}], file, protocol=2)
    counted = dict(part(made["captioner"], "encoder."))
    counted["resnet.1.num_batches_tracked"] = torch.tensor(5)
    structure = {"module." + k: v for k, v in made["structure"].items()}
    structure["module.dists.alpha"] = torch.ones(1, 3, 1, 1)
    signals = []
    for i in range(4):
        state = dict(made[f"signal-{i}"])
        if i == 1:  # names of CompressAI 1.2 and later
            for old, new in (("_matrix", "matrices."), ("_bias", "biases."), ("_factor", "factors.")):
                state = {k.replace("entropy_bottleneck." + old, "entropy_bottleneck." + new): v for k, v in state.items()}
        state.update({"entropy_bottleneck._offset": torch.zeros(3, dtype=torch.int32), "entropy_bottleneck.target": torch.zeros(3),
                      "entropy_bottleneck.likelihood_lower_bound.bound": torch.tensor([1e-9]),
                      "gaussian_conditional.scale_table": torch.ones(64), "g_a.1.beta_reparam.pedestal": torch.zeros(1),
                      "g_a.1.beta_reparam.lower_bound.bound": torch.zeros(1)})
        signals.append(save(f"{i}.pth.tar", {"epoch": i, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}, i % 2 == 0))
    given = {
        "captioner-encoder": save("encoder.ckpt", counted, False),
        "captioner-decoder": save("decoder.ckpt", part(made["captioner"], "decoder.")),
        "text": save("text_encoder200.pth", made["text"], False),
        "generator": save("bird.pth", {"module." + k: v for k, v in made["generator"].items()}),
        "ranker": save("image_encoder.pth", made["ranker"]),
        "edges": save("rcf.pth", {k: v.double() for k, v in made["edges"].items()}),
        "structure": save("l2.pth.tar", {"epoch": 1, "state_dict": structure}),
        "vocabulary": at("captions.pickle"),
    }

    def arguments(out, **changed):
        values = {**given, **{k.replace("_", "-"): v for k, v in changed.items()}}
        return [f"--{k}={v}" for k, v in values.items()] + [f"--signal={s}" for s in signals] + \
            ["--licence=for tests", "--name=imported", f"--out={at(out)}"]

    run(arguments("imported"))
    for name in os.listdir(at("made")):
        if name.endswith(".safetensors") or name in ("signal.tbl", "vocab.txt"):
            with open(at("made/" + name), "rb") as a, open(at("imported/" + name), "rb") as b:
                assert a.read() == b.read(), name
    with open(at("imported/profile.json"), encoding="utf-8") as file:
        profile = json.load(file)
    with open(at("made/profile.json"), encoding="utf-8") as file:
        assert profile["signal_parse_hash"] == json.load(file)["signal_parse_hash"]
    assert profile["kind"] == "reference" and profile["name"] == "imported" and "caption-table" in profile["files"]

    # What gst-semantic-train exports: the same networks, and the same caption table from the same captions.
    with open(at("captions.txt"), "w", encoding="utf-8") as file:
        file.writelines(" ".join(words[i] for i in caption) + "\n" for caption in captions)
    exports = {role: at(f"made/{role}.safetensors") for role in ("captioner", "text", "generator", "ranker", "edges", "structure")}
    exported = [f"--{k}={v}" for k, v in exports.items()] + [f"--signal={at(f'made/signal-{i}.safetensors')}" for i in range(4)] + \
        ["--licence=for tests", "--name=exported"]
    run([*exported, f"--vocabulary={at('made/vocab.txt')}", f"--captions={at('captions.txt')}", f"--out={at('exported')}"])
    for name in (*(f"{role}.safetensors" for role in exports), *(f"signal-{i}.safetensors" for i in range(4)), "caption.tbl",
                 "signal.tbl", "vocab.txt"):
        with open(at("imported/" + name), "rb") as a, open(at("exported/" + name), "rb") as b:
            assert a.read() == b.read(), name
    with open(at("empty.txt"), "w", encoding="utf-8"):
        pass
    assert "no lines" in run([*exported, f"--vocabulary={at('empty.txt')}", f"--out={at('none')}"], 1)
    assert not os.path.exists(at("none/profile.json"))

    # What is missing, too much, of another shape, or not there as numbers is named, and nothing is written.
    marker = at("ran")
    whole = made["structure"]
    without = {k: v for k, v in whole.items() if k != "attn2.k_conv.bias"}
    for state, parts in (
            (without, ["missing attn2.k_conv.bias"]),
            ({**whole, "attn9.bias": torch.zeros(3)}, ["extra attn9.bias"]),
            ({**whole, "up1.conv.bias": torch.zeros(5)}, ["up1.conv.bias has shape [5], wanted [16]"]),
            ({**without, "attn2.k_conv.bias": Call(marker)}, ["missing attn2.k_conv.bias", "system", "not run"]),
            ({**without, "attn2.k_conv.bias": whole["attn2.k_conv.bias"].long()}, ["missing attn2.k_conv.bias", "is of type I64"]),
            ({**without, "attn2.k_conv.bias": 3}, ["missing attn2.k_conv.bias", "is a number"]),
            ({"a": Call(marker)}, ["no state dict"]),
            ({"re.weight": torch.zeros(3, 100000, 1, 1)}, ["re.weight has a side of 100000"]),
    ):
        said = run(arguments("refused", structure=save("bad.pth", state)), 1)
        assert all(p in said for p in parts), (parts, said)
        assert not os.path.exists(at("refused/profile.json")) and not os.path.exists(at("refused/structure.safetensors"))
    assert not os.path.exists(marker)
    with open(at("bad.pickle"), "wb") as file:
        pickle.dump({"a": Call(marker)}, file)
    assert "no pair" in run(arguments("refused", vocabulary=at("bad.pickle")), 1)
    # A word list of another size than the networks' loads, but not with them: see the element's test.
    assert not os.path.exists(marker)


with tempfile.TemporaryDirectory() as temporary:
    main(temporary)
