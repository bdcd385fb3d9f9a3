// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace gsem::train {

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014. Same numbers with every
/// compiler.
inline uint64_t mix_bits(uint64_t v) {
  v += 0x9e3779b97f4a7c15u;
  v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
  v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
  return v ^ (v >> 31);
}

/// Random numbers of one training step. They depend on (seed, step, stream) alone, so a resumed run repeats
/// exactly and a checkpoint needs no generator state. Not thread-safe.
class StepRandom {
public:
  StepRandom(uint64_t seed, int64_t step, uint64_t stream = 0)
      : state_(mix_bits(mix_bits(seed ^ (stream << 56)) ^ uint64_t(step))) {}
  uint64_t bits() {
    state_ += 0x9e3779b97f4a7c15u;
    return mix_bits(state_);
  }
  double uniform() { return double(bits() >> 11) * 0x1p-53; } ///< [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  int64_t below(int64_t n) { return int64_t(uniform() * double(n)); } ///< 0..n-1
  bool chance(double p) { return uniform() < p; }

private:
  uint64_t state_;
};

/// Entries of step `step` when the numbers 0..n-1 are dealt in a new order each epoch; `batch` may be larger
/// than n.
inline std::vector<int64_t> epoch_batch(int64_t n, int batch, uint64_t seed, int64_t step) {
  std::vector<int64_t> out, order(n);
  int64_t dealt = -1;
  for (int64_t at = step * batch; at < (step + 1) * batch; at++) {
    if (at / n != dealt) {
      dealt = at / n;
      std::iota(order.begin(), order.end(), int64_t(0));
      StepRandom random(seed, dealt, 0xe9);
      for (int64_t i = n - 1; i > 0; i--)
        std::swap(order[i], order[random.below(i + 1)]);
    }
    out.push_back(order[at % n]);
  }
  return out;
}

} // namespace gsem::train
