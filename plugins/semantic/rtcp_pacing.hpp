// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/ptr.hpp"
#include "plugins/semantic/report_interval.hpp"

#include <gst/gst.h>

/// Keeps the RTCP of the RTP session next to a payloader or depayloader to a share of the stream: receivers'
/// transport-wide feedback and both sides' regular reports (docs/adaptation.md, "Reports"). The session is
/// that of the rtpbin or rtpsession that the pad is linked to, through elements with one pad on each side; what
/// the application has set itself is left alone. Streaming thread only.
namespace gsem {

class RtcpPacing {
public:
  /// A packet on its way through `pad` (the source pad of a payloader, the sink pad of a depayloader), of so many
  /// bytes with RTP header. `now`: any clock, ns.
  void packet(GstPad* pad, size_t bytes, uint64_t now);
  /// The pad may be linked to something else by now.
  void reset() { *this = RtcpPacing{}; }

private:
  void adjust(uint64_t interval, uint64_t now);

  ReportPacing pacing_;
  Ptr<GObject> session_; ///< GStreamer's RTPSession
  uint64_t looked_ = 0;  ///< when it was looked for; 0: never
  bool receiver_ = false, own_feedback_ = false, own_reports_ = false;
  uint64_t interval_ = 0;      ///< as set
  uint64_t shortened_ = 0;     ///< until when the old, longer interval may still be under way
  double slow_ = 0, rate_ = 0; ///< bits a second
  uint64_t last_ = 0;
};

} // namespace gsem
