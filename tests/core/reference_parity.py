#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The published networks, defined in PyTorch independently of ours, on the same weights and inputs.

Usage: reference_parity.py PROGRAM NETWORK [full]. Exit status 77 (skipped) without PyTorch. The names of the weights
are the published ones: they are loaded strictly.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    sys.exit(77)

TOLERANCE = 1e-4


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = torch.frombuffer(data[begin:end], dtype=torch.float32).reshape(entry["shape"])
    groups = {"w": {}, "in": {}, "out": {}}
    for name, value in tensors.items():
        group, rest = name.split(".", 1)
        groups[group][rest] = value
    return groups["w"], groups["in"], groups["out"]


def load(net, weights, prefix=""):
    weights = {k[len(prefix):]: v for k, v in weights.items() if k.startswith(prefix)}
    report = net.load_state_dict(weights, strict=False)
    missing = [k for k in report.missing_keys if not k.endswith("num_batches_tracked")]
    assert not missing and not report.unexpected_keys, (missing, report.unexpected_keys)
    return net.eval()


def named(**modules):
    """A module that only has children."""
    net = nn.Module()
    for name, child in modules.items():
        net.add_module(name, child)
    return net


# ---- captioner ------------------------------------------------------------------------------------------


class Bottleneck(nn.Module):
    def __init__(self, cin, width, stride):
        super().__init__()
        cout = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(cin, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, cout, 1, bias=False), nn.BatchNorm2d(cout)
        self.downsample = None
        if stride != 1 or cin != cout:
            self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


def captioner(weights, inputs):
    stem = weights["encoder.resnet.0.weight"].shape[0]
    layers, cin = [nn.Conv2d(3, stem, 7, 2, 3, bias=False), nn.BatchNorm2d(stem), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], stem
    for stage in range(4):
        blocks = []
        while f"encoder.resnet.{4 + stage}.{len(blocks)}.conv1.weight" in weights:
            width = stem * 2 ** stage
            blocks.append(Bottleneck(cin, width, 2 if stage and not blocks else 1))
            cin = 4 * width
        layers.append(nn.Sequential(*blocks))
    layers.append(nn.AdaptiveAvgPool2d(1))
    embedding = weights["encoder.linear.weight"].shape[0]
    words, hidden = weights["decoder.linear.weight"].shape
    encoder = load(named(resnet=nn.Sequential(*layers), linear=nn.Linear(cin, embedding), bn=nn.BatchNorm1d(embedding)),
                   weights, "encoder.")
    decoder = load(named(embed=nn.Embedding(words, embedding), lstm=nn.LSTM(embedding, hidden, 1, batch_first=True),
                         linear=nn.Linear(hidden, words)), weights, "decoder.")
    features = encoder.bn(encoder.linear(encoder.resnet(inputs["picture"]).flatten(1)))
    token, state, said, logits = features, None, [], []
    for _ in range(20):
        out, state = decoder.lstm(token[:, None], state)
        logits.append(decoder.linear(out[:, 0]))
        said.append(logits[-1].argmax(1))
        token = decoder.embed(said[-1])
    out, _ = decoder.lstm(token[:, None], state)
    logits.append(decoder.linear(out[:, 0]))
    return {"features": features, "words": torch.cat(said).float(), "logits": torch.stack(logits, 1)}


# ---- AttnGAN --------------------------------------------------------------------------------------------


class GLU(nn.Module):
    def forward(self, x):
        half = x.shape[1] // 2
        return x[:, :half] * torch.sigmoid(x[:, half:])


def conv3(cin, cout):
    return nn.Conv2d(cin, cout, 3, padding=1, bias=False)


def doubling(cin, cout):
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), conv3(cin, 2 * cout), nn.BatchNorm2d(2 * cout), GLU())


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.block = nn.Sequential(conv3(c, 2 * c), nn.BatchNorm2d(2 * c), GLU(), conv3(c, c), nn.BatchNorm2d(c))

    def forward(self, x):
        return x + self.block(x)


