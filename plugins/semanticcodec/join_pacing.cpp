// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/join_pacing.hpp"

namespace gsem::codec {

SteadyTime JoinPacing::start_by(GstAggregator* self, const GstSemanticJoinSet& set) {
  GstClockTime earliest = earliest_.load();
  if (earliest > 0 && GST_CLOCK_TIME_IS_VALID(set.running_time) && set.running_time < earliest)
    return SteadyTime::min();
  GstClockTime latency = gst_aggregator_get_latency(self);
  if (!GST_CLOCK_TIME_IS_VALID(latency))
    return SteadyTime::max();
  GstClockTime own = cost_.reported();
  return deadline_.at(GST_ELEMENT(self), set.running_time, latency > own ? latency - own : 0, cost_,
                      set.duration, layer_ == Layer::Structure ? spare_.of(latency, set.duration) : 0);
}

void JoinPacing::add_cost(GstAggregator* self, GstClockTime cost) {
  bool grown = cost_.add(cost);
  average_.store(cost_.average());
  if (grown)
    gst_aggregator_set_latency(self, cost_.reported(), cost_.reported());
}

GstEvent* JoinPacing::handle_qos(GstEvent* event) {
  GstQOSType type;
  gdouble proportion;
  GstClockTimeDiff jitter;
  GstClockTime timestamp;
  gst_event_parse_qos(event, &type, &proportion, &jitter, &timestamp);
  if (!GST_CLOCK_TIME_IS_VALID(timestamp))
    return event;
  if (jitter <= 0) {
    earliest_.store(0);
    return event;
  }
  earliest_.store(timestamp + 2 * GstClockTime(jitter));
  GstClockTimeDiff left = jitter - GstClockTimeDiff(average_.load());
  if (left < 0 && timestamp < GstClockTime(-left))
    left = 0;
  GstEvent* lighter = gst_event_new_qos(type, proportion, left, timestamp);
  gst_event_set_seqnum(lighter, gst_event_get_seqnum(event));
  gst_event_unref(event);
  return lighter;
}

void JoinPacing::reset() {
  earliest_.store(0);
  deadline_.reset();
}

} // namespace gsem::codec
