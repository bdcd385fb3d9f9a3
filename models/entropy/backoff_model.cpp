// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/backoff_model.hpp"

#include <algorithm>

namespace gsem::entropy {

const std::array<uint32_t, 256>& BackoffModel::mass_table() {
  // 2^(54 - i/12) for one octave, rounded to integers: the rest follows by shifts, without a float.
  static constexpr uint64_t octave[12] = {18014398509481984, 17003328011511431, 16049004540166739,
                                          15148243129575259, 14298037572263033, 13495550386216800,
                                          12738103345051545, 12023168539678908, 11348359941645590,
                                          10711425439985194, 10110239325007232, 9542795193938630};
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t;
    for (int i = 0; i < 256; i++) {
      const int shift = 30 + i / 12;
      t[i] = uint32_t((octave[i % 12] + (uint64_t(1) << (shift - 1))) >> shift);
    }
    return t;
  }();
  return table;
}

uint32_t BackoffModel::predict(std::span<const uint64_t> keys, std::span<uint32_t> freq) const {
  const size_t count = std::min(keys.size(), levels.size());
  std::array<size_t, kMaxLevels> at;
  std::array<uint32_t, kMaxLevels> scale;
  uint32_t rest = kMassOne;
  for (size_t l = count; l-- > 0;) {
    const Level& level = levels[l];
    const auto it = std::lower_bound(level.keys.begin(), level.keys.end(), keys[l]);
    scale[l] = 0;
    if (it == level.keys.end() || *it != keys[l])
      continue;
    at[l] = size_t(it - level.keys.begin());
    scale[l] = rest;
    rest = uint32_t(uint64_t(rest) * level.rest[at[l]] >> kMassBits);
  }
  const size_t n = base.size();
  for (size_t s = 0; s < n; s++)
    freq[s] = uint32_t(uint64_t(base[s]) * rest >> kMassBits) + 1;
  const auto& mass = mass_table();
  for (size_t l = 0; l < count; l++) {
    if (scale[l] == 0)
      continue;
    const Level& level = levels[l];
    for (uint32_t e = level.first[at[l]]; e < level.first[at[l] + 1]; e++)
      freq[level.entries[e].symbol] +=
          uint32_t(uint64_t(mass[level.entries[e].cost]) * scale[l] >> kMassBits);
  }
  uint32_t sum = 0;
  for (size_t s = 0; s < n; s++)
    sum += freq[s];
  return sum;
}

Status BackoffModel::finish() {
  if (base.empty() || base.size() > kMaxAlphabet || levels.size() > size_t(kMaxLevels))
    return Status::Corrupt;
  uint64_t sum = 0;
  for (uint32_t b : base)
    sum += b;
  if (sum > kMassOne)
    return Status::Corrupt;
  for (Level& level : levels) {
    level.rest.assign(level.keys.size(), 0);
    for (size_t i = 0; i < level.keys.size(); i++) {
      uint64_t used = 0;
      for (uint32_t e = level.first[i]; e < level.first[i + 1]; e++) {
        if (level.entries[e].symbol >= base.size())
          return Status::Corrupt;
        used += mass_table()[level.entries[e].cost];
      }
      if (used > kMassOne)
        return Status::Corrupt;
      level.rest[i] = uint32_t(kMassOne - used);
    }
  }
  return Status::Ok;
}

// Keys are groups of 16 bits (symbols, oldest first). Written: which group is the first to differ from the
// previous key and by how much, then the groups after it.
static void write_keys_and_entries(const BackoffModel::Level& level, TableWriter& out) {
  out.varint(level.keys.size());
  out.varint(level.entries.size());
  uint64_t previous = 0;
  for (size_t i = 0; i < level.keys.size(); i++) {
    const uint64_t key = level.keys[i];
    int group = 3;
    while (group > 0 && key >> (16 * group) == previous >> (16 * group))
      group--;
    const uint64_t from = i == 0 && group == 0 ? 0 : previous >> (16 * group);
    out.varint(((key >> (16 * group)) - from) * 4 + unsigned(group));
    for (int g = group - 1; g >= 0; g--)
      out.varint(key >> (16 * g) & 0xffff);
    previous = key;
    const uint32_t first = level.first[i], count = level.first[i + 1] - first;
    out.varint(count);
    uint16_t last = 0;
    for (uint32_t e = first; e < first + count; e++) {
      out.varint(uint16_t(level.entries[e].symbol - last));
      out.u8(level.entries[e].cost);
      last = level.entries[e].symbol;
    }
  }
}

static void read_keys_and_entries(TableReader& in, BackoffModel::Level& level) {
  const uint64_t contexts = in.varint(), entries = in.varint();
  // Every context takes at least two bytes and every entry two: so a small file cannot ask for much memory.
  if (contexts > BackoffModel::kMaxEntries || entries > BackoffModel::kMaxEntries ||
      contexts * 2 > in.left() || entries * 2 > in.left())
    return in.fail();
  level.keys.reserve(contexts);
  level.first.reserve(contexts + 1);
  level.entries.reserve(entries);
  level.first.push_back(0);
  uint64_t previous = 0;
  for (uint64_t i = 0; i < contexts && in.ok(); i++) {
    const uint64_t head = in.varint();
    const int group = int(head & 3);
    const uint64_t high = (previous >> (16 * group)) + (head >> 2);
    if (group > 0 && high >> (64 - 16 * group) != 0)
      return in.fail();
    uint64_t key = high;
    for (int g = group - 1; g >= 0; g--) {
      const uint64_t part = in.varint();
      if (part > 0xffff)
        return in.fail();
      key = key << 16 | part;
    }
    if (i > 0 && key <= previous)
      return in.fail();
    previous = key;
    level.keys.push_back(key);
    const uint64_t count = in.varint();
    if (count > entries - level.entries.size())
      return in.fail();
    uint64_t symbol = 0;
    for (uint64_t e = 0; e < count; e++) {
      const uint64_t step = in.varint();
      if ((e > 0 && step == 0) || step > 0xffff || (symbol += step) > BackoffModel::kMaxAlphabet)
        return in.fail();
      const uint8_t cost = in.u8();
      level.entries.push_back({uint16_t(symbol), cost});
    }
    level.first.push_back(uint32_t(level.entries.size()));
  }
  if (level.entries.size() != entries)
    in.fail();
}

void BackoffModel::write(TableWriter& out) const {
  out.varint(base.size());
  for (uint32_t b : base)
    out.varint(b);
  out.u8(uint8_t(levels.size()));
  for (const Level& level : levels)
    write_keys_and_entries(level, out);
}

Status BackoffModel::read(TableReader& in, BackoffModel& model) {
  const uint64_t alphabet = in.varint();
  if (!in.ok() || alphabet == 0 || alphabet > kMaxAlphabet || alphabet > in.left())
    return Status::Corrupt;
  model.base.resize(alphabet);
  for (uint32_t& b : model.base) {
    const uint64_t v = in.varint();
    if (v > kMassOne)
      return Status::Corrupt;
    b = uint32_t(v);
  }
  const unsigned levels = in.u8();
  if (!in.ok() || levels > unsigned(kMaxLevels))
    return Status::Corrupt;
  model.levels.resize(levels);
  for (Level& level : model.levels)
    read_keys_and_entries(in, level);
  return in.ok() ? model.finish() : Status::Corrupt;
}

} // namespace gsem::entropy