def attend(conv, picture, words, mask):
    source = conv(words[..., None])[..., 0]
    energy = torch.einsum("bchw,bcl->bhwl", picture, source)
    energy = energy.masked_fill(mask[:, None, None, :], float("-inf"))
    return torch.einsum("bhwl,bcl->bchw", energy.softmax(-1), source)


def attngan(weights, inputs):
    words, embedding = weights["text.encoder.weight"].shape
    half = weights["text.rnn.weight_hh_l0"].shape[1]
    text = load(named(encoder=nn.Embedding(words, embedding),
                      rnn=nn.LSTM(embedding, half, 1, batch_first=True, bidirectional=True)), weights, "text.")
    features = weights["painter.img_net1.img.0.weight"].shape[1]
    condition, width = weights["painter.ca_net.fc.weight"].shape[0] // 4, 2 * half
    noise = inputs["noise"].shape[1]
    first = 16 * features
    h1 = named(fc=nn.Sequential(nn.Linear(noise + condition, first * 32, bias=False), nn.BatchNorm1d(first * 32), GLU()),
               **{f"upsample{i + 1}": doubling(first >> i, first >> (i + 1)) for i in range(4)})
    stages = [named(att=named(conv_context=nn.Conv2d(width, features, 1, bias=False)),
                    residual=nn.Sequential(Residual(2 * features), Residual(2 * features)),
                    upsample=doubling(2 * features, features)) for _ in range(2)]
    net = named(ca_net=named(fc=nn.Linear(width, 4 * condition)), h_net1=h1, h_net2=stages[0], h_net3=stages[1],
                **{f"img_net{i}": named(img=nn.Sequential(conv3(features, 3), nn.Tanh())) for i in (1, 2, 3)})
    load(net, weights, "painter.")
    out, (hidden, _) = text.rnn(text.encoder(inputs["tokens"].long()))
    words, sentence = out.permute(0, 2, 1), torch.cat([hidden[0], hidden[1]], 1)
    code = GLU()(net.ca_net.fc(sentence))
    c = code[:, :condition] + inputs["epsilon"] * torch.exp(code[:, condition:] / 2)
    x = h1.fc(torch.cat([c, inputs["noise"]], 1)).reshape(-1, first, 4, 4)
    for i in range(4):
        x = getattr(h1, f"upsample{i + 1}")(x)
    result = {"words": words, "sentence": sentence, "picture0": net.img_net1.img(x)}
    for i, stage in enumerate(stages):
        x = torch.cat([x, attend(stage.att.conv_context, x, words, inputs["mask"].bool())], 1)
        x = stage.upsample(stage.residual(x))
        result[f"picture{i + 1}"] = getattr(net, f"img_net{i + 2}").img(x)
    return result


# ---- DAMSM ----------------------------------------------------------------------------------------------


class Basic(nn.Module):
    def __init__(self, cin, cout, size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def average(x):
    return F.avg_pool2d(x, 3, stride=1, padding=1)


class Mixed5(nn.Module):
    def __init__(self, s, cin, pool):
        super().__init__()
        self.branch1x1 = Basic(cin, s(64), 1)
        self.branch5x5_1, self.branch5x5_2 = Basic(cin, s(48), 1), Basic(s(48), s(64), 5, padding=2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Basic(cin, s(64), 1), Basic(s(64), s(96), 3, padding=1)
        self.branch3x3dbl_3 = Basic(s(96), s(96), 3, padding=1)
        self.branch_pool = Basic(cin, s(pool), 1)

    def forward(self, x):
        return torch.cat([self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)),
                          self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))), self.branch_pool(average(x))], 1)


class Mixed6a(nn.Module):
    def __init__(self, s, cin):
        super().__init__()
        self.branch3x3 = Basic(cin, s(384), 3, 2)
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Basic(cin, s(64), 1), Basic(s(64), s(96), 3, padding=1)
        self.branch3x3dbl_3 = Basic(s(96), s(96), 3, 2)

    def forward(self, x):
        return torch.cat([self.branch3x3(x), self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
                          F.max_pool2d(x, 3, 2)], 1)


