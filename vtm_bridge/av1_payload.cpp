// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/av1_payload.hpp"

namespace gsem::maps {
namespace {

constexpr int kSequenceHeader = 1, kTemporalDelimiter = 2, kMetadata = 5, kFrame = 6, kPadding = 15;
constexpr uint8_t kHasSize = 2, kHasExtension = 4;

bool read_leb128(ByteView data, size_t& position, uint64_t& value) {
  value = 0;
  for (int i = 0; i < 8 && position < data.size(); i++) {
    const uint8_t byte = data[position++];
    value |= static_cast<uint64_t>(byte & 127) << (7 * i);
    if (byte < 128)
      return true;
  }
  return false;
}

void append_obu(int type, ByteView inside, Bytes& out) {
  out.push_back(static_cast<uint8_t>(type << 3 | kHasSize));
  size_t size = inside.size();
  for (; size >= 128; size >>= 7)
    out.push_back(static_cast<uint8_t>(size | 128));
  out.push_back(static_cast<uint8_t>(size));
  out.insert(out.end(), inside.begin(), inside.end());
}

bool read_obu(ByteView unit, size_t& position, int& type, ByteView& inside) {
  const uint8_t header = unit[position++];
  type = header >> 3 & 15;
  if ((header & 0x80) != 0 || (header & kHasExtension) != 0)
    return false; // forbidden bit; scalable streams
  uint64_t size = unit.size() - position;
  if ((header & kHasSize) != 0 && !read_leb128(unit, position, size))
    return false;
  if (size > unit.size() - position)
    return false;
  inside = unit.subspan(position, size);
  position += size;
  return true;
}

bool read_short_block(ByteView bytes, size_t& position, Bytes& out) {
  if (position >= bytes.size())
    return false;
  const size_t size = bytes[position++];
  if (size == 0 || size > bytes.size() - position)
    return false;
  const ByteView block = bytes.subspan(position, size);
  out.assign(block.begin(), block.end());
  position += size;
  return true;
}

} // namespace

uint8_t write_payload_type(PayloadType type) {
  return static_cast<uint8_t>(static_cast<uint8_t>(type.type) | type.key_number << 4);
}

Status parse_payload_type(uint8_t byte, PayloadType& type) {
  if ((byte & 15) > static_cast<uint8_t>(FrameType::Key))
    return Status::Unsupported;
  type = {static_cast<FrameType>(byte & 15), static_cast<uint8_t>(byte >> 4)};
  return Status::Ok;
}

Status split_temporal_unit(ByteView unit, ByteView& sequence, ByteView& frame) {
  sequence = frame = {};
  for (size_t position = 0; position < unit.size();) {
    int type = 0;
    ByteView inside;
    if (!read_obu(unit, position, type, inside))
      return Status::Failed;
    if (type == kSequenceHeader)
      sequence = inside;
    else if (type == kFrame && frame.empty())
      frame = inside;
    else if (type != kTemporalDelimiter && type != kMetadata && type != kPadding)
      return Status::Failed;
  }
  return frame.empty() ? Status::Failed : Status::Ok;
}

void append_sequence_obu(ByteView sequence, Bytes& out) {
  append_obu(kSequenceHeader, sequence, out);
}

void append_temporal_unit(ByteView sequence, ByteView frame, Bytes& out) {
  append_obu(kTemporalDelimiter, {}, out);
  append_sequence_obu(sequence, out);
  append_obu(kFrame, frame, out);
}

Bytes write_codec_header(const SequenceHeaders& headers) {
  Bytes out;
  for (const Bytes* header : {&headers.still, &headers.video}) {
    out.push_back(static_cast<uint8_t>(header->size()));
    out.insert(out.end(), header->begin(), header->end());
  }
  return out;
}

Status parse_codec_header(ByteView bytes, SequenceHeaders& headers) {
  size_t position = 0;
  const bool ok = read_short_block(bytes, position, headers.still) &&
                  read_short_block(bytes, position, headers.video) && position == bytes.size();
  return ok ? Status::Ok : Status::Corrupt;
}

} // namespace gsem::maps
