// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/table_io.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace gsem::entropy {

/// Scale of a BackoffModel's probabilities.
inline constexpr int kMassBits = 24;
inline constexpr uint32_t kMassOne = 1u << kMassBits;

/// Interpolated back-off over integer tables: p(s | contexts) = own mass of s in the longest known context +
/// what that context leaves over x p(s | shorter contexts), down to a base distribution (source: Chen and
/// Goodman, "An empirical study of smoothing techniques for language modeling", 1999; the builder decides the
/// discounts, this only multiplies integers). The same class predicts words, letters and separators.
/// Immutable after `read`: thread-safe.
class BackoffModel {
public:
  static constexpr int kMaxLevels = 4;
  static constexpr size_t kMaxAlphabet = 0xfffe;
  static constexpr size_t kMaxEntries = 8u << 20;

  struct Entry {
    uint16_t symbol;
    uint8_t cost; ///< index into `mass_table()`
    bool operator==(const Entry&) const = default;
  };
  /// Contexts of one length in ascending key order; context i owns entries [first[i], first[i + 1]).
  struct Level {
    std::vector<uint64_t> keys;
    std::vector<uint32_t> first;
    std::vector<Entry> entries; ///< ascending symbol within a context
    std::vector<uint32_t> rest; ///< mass left over, of kMassOne; computed by `finish`
  };

  std::vector<uint32_t> base; ///< one a symbol, sum at most kMassOne
  std::vector<Level> levels;  ///< shortest context first, at most kMaxLevels

  size_t alphabet() const { return base.size(); }

  /// round(2^24 x 2^(-i/12)), i = 0..255, as exact integers.
  static const std::array<uint32_t, 256>& mass_table();

  /// Frequencies of all symbols into `freq` (alphabet() numbers, each >= 1); returns their sum (below 2^25).
  /// `keys[l]` = context of level l; a key that is not in the table is skipped.
  uint32_t predict(std::span<const uint64_t> keys, std::span<uint32_t> freq) const;

  /// Computes `rest`; Corrupt when a rule above is broken.
  Status finish();
  void write(TableWriter& out) const;
  static Status read(TableReader& in, BackoffModel& model);
};

} // namespace gsem::entropy
