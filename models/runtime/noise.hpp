// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

namespace gsem::runtime {

/// Normal noise that a seed stands for, the same on every machine up to the last bits of log and cos:
/// Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011) with key (seed,
/// stream) and counter 0, 1, ...; each counter's four words give two Box-Muller pairs with u = (word + 0.5) /
/// 2^32: sqrt(-2 ln u0) * {cos, sin}(2 pi u1), then the same of words 2 and 3. Stream 0: the generator's z;
/// stream 1 + i: the plane of block i.
void normal_noise(uint32_t seed, uint32_t stream, float* out, size_t count);

/// Uniform in (0,1): one counter's first word, (word + 0.5) / 2^32.
double uniform_noise(uint32_t seed, uint32_t stream, uint64_t counter);

/// One counter's four words (published test vectors exist).
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

} // namespace gsem::runtime
