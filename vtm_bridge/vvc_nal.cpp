// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vvc_nal.hpp"

#include "gst/bitstream/stream_header.hpp"
#include "vtm_bridge/codec.hpp"

#include <algorithm>

namespace gsem::maps {
namespace {

constexpr size_t kNalHeader = 2;
constexpr uint8_t kTypeMask = 3, kReservedMask = 12;

/// Position of the next 00 00 01 at or after `from`; the stream's size when there is none.
size_t find_start_code(ByteView stream, size_t from) {
  constexpr uint8_t kStartCode[] = {0, 0, 1};
  const auto begin = stream.begin() + static_cast<ptrdiff_t>(from);
  return static_cast<size_t>(std::search(begin, stream.end(), kStartCode, kStartCode + 3) - stream.begin());
}

ByteView without_trailing_zeros(ByteView bytes) {
  size_t size = bytes.size();
  while (size > 0 && bytes[size - 1] == 0)
    size--;
  return bytes.first(size);
}

/// A unit that could not stand in a byte stream would come out as two of them, or shorter.
bool storable(ByteView unit) {
  return nal_type(unit) >= 0 && unit.back() != 0 && find_start_code(unit, 0) == unit.size();
}

void append_u16(size_t value, Bytes& out) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

bool read_u16(ByteView bytes, size_t& position, size_t& value) {
  if (bytes.size() - position < 2)
    return false;
  value = static_cast<size_t>(bytes[position] << 8 | bytes[position + 1]);
  position += 2;
  return true;
}

void append_leb128(size_t value, Bytes& out) {
  for (; value >= 128; value >>= 7)
    out.push_back(static_cast<uint8_t>(value | 128));
  out.push_back(static_cast<uint8_t>(value));
}

bool read_leb128(ByteView bytes, size_t& position, size_t& value) {
  value = 0;
  for (int i = 0; i < 3 && position < bytes.size(); i++) {
    const uint8_t byte = bytes[position++];
    value |= static_cast<size_t>(byte & 127) << (7 * i);
    if (byte < 128)
      return i == 0 || byte != 0; // one spelling a number
  }
  return false;
}

bool belongs_to_picture(int type) {
  const bool slice = type >= 0 && type <= nal::kLastSlice;
  return slice || (type >= nal::kPps && type <= nal::kPictureHeader);
}

/// Bits of a NAL unit's payload, without the bytes that prevent start codes. Past the end they are zeros and
/// `good` is false.
class BitReader {
public:
  explicit BitReader(ByteView unit) {
    for (size_t i = kNalHeader, zeros = 0; i < unit.size(); i++) {
      const bool prevention = zeros >= 2 && unit[i] == 3;
      zeros = unit[i] == 0 ? zeros + 1 : 0;
      if (!prevention)
        bytes_.push_back(unit[i]);
    }
  }

  uint32_t bits(int count) { // 0..32
    uint32_t value = 0;
    for (; count > 0; count--, position_++) {
      good = good && position_ / 8 < bytes_.size();
      value = value << 1 | (good ? bytes_[position_ / 8] >> (7 - position_ % 8) & 1u : 0);
    }
    return value;
  }
  void skip(size_t count) { position_ += count; }
  void align() { position_ = (position_ + 7) / 8 * 8; }
  uint32_t exp_golomb() {
    int zeros = 0;
    while (good && bits(1) == 0)
      zeros++;
    good = good && zeros < 32;
    return good ? (1u << zeros) - 1 + bits(zeros) : 0;
  }

