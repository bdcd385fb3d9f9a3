// SPDX-License-Identifier: LGPL-2.1-or-later
// The signal layer's rate control against coders of other slopes, with noise, cuts and steps of the rate.
#include "plugins/semanticcodec/signal_rate.hpp"
#include "tests/core/check.hpp"

#include <cmath>
#include <random>

using gsem::codec::SignalRate;

namespace {

/// A coder whose pictures take first * exp(slope * quality) bytes, give or take.
struct Coder {
  double first, slope, noise;
  std::mt19937 random{1};
  size_t code(int quality) {
    std::normal_distribution<double> normal(0, noise);
    return size_t(first * std::exp(slope * quality + normal(random)) + 0.5);
  }
};

struct Run {
  double rate = 0; ///< bit/s after the first second
  int lowest = 63, highest = 0; ///< qualities of the second half
};

Run run(SignalRate& control, Coder& coder, int best, uint64_t bits, int fps, int seconds) {
  Run found;
  double bytes = 0;
  for (int i = 0; i < fps * seconds; ++i) {
    const int quality = control.quality(best, bits, 1000000000ull / unsigned(fps));
    CHECK(quality >= 0 && quality <= best);
    const size_t size = coder.code(quality);
    control.coded(quality, size);
    if (i < fps)
      continue;
    bytes += double(size);
    if (i < fps * seconds / 2)
      continue;
    found.lowest = std::min(found.lowest, quality);
    found.highest = std::max(found.highest, quality);
  }
  found.rate = bytes * 8 / (seconds - 1);
  return found;
}

void test_rate_is_reached() {
  for (double slope : {0.036, 0.055, 0.076})
    for (double noise : {0.0, 0.2})
      for (int fps : {5, 10, 25})
        for (double bytes : {400.0, 1000.0}) {
          SignalRate control;
          Coder coder{190, slope, noise};
          const double bits = bytes * 8 * fps;
          const Run found = run(control, coder, 63, uint64_t(bits), fps, 20);
          CHECK(std::abs(found.rate / bits - 1) < 0.05);
          if (noise == 0.0)
            CHECK(found.highest - found.lowest <= 2); // no swinging
        }
}

void test_the_property_is_the_best() {
  SignalRate control;
  Coder coder{190, 0.055, 0.1};
  const Run found = run(control, coder, 20, 100000000, 25, 5);
  CHECK(found.lowest == 20 && found.highest == 20);
}

void test_too_little_is_quality_0() {
  SignalRate control;
  Coder coder{190, 0.055, 0.1};
  const Run found = run(control, coder, 63, 1000, 25, 5);
  CHECK(found.highest == 0);
  // and what was too much then is not taken back for long
  Coder same{190, 0.055, 0};
  CHECK(run(control, same, 63, 200000, 25, 4).rate > 150000);
}

void test_steps() {
  SignalRate control;
  Coder coder{190, 0.06, 0.05};
  for (uint64_t bits : {200000u, 60000u, 400000u, 80000u}) {
    const Run found = run(control, coder, 63, bits, 25, 4);
    CHECK(std::abs(found.rate / double(bits) - 1) < 0.08);
  }
  // A scene that costs three times as much.
  coder.first *= 3;
  CHECK(std::abs(run(control, coder, 63, 200000, 25, 4).rate / 200000 - 1) < 0.08);
}

void test_a_pause_is_not_saved_up() {
  SignalRate control;
  Coder coder{190, 0.055, 0};
  run(control, coder, 63, 100000, 25, 4);
  const int before = control.quality(63, 100000, 40000000);
  control.coded(before, coder.code(before));
  const int after = control.quality(63, 100000, 60'000'000'000ull);
  control.coded(after, coder.code(after));
  // One large picture at the most: within two seconds of the rate.
  CHECK(coder.code(after) < 2 * 100000 / 8);
}

} // namespace

int main() {
  test_rate_is_reached();
  test_the_property_is_the_best();
  test_too_little_is_quality_0();
  test_steps();
  test_a_pause_is_not_saved_up();
  return check::result();
}
