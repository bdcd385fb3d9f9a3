// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rtp_copies.hpp"

#include <algorithm>

namespace gsem {

using namespace bitstream;

namespace {

bool is_layer(const RtpEntry& entry, LayerKind kind) {
  return entry.type == RtpEntry::Type::Layer && entry.layer.kind == kind;
}

} // namespace

RtpEntry RtpCopies::Copy::entry() const {
  RtpEntry entry;
  entry.type = RtpEntry::Type::Repeat;
  entry.layer = layer;
  entry.number = number;
  entry.data = data;
  return entry;
}

void RtpCopies::take_caption(const std::vector<RtpEntry>& layers, uint16_t number, unsigned rides,
                             uint64_t now, const std::vector<unsigned>& delays) {
  const auto entry = std::find_if(layers.begin(), layers.end(),
                                  [](const RtpEntry& e) { return is_layer(e, LayerKind::Caption); });
  if (entry == layers.end())
    return;
  due_.clear();
  caption_.rides = 0;
  if (!entry->layer.key)
    return;
  caption_ = {Bytes(entry->data.begin(), entry->data.end()), entry->layer, number, rides};
  if (now != kNever)
    for (unsigned delay : delays)
      due_.push_back(now + delay * uint64_t(1000000));
}

void RtpCopies::take_maps(const std::vector<RtpEntry>& layers, uint16_t number,
                          const CopySettings& settings) {
  for (const auto& entry : layers) {
    if (!is_layer(entry, LayerKind::Structure))
      continue;
    const RtpLayer& layer = entry.layer;
    const unsigned rides = map_rides(layer.key, layer.discardable, layer.temporal_id, settings);
    if (rides > 0)
      maps_.push_back({Bytes(entry.data.begin(), entry.data.end()), layer, number, rides});
  }
}

bool RtpCopies::caption_due(uint64_t now, bool of_unit, uint64_t wait) {
  bool due = of_unit && caption_.rides > 0;
  if (due)
    --caption_.rides;
  while (!due_.empty() && now != kNever && due_.front() + wait <= now) {
    due_.pop_front();
    due = true;
  }
  return due;
}

RtpEntry RtpCopies::caption() const {
  return caption_.entry();
}

size_t RtpCopies::add_maps(std::vector<RtpEntry>& entries) {
  for (Copy& copy : maps_) {
    if (copy.rides > 0)
      --copy.rides;
    entries.push_back(copy.entry());
  }
  return maps_.size();
}

void RtpCopies::drop_spent_maps() {
  std::erase_if(maps_, [](const Copy& copy) { return copy.rides == 0; });
}

} // namespace gsem
