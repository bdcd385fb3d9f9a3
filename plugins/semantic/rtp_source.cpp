// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rtp_source.hpp"

#include "plugins/semantic/layer_caps.hpp"

#include <algorithm>
#include <cstdlib>

namespace gsem {

using namespace bitstream;

namespace {

/// Key units are asked for at most once in this time.
constexpr int kRequestInterval = RtpSource::kClockRate;
/// Least time for the packets of a unit to come, when nothing upstream waits for late ones and the frame rate
/// is not known; and the most that is taken for a frame of a slow stream.
constexpr GstClockTime kUsualFrame = 40 * GST_MSECOND, kLongestFrame = 200 * GST_MSECOND;

} // namespace

guint64 RtpSource::next_tick(guint32 rtp_time, const StreamHeader& header) {
  if (last_rtp_time_)
    elapsed_ += gint32(rtp_time - *last_rtp_time_);
  last_rtp_time_ = rtp_time;
  const GstClockTime time =
      gst_util_uint64_scale(guint64(std::max<gint64>(elapsed_, 0)), GST_SECOND, kClockRate);
  guint64 tick = time_tick(header, time);
  if (last_tick_ && tick <= *last_tick_)
    tick = *last_tick_ + 1;
  last_tick_ = tick;
  return tick;
}

bool RtpSource::key_map_missing(const ReceivedUnit& unit) {
  constexpr int kDelta = 1, kKeyMap = 2; // first byte of a structure payload: docs/bitstream.md, "Payloads"
  for (const auto& layer : unit.layers) {
    if (layer.layer.kind != LayerKind::Structure)
      continue;
    if (layer.lost)
      return layer.layer.key && !layer.layer.discardable;
    const int type = layer.data[0] & 3, number = layer.data[0] >> 4;
    if (type == kKeyMap)
      key_map_ = number;
    return type == kDelta && key_map_ != number;
  }
  return false;
}

bool RtpSource::may_request(guint32 rtp_time) {
  if (request_time_ && std::abs(gint32(rtp_time - *request_time_)) < kRequestInterval)
    return false;
  request_time_ = rtp_time;
  return true;
}

GstClockTime RtpSource::time_of(const ReceivedUnit& unit, GstClockTime frame) const {
  // Its packet has the time of the unit before: it shows from the next picture on.
  if (unit.repeat_only && GST_CLOCK_TIME_IS_VALID(last_pts))
    return last_pts + (GST_CLOCK_TIME_IS_VALID(frame) ? frame : 1);
  return unit.first.time;
}

GstClockTime RtpSource::live_frame(GstClockTime frame) const {
  return latency && *latency > 0 ? frame : GST_CLOCK_TIME_NONE;
}

GstClockTime RtpSource::time_due(GstClockTime time, GstClockTime frame, GstClockTime slack) const {
  if (!latency || !GST_CLOCK_TIME_IS_VALID(time))
    return GST_CLOCK_TIME_NONE;
  if (*latency > 0)
    return time + *latency + slack;
  return time +
         std::max(slack, GST_CLOCK_TIME_IS_VALID(frame) ? std::min(frame, kLongestFrame) : kUsualFrame);
}

} // namespace gsem
