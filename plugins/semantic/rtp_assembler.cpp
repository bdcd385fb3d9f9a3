// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rtp_assembler.hpp"

#include <algorithm>
#include <set>

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
  started_ = open_ = recovered_ = false;
  last_arrival_.reset();
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
  std::vector<Found> found;
  if (started_ && !descriptor.fragment)
    found = find_repeats(descriptor, payload, size);
  const bool of_unit = begin(descriptor, found, arrival);
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

/// Repeats come with a later unit: before that closes the open one, they fill what it lacks. Gives those of
/// units between the last one and this packet's, of which nothing came.
std::vector<RtpAssembler::Found> RtpAssembler::find_repeats(const RtpDescriptor& descriptor, ByteView payload,
                                                            size_t size) {
  std::vector<Found> found;
  const int ahead = int16_t(uint16_t(descriptor.number - number_));
  RtpEntryReader reader(descriptor, payload, size);
  RtpEntry entry;
  while (!reader.done() && reader.next(entry) == Status::Ok) {
    const size_t kind = size_t(entry.layer.kind);
    if (entry.type != RtpEntry::Type::Repeat || !wanted(kind) ||
        entry.data.size() > max_payload_bytes(entry.layer.kind))
      continue;
    const int after = int16_t(uint16_t(entry.number - number_));
    if (after == 0 && open_ && (layers_ >> kind & 1) && slots_[kind].state != State::Complete) {
      take_layer(entry);
      ++counters_.repeats;
    } else if (after > 0 && (after < ahead || (after == ahead && descriptor.layers == 0))) {
      found.push_back({entry.number, entry.layer, entry.data});
    }
  }
  return found;
}

/// Closes and opens units. False: what the packet has of a unit is not wanted.
bool RtpAssembler::begin(const RtpDescriptor& descriptor, const std::vector<Found>& found,
                         const RtpArrival& arrival) {
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
    const unsigned made = found.empty() ? 0 : recover(descriptor, found, arrival);
    const unsigned lost = unsigned(ahead) - made - (has_unit ? 1 : 0);
    counters_.units_lost += lost;
    units_lost_ += lost;
  } else {
    have_last_ = {};
    repeats_ = {};
    last_arrival_.reset();
    units_lost_ = 0;
  }
  number_ = descriptor.number;
  if (has_unit)
    open(descriptor, arrival);
  return has_unit;
}

/// When unit `number` would have come, between the last one that did and `last`.
RtpArrival RtpAssembler::between(uint16_t number, uint16_t last_number, const RtpArrival& last) const {
  RtpArrival arrival = last;
  const int whole = int16_t(uint16_t(last_number - last_arrival_number_));
  const int part = int16_t(uint16_t(number - last_arrival_number_));
  if (!last_arrival_ || whole <= 0)
    return arrival;
  arrival.rtp_time = last_arrival_->rtp_time +
                     uint32_t(int64_t(int32_t(last.rtp_time - last_arrival_->rtp_time)) * part / whole);
  constexpr uint64_t kNoTime = UINT64_MAX;
  if (last.time != kNoTime && last_arrival_->time != kNoTime && last.time > last_arrival_->time)
    arrival.time = last_arrival_->time + (last.time - last_arrival_->time) / unsigned(whole) * unsigned(part);
  return arrival;
}

/// Hands on units made of repeats alone, before the packet's own. Gives how many numbers up to the last of
/// them there were; those that nothing brings back are counted.
unsigned RtpAssembler::recover(const RtpDescriptor& descriptor, const std::vector<Found>& found,
                               const RtpArrival& arrival) {
  const uint16_t before = number_;
  const auto after = [&](uint16_t number) { return unsigned(uint16_t(number - before)); };
  std::set<unsigned> which;
  for (const auto& one : found)
    which.insert(after(one.number));
  unsigned done = 0;
  std::vector<std::pair<unsigned, RtpArrival>> times;
  for (unsigned distance : which)
    times.emplace_back(distance, between(uint16_t(before + distance), descriptor.number, arrival));
  for (const auto& [distance, time] : times) {
    counters_.units_lost += distance - done - 1;
    units_lost_ += distance - done - 1;
    done = distance;
    RtpDescriptor unit;
    unit.number = uint16_t(before + distance);
    // What else it had is not known; most likely what this one has. Captions are not in every unit.
    unit.layers = uint8_t(descriptor.layers & ~(1u << unsigned(LayerKind::Caption)));
    for (const auto& one : found)
      if (after(one.number) == distance)
        unit.layers |= uint8_t(1u << unsigned(one.layer.kind));
    open(unit, time);
    for (const auto& one : found)
      if (after(one.number) == distance) {
        take_layer({.layer = one.layer, .data = one.data});
        ++counters_.repeats;
      }
    ++counters_.recovered;
    recovered_ = true;
    close();
    recovered_ = false;
  }
  return done;
}

void RtpAssembler::open(const RtpDescriptor& descriptor, const RtpArrival& arrival) {
  open_ = true;
  number_ = descriptor.number;
  layers_ = descriptor.layers;
  first_ = arrival;
  last_arrival_ = arrival;
  last_arrival_number_ = descriptor.number;
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
  unit.recovered = recovered_;
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