class Mixed6(nn.Module):
    def __init__(self, s, c):
        super().__init__()
        cin, c, out, row, column = s(768), s(c), s(192), dict(size=(1, 7), padding=(0, 3)), dict(size=(7, 1), padding=(3, 0))
        self.branch1x1 = Basic(cin, out, 1)
        self.branch7x7_1, self.branch7x7_2, self.branch7x7_3 = Basic(cin, c, 1), Basic(c, c, **row), Basic(c, out, **column)
        self.branch7x7dbl_1, self.branch7x7dbl_2, self.branch7x7dbl_3 = Basic(cin, c, 1), Basic(c, c, **column), Basic(c, c, **row)
        self.branch7x7dbl_4, self.branch7x7dbl_5 = Basic(c, c, **column), Basic(c, out, **row)
        self.branch_pool = Basic(cin, out, 1)

    def forward(self, x):
        y = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        return torch.cat([self.branch1x1(x), self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x))),
                          self.branch7x7dbl_5(self.branch7x7dbl_4(y)), self.branch_pool(average(x))], 1)


class Mixed7a(nn.Module):
    def __init__(self, s):
        super().__init__()
        cin, c = s(768), s(192)
        self.branch3x3_1, self.branch3x3_2 = Basic(cin, c, 1), Basic(c, s(320), 3, 2)
        self.branch7x7x3_1, self.branch7x7x3_2 = Basic(cin, c, 1), Basic(c, c, (1, 7), padding=(0, 3))
        self.branch7x7x3_3, self.branch7x7x3_4 = Basic(c, c, (7, 1), padding=(3, 0)), Basic(c, c, 3, 2)

    def forward(self, x):
        y = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), y, F.max_pool2d(x, 3, 2)], 1)


