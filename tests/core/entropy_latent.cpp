// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/hyper_decoder.hpp"
#include "models/entropy/latent_coder.hpp"
#include "models/entropy/latent_table.hpp"
#include "tests/core/check.hpp"
#include "tests/core/entropy_random.hpp"

#include <cmath>
#include <limits>
#include <string>

using namespace gsem;
using namespace gsem::entropy;
using namespace entropy_test;

namespace {

std::shared_ptr<const LatentCoder> load(const SignalTable& table) {
  Bytes bytes;
  table.write(bytes);
  std::shared_ptr<const LatentCoder> coder;
  CHECK(LatentCoder::load(bytes, coder) == Status::Ok);
  return coder;
}

uint64_t hash_of(const std::vector<int16_t>& numbers) {
  Bytes bytes;
  for (int16_t v : numbers)
    TableWriter(bytes).u16(uint16_t(v));
  return hash64(bytes);
}

/// What tests/core/entropy_latent.py works out by itself: size and hash of the payload, hashes of means and
/// scale indices.
void print_numbers() {
  Random random{2};
  const SignalTable table = random_signal_table(random);
  const auto coder = load(table);
  if (!coder)
    return;
  const LatentShape shape = coder->shape(150, 128);
  CHECK(shape.hyper_height == 2 && shape.hyper_width == 3 && shape.height == 8 && shape.width == 12);
  CHECK(shape.channels == 20 && shape.hyper_channels == 6);
  Latents latents;
  latents.quality = 37;
  for (int i = 0; i < 36; i++)
    latents.z.push_back(int16_t(int(random.below(128)) - 64));
  for (int i = 0; i < 20 * 8 * 12; i++) {
    const uint32_t k = random.below(100);
    latents.y.push_back(int16_t(k < 60   ? 0
                                : k < 98 ? int(random.below(41)) - 20
                                         : int(random.below(65536)) - 32768));
  }
  Bytes data, again;
  CHECK(coder->encode(shape, latents, data) == Status::Ok);
  Latents back;
  back.quality = latents.quality;
  CHECK(coder->decode(shape, data, back) == Status::Ok && back.y == latents.y && back.z == latents.z);
  CHECK(coder->encode(shape, back, again) == Status::Ok && again == data); // with the scales given
  std::printf("%zu %llu %llu %llu\n", data.size(), (unsigned long long)hash64(data),
              (unsigned long long)hash_of(back.mean), (unsigned long long)hash64(back.scale));
}

/// A hyper-decoder whose weights are as large as the overflow rule lets them be.
SignalTable extreme_table(Random& random, int hyper, int inner1, int inner2, int hidden, int channels) {
  SignalTable table = random_signal_table(random);
  table.hyper_channels = hyper;
  table.channels = channels;
  const auto extreme = [&](int in, int out, int taps, int shift, int64_t largest_input) {
    IntConv conv = random_conv(random, in, out, taps, shift, 1);
    const int64_t most = (INT32_MAX - 4000 - (int64_t(1) << (shift - 1))) / largest_input / (in * taps);
    for (int16_t& w : conv.weight)
      w = int16_t((random.below(2) ? 1 : -1) * std::min<int64_t>(most, 32767));
    return conv;
  };
  table.up1 = extreme(hyper, 4 * inner1, 1, 8, 64);
  table.up2 = extreme(inner1, 4 * inner2, 1, 14, 8192);
  table.mean = extreme(inner2, channels, 9, 16, 8192);
  table.scale = extreme(inner2, channels, 9, 16, 8192);
  table.features = extreme(inner2, hidden, 1, 15, 8192);
  for (size_t parity = 0; parity < 2; parity++) {
    table.context[parity] = extreme(5 * channels / 2, hidden, 1, 14, 255);
    table.more_mean[parity] = extreme(hidden, channels / 2, 1, 15, 8192);
    table.more_scale[parity] = extreme(hidden, channels / 2, 1, 15, 8192);
  }
  table.z_index.assign(size_t(64 * hyper), 0);
  table.z_centre.assign(size_t(64 * hyper), 0);
  CHECK(table.check() == Status::Ok);
  return table;
}

void test_simd() {
  Random random{3};
  const int shapes[][7] = {
      {1, 1, 1, 1, 2, 1, 1}, {6, 5, 7, 9, 20, 2, 3}, {64, 64, 64, 64, 128, 4, 4}, {17, 33, 16, 31, 34, 1, 9}};
  for (const auto& s : shapes) {
    for (int round = 0; round < 3; round++) {
      const SignalTable table = extreme_table(random, s[0], s[1], s[2], s[3], s[4]);
      const HyperDecoder decoder(table);
      std::vector<int16_t> z, symbols;
      for (int i = 0; i < s[0] * s[5] * s[6]; i++)
        z.push_back(round == 0 ? (random.below(2) ? 63 : -64) : int16_t(int(random.below(128)) - 64));
      const size_t count = size_t(s[4] * s[5] * s[6] * 16);
      for (size_t i = 0; i < count; i++)
        symbols.push_back(round == 0 ? (random.below(2) ? INT16_MAX : INT16_MIN)
                                     : int16_t(int(random.below(600)) - 300));
      const auto predict = [&](Simd simd) {
        std::pair<std::vector<int16_t>, std::vector<uint8_t>> all;
        all.first.resize(count);
        all.second.resize(count);
        const auto features = decoder.run(z.data(), s[5], s[6], all.first.data(), all.second.data(), simd);
        auto first = all;
        decoder.refine(*features, symbols.data(), all.first.data(), all.second.data(), simd);
        return std::pair{first, all};
      };
      const auto scalar = predict(Simd::Scalar);
      for (int simd = 1; simd <= int(best_simd()); simd++)
        CHECK(predict(Simd(simd)) == scalar);
    }
  }
}

/// The second pass must not see itself, nor change what the first was coded with: that is what a decoder has.
void test_passes() {
  Random random{11};
  const SignalTable table = random_signal_table(random);
  const HyperDecoder decoder(table);
  const int height = 4, width = 8, channels = table.channels;
  const auto second = [&](size_t i) {
    const int c = int(i) / (height * width), y = int(i) / width % height, x = int(i) % width;
    return (c < channels / 2) != ((x + y) % 2 == 0);
  };
  std::vector<int16_t> z(size_t(table.hyper_channels * 2)), symbols(size_t(channels * height * width));
  for (int16_t& v : z)
    v = int16_t(int(random.below(128)) - 64);
  for (int16_t& v : symbols)
    v = int16_t(int(random.below(41)) - 20);
  std::vector<int16_t> mean(symbols.size());
  std::vector<uint8_t> scale(symbols.size());
  const auto features = decoder.run(z.data(), 1, 2, mean.data(), scale.data(), best_simd());
  const auto refined = [&](const std::vector<int16_t>& y) {
    auto m = mean;
    auto s = scale;
    decoder.refine(*features, y.data(), m.data(), s.data(), best_simd());
    return std::pair{m, s};
  };
  const auto given = refined(symbols);
  size_t changed = 0;
  for (size_t i = 0; i < symbols.size(); i++) {
    if (!second(i))
      CHECK(given.first[i] == mean[i] && given.second[i] == scale[i]);
    auto other = symbols;
    other[i] = int16_t(other[i] + 7);
    const auto now = refined(other);
    changed += now != given;
    CHECK(!second(i) || now == given);
  }
  CHECK(changed * 10 > symbols.size() * 4); // and nearly all of the first pass count
}

void test_round_trip() {
  Random random{4};
  const auto coder = load(random_signal_table(random));
  if (!coder)
    return;
  const int sizes[][2] = {{1, 1}, {64, 64}, {65, 16}, {227, 227}, {333, 200}};
  for (const auto& size : sizes) {
    const LatentShape shape = coder->shape(size[0], size[1]);
    for (int kind = 0; kind < 5; kind++) {
      Latents latents;
      latents.quality = kind == 0 ? 0 : 63;
      latents.z.resize(size_t(shape.hyper_channels * shape.hyper_height * shape.hyper_width));
      latents.y.resize(size_t(shape.channels * shape.height * shape.width));
      for (int16_t& v : latents.z)
        v = kind == 1 ? 63 : kind == 2 ? -64 : int16_t(int(random.below(128)) - 64);
      for (int16_t& v : latents.y)
        v = kind == 0   ? 0
            : kind == 1 ? INT16_MIN
            : kind == 2 ? INT16_MAX
            : kind == 3 ? int16_t(random.next())
                        : int16_t(int(random.below(9)) - 4);
      Bytes data(3, 0xaa); // encode appends
      CHECK(coder->encode(shape, latents, data) == Status::Ok);
      Latents back;
      back.quality = latents.quality;
      CHECK(coder->decode(shape, ByteView(data).subspan(3), back) == Status::Ok);
      CHECK(back.y == latents.y && back.z == latents.z);
      // Cut short: an error or other numbers, the same at each try.
      for (size_t cut : {size_t(0), data.size() / 2, data.size() - 4}) {
        Latents a, b;
        a.quality = b.quality = latents.quality;
        const ByteView part = ByteView(data).subspan(3).first(std::min(cut, data.size() - 3));
        const Status first = coder->decode(shape, part, a), second = coder->decode(shape, part, b);
        CHECK(first == second && (first == Status::Corrupt || (a.y == b.y && a.z == b.z)));
        if (kind == 1 && cut == data.size() / 2)
          CHECK(first == Status::Corrupt); // half of the escapes are missing
      }
    }
  }
}

void test_refusals() {
  Random random{6};
  const SignalTable table = random_signal_table(random);
  const auto coder = load(table);
  if (!coder)
    return;
  const LatentShape shape = coder->shape(64, 64);
  Latents latents;
  latents.z.resize(6);
  latents.y.resize(20 * 16);
  Bytes out;
  const std::vector<float> y(latents.y.size());
  CHECK(coder->encode(shape, latents, out) == Status::Ok);
  latents.quality = 64;
  CHECK(coder->encode(shape, latents, out) == Status::Corrupt);
  CHECK(coder->decode(shape, out, latents) == Status::Corrupt);
  CHECK(coder->quantise(shape, y.data(), latents) == Status::Corrupt);
  latents.quality = 0;
  latents.z[2] = 64;
  CHECK(coder->encode(shape, latents, out) == Status::Corrupt);
  CHECK(coder->quantise(shape, y.data(), latents) == Status::Ok);
  CHECK(latents.z[2] == 63);
  latents.scale[3] = kScales;
  CHECK(coder->encode(shape, latents, out) == Status::Corrupt);
  latents.scale.clear();
  latents.y.pop_back();
  CHECK(coder->encode(shape, latents, out) == Status::Corrupt);
  for (const LatentShape& bad :
       {LatentShape{}, coder->shape(0, 5), coder->shape(4097, 64), LatentShape{20, 4, 4, 6, 2, 1},
        LatentShape{20, 1 << 20, 1 << 20, 6, 1 << 18, 1 << 18}}) {
    CHECK(coder->encode(bad, latents, out) == Status::Corrupt);
    CHECK(coder->decode(bad, out, latents) == Status::Corrupt);
  }
}

/// Tables that must not load although their hash is right.
void test_corrupt_tables() {
  Random random{7};
  const SignalTable good = random_signal_table(random);
  CHECK(good.check() == Status::Ok);
  const auto refused = [&](auto&& change) {
    SignalTable table = good;
    change(table);
    Bytes bytes;
    table.write(bytes);
    std::shared_ptr<const LatentCoder> coder;
    return LatentCoder::load(bytes, coder) != Status::Ok && !coder;
  };
  CHECK(!refused([](SignalTable&) {}));
  CHECK(refused(
      [](SignalTable& t) { t.up2.weight.assign(t.up2.weight.size(), 32767), t.up2.bias[0] = INT32_MAX; }));
  CHECK(refused(
      [](SignalTable& t) { t.mean.weight.assign(t.mean.weight.size(), 32767); })); // 63 x 32767 x 8192
  CHECK(refused([](SignalTable& t) { t.scale.bias[3] = INT32_MIN; }));
  CHECK(refused([](SignalTable& t) { t.up1.shift = 0; }));
  CHECK(refused([](SignalTable& t) { t.up1.shift = 31; }));
  CHECK(refused([](SignalTable& t) { t.up1.taps = 2; }));
  CHECK(refused([](SignalTable& t) { t.channels = 19; }));
  CHECK(refused([](SignalTable& t) { t.features.bias[2] = INT32_MAX; }));
  CHECK(refused([](SignalTable& t) { t.context[1].shift = 0; }));
  CHECK(refused([](SignalTable& t) { t.context[0].in = 45, t.context[0].weight.resize(45 * 9); }));
  CHECK(refused([](SignalTable& t) {
    t.more_mean[0].out = 9, t.more_mean[0].weight.resize(81), t.more_mean[0].bias.pop_back();
  }));
  CHECK(refused([](SignalTable& t) { t.more_scale[1].taps = 9; }));
  CHECK(refused([](SignalTable& t) { t.hyper_channels = 0; }));
  CHECK(refused([](SignalTable& t) { std::swap(t.thresholds.front(), t.thresholds.back()); }));
  CHECK(refused([](SignalTable& t) { t.y[5].freq[1]++; }));
  CHECK(refused([](SignalTable& t) {
    t.y[5].freq[0] = uint16_t(t.y[5].freq[0] + t.y[5].freq[1]), t.y[5].freq[1] = 0;
  }));
  CHECK(refused([](SignalTable& t) { t.z_index[9] = 5; }));
  CHECK(refused([](SignalTable& t) { t.y.pop_back(); }));

  Bytes bytes;
  good.write(bytes);
  std::shared_ptr<const LatentCoder> coder;
  for (size_t i = 0; i < bytes.size(); i += 97) {
    Bytes flipped = bytes;
    flipped[i] ^= 4;
    CHECK(LatentCoder::load(flipped, coder) != Status::Ok);
  }
  // With the hash made right again after the cut, only bounds checks are left to refuse it.
  for (size_t size = 13; size < bytes.size() - 8; size += 311) {
    Bytes cut(bytes.begin(), bytes.begin() + ptrdiff_t(size));
    close_table(cut);
    CHECK(LatentCoder::load(cut, coder) == Status::Corrupt);
  }
  bytes[4] = 9;
  CHECK(LatentCoder::load(bytes, coder) == Status::Unsupported);
  CHECK(LatentCoder::load(Bytes(70u << 20), coder) == Status::TooLarge);
}

// ---- the builder against the float network it quantises ------------------------------------------

double softplus(double x) {
  return x > 30 ? x : std::log1p(std::exp(x));
}

HyperWeights random_network(Random& random, int hyper, int inner, int channels) {
  const auto noise = [&] { return float(random.uniform() + random.uniform() + random.uniform() - 1.5); };
  const auto conv = [&](int out, int in, int side, double gain) {
    ConvWeights c{out, in, side, {}, {}};
    for (int i = 0; i < out * in * side * side; i++)
      c.weight.push_back(float(gain * noise() * 2 / std::sqrt(double(in) * side * side)));
    for (int i = 0; i < out; i++)
      c.bias.push_back(0.1f * noise());
    return c;
  };
  HyperWeights w;
  w.up1 = conv(4 * inner, hyper, 1, 1);
  w.up2 = conv(4 * inner, inner, 1, 1);
  w.out = conv(2 * channels, inner, 3, 1);
  w.context = conv(inner, channels, 3, 1);
  w.features = conv(inner, inner, 1, 1);
  w.more = conv(2 * channels, inner, 1, 0.5);
  w.rows = 8;
  for (int i = 0; i < 8 * hyper; i++) {
    w.z_mean.push_back(3 * noise());
    w.z_scale.push_back(1 + 0.5f * noise());
  }
  return w;
}

using Planes = std::vector<std::vector<double>>; // [channel][y * width + x]

Planes float_conv(const ConvWeights& conv, const Planes& in, int height, int width) {
  Planes out(size_t(conv.out), std::vector<double>(size_t(height * width)));
  const int reach = conv.side / 2;
  for (int o = 0; o < conv.out; o++)
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++) {
        double sum = conv.bias[size_t(o)];
        for (int c = 0; c < conv.in; c++)
          for (int dy = -reach; dy <= reach; dy++)
            for (int dx = -reach; dx <= reach; dx++)
              if (y + dy >= 0 && y + dy < height && x + dx >= 0 && x + dx < width)
                sum += in[size_t(c)][size_t((y + dy) * width + x + dx)] *
                       conv.weight[size_t(((o * conv.in + c) * conv.side + dy + reach) * conv.side + dx +
                                          reach)];
        out[size_t(o)][size_t(y * width + x)] = sum;
      }
  return out;
}