  bool good = true;

private:
  Bytes bytes_;
  size_t position_ = 0;
};

/// profile_tier_level(1, sublayers - 1), H.266 7.3.3.
void skip_profile(BitReader& bits, int sublayers) {
  constexpr size_t kConstraints = 71;
  bits.skip(7 + 1 + 8 + 1 + 1); // profile, tier, level, two flags
  if (bits.bits(1) != 0) {
    bits.skip(kConstraints);
    bits.skip(bits.bits(8));
  }
  bits.align();
  uint32_t levels = 0;
  for (int i = 1; i < sublayers; i++)
    levels += bits.bits(1);
  bits.align();
  bits.skip(size_t{8} * levels);
  const uint32_t profiles = bits.bits(8);
  bits.skip(size_t{32} * profiles);
}

} // namespace

int nal_type(ByteView unit) {
  if (unit.size() < kNalHeader || (unit[0] & 0x80) != 0 || (unit[1] & 7) == 0) // temporal id plus 1
    return -1;
  return unit[1] >> 3;
}

Status split_byte_stream(ByteView stream, size_t max_units, std::vector<ByteView>& units) {
  units.clear();
  size_t code = find_start_code(stream, 0);
  if (!without_trailing_zeros(stream.first(code)).empty() || code == stream.size())
    return Status::Corrupt;
  while (code < stream.size()) {
    const size_t begin = code + 3;
    code = find_start_code(stream, begin);
    const ByteView unit = without_trailing_zeros(stream.subspan(begin, code - begin));
    if (nal_type(unit) < 0)
      return Status::Corrupt;
    if (units.size() == max_units)
      return Status::TooLarge;
    units.push_back(unit);
  }
  return Status::Ok;
}

void append_to_byte_stream(ByteView unit, Bytes& stream) {
  stream.insert(stream.end(), {0, 0, 0, 1});
  stream.insert(stream.end(), unit.begin(), unit.end());
}

Bytes write_vvc_header(const VvcHeader& header) {
  Bytes out;
  append_u16(static_cast<size_t>(header.width), out);
  append_u16(static_cast<size_t>(header.height), out);
  for (const Bytes& unit : header.parameter_sets) {
    append_u16(unit.size(), out);
    out.insert(out.end(), unit.begin(), unit.end());
  }
  return out;
}

Status parse_vvc_header(ByteView bytes, VvcHeader& header) {
  if (bytes.size() > bitstream::Limits::max_codec_header_bytes)
    return Status::TooLarge;
  size_t position = 0, width = 0, height = 0;
  if (!read_u16(bytes, position, width) || !read_u16(bytes, position, height))
    return Status::Corrupt;
  if (width < kMinSide || width > kMaxSide || height < kMinSide || height > kMaxSide)
    return Status::TooLarge;
  header = {static_cast<int>(width), static_cast<int>(height), {}};
  bool sps = false, pps = false;
  while (position < bytes.size()) {
    size_t length = 0;
    if (!read_u16(bytes, position, length) || length > bytes.size() - position)
      return Status::Corrupt;
    const ByteView unit = bytes.subspan(position, length);
    const int type = nal_type(unit);
    if (!is_parameter_set(type) || !storable(unit))
      return Status::Corrupt;
    sps |= type == nal::kSps;
    pps |= type == nal::kPps;
    header.parameter_sets.emplace_back(unit.begin(), unit.end());
    position += length;
  }
  return sps && pps ? Status::Ok : Status::Corrupt;
}

Status parse_sps(ByteView unit, SpsPicture& out) {
  if (nal_type(unit) != nal::kSps)
    return Status::Corrupt;
  BitReader bits(unit);
  bits.skip(8); // identifiers of this and of the video parameter set
  const auto sublayers = static_cast<int>(bits.bits(3)) + 1;
  out.chroma_format = static_cast<int>(bits.bits(2));
  bits.skip(2); // CTU size
  if (bits.bits(1) == 0)
    return Status::Corrupt;
  skip_profile(bits, sublayers);
  bits.skip(1); // gradual refresh
  if (bits.bits(1) != 0)
    bits.skip(1);
  const uint32_t width = bits.exp_golomb(), height = bits.exp_golomb();
  if (!bits.good)
    return Status::Corrupt;
  if (width < kMinSide || width > kMaxSide || height < kMinSide || height > kMaxSide)
    return Status::TooLarge;
  out.width = static_cast<int>(width);
  out.height = static_cast<int>(height);
  return Status::Ok;
}

Status write_vvc_payload(const std::vector<ByteView>& units, Bytes& payload) {
  payload.clear();
  if (units.empty() || units.size() > kMaxPayloadUnits)
    return Status::Failed;
  payload.push_back(static_cast<uint8_t>((units.size() - 1) << 4));
  for (const ByteView& unit : units) {
    if (&unit != &units.back())
      append_leb128(unit.size(), payload);
    payload.insert(payload.end(), unit.begin(), unit.end());
  }
  return payload.size() > bitstream::Limits::max_structure_bytes ? Status::TooLarge : Status::Ok;
}

Status parse_vvc_payload(ByteView payload, std::vector<ByteView>& units) {
  units.clear();
  if (payload.empty())
    return Status::Corrupt;
  if (payload.size() > bitstream::Limits::max_structure_bytes)
    return Status::TooLarge;
  if ((payload[0] & (kTypeMask | kReservedMask)) != 0)
    return Status::Unsupported;
  size_t position = 1;
  for (size_t left = payload[0] >> 4; left > 0; left--) {
    size_t length = 0;
    if (!read_leb128(payload, position, length) || length > payload.size() - position)
      return Status::Corrupt;
    units.push_back(payload.subspan(position, length));
    position += length;
  }
  units.push_back(payload.subspan(position));
  bool slice = false;
  for (const ByteView& unit : units) {
    const int type = nal_type(unit);
    if (!belongs_to_picture(type) || !storable(unit))
      return Status::Corrupt;
    slice |= type <= nal::kLastSlice;
  }
  return slice ? Status::Ok : Status::Corrupt;
}

} // namespace gsem::maps
