// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstddef>

/// How an AV1 frame travels as a structure payload: a type byte, then the inside of one frame OBU. Everything
/// else of the low-overhead format (AV1 specification, 5.3) is implied or in the codec header. Pure
/// functions.
///
/// Type byte: bits 0-1 frame type, bits 2-3 zero, bits 4-7 key number modulo 16 (stills: 0).
/// Codec header: length and bytes of the inside of the sequence header OBU for stills, then the same for
/// video; so one header serves both ways of coding, and a map size has exactly one.
namespace gsem::maps {

enum class FrameType : uint8_t {
  Still = 0, ///< key frame under the reduced still picture header
  Delta = 1, ///< inter frame that refers to the key frame with the same key number and updates nothing
  Key = 2,   ///< key frame of a video
};

struct PayloadType {
  FrameType type = FrameType::Still;
  uint8_t key_number = 0; ///< 0..15
};

uint8_t write_payload_type(PayloadType type);
/// Unsupported for the values that are not assigned.
Status parse_payload_type(uint8_t byte, PayloadType& type);

/// Takes a temporal unit of an encoder apart: the inside of its sequence header (empty when it has none) and
/// of its one frame OBU. Failed when there is anything else that a decoder needs.
Status split_temporal_unit(ByteView unit, ByteView& sequence, ByteView& frame);

/// Appends a temporal unit as decoders want it: delimiter, sequence header, frame.
void append_temporal_unit(ByteView sequence, ByteView frame, Bytes& out);
/// Appends the sequence header as an OBU.
void append_sequence_obu(ByteView sequence, Bytes& out);

struct SequenceHeaders {
  Bytes still, video;
};
Bytes write_codec_header(const SequenceHeaders& headers);
Status parse_codec_header(ByteView bytes, SequenceHeaders& headers);

} // namespace gsem::maps
