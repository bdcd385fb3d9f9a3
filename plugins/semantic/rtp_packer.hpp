// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/rtp_descriptor.hpp"

#include <span>
#include <vector>

/// Puts the layers of an access unit into RTP payloads: docs/rtp.md, "Sending". No GStreamer in here.
/// Thread-safety: pure functions.
namespace gsem {

/// One RTP payload. Layer data of some size stays where it is, the rest is written down.
struct RtpPayload {
  struct Piece {
    size_t at;     ///< behind the first `at` bytes of `own`
    ByteView data; ///< into an entry of pack_unit
  };
  Bytes own;
  std::vector<Piece> pieces; ///< ascending `at`
  size_t size() const;
};

/// Smallest payload that pack_unit keeps to.
inline constexpr size_t kMinRtpPayload = 16;

/// Payloads of at most `max_payload` bytes (kMinRtpPayload when less) for unit `number`. `layers`: the set as
/// sent, also what `entries` lacks because it was lost on the way here. `entries`: in the order of
/// docs/rtp.md, with data. Small ones share a payload, layers that fit none are fragmented; a stream header
/// or repeat that fits none is left out, and `left_out` is then set.
std::vector<RtpPayload> pack_unit(uint16_t number, uint8_t layers,
                                  std::span<const bitstream::RtpEntry> entries, size_t max_payload,
                                  bool& left_out);

} // namespace gsem
