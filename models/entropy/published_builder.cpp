// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/published_table.hpp"

#include <algorithm>
#include <cmath>

namespace gsem::entropy {
namespace {

constexpr double kSmallest = 0.11, kLargest = 256;
constexpr double kTailMass = 1e-9;       ///< CompressAI's: what lies outside of a table
constexpr double kTailQuantile = 6.1094; ///< where a normal distribution has half of it
constexpr int kMaxMagnitude = int(kMaxSymbols) / 2 - 1;
constexpr int kFilters[6] = {1, 3, 3, 3, 3, 1};

bool finite(const std::vector<float>& values, size_t count) {
  return values.size() == count &&
         std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

bool sound(const PublishedWeights& w) {
  if (w.hyper_channels < 1 || w.channels < 1 || w.hyper_channels > kPublishedMaxChannels ||
      w.channels > kPublishedMaxChannels)
    return false;
  const auto n = size_t(w.hyper_channels), m = size_t(w.channels);
  bool good = finite(w.up1, n * n * 25) && finite(w.up1_bias, n) && finite(w.up2, n * n * 25) &&
              finite(w.up2_bias, n) && finite(w.last, m * n * 9) && finite(w.last_bias, m) &&
              finite(w.quantiles, n * 3);
  for (size_t i = 0; i < 5; i++)
    good = good && finite(w.matrix[i], n * size_t(kFilters[i + 1] * kFilters[i])) &&
           finite(w.bias[i], n * size_t(kFilters[i + 1])) &&
           (i == 4 || finite(w.factor[i], n * size_t(kFilters[i + 1])));
  return good;
}

/// Probabilities of 0, 1, -1, 2, ... and of what is further out, as frequencies of at least 1, 2^16 together.
SymbolFrequencies frequencies(const std::vector<double>& p) {
  SymbolFrequencies table;
  table.freq.resize(p.size());
  const auto fill = [&](double spread) {
    uint32_t sum = 0;
    for (size_t i = 0; i < p.size(); i++) {
      table.freq[i] = uint16_t(std::clamp(std::floor(p[i] * spread + 0.5), 1.0, 65535.0));
      sum += table.freq[i];
    }
    return sum;
  };
  double low = 1, high = 65536;
  for (int i = 0; i < 40 && fill(high) > 65536; i++) {
    const double middle = (low + high) / 2;
    (fill(middle) > 65536 ? high : low) = middle;
    if (high - low < 1e-3)
      high = low;
  }
  const uint32_t sum = fill(high);
  // What rounding left over; at most 65535 fit, so a certain symbol shares with its neighbour.
  for (uint32_t rest = 65536 - std::min(sum, 65536u); rest > 0;) {
    auto& best = *std::max_element(table.freq.begin(), table.freq.end(), [](uint16_t a, uint16_t b) {
      return (a == 65535 ? 0 : a) < (b == 65535 ? 0 : b);
    });
    const uint32_t now = std::min<uint32_t>(rest, 65535u - best);
    best = uint16_t(best + now);
    rest -= now;
  }
  return table;
}

double normal_cumulative(double x) {
  return 0.5 * std::erfc(-x * M_SQRT1_2);
}

SymbolFrequencies normal_table(double scale) {
  const int largest = std::clamp(int(std::ceil(scale * kTailQuantile)), 1, kMaxMagnitude);
  std::vector<double> p;
  double inside = 0;
  for (int i = 0; i <= 2 * largest; i++) {
    const double v = (i + 1) / 2; // both signs alike
    p.push_back(normal_cumulative((0.5 - v) / scale) - normal_cumulative((-0.5 - v) / scale));
    inside += p.back();
  }
  p.push_back(std::max(kTailMass, 1 - inside));
  return frequencies(p);
}

/// The factorised prior of one channel of z.
class Prior {
public:
  Prior(const PublishedWeights& w, int channel) : w_(w), channel_(size_t(channel)) {}

  SymbolFrequencies table() const {
    const double lower = w_.quantiles[channel_ * 3], median = w_.quantiles[channel_ * 3 + 1],
                 upper = w_.quantiles[channel_ * 3 + 2];
    const double reach = std::max({1.0, std::ceil(median - lower), std::ceil(upper - median)});
    const int largest = int(std::min(reach, -double(kPublishedZMin)));
    std::vector<double> p;
    double inside = 0;
    for (int i = 0; i <= 2 * largest; i++) {
      const double v = median + (i % 2 ? (i + 1) / 2 : -i / 2);
      p.push_back(std::max(0.0, cumulative(v + 0.5) - cumulative(v - 0.5)));
      inside += p.back();
    }
    p.push_back(std::max(kTailMass, 1 - inside));
    return frequencies(p);
  }

private:
  static double softplus(double x) { return x > 30 ? x : std::log1p(std::exp(x)); }

  double cumulative(double x) const {
    std::vector<double> v{x}, next;
    for (size_t layer = 0; layer < 5; layer++) {
      const auto in = size_t(kFilters[layer]), out = size_t(kFilters[layer + 1]);
      next.assign(out, 0);
      for (size_t o = 0; o < out; o++) {
        for (size_t i = 0; i < in; i++)
          next[o] += softplus(w_.matrix[layer][(channel_ * out + o) * in + i]) * v[i];
        next[o] += w_.bias[layer][channel_ * out + o];
        if (layer < 4)
          next[o] += std::tanh(w_.factor[layer][channel_ * out + o]) * std::tanh(next[o]);
      }
      v = next;
    }
    return 1 / (1 + std::exp(-v[0]));
  }

  const PublishedWeights& w_;
  const size_t channel_;
};

/// `transposed`: weights as [in][out][side][side], else [out][in][side][side].
PublishedLayer quantise(const std::vector<float>& weight, const std::vector<float>& bias, int in, int out,
                        int side) {
  PublishedLayer l;
  l.in = in;
  l.out = out;
  l.side = side;
  const int taps = side * side;
  l.weight.resize(weight.size());
  const auto at = [&](int o, int i, int tap) {
    return side == 5 ? weight[(size_t(i) * size_t(out) + size_t(o)) * size_t(taps) + size_t(tap)]
                     : weight[(size_t(o) * size_t(in) + size_t(i)) * size_t(taps) + size_t(tap)];
  };
  for (int o = 0; o < out; o++) {
    double largest = 0;
    for (int i = 0; i < in; i++)
      for (int tap = 0; tap < taps; tap++)
        largest = std::max(largest, std::abs(double(at(o, i, tap))));
    // Room for the bias, too: it has the weights' places and the activations'.
    const double bound =
        std::max(largest / 32767, std::abs(double(bias[size_t(o)])) / double(int64_t(1) << 35));
    int shift = bound > 0 ? int(std::floor(-std::log2(bound))) : 30;
    shift = std::clamp(shift, 1, 30);
    const double scale = std::exp2(shift);
    for (int i = 0; i < in; i++)
      for (int tap = 0; tap < taps; tap++)
        l.weight[(size_t(tap) * size_t(in) + size_t(i)) * size_t(out) + size_t(o)] =
            int16_t(std::clamp(std::nearbyint(at(o, i, tap) * scale), -32767.0, 32767.0));
    const double limit = double(int64_t(1) << 49);
    l.shift.push_back(uint8_t(shift));
    l.bias.push_back(int64_t(std::nearbyint(std::clamp(
                         double(bias[size_t(o)]) * scale * (1 << kPublishedPlaces), -limit, limit))) +
                     (int64_t(1) << (shift - 1)));
  }
  return l;
}

} // namespace

double published_scale(int index) {
  return std::exp(std::log(kSmallest) + (std::log(kLargest) - std::log(kSmallest)) * index / (kScales - 1));
}

Status build_published_table(const std::vector<PublishedWeights>& rates, Bytes& out) {
  if (rates.empty() || rates.size() > size_t(kPublishedMaxRates))
    return Status::Corrupt;
  PublishedTable table;
  table.hyper_channels = rates[0].hyper_channels;
  table.channels = rates[0].channels;
  for (int i = 0; i < kScales; i++) {
    table.y.push_back(normal_table(published_scale(i)));
    if (i + 1 < kScales)
      table.thresholds.push_back(int32_t(std::floor(published_scale(i) * (1 << kPublishedPlaces))));
  }
  const int n = table.hyper_channels, m = table.channels;
  for (const PublishedWeights& w : rates) {
    if (!sound(w) || w.hyper_channels != n || w.channels != m)
      return Status::Corrupt;
    PublishedRate& rate = table.rates.emplace_back();
    rate.up1 = quantise(w.up1, w.up1_bias, n, n, 5);
    rate.up2 = quantise(w.up2, w.up2_bias, n, n, 5);
    rate.last = quantise(w.last, w.last_bias, n, m, 3);
    for (int c = 0; c < n; c++) {
      const double median = std::clamp(double(w.quantiles[size_t(c) * 3 + 1]), -512.0, 512.0);
      rate.median.push_back(int32_t(std::nearbyint(median * (1 << kPublishedPlaces))));
      rate.z.push_back(Prior(w, c).table());
    }
  }
  if (const Status status = table.check(); status != Status::Ok)
    return status;
  table.write(out);
  return Status::Ok;
}

} // namespace gsem::entropy
