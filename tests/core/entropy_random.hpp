// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/signal_table.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

/// Numbers for the tests of models/entropy: the same everywhere, unlike the standard distributions.
namespace entropy_test {

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint32_t below(uint32_t n) { return uint32_t(next() % n); }
  double uniform() { return double(next() >> 11) * 0x1p-53; }
};

inline gsem::entropy::IntConv random_conv(Random& random, int in, int out, int taps, int shift,
                                          int magnitude) {
  gsem::entropy::IntConv conv{in, out, taps, shift, {}, {}};
  for (int i = 0; i < in * out * taps; i++)
    conv.weight.push_back(int16_t(int(random.below(uint32_t(2 * magnitude + 1))) - magnitude));
  for (int i = 0; i < out; i++)
    conv.bias.push_back(int(random.below(2001)) - 1000);
  return conv;
}

inline gsem::entropy::SymbolFrequencies random_frequencies(Random& random, int largest) {
  std::vector<uint32_t> weight;
  uint64_t sum = 0;
  for (int i = 0; i < 2 * largest + 2; i++)
    sum += weight.emplace_back(1 + random.below(1000));
  gsem::entropy::SymbolFrequencies table;
  uint32_t total = 0;
  for (uint32_t w : weight) {
    table.freq.push_back(uint16_t(1 + uint64_t(w) * (65536 - weight.size()) / sum));
    total += table.freq.back();
  }
  table.freq[0] = uint16_t(table.freq[0] + 65536 - total);
  return table;
}

/// A table of integers drawn from `random`, odd channel counts, all parts exercised (saturation and escapes
/// included).
inline gsem::entropy::SignalTable random_signal_table(Random& random) {
  gsem::entropy::SignalTable table;
  table.hyper_channels = 6;
  table.channels = 20;
  table.up1 = random_conv(random, 6, 4 * 5, 1, 4, 3000);
  table.up2 = random_conv(random, 5, 4 * 7, 1, 11, 3000);
  table.mean = random_conv(random, 7, 20, 9, 12, 3000);
  table.scale = random_conv(random, 7, 20, 9, 13, 1000);
  table.features = random_conv(random, 7, 9, 1, 10, 3000);
  for (size_t parity = 0; parity < 2; parity++) {
    table.context[parity] = random_conv(random, 50, 9, 1, 5, 3000);
    table.more_mean[parity] = random_conv(random, 9, 10, 1, 12, 3000);
    table.more_scale[parity] = random_conv(random, 9, 10, 1, 13, 1000);
  }
  for (int i = 0; i < 63; i++)
    table.thresholds.push_back(int16_t(int(random.below(6000)) - 3000));
  std::sort(table.thresholds.begin(), table.thresholds.end());
  for (int i = 0; i < 64; i++)
    table.y.push_back(random_frequencies(random, 1 + i % 24));
  for (int i = 0; i < 5; i++)
    table.z.push_back(random_frequencies(random, 1 + 7 * i));
  for (int i = 0; i < 64 * 6; i++)
    table.z_index.push_back(uint16_t(random.below(5)));
  for (int i = 0; i < 64 * 6; i++)
    table.z_centre.push_back(int8_t(int(random.below(21)) - 10));
  return table;
}

} // namespace entropy_test
