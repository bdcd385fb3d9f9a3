// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/unit_trim.hpp"

#include <algorithm>

namespace gsem {

using namespace bitstream;

namespace {

constexpr size_t kCrcBytes = 2;
constexpr size_t kHeaderBound = 64;

size_t section_bytes(const LayerUnit& layer) {
  return layer.lost ? 0 : layer.size + kCrcBytes;
}

} // namespace

size_t trimmed_unit_bound(const AccessUnitHeader& unit, std::span<const bool> keep) {
  size_t bytes = kHeaderBound;
  for (size_t i = 0; i < unit.layers.size(); ++i)
    bytes += keep[i] ? section_bytes(unit.layers[i]) : 0;
  return bytes;
}

Status write_trimmed_unit(const AccessUnitHeader& unit, ByteView section, std::span<const bool> keep,
                          TimestampState& state, AccessUnitHeader& kept, Bytes& out) {
  kept.number = unit.number;
  kept.timestamp = unit.timestamp;
  kept.layers.clear();
  for (size_t i = 0; i < unit.layers.size(); ++i)
    if (keep[i])
      kept.layers.push_back(unit.layers[i]);
  bool any = false, all_key = true;
  for (const auto& layer : kept.layers) {
    any = any || !layer.lost;
    all_key = all_key && (layer.lost || layer.key);
  }
  kept.key = any && all_key;
  const Status status = write_access_unit_header(kept, state, out);
  if (status != Status::Ok)
    return status;
  size_t at = 0;
  for (size_t i = 0; i < unit.layers.size(); ++i) {
    const size_t size = section_bytes(unit.layers[i]);
    if (keep[i] && size) {
      const ByteView bytes = section.subspan(at, std::min(size, section.size() - at));
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
    at = std::min(at + size, section.size());
  }
  return Status::Ok;
}

} // namespace gsem
