// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/layer_join.hpp"
#include "plugins/semanticcodec/timing.hpp"

#include <atomic>

namespace gsem::codec {

/// Whether there is time for the synthesis of a picture: the deadline of live pipelines, and QoS from the
/// sink in all. When there is none, the join shows the picture from below. handle_*() from any thread, the
/// rest from the aggregator's.
class JoinPacing {
public:
  /// Layer 3 is given up first, layer 2 when that is not enough.
  enum class Layer { Structure, Signal };
  explicit JoinPacing(Layer layer) : layer_(layer) {}

  /// Latest start of the work on this set; in the past when QoS says that it is late already.
  SteadyTime start_by(GstAggregator* self, const GstSemanticJoinSet& set);
  /// Reports a grown cost as latency.
  void add_cost(GstAggregator* self, GstClockTime cost);
  /// Reads a QoS event on its way upstream and gives back the one to pass on: what this stage saves by
  /// leaving out its synthesis, the stages below need not save too. Signal goes first, then structure.
  GstEvent* handle_qos(GstEvent* event);
  /// To be shown LATENCY events on their way upstream.
  void handle_latency(GstEvent* event) { spare_.handle_event(event); }
  /// After a flush, a new segment, or a stop.
  void reset();

private:
  const Layer layer_;
  SpareTime spare_;
  CostMeter cost_;
  StartDeadline deadline_;
  std::atomic<GstClockTime> earliest_{0},
      average_{0}; ///< running time before which pictures are late; nanoseconds
};

} // namespace gsem::codec
