// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/range_coder.hpp"

namespace gsem::entropy {

void RangeEncoder::carry() {
  // The whole string is a fraction below 1, so a carry always finds a byte that is not 255.
  for (size_t i = out_.size(); i > start_ && ++out_[i - 1] == 0; i--)
    ;
}

void RangeEncoder::emit() {
  for (int shift = 56; shift >= 32; shift -= 8)
    out_.push_back(uint8_t(low_ >> shift));
  low_ <<= 32;
  range_ <<= 32;
}

void RangeEncoder::finish() {
  for (int bytes = 0; bytes <= 8; bytes++) {
    const uint64_t mask = bytes == 8 ? 0 : ~uint64_t(0) >> (8 * bytes);
    const uint64_t value = (low_ + mask) & ~mask;
    // Distance modulo 2^64: rounding up may carry out of the 64 bits, which is fine.
    if (value - low_ >= range_)
      continue;
    if (value < low_)
      carry();
    for (int i = 0; i < bytes; i++)
      out_.push_back(uint8_t(value >> (56 - 8 * i)));
    return;
  }
}

} // namespace gsem::entropy
