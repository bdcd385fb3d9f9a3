// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/rtp_assembler.hpp"

#include <gst/gst.h>

#include <optional>

namespace gsem {

/// What rtpsemanticdepay knows of the RTP source it listens to: how its time goes on, which key map it sent
/// last, and when its pictures are due. Streaming thread only.
struct RtpSource {
  static constexpr int kClockRate = 90000;
  std::optional<guint32> ssrc;
  GstClockTime last_pts = GST_CLOCK_TIME_NONE;    ///< of the last picture of which anything was said
  bool waiting = true;                            ///< for a unit that decodes alone
  std::optional<uint16_t> timed_unit;             ///< number of the unit that `due` is about
  GstClockTime due = GST_CLOCK_TIME_NONE;         ///< running time
  GstClockTime picture_due = GST_CLOCK_TIME_NONE; ///< running time; of the picture after `last_pts`
  std::optional<GstClockTime> latency;            ///< upstream; none: not live

  /// Tick of the next unit, whose packets have `rtp_time`, in the header's time base: time counts from the
  /// first unit on, and each tick is above the one before.
  guint64 next_tick(guint32 rtp_time, const bitstream::StreamHeader& header);
  /// The header changed: ticks are of another time base.
  void forget_tick() { last_tick_.reset(); }

  /// Whether the unit refers to a key map that did not come, or would have brought one.
  bool key_map_missing(const ReceivedUnit& unit);
  /// Whether a key unit may be asked for now: once in a second of RTP time.
  bool may_request(guint32 rtp_time);

  /// Time of `unit` in the segment. `frame`: a picture's time, NONE when not known.
  GstClockTime time_of(const ReceivedUnit& unit, GstClockTime frame) const;
  /// `frame` in a live stream behind a jitter buffer; NONE where nobody waits for pictures.
  GstClockTime live_frame(GstClockTime frame) const;
  /// When what belongs to the picture of running time `time` has come, or will not come any more, if `slack`
  /// is waited beyond what upstream waits. Running time; NONE when that is not known.
  GstClockTime time_due(GstClockTime time, GstClockTime frame, GstClockTime slack) const;

private:
  std::optional<guint32> last_rtp_time_;
  gint64 elapsed_ = 0; ///< 90 kHz
  std::optional<guint64> last_tick_;
  std::optional<int> key_map_;          ///< number of the last key map that came
  std::optional<guint32> request_time_; ///< RTP time of the last request
};

} // namespace gsem
