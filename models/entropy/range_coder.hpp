// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <bit>
#include <cstdint>
#include <cstring>

/// Range coder with 64-bit state and 32-bit renormalisation (source: G. N. N. Martin, "Range encoding", 1979;
/// the carry is propagated into the bytes already written, so no symbol ever waits). The interval stays at or
/// above 2^32, so that totals up to 2^25 lose less than 2^-7 of a symbol in the worst state and about 2^-23
/// on average.
///
/// The byte string has no length inside and no end mark: the container's payload length is the length. Bytes
/// past its end read as zero; `finish()` picks the shortest string that decodes right under that rule.
/// Thread-safety: plain values.
namespace gsem::entropy {

inline constexpr int kProbBits = 16; ///< scale of static tables: frequencies sum to 65536
inline constexpr uint32_t kProbOne = 1u << kProbBits;

/// Bits an interval has used up, in quarter bits, from its width: exact integer arithmetic, so encoder and
/// decoder agree.
inline int64_t quarter_bits_of_range(uint64_t range) {
  static constexpr uint8_t quarter[16] = {0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4};
  const int top = std::bit_width(range) - 1;
  const unsigned next = top >= 4 ? unsigned(range >> (top - 4)) & 15u : 0u;
  return 4 * (64 - top) - quarter[next];
}

class RangeEncoder {
public:
  /// Appends to `out`, which must outlive the encoder.
  explicit RangeEncoder(Bytes& out) : out_(out), start_(out.size()) {}

  /// Symbol at [cum, cum + freq) of `total` (freq >= 1, cum + freq <= total <= 2^25).
  void encode(uint32_t cum, uint32_t freq, uint32_t total) {
    narrow(range_ / total, cum, freq, cum + freq == total);
  }
  /// The same with total = 2^16.
  void encode16(uint32_t cum, uint32_t freq) {
    narrow(range_ >> kProbBits, cum, freq, cum + freq == kProbOne);
  }
  /// `count` (0..16) raw bits, most significant first.
  void encode_bits(uint32_t value, int count) {
    range_ >>= count;
    add(range_ * value);
    renormalise();
  }

  /// Quarter bits used so far; the decoder reports the same number at the same point.
  int64_t used_quarter_bits() const {
    return 32 * int64_t(out_.size() - start_) + quarter_bits_of_range(range_);
  }

  /// Ends the string with as few bytes as possible. The encoder is spent then.
  void finish();

private:
  void narrow(uint64_t unit, uint32_t cum, uint32_t freq, bool last) {
    add(unit * cum);
    range_ = last ? range_ - unit * cum : unit * freq; // the last symbol takes what the division left over
    renormalise();
  }
  void add(uint64_t offset) {
    low_ += offset;
    if (low_ < offset) [[unlikely]]
      carry();
  }
  void renormalise() {
    if (range_ < (uint64_t(1) << 32)) [[unlikely]]
      emit();
  }
  void carry();
  void emit();

  Bytes& out_;
  size_t start_;
  uint64_t low_ = 0, range_ = ~uint64_t(0);
};

class RangeDecoder {
public:
  /// `data` must outlive the decoder; never reads outside it.
  explicit RangeDecoder(ByteView data) : data_(data) {
    code_ = uint64_t(next_word()) << 32;
    code_ |= next_word();
  }

  /// Position of the next symbol in [0, total); follow with `take`.
  uint32_t peek(uint32_t total) {
    unit_ = range_ / total;
    const uint64_t v = code_ / unit_;
    return v < total ? uint32_t(v) : total - 1;
  }
  uint32_t peek16() {
    unit_ = range_ >> kProbBits;
    const uint64_t v = code_ / unit_;
    return v < kProbOne ? uint32_t(v) : kProbOne - 1;
  }
  /// Consumes the symbol found at `peek`'s position.
  void take(uint32_t cum, uint32_t freq, uint32_t total) {
    code_ -= unit_ * cum;
    range_ = cum + freq == total ? range_ - unit_ * cum : unit_ * freq;
    renormalise();
  }
  /// Division-free test for a first symbol [0, freq) of 2^16 (freq < 2^16): consumes it and says true, or
  /// changes nothing.
  bool take_first16(uint32_t freq) {
    const uint64_t bound = (range_ >> kProbBits) * freq;
    if (code_ >= bound)
      return false;
    range_ = bound;
    renormalise();
    return true;
  }
  /// `count` (0..16) raw bits.
  uint32_t bits(int count) {
    range_ >>= count;
    uint64_t v = code_ / range_;
    const uint64_t max = (uint64_t(1) << count) - 1;
    v = v < max ? v : max;
    code_ -= range_ * v;
    renormalise();
    return uint32_t(v);
  }

  /// See RangeEncoder::used_quarter_bits.
  int64_t used_quarter_bits() const { return 32 * (int64_t(pos_) - 8) + quarter_bits_of_range(range_); }
  /// True when more was decoded than any encoder could have put into the string (one cut short, or damaged).
  bool overrun() const { return used_quarter_bits() > 32 * int64_t(data_.size()) + 4 * 33; }

private:
  void renormalise() {
    if (range_ < (uint64_t(1) << 32)) [[unlikely]] {
      range_ <<= 32;
      code_ = code_ << 32 | next_word();
    }
  }
  uint32_t next_word() {
    uint32_t word = 0;
    if (pos_ + 4 <= data_.size()) [[likely]] {
      std::memcpy(&word, data_.data() + pos_, 4);
      if constexpr (std::endian::native == std::endian::little)
        word = __builtin_bswap32(word);
    } else {
      for (size_t i = 0; i < 4; i++)
        word = word << 8 | (pos_ + i < data_.size() ? data_[pos_ + i] : 0u);
    }
    pos_ += 4;
    return word;
  }

  ByteView data_;
  size_t pos_ = 0; ///< may pass the end: counts the zeros read there too
  uint64_t code_ = 0, range_ = ~uint64_t(0), unit_ = 1;
};

} // namespace gsem::entropy
