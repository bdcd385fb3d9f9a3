// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/range_coder.hpp"
#include "models/entropy/signal_table.hpp"

#include <array>
#include <bit>
#include <cstdlib>

namespace gsem::entropy {

/// A frequency table made ready for coding. Symbol index i stands for 0, 1, -1, 2, -2, ...; the last index
/// for what is further out.
/// Immutable: thread-safe.
class SymbolTable {
public:
  explicit SymbolTable(const SymbolFrequencies& table) : largest_(int(table.freq.size() - 2) / 2) {
    uint32_t sum = 0;
    for (uint16_t f : table.freq) {
      cum_.push_back(sum);
      sum += f;
    }
    cum_.push_back(sum);
    for (uint32_t v = 0, i = 0; v < kProbOne; v += kProbOne / kStarts) {
      while (cum_[i + 1] <= v)
        i++;
      start_[v / (kProbOne / kStarts)] = uint16_t(i);
    }
  }

  void encode(int value, RangeEncoder& coder) const {
    const int magnitude = std::abs(value);
    const size_t index = magnitude > largest_ ? escape() : size_t(2 * magnitude - (value > 0));
    coder.encode16(cum_[index], cum_[index + 1] - cum_[index]);
    if (magnitude > largest_) [[unlikely]]
      encode_far(value < 0, uint32_t(magnitude - largest_), coder);
  }

  /// False: no encoder writes this.
  bool decode(RangeDecoder& coder, int& value) const {
    if (coder.take_first16(cum_[1])) {
      value = 0;
      return true;
    }
    const uint32_t at = coder.peek16();
    size_t index = start_[at / (kProbOne / kStarts)];
    while (cum_[index + 1] <= at)
      index++;
    coder.take(cum_[index], cum_[index + 1] - cum_[index], kProbOne);
    value = index % 2 ? int(index + 1) / 2 : -int(index / 2);
    return index != escape() || decode_far(coder, value);
  }

private:
  static constexpr uint32_t kStarts = 256;
  size_t escape() const { return cum_.size() - 2; }

  /// Sign, then Exp-Golomb of order 0 (distance >= 1).
  static void encode_far(bool negative, uint32_t distance, RangeEncoder& coder) {
    const int bits = std::bit_width(distance);
    coder.encode_bits(negative, 1);
    for (int i = 1; i < bits; i++) // one by one, as the decoder reads them: the divisions differ otherwise
      coder.encode_bits(0, 1);
    coder.encode_bits(1, 1);
    coder.encode_bits(distance & ((1u << (bits - 1)) - 1), bits - 1);
  }
  bool decode_far(RangeDecoder& coder, int& value) const {
    const bool negative = coder.bits(1);
    int bits = 0;
    while (coder.bits(1) == 0)
      if (++bits > 15)
        return false;
    const int magnitude = largest_ + int(1u << bits | coder.bits(bits));
    value = negative ? -magnitude : magnitude;
    return value >= INT16_MIN && value <= INT16_MAX;
  }

  int largest_;
  std::vector<uint32_t> cum_;
  std::array<uint16_t, kStarts> start_{};
};

} // namespace gsem::entropy