double leaky(double v) {
  return v > 0 ? v : 0.1 * v;
}

Planes shuffle_leaky(const Planes& in, int height, int width) {
  Planes out(in.size() / 4, std::vector<double>(size_t(4 * height * width)));
  for (size_t c = 0; c < in.size(); c++)
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++) {
        const double v = in[c][size_t(y * width + x)];
        const int place = int(c % 4);
        out[c / 4][size_t((2 * y + place / 2) * 2 * width + 2 * x + place % 2)] = leaky(v);
      }
  return out;
}

double bin_bits(double value, double mean, double scale) {
  const auto cdf = [](double x) { return 0.5 * std::erfc(-x * std::sqrt(0.5)); };
  const double a = std::abs(value - mean);
  return -std::log2(std::max(1e-9, cdf((0.5 - a) / scale) - cdf((-0.5 - a) / scale)));
}

double gauss(Random& random) {
  return std::sqrt(-2 * std::log(1 - random.uniform())) * std::cos(2 * M_PI * random.uniform());
}

/// Adds to `out` (m and s) of the second pass what the float network sees in the first pass's symbols / 4.
void refine(const HyperWeights& w, const Planes& features, const Planes& symbols, int side, Planes& out) {
  ConvWeights cross = w.context;
  for (size_t i = 0; i < cross.weight.size(); i++)
    if (i % 9 % 2 == 0 && i % 9 != 4)
      cross.weight[i] = 0;
  Planes hidden = float_conv(cross, symbols, side, side);
  const Planes base = float_conv(w.features, features, side, side);
  for (size_t c = 0; c < hidden.size(); c++)
    for (size_t i = 0; i < hidden[c].size(); i++)
      hidden[c][i] = leaky(hidden[c][i] + base[c][i]);
  const Planes more = float_conv(w.more, hidden, side, side);
  const int half = int(out.size()) / 4;
  for (size_t c = 0; c < out.size(); c++)
    for (int i = 0; i < side * side; i++)
      if ((int(c) % (2 * half) < half) != ((i / side + i % side) % 2 == 0))
        out[c][size_t(i)] += more[c][size_t(i)];
}

