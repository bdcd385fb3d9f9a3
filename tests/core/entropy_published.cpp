// SPDX-License-Identifier: LGPL-2.1-or-later
// The published hyperprior in integers, against the same network in double precision, and on damaged data.
// (The bytes against CompressAI's: reference_parity.py.)
#include "models/entropy/published_table.hpp"
#include "tests/core/check.hpp"

#include <algorithm>
#include <cmath>
#include <random>

using namespace gsem;
using namespace gsem::entropy;

namespace {

using Plane = std::vector<double>; ///< [channel][y][x]

PublishedWeights random_weights(int n, int m, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const auto some = [&](size_t count, float scale, float mean = 0) {
    std::vector<float> v(count);
    for (float& x : v)
      x = mean + scale * normal(random);
    return v;
  };
  PublishedWeights w;
  w.hyper_channels = n;
  w.channels = m;
  const auto un = size_t(n), um = size_t(m);
  w.up1 = some(un * un * 25, 0.1f);
  w.up1_bias = some(un, 0.5f);
  w.up2 = some(un * un * 25, 0.1f);
  w.up2_bias = some(un, 0.5f);
  w.last = some(um * un * 9, 0.1f);
  w.last_bias = some(um, 1.0f);
  for (size_t c = 0; c < un; c++) {
    const float median = normal(random);
    w.quantiles.insert(w.quantiles.end(), {median - 4.5f, median, median + 6});
  }
  constexpr size_t filters[6] = {1, 3, 3, 3, 3, 1};
  for (size_t i = 0; i < 5; i++) {
    w.matrix[i] = some(un * filters[i] * filters[i + 1], 0.3f);
    w.bias[i] = some(un * filters[i + 1], 0.3f);
    if (i < 4)
      w.factor[i] = some(un * filters[i + 1], 0.3f);
  }
  return w;
}

/// Transposed convolution 5x5, stride 2, padding 2, output padding 1, by scattering; ReLU.
Plane enlarge(const Plane& x, int n, int side, const std::vector<float>& w, const std::vector<float>& b) {
  const int out = 2 * side;
  Plane y(size_t(n * out * out));
  for (int o = 0; o < n; o++)
    std::fill_n(y.begin() + o * out * out, out * out, double(b[size_t(o)]));
  for (int i = 0; i < n; i++)
    for (int r = 0; r < side; r++)
      for (int c = 0; c < side; c++)
        for (int o = 0; o < n; o++)
          for (int kr = 0; kr < 5; kr++)
            for (int kc = 0; kc < 5; kc++) {
              const int row = 2 * r - 2 + kr, column = 2 * c - 2 + kc;
              if (row >= 0 && row < out && column >= 0 && column < out)
                y[size_t((o * out + row) * out + column)] +=
                    x[size_t((i * side + r) * side + c)] * double(w[size_t(((i * n + o) * 5 + kr) * 5 + kc)]);
            }
  for (double& v : y)
    v = std::max(v, 0.0);
  return y;
}

Plane last_layer(const Plane& x, int n, int m, int side, const std::vector<float>& w,
                 const std::vector<float>& b) {
  Plane y;
  for (int o = 0; o < m; o++)
    for (int row = 0; row < side; row++)
      for (int column = 0; column < side; column++) {
        double sum = b[size_t(o)];
        for (int i = 0; i < n; i++)
          for (int kr = 0; kr < 3; kr++)
            for (int kc = 0; kc < 3; kc++) {
              const int r = row + kr - 1, c = column + kc - 1;
              if (r >= 0 && r < side && c >= 0 && c < side)
                sum +=
                    x[size_t((i * side + r) * side + c)] * double(w[size_t(((o * n + i) * 3 + kr) * 3 + kc)]);
            }
        y.push_back(std::max(sum, 0.0));
      }
  return y;
}

struct Sample {
  Latents latents;
  std::vector<double> scales;
};

Sample random_sample(const PublishedWeights& w, int quality, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Sample s;
  s.latents.quality = quality;
  Plane z;
  for (int c = 0; c < w.hyper_channels; c++)
    for (int i = 0; i < 16; i++) {
      s.latents.z.push_back(int16_t(std::lrint(2 * normal(random))));
      z.push_back(s.latents.z.back() + double(w.quantiles[size_t(c) * 3 + 1]));
    }
  const int n = w.hyper_channels;
  z = enlarge(z, n, 4, w.up1, w.up1_bias);
  z = enlarge(z, n, 8, w.up2, w.up2_bias);
  s.scales = last_layer(z, n, w.channels, 16, w.last, w.last_bias);
  for (double scale : s.scales)
    s.latents.y.push_back(int16_t(std::lrint(std::max(scale, 0.11) * normal(random))));
  return s;
}

double cumulative(double x) {
  return 0.5 * std::erfc(-x * M_SQRT1_2);
}

/// Whose means must all be zero.
std::vector<uint8_t> predicted_scales(const LatentCoder& coder, const LatentShape& shape, Latents latents) {
  const std::vector<float> y(latents.y.size(), 0.25f);
  CHECK(coder.quantise(shape, y.data(), latents) == Status::Ok);
  CHECK(std::all_of(latents.mean.begin(), latents.mean.end(), [](int16_t v) { return v == 0; }));
  CHECK(std::all_of(latents.y.begin(), latents.y.end(), [](int16_t v) { return v == 0; }));
  return latents.scale;
}

void test_coding(int n, int m) {
  const std::vector<PublishedWeights> rates = {random_weights(n, m, 1), random_weights(n, m, 2),
                                               random_weights(n, m, 3), random_weights(n, m, 4)};
  Bytes table;
  std::shared_ptr<const LatentCoder> coder;
  CHECK(build_published_table(rates, table) == Status::Ok);
  CHECK(LatentCoder::load(table, coder) == Status::Ok);
  if (!coder)
    return;
  const LatentShape shape = coder->shape(640, 480); // always the published square
  CHECK(shape.channels == m && shape.hyper_channels == n && shape.height == 16 && shape.width == 16 &&
        shape.hyper_height == 4 && shape.hyper_width == 4);
  CHECK(coder->shape(0, 5).channels == 0 && coder->shape(5000, 5).channels == 0);
  for (int quality : {0, 15, 16, 31, 40, 63}) {
    Sample s = random_sample(rates[size_t(quality) / 16], quality, unsigned(quality));
    const std::vector<uint8_t> scale = predicted_scales(*coder, shape, s.latents);
    size_t wrong = 0;
    for (size_t i = 0; i < scale.size(); i++) {
      const double v = s.scales[i];
      int want = 0;
      while (want < kScales - 1 && v > published_scale(want))
        want++;
      wrong += scale[i] != want;
      CHECK(std::abs(scale[i] - want) <= 1);
    }
    CHECK(double(wrong) < 0.005 * double(scale.size()));

    // Far outside of every table.
    s.latents.y[7] = 3000;
    s.latents.y[8] = -3000;
    s.latents.z[3] = kPublishedZMax;
    s.latents.z[4] = kPublishedZMin;
    Bytes coded;
    Latents again;
    again.quality = quality;
    CHECK(coder->encode(shape, s.latents, coded) == Status::Ok);
    CHECK(coder->decode(shape, coded, again) == Status::Ok);
    CHECK(again.y == s.latents.y && again.z == s.latents.z);
    for (size_t cut = 0; cut < coded.size();
         cut += 1 + coded.size() / 9) { // no crash; wrong symbols are possible
      again.quality = quality;
      coder->decode(shape, ByteView(coded).first(cut), again);
    }
  }
}

/// Cost of symbols drawn from the model itself: within one percent of their information.
void test_efficiency() {
  const PublishedWeights w = random_weights(8, 24, 9);
  Bytes table;
  std::shared_ptr<const LatentCoder> coder;
  CHECK(build_published_table({w}, table) == Status::Ok && LatentCoder::load(table, coder) == Status::Ok);
  if (!coder)
    return;
  Sample s = random_sample(w, 5, 77);
  std::fill(s.latents.z.begin(), s.latents.z.end(), int16_t(0));
  const LatentShape shape = coder->shape(256, 256);
  const std::vector<uint8_t> scale = predicted_scales(*coder, shape, s.latents);
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  const auto information = [&](const std::vector<int16_t>& y) {
    double bits = 0;
    for (size_t i = 0; i < y.size(); i++) {
      const double sigma = published_scale(scale[i]),
                   v = std::abs(y[i]); // the side where differences are exact
      bits -= std::log2(cumulative((0.5 - v) / sigma) - cumulative((-0.5 - v) / sigma));
    }
    return bits / 8;
  };
  const auto cost = [&](const Latents& latents) {
    Bytes coded;
    CHECK(coder->encode(shape, latents, coded) == Status::Ok);
    return double(coded.size());
  };
  Latents zeros = s.latents;
  std::fill(zeros.y.begin(), zeros.y.end(), int16_t(0));
  const double of_z = cost(zeros) - information(zeros.y); // z is the same in both
  for (size_t i = 0; i < s.latents.y.size(); i++)
    s.latents.y[i] = int16_t(std::nearbyint(published_scale(scale[i]) * normal(random)));
  const double spent = cost(s.latents) - of_z, ideal = information(s.latents.y);
  std::printf("%.1f bytes for %.1f\n", spent, ideal);
  CHECK(spent > 0.99 * ideal - 2 && spent < 1.01 * ideal + 2);
}

void test_damage() {
  Bytes table;
  CHECK(build_published_table({random_weights(3, 5, 1)}, table) == Status::Ok);
  PublishedTable read;
  uint64_t hash = 0;
  CHECK(PublishedTable::read(table, read, hash) == Status::Ok);
  Bytes again;
  read.write(again);
  CHECK(again == table);
  std::shared_ptr<const LatentCoder> coder;
  for (size_t i = 0; i < table.size(); i += 11) {
    Bytes bad = table;
    bad[i] ^= 0x40;
    CHECK(LatentCoder::load(bad, coder) != Status::Ok);
    CHECK(LatentCoder::load(ByteView(table).first(i), coder) != Status::Ok);
  }
  // A hash that fits does not make numbers right.
  const auto refused = [&](auto change) {
    PublishedTable bad = read;
    change(bad);
    Bytes bytes;
    bad.write(bytes);
    CHECK(LatentCoder::load(bytes, coder) != Status::Ok);
  };
  refused([](PublishedTable& t) { t.rates[0].up1.shift[0] = 0; });
  refused([](PublishedTable& t) { t.rates[0].up1.shift[0] = 60; });
  refused([](PublishedTable& t) { t.rates[0].last.bias[1] = int64_t(1) << 51; });
  refused([](PublishedTable& t) { t.rates[0].z[1].freq[0]++; });
  refused([](PublishedTable& t) { t.thresholds[3] = -1; });
  refused([](PublishedTable& t) { t.rates.clear(); });
  refused([](PublishedTable& t) { t.hyper_channels = 4000; });
  PublishedWeights w = random_weights(3, 5, 1);
  w.last[4] = NAN;
  Bytes none;
  CHECK(build_published_table({w}, none) == Status::Corrupt);
  CHECK(build_published_table({}, none) == Status::Corrupt);
  CHECK(build_published_table({random_weights(3, 5, 1), random_weights(3, 6, 1)}, none) == Status::Corrupt);
}

} // namespace

int main() {
  test_coding(7, 10);
  test_coding(16, 24);
  test_efficiency();
  test_damage();
  return check::result();
}
