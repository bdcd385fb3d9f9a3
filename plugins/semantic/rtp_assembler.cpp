// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rtp_assembler.hpp"

#include <algorithm>

namespace gsem {

using namespace bitstream;

namespace {

/// Unit numbers so far behind are late packets; farther ones a sender that began anew.
constexpr int kLateUnits = 64;

/// Nothing of it came, so its flags are unknown. Captions and signals are always alike. A map may be a delta,
/// whose loss harms nothing, or a key map: then the deltas behind it name another key map than the decoder's.
RtpLayer unknown_layer(LayerKind kind) {
  RtpLayer layer;
  layer.kind = kind;
  layer.discardable = kind != LayerKind::Caption;
  layer.key = layer.switch_point = kind == LayerKind::Caption || kind == LayerKind::Signal;
  return layer;
}

} // namespace

void RtpAssembler::reset() {
  started_ = open_ = false;
  units_lost_ = 0;
  header_here_ = false;
  assembling_ = 0;
  slots_ = {};
  repeats_ = {};
  have_last_ = {};
}

void RtpAssembler::forget_header() {
  header_ = outside_header_;
  header_bytes_ = outside_bytes_;
}

bool RtpAssembler::set_outside_header(ByteView bytes) {
  StreamHeader parsed;
  size_t size = 0;
  if (!bytes.empty() && (parse_stream_header(bytes, parsed, size) != Status::Ok || size != bytes.size()))
    return false;
  // Caps come again for other reasons; what came in-band since then is newer.
  if (std::equal(bytes.begin(), bytes.end(), outside_bytes_.begin(), outside_bytes_.end()))
    return true;
  outside_header_ = std::move(parsed);
  outside_bytes_.assign(bytes.begin(), bytes.end());
  forget_header();
  return true;
}

// ---- packets ------------------------------------------------------------------------------------------

void RtpAssembler::feed(ByteView payload, const RtpArrival& arrival) {
  ++counters_.packets;
  RtpDescriptor descriptor;
  size_t size = 0;
  if (parse_rtp_descriptor(payload, descriptor, size) != Status::Ok) {
    ++counters_.bad;
    return;
  }
  const bool of_unit = begin(descriptor, arrival);
  if (descriptor.fragment) {
    if (of_unit)
      take_fragment(descriptor, payload.subspan(size), arrival.sequence);
  } else {
    take_entries(descriptor, payload, size, of_unit);
  }
  if (descriptor.layers == 0)
    close_repeats(arrival);
  if (open_ && complete())
    close();
}

/// Closes and opens units. False: what the packet has of a unit is not wanted.
bool RtpAssembler::begin(const RtpDescriptor& descriptor, const RtpArrival& arrival) {
  const bool has_unit = descriptor.layers != 0;
  if (!started_) {
    started_ = true;
    if (has_unit)
      open(descriptor, arrival);
    else
      number_ = descriptor.number;
    return has_unit;
  }
  const int ahead = int16_t(uint16_t(descriptor.number - number_));
  if (ahead == 0) {
    if (!has_unit) {
      close(); // its packets come before those of later pictures
      return false;
    }
    if (open_)
      layers_ = descriptor.layers;
    else
      ++counters_.late;
    return open_;
  }
  if (ahead < 0 && ahead >= -kLateUnits) {
    ++counters_.late;
    return false;
  }
  close();
  if (ahead > 0) {
    // A packet without a part of a unit names the last one sent: that is missing too.
    const unsigned lost = unsigned(ahead) - (has_unit ? 1 : 0);
    counters_.units_lost += lost;
    units_lost_ += lost;
  } else {
    have_last_ = {};
    repeats_ = {};
    units_lost_ = 0;
  }
  number_ = descriptor.number;
  if (has_unit)
    open(descriptor, arrival);
  return has_unit;
}

void RtpAssembler::open(const RtpDescriptor& descriptor, const RtpArrival& arrival) {
  open_ = true;
  number_ = descriptor.number;
  layers_ = descriptor.layers;
  first_ = arrival;
  assembling_ = 0;
  for (auto& slot : slots_) {
    slot.state = State::Missing;
    slot.flags_known = slot.own_dependencies = false;
    slot.data.clear();
  }
}

void RtpAssembler::take_fragment(const RtpDescriptor& descriptor, ByteView piece, uint16_t sequence) {
  const size_t kind = size_t(descriptor.layer.kind);
  Slot& slot = slots_[kind];
  if (!wanted(kind) || slot.state == State::Complete)
    return;
  if (descriptor.start) {
    slot.state = State::Assembling;
    slot.data.clear();
    assembling_ = kind;
  } else if (slot.state != State::Assembling || assembling_ != kind || sequence != next_sequence_ ||
             !(slot.layer == descriptor.layer)) {
    slot.state = State::Missing;
    assembling_ = 0;
  }
  slot.flags_known = true;
  slot.layer = descriptor.layer;
  slot.own_dependencies = descriptor.dependencies.has_value();
  slot.dependencies = descriptor.dependencies.value_or(0);
  if (slot.state != State::Assembling)
    return;
  if (slot.data.size() + piece.size() > max_payload_bytes(descriptor.layer.kind)) {
    slot.state = State::Missing;
    slot.data.clear();
    assembling_ = 0;
    return;
  }
  slot.data.insert(slot.data.end(), piece.begin(), piece.end());
  next_sequence_ = uint16_t(sequence + 1);
  if (descriptor.end) {
    slot.state = State::Complete;
    assembling_ = 0;
  }
}

void RtpAssembler::take_entries(const RtpDescriptor& descriptor, ByteView payload, size_t size, bool whole) {
  RtpEntryReader reader(descriptor, payload, size);
  while (!reader.done()) {
    RtpEntry entry;
    if (reader.next(entry) != Status::Ok) {
      ++counters_.bad;
      return;
    }
    switch (entry.type) {
    case RtpEntry::Type::Layer:
      if (whole)
        take_layer(entry);
      break;
    case RtpEntry::Type::Repeat:
      take_repeat(entry, descriptor.number);
      break;
    case RtpEntry::Type::StreamHeader:
      if (whole || descriptor.layers == 0)
        take_header(entry.data);
      break;
    case RtpEntry::Type::Unknown:
      break;
    }
  }
}

void RtpAssembler::take_layer(const RtpEntry& entry) {
  const size_t kind = size_t(entry.layer.kind);
  Slot& slot = slots_[kind];
  if (!wanted(kind) || slot.state == State::Complete ||
      entry.data.size() > max_payload_bytes(entry.layer.kind))
    return;
  if (assembling_ == kind)
    assembling_ = 0;
  slot.state = State::Complete;
  slot.flags_known = true;
  slot.layer = entry.layer;
  slot.own_dependencies = false;
  slot.data.assign(entry.data.begin(), entry.data.end());
}

void RtpAssembler::take_repeat(const RtpEntry& entry, uint16_t number) {
  const size_t kind = size_t(entry.layer.kind);
  Repeat& repeat = repeats_[kind];
  const bool from_the_future = int16_t(uint16_t(entry.number - number)) > 0;
  const bool have_it = have_last_[kind] && int16_t(uint16_t(entry.number - last_[kind])) <= 0;
  const bool have_newer = repeat.pending && int16_t(uint16_t(entry.number - repeat.number)) <= 0;
  if (from_the_future || have_it || have_newer || !entry.layer.key || !wanted(kind) ||
      entry.data.size() > max_payload_bytes(entry.layer.kind))
    return;
  repeat.pending = true;
  repeat.layer = entry.layer;
  repeat.number = entry.number;
  repeat.data.assign(entry.data.begin(), entry.data.end());
}

void RtpAssembler::take_header(ByteView bytes) {
  StreamHeader parsed;
  size_t size = 0;
  if (parse_stream_header(bytes, parsed, size) != Status::Ok || size != bytes.size()) {
    ++counters_.bad;
    return;
  }
  header_here_ = true;
  if (std::equal(bytes.begin(), bytes.end(), header_bytes_.begin(), header_bytes_.end()))
    return;
  header_ = std::move(parsed);
  header_bytes_.assign(bytes.begin(), bytes.end());
}

// ---- units --------------------------------------------------------------------------------------------

bool RtpAssembler::wanted(size_t kind) const {
  return kind <= max_layer_;
}

bool RtpAssembler::complete() const {
  for (size_t kind = 1; kind < kKinds; ++kind)
    if (layers_ >> kind & 1 && wanted(kind) && slots_[kind].state != State::Complete)
      return false;
  return true;
}

bool RtpAssembler::use_repeat(size_t kind, ReceivedUnit& unit) {
  Repeat& repeat = repeats_[kind];
  if (!repeat.pending)
    return false;
  repeat.pending = false;
  if (have_last_[kind] && int16_t(uint16_t(repeat.number - last_[kind])) <= 0)
    return false;
  have_last_[kind] = true;
  last_[kind] = repeat.number;
  unit.layers.push_back({repeat.layer, false, repeat.data});
  ++counters_.repeats;
  return true;
}

/// What of the open unit is intact, and has what it depends on.
void RtpAssembler::resolve(ReceivedUnit& unit) {
  uint8_t present = 0;
  for (size_t kind = 1; kind < kKinds; ++kind)
    if (slots_[kind].state == State::Complete)
      present |= uint8_t(1u << kind);
  // Dependencies may form chains: until nothing changes any more.
  for (uint8_t before = 0; before != present;) {
    before = present;
    for (size_t kind = 1; kind < kKinds; ++kind) {
      const Slot& slot = slots_[kind];
      const LayerInfo* info = header_.find(LayerKind(kind));
      const uint8_t needs = slot.own_dependencies ? slot.dependencies : info ? info->dependencies : 0;
      if ((present >> kind & 1) && (needs & 0xFE & ~present))
        present &= uint8_t(~(1u << kind));
    }
  }
  for (size_t kind = 1; kind < kKinds; ++kind) {
    Slot& slot = slots_[kind];
    if (present >> kind & 1) {
      unit.layers.push_back({slot.layer, false, slot.data});
      have_last_[kind] = true;
      last_[kind] = number_;
      repeats_[kind].pending = false;
    } else if ((layers_ >> kind & 1) && wanted(kind)) {
      unit.layers.push_back({slot.flags_known ? slot.layer : unknown_layer(LayerKind(kind)), true, {}});
    } else {
      use_repeat(kind, unit);
    }
  }
}

void RtpAssembler::close() {
  if (!open_)
    return;
  open_ = false;
  ReceivedUnit unit;
  unit.number = number_;
  unit.first = first_;
  resolve(unit);
  hand_on(unit);
}

/// A packet of repeats only comes when nothing else was to be sent: what it brings back is not to wait for
/// the next unit.
void RtpAssembler::close_repeats(const RtpArrival& arrival) {
  ReceivedUnit unit;
  unit.number = number_;
  unit.first = arrival;
  unit.repeat_only = true;
  for (size_t kind = 1; kind < kKinds; ++kind)
    use_repeat(kind, unit);
  if (!unit.layers.empty())
    hand_on(unit);
}

void RtpAssembler::hand_on(ReceivedUnit& unit) {
  if (!have_header()) {
    ++counters_.headerless;
    have_last_ = {}; // nobody has seen what came so far: a repeat is still of use
    unit.layers.clear();
  }
  unit.units_lost = units_lost_;
  unit.header_here = header_here_;
  units_lost_ = 0;
  header_here_ = false;
  handler_(unit);
}

void RtpAssembler::finish() {
  close();
}

} // namespace gsem
