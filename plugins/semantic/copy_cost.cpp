// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/copy_cost.hpp"

#include <algorithm>

namespace gsem {

bool CopyLedger::caption_due(const SentUnit& unit, uint64_t now) const {
  if (caption_ == 0 || unit.caption)
    return false;
  return (unit.layers && rides_) || next_repeat(unit.sparing && !unit.layers) <= now;
}

bool CopyLedger::header_due(const SentUnit& unit, uint64_t now, const CopySettings& settings) const {
  if (!settings.header_interval || !settings.header_bytes || !unit.any_key)
    return false;
  return header_time_ == kNever || now < header_time_ || now - header_time_ >= settings.header_interval;
}

CopyBytes CopyLedger::with(const SentUnit& unit, uint64_t now, const CopySettings& settings) const {
  CopyBytes copies;
  const auto add = [&](unsigned bytes) {
    copies.bytes += bytes;
    ++copies.entries;
  };
  if (caption_due(unit, now))
    add(caption_ + kRepeatHead);
  if (unit.layers == 0)
    return copies;
  for (size_t i = 0; !unit.sparing && i < map_count_; ++i) {
    add(maps_[i].bytes + kRepeatHead);
    copies.maps += maps_[i].bytes + kRepeatHead;
  }
  if (header_due(unit, now, settings))
    add(settings.header_bytes);
  return copies;
}

CopyBytes CopyLedger::behind_first(const SentUnit& unit, const CopySettings& settings) const {
  CopyBytes copies;
  if (started_ || unit.layers == 0 || !settings.start)
    return copies;
  const auto add = [&](unsigned bytes) {
    copies.bytes += bytes;
    ++copies.entries;
  };
  if (unit.caption)
    add(unit.caption + kRepeatHead);
  if (unit.key_map)
    add(unit.map + kRepeatHead);
  if (settings.header_interval && settings.header_bytes)
    add(settings.header_bytes);
  return copies;
}

void CopyLedger::sent(const SentUnit& unit, uint64_t now, const CopySettings& settings) {
  if (header_due(unit, now, settings))
    header_time_ = now;
  if (unit.caption) {
    caption_ = unit.caption;
    rides_ = settings.caption_rides;
    due_first_ = 0;
    due_end_ = std::min(settings.repeat_count, due_.size());
    for (size_t i = 0; i < due_end_; ++i)
      due_[i] = now + settings.repeats[i];
  } else {
    if (unit.layers && rides_)
      --rides_;
    while (next_repeat(unit.sparing && !unit.layers) <= now)
      ++due_first_;
  }
  started_ = started_ || unit.layers > 0;
  if (unit.sparing)
    map_count_ = 0;
  if (unit.layers == 0 || unit.sparing)
    return;
  for (size_t i = 0; i < map_count_; ++i)
    --maps_[i].rides;
  const auto* end = std::remove_if(maps_.begin(), maps_.begin() + std::ptrdiff_t(map_count_),
                                   [](const MapCopy& copy) { return copy.rides == 0; });
  map_count_ = size_t(end - maps_.begin());
  if (unit.map && unit.map_rides && map_count_ < maps_.size())
    maps_[map_count_++] = {unit.map, unit.map_rides};
}

} // namespace gsem
