// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/access_unit.hpp"

#include "gst/bitstream/crc.hpp"
#include "gst/bitstream/fields.hpp"

#include <algorithm>
#include <functional>

namespace gsem::bitstream {
namespace {

constexpr uint8_t kSync = 0xD3;
constexpr uint8_t kCaptionBit = 0x01, kSignalBit = 0x10, kExtendedBit = 0x80;
constexpr int kStructureShift = 1, kTimeShift = 5;
constexpr uint8_t kLayerFlags = 1, kOtherLayers = 2, kExtension = 4; // of the extended byte
constexpr uint8_t kMaxKnownKind = 3, kMaxKind = 7;
constexpr size_t kMaxExtension = 255;

enum class TimeForm : uint8_t { EqualsNumber, Offset, Low8, Full };

/// Structure maps come in a few ways, each with a code of its own; other flags are spelled out.
enum StructureCode : uint8_t { Absent, Still, Key, Delta, LastDelta = Delta + 3 };

LayerUnit usual_structure(uint8_t code) {
  LayerUnit layer{.kind = LayerKind::Structure};
  layer.key = layer.switch_point = code < Delta;
  layer.discardable = code != Key;
  layer.temporal_id = code < Delta ? 0 : uint8_t(code - Delta);
  return layer;
}

LayerUnit usual_signal() {
  return {.kind = LayerKind::Signal, .discardable = true};
}

bool same_flags(const LayerUnit& a, const LayerUnit& b) {
  return a.key == b.key && a.discardable == b.discardable && a.switch_point == b.switch_point &&
         a.lost == b.lost && a.temporal_id == b.temporal_id;
}

/// `Absent` when the flags are none of the usual ones.
uint8_t structure_code(const LayerUnit& layer) {
  for (uint8_t code = Still; code <= LastDelta; code++)
    if (same_flags(layer, usual_structure(code)))
      return code;
  return Absent;
}

bool has_usual_flags(const LayerUnit& layer) {
  switch (layer.kind) {
  case LayerKind::Caption:
    return same_flags(layer, LayerUnit{});
  case LayerKind::Structure:
    return structure_code(layer) != Absent;
  case LayerKind::Signal:
    return same_flags(layer, usual_signal());
  }
  return true; // other kinds always carry theirs
}

bool is_known(const LayerUnit& layer) {
  return uint8_t(layer.kind) <= kMaxKnownKind;
}

bool may_start_here(const std::vector<LayerUnit>& layers) {
  const auto arrived = [](const LayerUnit& layer) { return !layer.lost; };
  return std::ranges::any_of(layers, arrived) &&
         std::ranges::all_of(layers, [](const LayerUnit& layer) { return layer.key || layer.lost; });
}

Status check_layer(const LayerUnit& layer) {
  if (layer.size > max_payload_bytes(layer.kind))
    return Status::TooLarge;
  const uint8_t kind = uint8_t(layer.kind);
  if ((layer.lost && layer.size) || layer.temporal_id > 3 || kind == 0 || kind > kMaxKind)
    return Status::Corrupt;
  return Status::Ok;
}

Status check(const std::vector<LayerUnit>& layers) {
  if (layers.size() > Limits::max_layers)
    return Status::TooLarge;
  for (size_t i = 0; i < layers.size(); i++) {
    if (Status status = check_layer(layers[i]); status != Status::Ok)
      return status;
    if (i && layers[i - 1].kind >= layers[i].kind)
      return Status::Corrupt;
  }
  return Status::Ok;
}

/// Low bits of the timestamp that a short form gives.
int time_bits(TimeForm form) {
  return form == TimeForm::Low8 ? 8 : 16;
}

/// The timestamp nearest to `last` that ends in the bits `low`.
uint64_t unwrap(uint64_t last, uint64_t low, int bits) {
  const uint64_t range = uint64_t(1) << bits, ahead = (low - last) & (range - 1), back = range - ahead;
  return ahead >= range / 2 && back <= last ? last - back : last + ahead;
}

TimeForm choose_form(const AccessUnitHeader& header, const TimestampState& state) {
  const uint64_t step =
      header.timestamp > state.last ? header.timestamp - state.last : state.last - header.timestamp;
  // Half of what a short form can tell apart is left to units that a reader may have lost.
  const auto fits = [&](TimeForm form) {
    return state.valid && step <= uint64_t(1) << (time_bits(form) - 2);
  };
  const int16_t offset = int16_t(uint16_t(header.timestamp - header.number));
  if (offset == 0 && fits(TimeForm::EqualsNumber))
    return TimeForm::EqualsNumber;
  if (offset >= -128 && offset <= 127 && fits(TimeForm::Offset))
    return TimeForm::Offset;
  return fits(TimeForm::Low8) ? TimeForm::Low8 : TimeForm::Full;
}

void write_timestamp(const AccessUnitHeader& header, TimeForm form, Bytes& out) {
  switch (form) {
  case TimeForm::EqualsNumber:
    break;
  case TimeForm::Offset:
    put_uint(out, uint8_t(header.timestamp - header.number), 1);
    break;
  case TimeForm::Low8:
    put_uint(out, uint8_t(header.timestamp), 1);
    break;
  case TimeForm::Full:
    put_varint(out, header.timestamp);
    break;
  }
}

uint64_t read_timestamp(FieldReader& reader, TimeForm form, uint16_t number) {
  switch (form) {
  case TimeForm::EqualsNumber:
    return number;
  case TimeForm::Offset:
    return uint16_t(number + int8_t(reader.uint(1)));
  case TimeForm::Low8:
    return reader.uint(1);
  case TimeForm::Full:
    break;
  }
  return reader.varint();
}

/// The first two bytes after the sync: what is there, and whether it is spelled out.
struct Layout {
  uint8_t layers = 0, extended = 0;
};

Layout choose_layout(const AccessUnitHeader& header, TimeForm form) {
  Layout layout;
  if (!std::ranges::all_of(header.layers, has_usual_flags))
    layout.extended |= kLayerFlags;
  for (const LayerUnit& layer : header.layers)
    if (layer.kind == LayerKind::Caption)
      layout.layers |= kCaptionBit;
    else if (layer.kind == LayerKind::Structure) {
      const uint8_t code = layout.extended & kLayerFlags ? uint8_t(Still) : structure_code(layer);
      layout.layers |= uint8_t(code << kStructureShift);
    } else if (layer.kind == LayerKind::Signal)
      layout.layers |= kSignalBit;
    else
      layout.extended |= kOtherLayers;
  layout.layers |= uint8_t(uint8_t(form) << kTimeShift);
  if (layout.extended)
    layout.layers |= kExtendedBit;
  return layout;
}

void write_flags(const LayerUnit& layer, Bytes& out) {
  put_uint(out,
           (layer.key ? 1 : 0) | (layer.discardable ? 2 : 0) | (layer.switch_point ? 4 : 0) |
               (layer.lost ? 8 : 0) | layer.temporal_id << 4,
           1);
}

void write_size(const LayerUnit& layer, Bytes& out) {
  if (!layer.lost)
    put_varint(out, layer.size);
}

void write_layers(const AccessUnitHeader& header, const Layout& layout, Bytes& out) {
  if (layout.extended)
    put_uint(out, layout.extended, 1);
  for (const LayerUnit& layer : header.layers) {
    if (!is_known(layer))
      continue;
    if (layout.extended & kLayerFlags)
      write_flags(layer, out);
    write_size(layer, out);
  }
  if (!(layout.extended & kOtherLayers))
    return;
  put_uint(out, uint64_t(std::ranges::count_if(header.layers, std::not_fn(is_known))), 1);
  for (const LayerUnit& layer : header.layers) {
    if (is_known(layer))
      continue;
    put_uint(out, uint8_t(layer.kind), 1);
    write_flags(layer, out);
    write_size(layer, out);
  }
}

void read_flags(FieldReader& reader, LayerUnit& layer) {
  const uint8_t flags = uint8_t(reader.uint(1));
  layer.key = flags & 1;
  layer.discardable = flags & 2;
  layer.switch_point = flags & 4;
  layer.lost = flags & 8;
  layer.temporal_id = flags >> 4 & 3;
  if (flags >> 6)
    reader.fail(Status::Corrupt);
}

void read_size(FieldReader& reader, LayerUnit& layer) {
  if (layer.lost)
    return;
  const uint64_t size = reader.varint();
  if (size > max_payload_bytes(layer.kind))
    return reader.fail(Status::TooLarge);
  layer.size = uint32_t(size);
}

void read_known_layers(FieldReader& reader, const Layout& layout, std::vector<LayerUnit>& layers) {
  const uint8_t structure = layout.layers >> kStructureShift & 7;
  const bool spelled_out = layout.extended & kLayerFlags;
  if (structure > LastDelta || (spelled_out && structure > Still))
    return reader.fail(Status::Corrupt);
  if (layout.layers & kCaptionBit)
    layers.push_back({});
  if (structure)
    layers.push_back(usual_structure(structure));
  if (layout.layers & kSignalBit)
    layers.push_back(usual_signal());
  for (LayerUnit& layer : layers) {
    if (spelled_out)
      read_flags(reader, layer);
    read_size(reader, layer);
  }
}

void read_other_layers(FieldReader& reader, std::vector<LayerUnit>& layers) {
  const uint64_t count = reader.uint(1);
  if (count > kMaxKind - kMaxKnownKind)
    return reader.fail(Status::TooLarge);
  for (uint64_t i = 0; i < count && reader.ok(); i++) {
    LayerUnit layer{.kind = LayerKind(reader.uint(1))};
    if (is_known(layer))
      reader.fail(Status::Corrupt);
    read_flags(reader, layer);
    read_size(reader, layer);
    layers.push_back(layer);
  }
}

void read_layers(FieldReader& reader, Layout layout, std::vector<LayerUnit>& layers) {
  if (layout.layers & kExtendedBit) {
    layout.extended = uint8_t(reader.uint(1));
    if (reader.ok() && (layout.extended == 0 || layout.extended > (kLayerFlags | kOtherLayers | kExtension)))
      reader.fail(Status::Corrupt);
  }
  read_known_layers(reader, layout, layers);
  if (layout.extended & kOtherLayers)
    read_other_layers(reader, layers);
  if (layout.extended & kExtension) {
    const uint64_t length = reader.varint();
    if (length > kMaxExtension)
      reader.fail(Status::TooLarge);
    reader.bytes(length);
  }
}

} // namespace

Status write_access_unit_header(const AccessUnitHeader& header, TimestampState& state, Bytes& out) {
  if (Status status = check(header.layers); status != Status::Ok)
    return status;
  if (header.timestamp >> 63)
    return Status::TooLarge;
  const TimeForm form = choose_form(header, state);
  const Layout layout = choose_layout(header, form);
  const size_t begin = out.size();
  put_uint(out, kSync, 1);
  put_uint(out, layout.layers, 1);
  put_uint(out, header.number, 2);
  write_timestamp(header, form, out);
  write_layers(header, layout, out);
  put_uint(out, crc16(ByteView(out).subspan(begin)), 2);
  state = {.valid = true, .last = header.timestamp};
  return Status::Ok;
}

Status parse_access_unit_header(ByteView data, AccessUnitHeader& header, size_t& header_size,
                                TimestampState* state) {
  header_size = 0;
  header.layers.clear(); // keeps its memory: one header serves a whole stream
  FieldReader reader(data);
  if (reader.uint(1) != kSync)
    return reader.ok() ? Status::Corrupt : reader.status();
  const Layout layout{.layers = uint8_t(reader.uint(1))};
  const TimeForm form = TimeForm(layout.layers >> kTimeShift & 3);
  header.number = uint16_t(reader.uint(2));
  header.timestamp = read_timestamp(reader, form, header.number);
  read_layers(reader, layout, header.layers);
  const size_t checked = reader.position();
  const uint16_t crc = uint16_t(reader.uint(2));
  if (!reader.ok())
    return reader.status();
  if (crc16(data.first(checked)) != crc)
    return Status::Corrupt;
  if (Status status = check(header.layers); status != Status::Ok)
    return status;

  header.key = may_start_here(header.layers);
  if (state) {
    if (form != TimeForm::Full && state->valid)
      header.timestamp = unwrap(state->last, header.timestamp, time_bits(form));
    *state = {.valid = true, .last = header.timestamp};
  }
  header_size = checked + 2;
  return Status::Ok;
}

size_t payload_section_size(const AccessUnitHeader& header) {
  size_t size = 0;
  for (const LayerUnit& layer : header.layers)
    size += layer.lost ? 0 : layer.size + 2;
  return size;
}

void append_payload(ByteView payload, Bytes& out) {
  out.insert(out.end(), payload.begin(), payload.end());
  put_uint(out, crc16(payload), 2);
}

Status find_payload(const AccessUnitHeader& header, ByteView section, size_t index, ByteView& payload) {
  payload = {};
  if (index >= header.layers.size() || header.layers[index].lost)
    return Status::Failed;
  size_t begin = 0;
  for (size_t i = 0; i < index; i++)
    begin += header.layers[i].lost ? 0 : header.layers[i].size + 2;
  size_t size = header.layers[index].size;
  if (begin > section.size() || section.size() - begin < size + 2)
    return Status::NeedMoreData;
  ByteView bytes = section.subspan(begin, size);
  if (crc16(bytes) != (section[begin + size] << 8 | section[begin + size + 1]))
    return Status::Corrupt;
  payload = bytes;
  return Status::Ok;
}

namespace {

/// Whether a unit begins at `here`, going by its first bytes and its check.
Status try_unit(ByteView here, AccessUnitHeader& unit, UnitKind& kind) {
  size_t size = 0;
  if (here[0] == kSync) {
    kind = UnitKind::AccessUnit;
    return parse_access_unit_header(here, unit, size, nullptr);
  }
  if (here[0] != 'G')
    return Status::Corrupt;
  kind = UnitKind::StreamHeader;
  StreamHeader header;
  const Status status = parse_stream_header(here, header, size);
  // Checksum and size are right: the caller can skip it.
  return status == Status::Unsupported ? Status::Ok : status;
}

} // namespace

Status find_unit(ByteView data, size_t from, size_t& offset, UnitKind& kind) {
  AccessUnitHeader unit;
  // A damaged length must not hide the units behind it, so an unfinished unit only counts when none follows.
  size_t unfinished = std::max(from, data.size());
  for (size_t at = from; at < data.size(); at++) {
    UnitKind found = UnitKind::AccessUnit;
    const Status status = try_unit(data.subspan(at), unit, found);
    if (status == Status::Ok) {
      offset = at;
      kind = found;
      return status;
    }
    if (status == Status::NeedMoreData && unfinished >= data.size())
      unfinished = at;
  }
  offset = unfinished;
  return Status::NeedMoreData;
}

} // namespace gsem::bitstream