class Mixed7(nn.Module):
    def __init__(self, s, cin):
        super().__init__()
        c = s(384)
        self.branch1x1, self.branch3x3_1 = Basic(cin, s(320), 1), Basic(cin, c, 1)
        self.branch3x3_2a, self.branch3x3_2b = Basic(c, c, (1, 3), padding=(0, 1)), Basic(c, c, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = Basic(cin, s(448), 1), Basic(s(448), c, 3, padding=1)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = Basic(c, c, (1, 3), padding=(0, 1)), Basic(c, c, (3, 1), padding=(1, 0))
        self.branch_pool = Basic(cin, s(192), 1)

    def forward(self, x):
        a, b = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        return torch.cat([self.branch1x1(x), self.branch3x3_2a(a), self.branch3x3_2b(a), self.branch3x3dbl_3a(b),
                          self.branch3x3dbl_3b(b), self.branch_pool(average(x))], 1)


def damsm(weights, inputs):
    stem, width = weights["Conv2d_1a_3x3.conv.weight"].shape[0], weights["emb_features.weight"].shape[0]

    def s(channels):
        return channels * stem // 32

    net = named(
        Conv2d_1a_3x3=Basic(3, s(32), 3, 2), Conv2d_2a_3x3=Basic(s(32), s(32), 3), Conv2d_2b_3x3=Basic(s(32), s(64), 3, padding=1),
        Conv2d_3b_1x1=Basic(s(64), s(80), 1), Conv2d_4a_3x3=Basic(s(80), s(192), 3),
        Mixed_5b=Mixed5(s, s(192), 32), Mixed_5c=Mixed5(s, s(256), 64), Mixed_5d=Mixed5(s, s(288), 64), Mixed_6a=Mixed6a(s, s(288)),
        Mixed_6b=Mixed6(s, 128), Mixed_6c=Mixed6(s, 160), Mixed_6d=Mixed6(s, 160), Mixed_6e=Mixed6(s, 192), Mixed_7a=Mixed7a(s),
        Mixed_7b=Mixed7(s, s(1280)), Mixed_7c=Mixed7(s, s(2048)), emb_features=nn.Conv2d(s(768), width, 1, bias=False),
        emb_cnn_code=nn.Linear(s(2048), width))
    load(net, weights)
    x = F.interpolate(inputs["picture"], size=(299, 299), mode="bilinear", align_corners=False)
    x = net.Conv2d_2b_3x3(net.Conv2d_2a_3x3(net.Conv2d_1a_3x3(x)))
    x = net.Conv2d_4a_3x3(net.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
    x = net.Mixed_5d(net.Mixed_5c(net.Mixed_5b(F.max_pool2d(x, 3, 2))))
    x = net.Mixed_6e(net.Mixed_6d(net.Mixed_6c(net.Mixed_6b(net.Mixed_6a(x)))))
    y = net.Mixed_7c(net.Mixed_7b(net.Mixed_7a(x)))
    return {"regions": net.emb_features(x), "picture": net.emb_cnn_code(y.mean((2, 3)))}


# ---- RCF ------------------------------------------------------------------------------------------------


def rcf(weights, inputs):
    stem, side = weights["conv1_1.weight"].shape[0], weights["conv1_1_down.weight"].shape[0]
    net, cin, counts = nn.Module(), 3, (2, 2, 3, 3, 3)
    for stage, count in enumerate(counts):
        cout, dilation = stem * (1, 2, 4, 8, 8)[stage], 2 if stage == 4 else 1
        for i in range(count):
            net.add_module(f"conv{stage + 1}_{i + 1}", nn.Conv2d(cin, cout, 3, padding=dilation, dilation=dilation))
            net.add_module(f"conv{stage + 1}_{i + 1}_down", nn.Conv2d(cout, side, 1))
            cin = cout
        net.add_module(f"score_dsn{stage + 1}", nn.Conv2d(side, 1, 1))
    net.add_module("score_fuse", nn.Conv2d(5, 1, 1))
    load(net, weights)
    children, result = dict(net.named_children()), {}
    for name, x in inputs.items():
        height, width = x.shape[2:]
        outs = []
        for stage, count in enumerate(counts):
            if stage:
                x = F.max_pool2d(x, 2, 1 if stage == 4 else 2, ceil_mode=True)
            total = 0
            for i in range(count):
                x = F.relu(children[f"conv{stage + 1}_{i + 1}"](x))
                total = total + children[f"conv{stage + 1}_{i + 1}_down"](x)
            score = children[f"score_dsn{stage + 1}"](total)
            if stage:
                # A bilinear kernel of 2f samples, f the factor: a hat function sampled between the pixels.
                factor, crop = ((2, 1), (4, 2), (8, 4), (8, 0))[stage - 1]
                hat = torch.tensor([1 - abs(i - (factor - 0.5)) / factor for i in range(2 * factor)])
                score = F.conv_transpose2d(score, torch.outer(hat, hat)[None, None], stride=factor)
                score = score[:, :, crop:crop + height, crop:crop + width]
            outs.append(score)
        outs.append(net.score_fuse(torch.cat(outs, 1)))
        result.update({f"{name}.{i}": torch.sigmoid(o) for i, o in enumerate(outs)})
    return result


# ---- SCMC, layers 2 and 3 -------------------------------------------------------------------------------


class Down(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv, self.residual = nn.Conv2d(c, c, 3, 2, 1), nn.Conv2d(c, c, 1)
        self.norm1, self.norm2 = nn.BatchNorm2d(c), nn.BatchNorm2d(c)

    def forward(self, x):
        return F.silu(self.norm1(self.conv(x)) + self.norm2(self.residual(F.max_pool2d(x, 2))))


class PixelAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.k2, self.k3, self.k4 = nn.Conv2d(c, c, 1), conv3(c, c), conv3(c, c)

    def forward(self, x):
        return self.k4(self.k3(x) * torch.sigmoid(self.k2(x)))


class SelfCalibrated(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1_a, self.conv1_b = nn.Conv2d(c, c // 2, 1, bias=False), nn.Conv2d(c, c // 2, 1, bias=False)
        self.k1, self.PAConv = nn.Sequential(conv3(c // 2, c // 2)), PixelAttention(c // 2)
        self.conv3 = nn.Conv2d(c // 2 * 2, c, 1, bias=False)

    def forward(self, x):
        a = F.leaky_relu(self.k1(F.leaky_relu(self.conv1_a(x), 0.2)), 0.2)
        b = F.leaky_relu(self.PAConv(F.leaky_relu(self.conv1_b(x), 0.2)), 0.2)
        return x + self.conv3(torch.cat([a, b], 1))


class AttentionBranch(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.k1, self.k2, self.k3, self.k4 = conv3(c, c), nn.Conv2d(c, c, 1), conv3(c, c), conv3(c, c)

    def forward(self, x):
        return self.k4(self.k3(x) * torch.sigmoid(self.k2(F.leaky_relu(self.k1(x), 0.2))))


class Merging(nn.Module):
    """`third`: in layer 2 a vector that weighs the branches (and the edges are added); in layer 3 what is added."""

    def __init__(self, c, layer):
        super().__init__()
        self.conv_first, self.conv_last = nn.Conv2d(c, c, 1, bias=False), nn.Conv2d(c, c, 1, bias=False)
        self.ADM = nn.Sequential(nn.Linear(c, c // 2, bias=False), nn.ReLU(), nn.Linear(c // 2, 2, bias=False))
        self.attention, self.non_attention, self.layer = AttentionBranch(c), conv3(c, c), layer
        if layer == 3:
            self.conv_attn, self.conv_nattn = nn.Conv2d(2 * c, c, 1, bias=False), nn.Conv2d(2 * c, c, 1, bias=False)

    def forward(self, main, edge, third):
        x = F.leaky_relu(self.conv_first(main), 0.2)
        share = F.softmax(self.ADM(third if self.layer == 2 else main.mean((2, 3))) / 30, 1)[:, :, None, None, None]
        if self.layer == 3:
            both = torch.cat([x, edge], 1)
            a, n = self.attention(self.conv_attn(both)), self.non_attention(self.conv_nattn(both))
        else:
            a, n = self.attention(x), self.non_attention(x)
        return self.conv_last(F.leaky_relu(a * share[:, 0] + n * share[:, 1], 0.2)) + (edge if self.layer == 2 else third)


class Shuffle(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv, self.prelu = nn.Conv2d(c, 4 * c, 3, padding=1), nn.PReLU()

    def forward(self, x):
        return self.prelu(F.pixel_shuffle(self.conv(x), 2))


class Refine(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv_block1 = named(conv_block=nn.Sequential(nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c), nn.PReLU()))
        self.conv_block2 = named(conv_block=nn.Sequential(nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c)))

    def forward(self, x):
        return x + self.conv_block2.conv_block(self.conv_block1.conv_block(x))


def scales(c, first, count, down):
    net = nn.Module()
    for i in range(1, count + 1):
        net.add_module(f"conv{i}", nn.Conv2d(first if i == 1 else c, c, 3, padding=1))
        net.add_module(f"Prel{i}", nn.PReLU())
        if down:
            net.add_module(f"down{i}", down())
    return net


def structure(weights, inputs):
    c = weights["re.weight"].shape[1]
    net = nn.Module()
    net.semantic_extractor = scales(c, 3, 5, None)
    for i in range(1, 5):
        net.semantic_extractor.add_module(f"fc{i}", nn.Linear(c, c, bias=False))
        net.add_module(f"attn{i}", named(**{k + "_conv": nn.Conv2d(c, c, 1) for k in "qkv"}))
        net.add_module(f"down{i}", nn.Conv2d(c, c, 3, 2, 1))
        net.add_module(f"tran{i}", SelfCalibrated(c))
        net.add_module(f"m{i}", Merging(c, 2))
    net.semantic_extractor.pr1 = nn.PReLU()
    net.structure_extractor = scales(c, 1, 4, lambda: Down(c))
    for i in range(1, 6):
        net.add_module(f"up{i}", Shuffle(c))
    net.rs4, net.rs5, net.re = Refine(c), Refine(c), nn.Conv2d(c, 3, 3, padding=1)
    load(net, weights)
    m, sem, stru = dict(net.named_children()), net.semantic_extractor, net.structure_extractor

    def attention(a, q, k, v):
        q, k, shape = a.q_conv(q).flatten(2), a.k_conv(k).flatten(2), v.shape
        energy = torch.einsum("bcx,bdx->bcd", q, k)
        energy = energy.max(2, keepdim=True)[0] - energy
        return torch.einsum("bcd,bdx->bcx", energy.softmax(1), a.v_conv(v).flatten(2)).reshape(shape)

    def paint(edge):
        if edge.shape[-1] != 128:
            edge = F.interpolate(edge, size=(128, 128), mode="nearest")
        x = F.max_pool2d(sem.Prel1(sem.conv1(inputs["base"])), 5, 2, 2)
        s = [F.max_pool2d(sem.Prel2(x), 5, 2, 2)]
        for i in (3, 4, 5):
            s.append(F.max_pool2d(getattr(sem, f"Prel{i}")(getattr(sem, f"conv{i}")(s[-1])), 3, 2, 1))
        v1 = sem.fc2(sem.pr1(sem.fc1(s[3].mean((2, 3)))))
        v2 = sem.fc3(v1)
        v3 = sem.fc4(v2)
        e = []
        for i in range(1, 5):
            e.append(getattr(stru, f"down{i}")(getattr(stru, f"Prel{i}")(getattr(stru, f"conv{i}")(e[-1] if e else edge))))
        a = attention(net.attn1, s[0], e[0], e[0])
        for i in (2, 3, 4):
            a = m[f"down{i}"](attention(m[f"attn{i}"], s[i - 1], e[i - 1], a))
        y = net.m1(net.up1(a + net.tran4(e[3])), net.tran3(e[2]), v1)
        y = net.m2(net.up2(y), net.tran2(e[1]), v2)
        y = net.m3(net.up3(y), net.tran1(e[0]), v3)
        return net.re(net.rs5(net.up5(net.rs4(net.up4(y)))))

    return {"picture": paint(inputs["edges"]), "enlarged": paint(inputs["small"])}


class GDN(nn.Module):
    def __init__(self, c, inverse=False):
        super().__init__()
        self.beta, self.gamma, self.inverse = nn.Parameter(torch.ones(c)), nn.Parameter(torch.eye(c)), inverse

    def forward(self, x):
        pedestal = 2.0 ** -36
        beta = torch.clamp(self.beta, min=math.sqrt(1e-6 + pedestal)) ** 2 - pedestal
        gamma = torch.clamp(self.gamma, min=2.0 ** -18) ** 2 - pedestal
        norm = torch.sqrt(torch.einsum("ij,bjhw->bihw", gamma, x * x) + beta[:, None, None])
        return x * norm if self.inverse else x / norm


def conv5(cin, cout):
    return nn.Conv2d(cin, cout, 5, 2, 2)


def deconv5(cin, cout):
    return nn.ConvTranspose2d(cin, cout, 5, 2, 2, 1)


def signal(weights, inputs):
    n, m = weights["g_a.0.weight"].shape[0], weights["g_a.6.weight"].shape[0]
    net = nn.Module()
    net.g_a = nn.Sequential(conv5(3, n), GDN(n), conv5(n, n), GDN(n), conv5(n, n), GDN(n), conv5(n, m))
    net.h_a = nn.Sequential(nn.Conv2d(m, n, 3, 1, 1), nn.ReLU(), conv5(n, n), nn.ReLU(), conv5(n, n))
    net.h_s = nn.Sequential(deconv5(n, n), nn.ReLU(), deconv5(n, n), nn.ReLU(), nn.Conv2d(n, m, 3, 1, 1), nn.ReLU())
    for i in range(1, 5):
        net.add_module(f"g_s_d{i}", deconv5(n, n if i < 4 else 3))
        if i < 4:
            net.add_module(f"g_s_g{i}", GDN(n, True))
            net.add_module(f"edge_conv{i}", nn.Conv2d(2 * n, n, 3, padding=1))
            net.add_module(f"down{i}", nn.Conv2d(n, n, 3, 2, 1))
            net.add_module(f"tran{i}", SelfCalibrated(n))
            net.add_module(f"m{i}", Merging(n, 3))
    net.sobelinfo_extractor, net.edge_extractor = scales(n, 3, 4, lambda: Down(n)), scales(n, 1, 3, lambda: nn.Conv2d(n, n, 3, 2, 1))
    net.info_extractor, net.conv0, net.convy = nn.Conv2d(3, n, 3, 2, 1), nn.Conv2d(m, n, 1), nn.Conv2d(n, n, 3, padding=1)
    net.entropy_bottleneck = nn.Module()
    widths = (1, 3, 3, 3, 3, 1)
    for i in range(5):
        net.entropy_bottleneck.register_parameter(f"_matrix{i}", nn.Parameter(torch.zeros(n, widths[i + 1], widths[i])))
        net.entropy_bottleneck.register_parameter(f"_bias{i}", nn.Parameter(torch.zeros(n, widths[i + 1], 1)))
        if i < 4:
            net.entropy_bottleneck.register_parameter(f"_factor{i}", nn.Parameter(torch.zeros(n, widths[i + 1], 1)))
    net.entropy_bottleneck.register_parameter("quantiles", nn.Parameter(torch.zeros(n, 1, 3)))
    load(net, weights)

    y = net.g_a(inputs["picture"])
    z = net.h_a(y.abs())
    prior = dict(net.entropy_bottleneck.named_parameters())
    median = prior["quantiles"][:, 0, 1][None, :, None, None]
    z_hat = torch.round(z - median) + median
    s = net.h_s(z_hat)

    def cumulative(v):  # [N, values]
        v = v[:, None, :]
        for i in range(5):
            v = F.softplus(prior[f"_matrix{i}"]) @ v + prior[f"_bias{i}"]
            if i < 4:
                v = v + torch.tanh(prior[f"_factor{i}"]) * torch.tanh(v)
        return torch.sigmoid(v)[:, 0]

    flat = z_hat[0].flatten(1)
    z_like = torch.clamp(cumulative(flat + 0.5) - cumulative(flat - 0.5), min=1e-9).reshape(z.shape)
    y_hat = inputs["symbols"]
    normal = torch.distributions.Normal(0.0, torch.clamp(s, min=0.11).double())
    # On the negative side, where the difference of two cumulative values is exact.
    y_like = normal.cdf(0.5 - y_hat.abs().double()) - normal.cdf(-0.5 - y_hat.abs().double())
    y_like = torch.clamp(y_like, min=1e-9).float()

    laplacian = torch.full((3, 3), -1.0)
    laplacian[1, 1] = 8
    x = F.conv2d(inputs["base"], laplacian.expand(3, 3, 3, 3), padding=1)
    e, f, info, edge = inputs["edges"], [], net.sobelinfo_extractor, net.edge_extractor
    for i in range(1, 5):
        x = getattr(info, f"down{i}")(getattr(info, f"Prel{i}")(getattr(info, f"conv{i}")(x)))
        f.append(x)
    g = []
    for i in range(1, 4):
        e = getattr(edge, f"down{i}")(getattr(edge, f"Prel{i}")(getattr(edge, f"conv{i}")(e)))
        g.append(e)
    t1 = net.tran1(net.edge_conv3(torch.cat([g[2], f[3]], 1)))
    t2 = net.tran2(net.edge_conv2(torch.cat([g[1], f[2]], 1)))
    t3 = net.tran3(net.edge_conv1(torch.cat([g[0], f[1]], 1)))
    x = net.conv0(y_hat)
    x = net.g_s_g1(net.g_s_d1(net.m1(x, t1, x)))
    x = net.g_s_g2(net.g_s_d2(net.m2(x, t2, x)))
    x = net.g_s_g3(net.g_s_d3(net.m3(x, t3, x)))
    ours = {"y": y, "z": z, "z_likelihood": z_like, "scales": s, "y_likelihood": y_like, "synthesis": net.g_s_d4(x)}
    check_compressai(weights, inputs, ours, y_hat, z_hat)
    ours["ideal"] = -(torch.log2(z_like).sum() + torch.log2(y_like).sum()) / 8
    return ours


def check_signal_code(out, found):
    """The integer tables against the floating-point model."""
    # The smallest of 64 scales that is not below; a scale within rounding of one may fall on either side.
    table = torch.exp(torch.linspace(math.log(0.11), math.log(256), 64))
    indices, coded, ideal = out.pop("indices"), out.pop("bytes").item(), found.pop("ideal").item()
    want = (found["scales"][..., None] > table[:-1]).sum(-1)
    wrong = (indices != want).float()
    print(f"{coded:.0f} bytes, {ideal:.1f} ideal; {wrong.mean().item():.1e} of the scale indices differ")
    assert wrong.mean() < 2e-3 and (indices - want).abs().max() <= 1
    assert ideal < coded < 1.01 * ideal + 16
    if "compressai" in found:
        theirs = found.pop("compressai")
        print(f"compressai: {theirs} bytes")
        assert abs(coded - theirs) < 0.01 * theirs + 16


def check_compressai(weights, inputs, ours, y_hat, z_hat):
    """CompressAI's own model agrees with the definitions above, where it is installed."""
    try:
        from compressai.models import ScaleHyperprior
    except ImportError:
        print("compressai is not installed: not compared")
        return
    model = ScaleHyperprior(*ours["z"].shape[1:2], ours["y"].shape[1])
    state = model.state_dict()
    for name, value in weights.items():
        for old, new in (("_matrix", "matrices."), ("_bias", "biases."), ("_factor", "factors.")):
            if name.startswith("entropy_bottleneck." + old) and name not in state:
                name = name.replace(old, new)
        if name in state:
            assert state[name].shape == value.shape, name
            state[name] = value
    model.load_state_dict(state)
    model.eval()
    y = model.g_a(inputs["picture"])
    z = model.h_a(torch.abs(y))
    quantised, z_like = model.entropy_bottleneck(z)
    s = model.h_s(quantised)
    _, y_like = model.gaussian_conditional(y_hat, s)
    compare({"y": y, "z": z, "z_likelihood": z_like, "scales": s, "y_likelihood": y_like}, ours, "compressai ")
    assert torch.allclose(quantised, z_hat)
    model.update(force=True)
    strings = (model.entropy_bottleneck.compress(z), model.gaussian_conditional.compress(
        y_hat, model.gaussian_conditional.build_indexes(s)))
    ours["compressai"] = sum(len(s[0]) for s in strings)


def compare(found, expected, label=""):
    for name, want in expected.items():
        if name not in found:
            continue
        have = found[name]
        assert have.shape == want.shape, (name, have.shape, want.shape)
        error = ((have - want).abs().max() / want.abs().max().clamp(min=1e-12)).item()
        print(f"{label}{name}: {error:.1e} of {want.abs().max().item():.3g}, mean {want.mean().item():.3g}")
        assert error < TOLERANCE, (label, name, error)


def main(program, network, *options):
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = os.path.join(folder, "network.safetensors")
        subprocess.run([program, network, path, *options], check=True)
        weights, inputs, out = read(path)
        found = globals()[network](weights, inputs)
        if network == "signal":
            check_signal_code(out, found)
        assert set(found) == set(out), set(found) ^ set(out)
        compare(out, found)
        print(f"{sum(v.numel() for v in weights.values())} numbers in {len(weights)} tensors")


main(*sys.argv[1:])
