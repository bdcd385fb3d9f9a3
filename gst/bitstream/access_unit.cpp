// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/access_unit.hpp"

#include "gst/bitstream/crc.hpp"
#include "gst/bitstream/fields.hpp"

#include <algorithm>
#include <cstring>

namespace gsem::bitstream {
namespace {

constexpr uint8_t kSync = 0xD3;
constexpr uint8_t kPresenceMask = 0x07, kKeyBit = 0x08, kExplicitBit = 0x40, kExtensionBit = 0x80;
constexpr int kTimeShift = 4;
constexpr size_t kMaxExtension = 255;

enum class TimeForm : uint8_t { EqualsNumber, Offset, Low16, Full };

bool operator==(const LayerUnit& a, const LayerUnit& b) {
  return a.kind == b.kind && a.key == b.key && a.discardable == b.discardable &&
         a.switch_point == b.switch_point && a.lost == b.lost && a.temporal_id == b.temporal_id &&
         a.size == b.size;
}

bool is_usual(const AccessUnitHeader& header) {
  return std::ranges::all_of(header.layers, [&](const LayerUnit& layer) {
    LayerUnit usual = usual_layer_unit(layer.kind, header.key);
    usual.size = layer.size;
    return layer.kind <= LayerKind::Signal && layer == usual;
  });
}

Status check_layer(const LayerUnit& layer) {
  if (layer.size > max_payload_bytes(layer.kind))
    return Status::TooLarge;
  if ((layer.lost && layer.size) || layer.temporal_id > 3 || uint8_t(layer.kind) == 0)
    return Status::Corrupt;
  return Status::Ok;
}

Status check(const AccessUnitHeader& header) {
  if (header.layers.size() > Limits::max_layers)
    return Status::TooLarge;
  for (size_t i = 0; i < header.layers.size(); i++) {
    if (Status status = check_layer(header.layers[i]); status != Status::Ok)
      return status;
    if (i && header.layers[i - 1].kind >= header.layers[i].kind)
      return Status::Corrupt;
  }
  return Status::Ok;
}

/// The timestamp nearest to `last` whose low 16 bits are `low`.
uint64_t unwrap(uint64_t last, uint16_t low) {
  int16_t step = int16_t(uint16_t(low - uint16_t(last)));
  if (step < 0 && last < uint64_t(-int64_t(step)))
    return last + uint16_t(step);
  return last + int64_t(step);
}

TimeForm choose_form(const AccessUnitHeader& header, const TimestampState& state) {
  if (!state.valid || unwrap(state.last, uint16_t(header.timestamp)) != header.timestamp)
    return TimeForm::Full;
  int16_t offset = int16_t(uint16_t(header.timestamp - header.number));
  if (offset == 0)
    return TimeForm::EqualsNumber;
  return offset >= -128 && offset <= 127 ? TimeForm::Offset : TimeForm::Low16;
}

void write_timestamp(const AccessUnitHeader& header, TimeForm form, Bytes& out) {
  switch (form) {
  case TimeForm::EqualsNumber:
    break;
  case TimeForm::Offset:
    put_uint(out, uint8_t(header.timestamp - header.number), 1);
    break;
  case TimeForm::Low16:
    put_uint(out, uint16_t(header.timestamp), 2);
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
  case TimeForm::Low16:
    return reader.uint(2);
  case TimeForm::Full:
    break;
  }
  return reader.varint();
}

void write_explicit(const AccessUnitHeader& header, Bytes& out) {
  put_uint(out, header.layers.size(), 1);
  for (const LayerUnit& layer : header.layers) {
    put_uint(out, uint8_t(layer.kind), 1);
    put_uint(out,
             (layer.key ? 1 : 0) | (layer.discardable ? 2 : 0) | (layer.switch_point ? 4 : 0) |
                 (layer.lost ? 8 : 0) | layer.temporal_id << 4,
             1);
    if (!layer.lost)
      put_varint(out, layer.size);
  }
}

uint32_t read_size(FieldReader& reader, LayerKind kind) {
  uint64_t size = reader.varint();
  if (size > max_payload_bytes(kind)) {
    reader.fail(Status::TooLarge);
    return 0;
  }
  return uint32_t(size);
}

void read_explicit(FieldReader& reader, AccessUnitHeader& header) {
  uint64_t count = reader.uint(1);
  if (count > Limits::max_layers)
    return reader.fail(Status::TooLarge);
  for (uint64_t i = 0; i < count && reader.ok(); i++) {
    LayerUnit layer;
    layer.kind = LayerKind(reader.uint(1));
    uint8_t flags = uint8_t(reader.uint(1));
    layer.key = flags & 1;
    layer.discardable = flags & 2;
    layer.switch_point = flags & 4;
    layer.lost = flags & 8;
    layer.temporal_id = flags >> 4 & 3;
    if (!layer.lost)
      layer.size = read_size(reader, layer.kind);
    header.layers.push_back(layer);
  }
}

void read_usual(FieldReader& reader, uint8_t presence, AccessUnitHeader& header) {
  for (uint8_t kind = 1; kind <= 3; kind++) {
    if (!(presence & 1 << (kind - 1)))
      continue;
    LayerUnit layer = usual_layer_unit(LayerKind(kind), header.key);
    layer.size = read_size(reader, layer.kind);
    header.layers.push_back(layer);
  }
}

} // namespace

LayerUnit usual_layer_unit(LayerKind kind, bool key_unit) {
  LayerUnit layer{.kind = kind};
  if (kind == LayerKind::Structure && !key_unit) {
    layer.key = layer.switch_point = false;
    layer.discardable = true;
  }
  if (kind == LayerKind::Signal)
    layer.discardable = true;
  return layer;
}

Status write_access_unit_header(const AccessUnitHeader& header, TimestampState& state, Bytes& out) {
  if (Status status = check(header); status != Status::Ok)
    return status;
  if (header.timestamp >> 63)
    return Status::TooLarge;
  bool usual = is_usual(header);
  TimeForm form = choose_form(header, state);
  uint8_t flags =
      uint8_t((header.key ? kKeyBit : 0) | uint8_t(form) << kTimeShift | (usual ? 0 : kExplicitBit));
  if (usual)
    for (const LayerUnit& layer : header.layers)
      flags |= uint8_t(1 << (uint8_t(layer.kind) - 1));

  size_t begin = out.size();
  put_uint(out, kSync, 1);
  put_uint(out, flags, 1);
  put_uint(out, header.number, 2);
  write_timestamp(header, form, out);
  if (usual)
    for (const LayerUnit& layer : header.layers)
      put_varint(out, layer.size);
  else
    write_explicit(header, out);
  put_uint(out, crc16(ByteView(out).subspan(begin)), 2);
  state = {.valid = true, .last = header.timestamp};
  return Status::Ok;
}

Status parse_access_unit_header(ByteView data, AccessUnitHeader& header, size_t& header_size,
                                TimestampState* state) {
  header_size = 0;
  header = AccessUnitHeader{};
  FieldReader reader(data);
  if (reader.uint(1) != kSync)
    return reader.ok() ? Status::Corrupt : reader.status();
  uint8_t flags = uint8_t(reader.uint(1));
  TimeForm form = TimeForm(flags >> kTimeShift & 3);
  header.key = flags & kKeyBit;
  header.number = uint16_t(reader.uint(2));
  header.timestamp = read_timestamp(reader, form, header.number);
  if (!(flags & kExplicitBit))
    read_usual(reader, flags & kPresenceMask, header);
  else if (flags & kPresenceMask)
    reader.fail(Status::Corrupt);
  else
    read_explicit(reader, header);
  if (flags & kExtensionBit) {
    uint64_t length = reader.varint();
    if (length > kMaxExtension)
      reader.fail(Status::TooLarge);
    reader.bytes(size_t(length));
  }
  size_t checked = reader.position();
  uint16_t crc = uint16_t(reader.uint(2));
  if (!reader.ok())
    return reader.status();
  if (crc16(data.first(checked)) != crc)
    return Status::Corrupt;
  if (Status status = check(header); status != Status::Ok)
    return status;

  if (state) {
    if (form != TimeForm::Full && state->valid)
      header.timestamp = unwrap(state->last, uint16_t(header.timestamp));
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

Status find_unit(ByteView data, size_t from, size_t& offset, UnitKind& kind) {
  for (offset = from; offset < data.size(); offset++) {
    ByteView here = data.subspan(offset);
    Status status = Status::Corrupt;
    size_t size;
    if (here[0] == 'G') {
      StreamHeader header;
      status = parse_stream_header(here, header, size);
      kind = UnitKind::StreamHeader;
      if (status == Status::Unsupported)
        status = Status::Ok; // checksum and size are right: the caller skips it
    } else if (here[0] == kSync) {
      AccessUnitHeader header;
      status = parse_access_unit_header(here, header, size, nullptr);
      kind = UnitKind::AccessUnit;
    }
    if (status == Status::Ok || status == Status::NeedMoreData)
      return status;
  }
  return Status::NeedMoreData;
}

} // namespace gsem::bitstream
