// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/hyper_decoder.hpp"
#include "models/entropy/latent_coder.hpp"
#include "models/entropy/latent_table.hpp"
#include "tests/core/check.hpp"
#include "tests/core/entropy_random.hpp"

#include <cmath>
#include <limits>

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

/// Against a reference in Python on unlimited integers: nested loops over the definition, no padding, no
/// packing.
void test_reference() {
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
  std::vector<int16_t> mean;
  std::vector<uint8_t> scale;
  coder->predict(shape, latents.z, mean, scale);
  CHECK(hash_of(mean) == 0xe2188da6b5241bfd);
  CHECK(hash64(scale) == 0xe4b8c41cf23fedb3);
  for (size_t i = 0; i < mean.size(); i++) {
    const uint32_t k = random.below(100);
    latents.y.push_back(int16_t(k < 60   ? 0
                                : k < 98 ? int(random.below(41)) - 20
                                         : int(random.below(65536)) - 32768));
  }
  Bytes data, again;
  CHECK(coder->encode(shape, latents, data) == Status::Ok);
  CHECK(coder->encode(shape, latents, scale, again) == Status::Ok);
  CHECK(data.size() == 1506);
  CHECK(hash64(data) == 0xfa0c0cb3d6382e6e);
  CHECK(data == again);
  Latents back;
  back.quality = latents.quality;
  CHECK(coder->decode(shape, data, back, mean) == Status::Ok && back.y == latents.y && back.z == latents.z);
}

/// A hyper-decoder whose weights are as large as the overflow rule lets them be.
SignalTable extreme_table(Random& random, int hyper, int inner1, int inner2, int channels) {
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
  table.z_index.assign(size_t(64 * hyper), 0);
  table.z_centre.assign(size_t(64 * hyper), 0);
  CHECK(table.check() == Status::Ok);
  return table;
}

