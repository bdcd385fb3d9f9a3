// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/ngram_training.hpp"

#include "models/entropy/caption_tables.hpp"

#include <algorithm>
#include <cmath>

namespace gsem::entropy {

namespace {

using Gram = std::array<uint16_t, 5>; // used from the front
struct Counted {
  Gram gram;
  uint32_t count;
};

/// Sorts and merges equal grams.
void merge(std::vector<Counted>& grams) {
  std::sort(grams.begin(), grams.end(), [](const Counted& a, const Counted& b) { return a.gram < b.gram; });
  size_t kept = 0;
  for (size_t i = 0; i < grams.size(); i++) {
    if (kept > 0 && grams[kept - 1].gram == grams[i].gram)
      grams[kept - 1].count += grams[i].count;
    else
      grams[kept++] = grams[i];
  }
  grams.resize(kept);
}

std::vector<Counted> collect(const std::vector<std::vector<uint16_t>>& sequences, int order) {
  std::vector<Counted> grams;
  for (const auto& sequence : sequences) {
    for (size_t i = 0; i < sequence.size(); i++) {
      Counted c{{}, 1};
      for (int k = 0; k < order; k++) {
        const ptrdiff_t at = ptrdiff_t(i) - order + 1 + k;
        c.gram[k] = at < 0 ? kStartSymbol : sequence[size_t(at)];
      }
      grams.push_back(c);
    }
  }
  merge(grams);
  return grams;
}

/// Continuation counts of the grams one symbol shorter. Nothing but the start precedes the start, so there
/// the plain counts stay.
std::vector<Counted> shorten(const std::vector<Counted>& grams) {
  std::vector<Counted> shorter;
  shorter.reserve(grams.size());
  for (const Counted& g : grams) {
    Counted s{{}, 1};
    std::copy(g.gram.begin() + 1, g.gram.end(), s.gram.begin());
    if (s.gram[0] == kStartSymbol)
      s.count = g.count;
    shorter.push_back(s);
  }
  merge(shorter);
  return shorter;
}

/// Modified Kneser-Ney's discounts for counts 1, 2 and above.
std::array<double, 4> discounts(const std::vector<Counted>& grams) {
  double n[5] = {};
  for (const Counted& g : grams)
    if (g.count <= 4)
      n[g.count]++;
  if (n[1] == 0 || n[2] == 0 || n[3] == 0 || n[4] == 0)
    return {0, 0.5, 0.5, 0.5};
  const double y = n[1] / (n[1] + 2 * n[2]);
  const auto within = [](double d, double c) { return std::clamp(d, 0.05, c - 0.05); };
  return {0, within(1 - 2 * y * n[2] / n[1], 1), within(2 - 3 * y * n[3] / n[2], 2),
          within(3 - 4 * y * n[4] / n[3], 3)};
}

/// Adds a context's entries, quantised so that they never sum to more than one.
void add_context(BackoffModel::Level& level, uint64_t key,
                 const std::vector<std::pair<uint16_t, double>>& own) {
  if (own.empty())
    return;
  const auto& mass = BackoffModel::mass_table();
  const size_t first = level.entries.size();
  uint64_t sum = 0;
  for (const auto& [symbol, p] : own) {
    const uint8_t cost = uint8_t(std::clamp(std::lround(-12 * std::log2(p)), 0l, 255l));
    level.entries.push_back({symbol, cost});
    sum += mass[cost];
  }
  while (sum > kMassOne) {
    auto most = std::min_element(level.entries.begin() + ptrdiff_t(first), level.entries.end(),
                                 [](auto& a, auto& b) { return a.cost < b.cost; });
    sum -= mass[most->cost] - mass[most->cost + 1];
    most->cost++;
  }
  level.keys.push_back(key);
  level.first.push_back(uint32_t(level.entries.size()));
}

BackoffModel::Level make_level(const std::vector<Counted>& grams, int length, uint32_t prune) {
  const auto discount = discounts(grams);
  const auto key_of = [&](const Counted& g) {
    uint64_t key = 0;
    for (int k = 0; k + 1 < length; k++)
      key = key << 16 | g.gram[k];
    return key;
  };
  BackoffModel::Level level;
  level.first.push_back(0);
  for (size_t i = 0; i < grams.size();) {
    const uint64_t key = key_of(grams[i]);
    double total = 0;
    size_t end = i;
    for (; end < grams.size() && key_of(grams[end]) == key; end++)
      total += grams[end].count;
    std::vector<std::pair<uint16_t, double>> own;
    for (; i < end; i++)
      if (grams[i].count > prune)
        own.emplace_back(grams[i].gram[length - 1],
                         (grams[i].count - discount[std::min(grams[i].count, 3u)]) / total);
    add_context(level, key, own);
  }
  return level;
}

std::vector<uint32_t> make_base(const std::vector<double>& counts) {
  double total = 0, discounted = 0;
  for (double c : counts) {
    total += c;
    discounted += c > 0 ? 0.5 : 0;
  }
  std::vector<uint32_t> base;
  for (double c : counts)
    base.push_back(uint32_t((std::max(c - 0.5, 0.0) + (discounted + 0.5) / double(counts.size())) /
                            (total + 1) * kMassOne));
  return base;
}

} // namespace

BackoffModel train_ngrams(const std::vector<std::vector<uint16_t>>& sequences, size_t alphabet, int order,
                          int prune) {
  BackoffModel model;
  std::vector<Counted> grams = collect(sequences, order);
  for (int length = order; length > 1; length--) {
    model.levels.insert(model.levels.begin(), make_level(grams, length, length >= 3 ? uint32_t(prune) : 0));
    grams = shorten(grams);
  }
  std::vector<double> counts(alphabet, 0.0);
  for (const Counted& g : grams)
    counts[g.gram[0]] = g.count;
  model.base = make_base(counts);
  return model;
}

BackoffModel train_levels(const std::vector<uint32_t>& base_counts, const std::vector<LevelCounts>& levels,
                          const std::vector<uint32_t>& min_total) {
  constexpr double discount = 0.7;
  BackoffModel model;
  model.base = make_base(std::vector<double>(base_counts.begin(), base_counts.end()));
  for (size_t l = 0; l < levels.size(); l++) {
    BackoffModel::Level level;
    level.first.push_back(0);
    for (const auto& [key, symbols] : levels[l]) {
      uint32_t total = 0;
      for (const auto& [symbol, count] : symbols)
        total += count;
      if (total < min_total[l])
        continue;
      std::vector<std::pair<uint16_t, double>> own;
      for (const auto& [symbol, count] : symbols)
        own.emplace_back(symbol, (count - discount) / total);
      add_context(level, key, own);
    }
    model.levels.push_back(std::move(level));
  }
  return model;
}

} // namespace gsem::entropy