/// Draws latents from the float network's own distribution, codes them with the integers, and compares bytes
/// with its entropy.
void test_builder() {
  Random random{8};
  const int hyper = 24, inner = 32, channels = 48, side = 4;
  const HyperWeights w = random_network(random, hyper, inner, channels);
  Bytes bytes;
  CHECK(build_signal_table(w, bytes) == Status::Ok);
  std::shared_ptr<const LatentCoder> coder;
  CHECK(LatentCoder::load(bytes, coder) == Status::Ok);
  if (!coder)
    return;
  const LatentShape shape = coder->shape(64 * side, 64 * side);
  double ideal = 0, real = 0, worst[2] = {0, 0};
  for (int picture = 0; picture < 6; picture++) {
    const int row = picture + 1;
    Latents latents;
    latents.quality = row * 9; // exactly a trained row
    Planes z(static_cast<size_t>(hyper));
    for (int c = 0; c < hyper; c++)
      for (int i = 0; i < side * side; i++) {
        const double mean = w.z_mean[size_t(row * hyper + c)],
                     scale = softplus(3 * w.z_scale[size_t(row * hyper + c)]) + 0.1;
        const double v = std::clamp(std::round(mean + scale * gauss(random)), -64.0, 63.0);
        ideal += bin_bits(v, mean, scale);
        latents.z.push_back(int16_t(v));
        z[size_t(c)].push_back(v / 4);
      }
    const Planes a = shuffle_leaky(float_conv(w.up1, z, side, side), side, side);
    const Planes b = shuffle_leaky(float_conv(w.up2, a, 2 * side, 2 * side), 2 * side, 2 * side);
    Planes out = float_conv(w.out, b, 4 * side, 4 * side);
    const auto first = [&](int c, int i) {
      return (c < channels / 2) == ((i / (4 * side) + i % (4 * side)) % 2 == 0);
    };
    // What the float network makes of its own first pass decides about the second.
    std::vector<float> y(size_t(channels) * 16 * side * side);
    Planes symbols(size_t(channels), std::vector<double>(size_t(16 * side * side)));
    const auto draw = [&](bool pass) {
      for (int c = 0; c < channels; c++)
        for (int i = 0; i < 16 * side * side; i++) {
          if (first(c, i) != pass)
            continue;
          const auto at = size_t(i);
          const double m = 4 * out[size_t(c)][at],
                       s = 2 * softplus(2 * out[size_t(c + channels)][at] - 1) + 0.08;
          const double v = m + s * gauss(random), symbol = std::round(v - m);
          y[size_t(c) * out[0].size() + at] = float(v);
          ideal += bin_bits(symbol, 0, s);
          if (pass)
            symbols[size_t(c)][at] = symbol / 4;
        }
    };
    draw(true);
    refine(w, b, symbols, 4 * side, out);
    draw(false);
    CHECK(coder->quantise(shape, y.data(), latents) == Status::Ok);
    for (size_t i = 0; i < y.size(); i++) {
      const int c = int(i / out[0].size()), position = int(i % out[0].size());
      const double error = std::abs(latents.mean[i] / 64.0 - 4 * out[size_t(c)][size_t(position)]);
      worst[first(c, position) ? 0 : 1] = std::max(worst[first(c, position) ? 0 : 1], error);
      CHECK(std::abs(y[i] - latents.mean[i] / 64.0 - latents.y[i]) <= 0.5001);
    }
    Bytes data;
    CHECK(coder->encode(shape, latents, data) == Status::Ok);
    real += 8.0 * double(data.size());
  }
  std::printf("builder: %.0f bits of entropy, %.0f coded (%+.3f %%), largest errors of a mean %.3f, %.3f\n",
              ideal, real, 100 * (real / ideal - 1), worst[0], worst[1]);
  CHECK(real < ideal * 1.005);
  CHECK(worst[0] < 0.1);
}