void test_simd() {
  Random random{3};
  const int shapes[][6] = {
      {1, 1, 1, 1, 1, 1}, {6, 5, 7, 20, 2, 3}, {64, 64, 64, 128, 4, 4}, {17, 33, 16, 31, 1, 9}};
  for (const auto& s : shapes) {
    for (int round = 0; round < 3; round++) {
      const SignalTable table = extreme_table(random, s[0], s[1], s[2], s[3]);
      const HyperDecoder decoder(table);
      std::vector<int16_t> z;
      for (int i = 0; i < s[0] * s[4] * s[5]; i++)
        z.push_back(round == 0 ? (random.below(2) ? 63 : -64) : int16_t(int(random.below(128)) - 64));
      const size_t count = size_t(s[3] * s[4] * s[5] * 16);
      std::vector<int16_t> mean(count), other_mean(count);
      std::vector<uint8_t> scale(count), other_scale(count);
      decoder.run(z.data(), s[4], s[5], mean.data(), scale.data(), Simd::Scalar);
      for (int simd = 1; simd <= int(best_simd()); simd++) {
        decoder.run(z.data(), s[4], s[5], other_mean.data(), other_scale.data(), Simd(simd));
        CHECK(other_mean == mean);
        CHECK(other_scale == scale);
      }
    }
  }
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
      std::vector<int16_t> mean, predicted, z = latents.z;
      std::vector<uint8_t> scale;
      coder->predict(shape, z, predicted, scale);
      Bytes data(3, 0xaa); // encode appends
      CHECK(coder->encode(shape, latents, scale, data) == Status::Ok);
      Latents back;
      back.quality = latents.quality;
      CHECK(coder->decode(shape, ByteView(data).subspan(3), back, mean) == Status::Ok);
      CHECK(back.y == latents.y && back.z == latents.z && mean == predicted);
      // Cut short: an error or other numbers, the same at each try.
      for (size_t cut : {size_t(0), data.size() / 2, data.size() - 4}) {
        Latents a, b;
        a.quality = b.quality = latents.quality;
        const ByteView part = ByteView(data).subspan(3).first(std::min(cut, data.size() - 3));
        const Status first = coder->decode(shape, part, a, mean),
                     second = coder->decode(shape, part, b, mean);
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
  std::vector<int16_t> mean;
  CHECK(coder->encode(shape, latents, out) == Status::Ok);
  latents.quality = 64;
  CHECK(coder->encode(shape, latents, out) == Status::Corrupt);
  CHECK(coder->decode(shape, out, latents, mean) == Status::Corrupt);
  latents.quality = 0;
  latents.z[2] = 64;
  CHECK(coder->encode(shape, latents, out) == Status::Corrupt);
  coder->predict(shape, latents.z, mean, *std::make_unique<std::vector<uint8_t>>());
  CHECK(latents.z[2] == 63);
  latents.y.pop_back();
  CHECK(coder->encode(shape, latents, out) == Status::Corrupt);
  for (const LatentShape& bad :
       {LatentShape{}, coder->shape(0, 5), coder->shape(4097, 64), LatentShape{20, 4, 4, 6, 2, 1},
        LatentShape{20, 1 << 20, 1 << 20, 6, 1 << 18, 1 << 18}}) {
    CHECK(coder->encode(bad, latents, out) == Status::Corrupt);
    CHECK(coder->decode(bad, out, latents, mean) == Status::Corrupt);
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

Planes shuffle_leaky(const Planes& in, int height, int width) {
  Planes out(in.size() / 4, std::vector<double>(size_t(4 * height * width)));
  for (size_t c = 0; c < in.size(); c++)
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++) {
        const double v = in[c][size_t(y * width + x)];
        const int place = int(c % 4);
        out[c / 4][size_t((2 * y + place / 2) * 2 * width + 2 * x + place % 2)] = v > 0 ? v : 0.1 * v;
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
  double ideal = 0, real = 0, worst = 0;
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
    const Planes out = float_conv(w.out, b, 4 * side, 4 * side);
    std::vector<int16_t> mean;
    std::vector<uint8_t> scale;
    coder->predict(shape, latents.z, mean, scale);
    for (size_t c = 0; c < size_t(channels); c++)
      for (size_t i = 0; i < out[c].size(); i++) {
        const double m = 4 * out[c][i], s = 2 * softplus(2 * out[c + size_t(channels)][i] - 1) + 0.08;
        const double y = m + s * gauss(random), given = mean[c * out[c].size() + i] / 64.0;
        worst = std::max(worst, std::abs(given - m));
        ideal += bin_bits(std::round(y - m), 0, s);
        latents.y.push_back(int16_t(std::lround(y - given)));
      }
    Bytes data;
    CHECK(coder->encode(shape, latents, scale, data) == Status::Ok);
    real += 8.0 * double(data.size());
  }
  std::printf("builder: %.0f bits of entropy, %.0f coded (%+.3f %%), largest error of a mean %.3f\n", ideal,
              real, 100 * (real / ideal - 1), worst);
  CHECK(real < ideal * 1.005);
  CHECK(worst < 0.1);
}

void test_builder_refusals() {
  Random random{9};
  const HyperWeights good = random_network(random, 3, 4, 5);
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
  CHECK(status([](HyperWeights& w) { w.rows = 0; }) == Status::Corrupt);
  CHECK(status([](HyperWeights& w) { w.z_scale[0] = 1e9f; }) == Status::Ok);
}

/// At the smallest scale a zero must cost next to nothing: most of a low-rate picture is such zeros.
void test_zeros_are_free() {
  Random random{10};
  HyperWeights w = random_network(random, 2, 4, 128);
  std::fill(w.out.weight.begin(), w.out.weight.end(), 0.0f);
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

int main() {
  test_reference();
  test_simd();
  test_round_trip();
  test_refusals();
  test_corrupt_tables();
  test_builder();
  test_builder_refusals();
  test_zeros_are_free();
  return check::result();
}
