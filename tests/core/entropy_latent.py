# SPDX-License-Identifier: LGPL-2.1-or-later
"""The latent coder of docs/entropy.md once more, in nested loops over unlimited integers: no padding, packing, passes
over rows or carries. Compares what it gives with what `entropy_latent numbers` prints.

entropy_latent.py PROGRAM
"""
import bisect
import subprocess
import sys

M64 = 2**64 - 1


class Random:
    """SplitMix64, as tests/core/entropy_random.hpp."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & M64
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & M64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & M64
        return z ^ z >> 31

    def below(self, n):
        return self.next() % n


class Conv:
    def __init__(self, r, inputs, outputs, taps, shift, magnitude):
        self.inputs, self.outputs, self.taps, self.shift = inputs, outputs, taps, shift
        self.w = [r.below(2 * magnitude + 1) - magnitude for _ in range(inputs * outputs * taps)]  # [out][tap][in]
        self.b = [r.below(2001) - 1000 for _ in range(outputs)]

    def at(self, o, values):
        """values: [tap][in]"""
        s = self.b[o] + (1 << self.shift - 1)
        for t, row in enumerate(values):
            s += sum(self.w[(o * self.taps + t) * self.inputs + c] * v for c, v in enumerate(row))
        return s >> self.shift


def frequencies(r, largest):
    weight = [1 + r.below(1000) for _ in range(2 * largest + 2)]
    freq = [1 + w * (65536 - len(weight)) // sum(weight) for w in weight]
    freq[0] += 65536 - sum(freq)
    return freq


def saturated(v):
    return max(-32768, min(32767, v))


def leak(v):
    v = max(-8192, min(8191, v))
    return max(v, v * 6554 >> 16)


class Coder:
    def __init__(self):
        self.low, self.range, self.digits = 0, M64, 64

    def narrow(self, cum, freq):
        unit = self.range >> 16
        self.low += unit * cum
        self.range = self.range - unit * cum if cum + freq == 65536 else unit * freq
        self.renormalise()

    def bits(self, value, count):
        self.range >>= count
        self.low += self.range * value
        self.renormalise()

    def renormalise(self):
        if self.range < 1 << 32:
            self.low, self.range, self.digits = self.low << 32, self.range << 32, self.digits + 32

    def symbol(self, freq, value):
        largest = (len(freq) - 2) // 2
        i = len(freq) - 1 if abs(value) > largest else 2 * abs(value) - (value > 0)
        self.narrow(sum(freq[:i]), freq[i])
        if abs(value) > largest:
            distance = abs(value) - largest
            n = distance.bit_length()
            self.bits(value < 0, 1)
            for _ in range(n - 1):
                self.bits(0, 1)
            self.bits(1, 1)
            self.bits(distance - (1 << n - 1), n - 1)

    def finish(self):
        size = 0
        while True:
            unit = 1 << self.digits - 8 * size
            value = -(-self.low // unit)
            if value * unit < self.low + self.range:
                return value.to_bytes(size, "big")
            size += 1


def hash64(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & M64
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD & M64
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 & M64
    return h ^ h >> 33


r = Random(2)
C, H, W = 20, 8, 12
up1, up2 = Conv(r, 6, 20, 1, 4, 3000), Conv(r, 5, 28, 1, 11, 3000)
to_mean, to_scale = Conv(r, 7, C, 9, 12, 3000), Conv(r, 7, C, 9, 13, 1000)
features = Conv(r, 7, 9, 1, 10, 3000)
second = [(Conv(r, 50, 9, 1, 5, 3000), Conv(r, 9, 10, 1, 12, 3000), Conv(r, 9, 10, 1, 13, 1000)) for _ in (0, 1)]
thresholds = sorted(r.below(6000) - 3000 for _ in range(63))
y_tables = [frequencies(r, 1 + i % 24) for i in range(64)]
z_tables = [frequencies(r, 1 + 7 * i) for i in range(5)]
z_index = [r.below(5) for _ in range(64 * 6)]
z_centre = [r.below(21) - 10 for _ in range(64 * 6)]
z = [r.below(128) - 64 for _ in range(36)]
y = []
for _ in range(C * H * W):
    k = r.below(100)
    y.append(0 if k < 60 else r.below(41) - 20 if k < 98 else r.below(65536) - 32768)


def up(conv, plane, height, width):
    """plane {(c, y, x): value} -> the same at twice the size."""
    return {(o // 4, 2 * i + o % 4 // 2, 2 * j + o % 2): leak(conv.at(o, [[plane[c, i, j] for c in range(conv.inputs)]]))
            for o in range(conv.outputs) for i in range(height) for j in range(width)}


plane = {(c, i, j): z[(c * 2 + i) * 3 + j] for c in range(6) for i in range(2) for j in range(3)}
plane = up(up2, up(up1, plane, 2, 3), 4, 6)
index = lambda v: bisect.bisect_right(thresholds, v)
mean, raw, scale = {}, {}, {}
for i in range(H):
    for j in range(W):
        around = [[plane.get((c, i + a, j + b), 0) for c in range(7)] for a in (-1, 0, 1) for b in (-1, 0, 1)]
        for c in range(C):
            mean[c, i, j], raw[c, i, j] = saturated(to_mean.at(c, around)), saturated(to_scale.at(c, around))
            scale[c, i, j] = index(raw[c, i, j])
first = lambda c, i, j: (c < C // 2) == ((i + j) % 2 == 0)
symbol = {(c, i, j): y[(c * H + i) * W + j] for c in range(C) for i in range(H) for j in range(W)}
for i in range(H):
    for j in range(W):
        parity = (i + j) % 2
        context, more_mean, more_scale = second[parity]
        known = []
        for a, b in ((0, 0), (-1, 0), (0, -1), (0, 1), (1, 0)):
            half = [c for c in range(C) if first(c, i + a, j + b)]
            known += [max(-255, min(255, symbol.get((c, i + a, j + b), 0))) for c in half]
        here = [[plane[c, i, j] for c in range(7)]]
        hidden = [leak(saturated(context.at(o, [known])) + saturated(features.at(o, here))) for o in range(9)]
        for k, c in enumerate([c for c in range(C) if not first(c, i, j)]):
            mean[c, i, j] = saturated(mean[c, i, j] + saturated(more_mean.at(k, [hidden])))
            scale[c, i, j] = index(saturated(raw[c, i, j] + saturated(more_scale.at(k, [hidden]))))

order = [(c, i, j) for c in range(C) for i in range(H) for j in range(W)]
coder, quality = Coder(), 37
for i, v in enumerate(z):
    row = quality * 6 + i // 6
    coder.symbol(z_tables[z_index[row]], v - z_centre[row])
for want in (True, False):
    for at in order:
        if first(*at) == want:
            coder.symbol(y_tables[scale[at]], symbol[at])
data = coder.finish()
means = b"".join((mean[at] & 0xFFFF).to_bytes(2, "little") for at in order)
want = [len(data), hash64(data), hash64(means), hash64(bytes(scale[at] for at in order))]
have = [int(v) for v in subprocess.run([sys.argv[1], "numbers"], check=True, capture_output=True, text=True).stdout.split()]
print("reference", want, "\nprogram  ", have)
sys.exit(want != have)
