// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/rtp_packer.hpp"

#include <gst/rtp/gstrtpbasepayload.h>

/// RTP packets, as rtpsemanticpay pushes them, of the payloads of rtp_packer.hpp. Streaming thread.
namespace gsem {

/// Bytes that the header extensions in the caps may take in each packet; the base class writes them, but does
/// not count them in the MTU.
size_t rtp_extension_bytes(GstCaps* caps, GstBuffer* input);

/// (transfer full) One packet a payload. Layer data that lies in `input` (null: none), mapped as `mapped`, is
/// not copied. `marker`: the last one ends a unit.
GstBufferList* make_packets(GstRTPBasePayload* pay, const std::vector<RtpPayload>& payloads, GstBuffer* input,
                            ByteView mapped, GstClockTime pts, bool marker);

} // namespace gsem
