// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/entropy/backoff_model.hpp"

#include <map>

namespace gsem::entropy {

/// Interpolated modified Kneser-Ney (source: Chen and Goodman 1999) from sequences of symbols below
/// `alphabet`, each ended by the caller with its end symbol. Contexts before the start are filled with
/// kStartSymbol. n-grams of `order` >= 3 symbols and more with a count of at most `prune` are left out; their
/// mass goes to the shorter contexts.
BackoffModel train_ngrams(const std::vector<std::vector<uint16_t>>& sequences, size_t alphabet, int order,
                          int prune);

/// Counts of one level, key -> symbol -> count.
using LevelCounts = std::map<uint64_t, std::map<uint16_t, uint32_t>>;
/// Absolute discounting over given context levels, shortest first; contexts seen fewer than `min_total[l]`
/// times are left out.
BackoffModel train_levels(const std::vector<uint32_t>& base_counts, const std::vector<LevelCounts>& levels,
                          const std::vector<uint32_t>& min_total);

} // namespace gsem::entropy
