// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/rate_estimator.hpp"

#include <gst/gst.h>

#include <mutex>

/// Between the events of GStreamer's RTP session and the estimator. Thread-safe: reports come from the RTCP
/// thread, units from the streaming thread.
namespace gsem {

class RateFeedback {
public:
  struct Limits {
    uint64_t min = 0, max = 0, start = 0; ///< bits a second on the wire
    unsigned overhead = 0;                ///< bytes a packet outside the RTP payload
    uint64_t window = 0;                  ///< bytes that may be unreported; 0: any number
  };
  struct State {
    uint64_t estimate = 0, queue_delay = 0, received = 0;
    double loss = 0;
  };

  void reset();
  /// An upstream event: `RTPTWCCPackets`, `GstRTPRetransmissionRequest`. True: it was a report.
  bool take(const GstEvent* event, const Limits& limits);
  /// What may be sent.
  struct Allowance {
    uint64_t rate = 0, pace = 0; ///< bits a second; `pace`: for now, while a queue drains
    uint64_t room = 0;           ///< bytes until the next report
  };
  /// Before a unit.
  Allowance allowance(const Limits& limits);
  /// After it.
  void sent(uint64_t wire_bytes, uint64_t next_rate, uint64_t full_rate);
  State state();

private:
  std::mutex mutex_;
  RateEstimator estimator_;
};

} // namespace gsem
