// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <chrono>

namespace gsem::codec {

using SteadyTime = std::chrono::steady_clock::time_point;

struct UpstreamLatency {
  bool live = false;
  GstClockTime min = 0; ///< nanoseconds
};
/// Asks the peer of `sinkpad`; no answer counts as not live.
UpstreamLatency query_upstream(GstPad* sinkpad);

/// What a stage costs: the largest time seen (reported as latency) and a running average. Not thread-safe.
class CostMeter {
public:
  /// True when the largest value grew so much (a millisecond and a tenth) that the new latency is worth
  /// reporting.
  bool add(GstClockTime cost);
  GstClockTime reported() const { return reported_; }
  GstClockTime average() const { return average_; }

private:
  GstClockTime largest_ = 0, reported_ = 0, average_ = 0;
};

/// Until when the work on a frame may begin in a live pipeline. A source that is late all the time by the
/// same amount (and says nothing of it) must not make every frame late, so lateness counts from the least
/// seen. Not thread-safe.
class StartDeadline {
public:
  void reset() { least_ = kUnknown; }
  /// `upstream`: latency of what comes before; `duration` of a frame, or none; `spare`: by how much a layer
  /// that is given up later than others may begin later than they. No clock yet: no deadline.
  SteadyTime at(GstElement* element, GstClockTime running_time, GstClockTime upstream, const CostMeter& cost,
                GstClockTime duration, GstClockTime spare = 0);

private:
  static constexpr GstClockTimeDiff kUnknown = G_MAXINT64;
  GstClockTimeDiff least_ = kUnknown;
};

/// What layer 2 has that layer 3 has not when time runs short, so that layer 3 goes first: half a frame, and
/// the time that the pipeline keeps for the elements after this one, which is not needed when layer 3 is left
/// out there. handle_event() from any thread, the rest too.
class SpareTime {
public:
  /// Learns the pipeline's latency from a LATENCY event on its way upstream.
  void handle_event(GstEvent* event);
  /// `latency`: from the source to the end of this element.
  GstClockTime of(GstClockTime latency, GstClockTime duration) const;

private:
  std::atomic<GstClockTime> pipeline_{0};
};

/// Nanoseconds since `start`.
GstClockTime elapsed_since(SteadyTime start);

/// At most one true a second, for warnings about damaged data. Not thread-safe.
class OncePerSecond {
public:
  bool operator()();

private:
  SteadyTime last_{};
  bool any_ = false;
};

} // namespace gsem::codec
