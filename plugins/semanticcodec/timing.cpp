// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/timing.hpp"

#include "gst/semantic/ptr.hpp"

#include <algorithm>

namespace gsem::codec {

UpstreamLatency query_upstream(GstPad* sinkpad) {
  UpstreamLatency result;
  Ptr<GstQuery> query(gst_query_new_latency());
  if (!gst_pad_peer_query(sinkpad, query.get()))
    return result;
  gboolean live = FALSE;
  gst_query_parse_latency(query.get(), &live, &result.min, nullptr);
  result.live = live;
  if (!GST_CLOCK_TIME_IS_VALID(result.min))
    result.min = 0;
  return result;
}

bool CostMeter::add(GstClockTime cost) {
  average_ = average_ ? (average_ * 7 + cost) / 8 : cost;
  largest_ = std::max(largest_, cost);
  if (largest_ <= reported_ + reported_ / 10 + GST_MSECOND)
    return false;
  reported_ = largest_;
  return true;
}

SteadyTime StartDeadline::at(GstElement* element, GstClockTime running_time, GstClockTime upstream,
                             const CostMeter& cost, GstClockTime duration, GstClockTime spare) {
  Ptr<GstClock> clock(gst_element_get_clock(element));
  GstClockTime base = gst_element_get_base_time(element);
  if (!clock || !GST_CLOCK_TIME_IS_VALID(running_time) || !GST_CLOCK_TIME_IS_VALID(base))
    return SteadyTime::max();
  GstClockTimeDiff now = GST_CLOCK_DIFF(base, gst_clock_get_time(clock.get()));
  GstClockTimeDiff late = now - GstClockTimeDiff(running_time + upstream);
  least_ = std::min(least_, std::max<GstClockTimeDiff>(late, 0));
  GstClockTimeDiff tolerance = GST_CLOCK_TIME_IS_VALID(duration) && duration > 0
                                   ? GstClockTimeDiff(duration / 2)
                                   : GstClockTimeDiff(20 * GST_MSECOND);
  GstClockTimeDiff slack = GstClockTimeDiff(cost.reported()) - GstClockTimeDiff(cost.average());
  GstClockTimeDiff left =
      least_ + std::max<GstClockTimeDiff>(slack, 0) + tolerance + GstClockTimeDiff(spare) - late;
  return std::chrono::steady_clock::now() + std::chrono::nanoseconds(left);
}

void SpareTime::handle_event(GstEvent* event) {
  GstClockTime latency = GST_CLOCK_TIME_NONE;
  if (GST_EVENT_TYPE(event) != GST_EVENT_LATENCY)
    return;
  gst_event_parse_latency(event, &latency);
  pipeline_.store(GST_CLOCK_TIME_IS_VALID(latency) ? latency : 0);
}

GstClockTime SpareTime::of(GstClockTime latency, GstClockTime duration) const {
  GstClockTime pipeline = pipeline_.load();
  GstClockTime after = pipeline > latency ? pipeline - latency : 0;
  return after + (GST_CLOCK_TIME_IS_VALID(duration) ? duration / 2 : 20 * GST_MSECOND);
}

GstClockTime elapsed_since(SteadyTime start) {
  return GstClockTime(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count());
}

bool OncePerSecond::operator()() {
  SteadyTime now = std::chrono::steady_clock::now();
  if (any_ && now - last_ < std::chrono::seconds(1))
    return false;
  any_ = true;
  last_ = now;
  return true;
}

} // namespace gsem::codec
