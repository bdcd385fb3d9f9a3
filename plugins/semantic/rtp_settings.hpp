// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <vector>

/// What rtpsemanticpay reads out of its property `caption-repeat` and of its caps. Thread-safety: pure
/// functions.
namespace gsem {

inline constexpr size_t kMaxRepeats = 8;
inline constexpr unsigned kMaxRepeatDelay = 60000; ///< ms

/// "40,200" to milliseconds, ascending. False: not such a list.
bool parse_repeat_delays(const char* text, std::vector<unsigned>& delays);

/// Bytes that the header extensions in the caps may take in each packet; the base class writes them, but does
/// not count them in the MTU.
size_t rtp_extension_bytes(GstCaps* caps, GstBuffer* input);

} // namespace gsem
