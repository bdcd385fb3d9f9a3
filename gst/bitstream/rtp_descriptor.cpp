// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/rtp_descriptor.hpp"

#include "gst/bitstream/fields.hpp"

#include <bit>

namespace gsem::bitstream {
namespace {

constexpr int kVersionShift = 6, kKindShift = 3, kLayersShift = 5;
constexpr uint8_t kStart = 4, kEnd = 2, kExtended = 1;
constexpr uint8_t kCompactLayers = 0x0E; ///< kinds 1..3: those that fit into the second byte
constexpr uint8_t kAsStreamHeader = 1;   ///< in place of dependencies
constexpr size_t kMaxExtension = 16;
constexpr uint8_t kHeaderEntry = 0, kRepeatEntry = 1;

bool valid(const RtpLayer& layer) {
  const uint8_t kind = uint8_t(layer.kind);
  return kind >= 1 && kind <= 7 && layer.temporal_id <= 3;
}

uint8_t flags(const RtpLayer& layer) {
  return uint8_t((layer.key ? 16 : 0) | (layer.discardable ? 8 : 0) | (layer.switch_point ? 4 : 0) |
                 layer.temporal_id);
}

RtpLayer make_layer(uint8_t kind, uint8_t flags) {
  return {LayerKind(kind), bool(flags & 16), bool(flags & 8), bool(flags & 4), uint8_t(flags & 3)};
}

uint8_t entry_byte(const RtpLayer& layer) {
  return uint8_t(uint8_t(layer.kind) << 5 | flags(layer));
}

bool contains(uint8_t layers, LayerKind kind) {
  return layers >> uint8_t(kind) & 1;
}

bool valid(const RtpDescriptor& d) {
  if (d.layers & 1)
    return false;
  if (!d.fragment)
    return d.entries <= 3;
  return valid(d.layer) && contains(d.layers, d.layer.kind) && !(d.dependencies.value_or(0) & 1);
}

void read_extension(FieldReader& reader, RtpDescriptor& d) {
  const uint64_t length = reader.uint(1);
  if (length == 0 || length > kMaxExtension)
    return reader.fail(Status::Corrupt);
  const ByteView bytes = reader.bytes(length);
  if (bytes.empty())
    return;
  if (d.fragment && !(bytes[0] & kAsStreamHeader))
    d.dependencies = bytes[0];
  if (bytes.size() > 1)
    d.layers = bytes[1];
}

} // namespace

uint8_t highest_layer(const RtpDescriptor& descriptor) {
  return descriptor.layers ? uint8_t(std::bit_width(descriptor.layers) - 1) : 0;
}

Status write_rtp_descriptor(const RtpDescriptor& d, Bytes& out) {
  if (!valid(d))
    return Status::Corrupt;
  const bool many = d.layers & ~kCompactLayers;
  const bool extended = many || (d.fragment && d.dependencies);
  uint8_t first = uint8_t(kRtpVersion << kVersionShift | (extended ? kExtended : 0));
  uint8_t second = uint8_t((d.layers & kCompactLayers) >> 1 << kLayersShift);
  if (d.fragment) {
    first |= uint8_t(uint8_t(d.layer.kind) << kKindShift | (d.start ? kStart : 0) | (d.end ? kEnd : 0));
    second |= flags(d.layer);
  } else {
    first |= uint8_t(d.entries << 1);
  }
  put_uint(out, first, 1);
  put_uint(out, second, 1);
  put_uint(out, d.number, 2);
  if (!extended)
    return Status::Ok;
  put_uint(out, many ? 2 : 1, 1);
  put_uint(out, d.fragment ? d.dependencies.value_or(kAsStreamHeader) : kAsStreamHeader, 1);
  if (many)
    put_uint(out, d.layers, 1);
  return Status::Ok;
}

Status parse_rtp_descriptor(ByteView packet, RtpDescriptor& descriptor, size_t& size) {
  size = 0;
  FieldReader reader(packet);
  const uint8_t first = uint8_t(reader.uint(1)), second = uint8_t(reader.uint(1));
  if (!packet.empty() && first >> kVersionShift != kRtpVersion)
    return Status::Unsupported;
  RtpDescriptor d;
  const uint8_t kind = first >> kKindShift & 7;
  d.number = uint16_t(reader.uint(2));
  d.layers = uint8_t(second >> kLayersShift << 1);
  d.fragment = kind != 0;
  if (d.fragment) {
    d.layer = make_layer(kind, second);
    d.start = first & kStart;
    d.end = first & kEnd;
  } else {
    d.entries = first >> 1 & 3;
  }
  if (first & kExtended)
    read_extension(reader, d);
  if (!reader.ok() || reader.left() == 0 || !valid(d))
    return Status::Corrupt;
  descriptor = d;
  size = reader.position();
  return Status::Ok;
}

Status write_rtp_entry(const RtpEntry& entry, bool with_size, Bytes& out) {
  const bool has_layer = entry.type == RtpEntry::Type::Layer || entry.type == RtpEntry::Type::Repeat;
  if (entry.type == RtpEntry::Type::Unknown || entry.data.empty() || (has_layer && !valid(entry.layer)))
    return Status::Corrupt;
  if (entry.type == RtpEntry::Type::StreamHeader)
    put_uint(out, kHeaderEntry, 1);
  if (entry.type == RtpEntry::Type::Repeat)
    put_uint(out, kRepeatEntry, 1);
  if (has_layer)
    put_uint(out, entry_byte(entry.layer), 1);
  if (entry.type == RtpEntry::Type::Repeat)
    put_uint(out, entry.number, 2);
  if (with_size)
    put_varint(out, entry.data.size());
  return Status::Ok;
}

RtpEntryReader::RtpEntryReader(const RtpDescriptor& descriptor, ByteView packet, size_t size)
    : layers_(descriptor.layers), counted_(descriptor.entries) {
  if (!descriptor.fragment && size < packet.size())
    left_ = packet.subspan(size);
}

Status RtpEntryReader::fail() {
  left_ = {};
  return Status::Corrupt;
}

Status RtpEntryReader::next(RtpEntry& entry) {
  FieldReader reader(left_);
  RtpEntry found;
  uint8_t head = uint8_t(reader.uint(1));
  if (head >> 5 == 0) {
    found.type = head == kHeaderEntry   ? RtpEntry::Type::StreamHeader
                 : head == kRepeatEntry ? RtpEntry::Type::Repeat
                                        : RtpEntry::Type::Unknown;
    if (found.type == RtpEntry::Type::Repeat) {
      head = uint8_t(reader.uint(1));
      found.number = uint16_t(reader.uint(2));
    }
  }
  const bool has_layer = found.type == RtpEntry::Type::Layer || found.type == RtpEntry::Type::Repeat;
  if (has_layer)
    found.layer = make_layer(head >> 5, head);
  const bool last = ++read_ == counted_;
  const uint64_t size = last ? reader.left() : reader.varint();
  found.data = reader.bytes(size);
  if (!reader.ok() || found.data.empty() || read_ > kMaxRtpEntries || (has_layer && !valid(found.layer)))
    return fail();
  if (found.type == RtpEntry::Type::Layer && !contains(layers_, found.layer.kind))
    return fail();
  left_ = left_.subspan(reader.position());
  // A promised entry that does not come: the packet was cut.
  if (left_.empty() && read_ < counted_)
    return fail();
  entry = found;
  return Status::Ok;
}

} // namespace gsem::bitstream