void test_builder_refusals() {
  Random random{9};
  const HyperWeights good = random_network(random, 3, 4, 6);
  const auto status = [&](auto&& change) {
    HyperWeights w = good;
    change(w);
    Bytes bytes;
    return build_signal_table(w, bytes);
  };
  CHECK(status([](HyperWeights&) {}) == Status::Ok);
  CHECK(status([](HyperWeights& w) { w.up2.weight[1] = std::numeric_limits<float>::quiet_NaN(); }) ==
        Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.out.bias[1] = std::numeric_limits<float>::infinity(); }) ==
        Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.up2.weight[1] = 1e30f; }) == Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.up1.weight.pop_back(); }) == Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.z_mean.pop_back(); }) == Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.context.side = 1; }) == Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.more.weight[0] = 1e30f; }) == Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.features.bias.pop_back(); }) == Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.rows = 0; }) == Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.z_scale[0] = 1e9f; }) == Status::Ok);
}

/// At the smallest scale a zero must cost next to nothing: most of a low-rate picture is such zeros.
void test_zeros_are_free() {
  Random random{10};
  HyperWeights w = random_network(random, 2, 4, 128);
  std::fill(w.out.weight.begin(), w.out.weight.end(), 0.0f);
  std::fill(w.more.weight.begin(), w.more.weight.end(), 0.0f);
  std::fill(w.more.bias.begin(), w.more.bias.end(), 0.0f);
  std::fill(w.out.bias.begin(), w.out.bias.end(), -6.0f);
  Bytes bytes, data, empty;
  std::shared_ptr<const LatentCoder> coder;
  CHECK(build_signal_table(w, bytes) == Status::Ok && LatentCoder::load(bytes, coder) == Status::Ok);
  const LatentShape shape = coder->shape(256, 256);
  Latents latents;
  latents.z.resize(2 * 16);
  latents.y.resize(128 * 256);
  latents.y[0] = 1; // so that something has to be written after the z symbols
  CHECK(coder->encode(shape, latents, data) == Status::Ok);
  const double z_bits = 2 * 16 * 8; // generous
  CHECK(8.0 * double(data.size()) < z_bits + 17 + 32768 * 0.001);
}

} // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "numbers") {
    print_numbers();
    return check::result();
  }
  test_simd();
  test_passes();
  test_round_trip();
  test_refusals();
  test_corrupt_tables();
  test_builder();
  test_builder_refusals();
  test_zeros_are_free();
  return check::result();
}
