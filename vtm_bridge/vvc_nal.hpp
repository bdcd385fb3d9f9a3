// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <vector>

/// VVC byte streams (H.266, annex B) taken apart into a codec header and payloads, and put together again. A
/// NAL unit here is what lies between start codes: two bytes of header and its payload, emulation prevention
/// and all. Pure functions; every view points into its input.
///
/// Codec header: u16 width, u16 height of the maps (before padding to multiples of 8), then for each
/// parameter set u16 length and the NAL unit. Big endian.
/// Payload: a type byte, then NAL units, each but the last after its length as a LEB128 of at most 3 bytes.
/// Type byte: bits 0-1 frame type (0, a still), bits 2-3 zero, bits 4-7 NAL units before the last.
namespace gsem::maps {

/// nal_unit_type (H.266, table 5).
namespace nal {
inline constexpr int kLastSlice = 11;
inline constexpr int kFirstParameterSet = 12, kSps = 15, kPps = 16; ///< OPI, DCI, VPS, SPS, PPS
inline constexpr int kPictureHeader = 19;                           ///< after the APS (17, 18)
inline constexpr int kFirstDispensable = 20, kLastDispensable = 25; ///< AUD, EOS, EOB, SEI (two), filler
} // namespace nal

inline constexpr size_t kMaxPayloadUnits = 16;

/// -1 when it is no NAL unit header (shorter than two bytes, forbidden bit set).
int nal_type(ByteView unit);
inline bool is_parameter_set(int type) {
  return type >= nal::kFirstParameterSet && type <= nal::kPps;
}

/// NAL units of a byte stream without start codes and trailing zeros. Corrupt when bytes stand before the
/// first start code, when a unit has no valid header, or when there is none; TooLarge over `max_units`.
Status split_byte_stream(ByteView stream, size_t max_units, std::vector<ByteView>& units);
/// Appends a start code and the unit.
void append_to_byte_stream(ByteView unit, Bytes& stream);

struct VvcHeader {
  int width = 0, height = 0;
  std::vector<Bytes> parameter_sets; ///< in the order of the stream
};
Bytes write_vvc_header(const VvcHeader& header);
/// TooLarge for sides out of 16..512, Corrupt for anything but parameter sets with an SPS and a PPS.
Status parse_vvc_header(ByteView bytes, VvcHeader& header);

/// What a sequence parameter set says first (H.266, 7.3.2.4): as large a picture as may follow.
struct SpsPicture {
  int width = 0, height = 0;
  int chroma_format = 0; ///< 0: grey
};
/// Of a stored unit. Corrupt for anything but an SPS with its profile and level, TooLarge for sides out of
/// 16..512.
Status parse_sps(ByteView unit, SpsPicture& out);

/// Failed for no units or more than kMaxPayloadUnits.
Status write_vvc_payload(const std::vector<ByteView>& units, Bytes& payload);
/// Corrupt unless it holds slices and nothing but them, PPS, APS and picture headers.
Status parse_vvc_payload(ByteView payload, std::vector<ByteView>& units);

} // namespace gsem::maps
