// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/ptr.hpp"
#include "models/runtime/models.hpp"

#include <gst/video/video.h>

#include <string>

namespace gsem::codec {

/// Why raw caps are refused; empty when they are fine. Accepted: progressive RGB (`grey` false) or GRAY8,
/// full range, 16..4096, primaries and transfer of sRGB or of SD/HD video (which videoconvert, too, takes as
/// the same); everything else would come out in wrong colours.
std::string refuse_reason(const GstCaps* caps, const GstVideoInfo* info);

/// Posts STREAM/FORMAT with reason and remedy; returns FALSE when `caps` are refused.
gboolean check_raw_caps(GstElement* element, const GstCaps* caps, const GstVideoInfo* info);

/// True for a query whose caps are raw video: the elements accept those and refuse them with a reason when
/// they are set. Without it GStreamer says "not-negotiated" and nothing else.
bool answer_accept_raw(GstQuery* query);

/// Packed full-range sRGB (or GRAY8) of this size; frame rate and pixel aspect ratio of `timing` when given.
GstVideoInfo make_info(GstVideoFormat format, int width, int height, const GstVideoInfo* timing);

inline runtime::PictureView view_of(VideoMap& map) {
  return {map.data(), map.width(), map.height(), map.stride()};
}
inline runtime::PictureSpan span_of(VideoMap& map) {
  return {map.data(), map.width(), map.height(), map.stride()};
}

/// Scales `source` (3 or 1 channels, as `target`'s format) onto a mapped frame. False when the converter
/// cannot be made.
bool stretch(const runtime::PictureView& source, VideoMap& target);

inline constexpr guint8 kMidGrey = 128; ///< the picture before there is any
void fill_grey(VideoMap& target, guint8 level = kMidGrey);

} // namespace gsem::codec
