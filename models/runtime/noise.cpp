// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/runtime/noise.hpp"

#include <algorithm>
#include <cmath>

namespace gsem::runtime {

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t(0xD2511F53u) * c[0], b = uint64_t(0xCD9E8D57u) * c[2];
    const uint32_t next[4] = {uint32_t(b >> 32) ^ c[1] ^ k[0], uint32_t(b), uint32_t(a >> 32) ^ c[3] ^ k[1],
                              uint32_t(a)};
    std::copy(next, next + 4, c);
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  std::copy(c, c + 4, out);
}

void normal_noise(uint32_t seed, uint32_t stream, float* out, size_t count) {
  constexpr double kTwoPi = 6.283185307179586;
  const uint32_t key[2] = {seed, stream};
  for (size_t done = 0, block = 0; done < count; ++block) {
    const uint32_t counter[4] = {uint32_t(block), 0, 0, 0};
    uint32_t word[4];
    philox4x32(counter, key, word);
    for (int pair = 0; pair < 2; ++pair) {
      const double radius = std::sqrt(-2 * std::log((word[2 * pair] + 0.5) / 4294967296.0));
      const double angle = kTwoPi * ((word[2 * pair + 1] + 0.5) / 4294967296.0);
      const double value[2] = {radius * std::cos(angle), radius * std::sin(angle)};
      for (int i = 0; i < 2 && done < count; ++i)
        out[done++] = float(value[i]);
    }
  }
}

double uniform_noise(uint32_t seed, uint32_t stream, uint64_t counter) {
  const uint32_t key[2] = {seed, stream}, block[4] = {uint32_t(counter), uint32_t(counter >> 32), 0, 0};
  uint32_t word[4];
  philox4x32(block, key, word);
  return (word[0] + 0.5) / 4294967296.0;
}

} // namespace gsem::runtime
