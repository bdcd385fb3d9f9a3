// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/semantic/join_side.hpp"

namespace gsem {

void JoinCounters::add(GstSemanticJoinState state) {
  switch (state) {
  case GST_SEMANTIC_JOIN_PRESENT:
    ++present;
    break;
  case GST_SEMANTIC_JOIN_NOT_SENT:
  case GST_SEMANTIC_JOIN_OFF:
    ++not_sent;
    break;
  case GST_SEMANTIC_JOIN_LOST:
    ++lost;
    break;
  case GST_SEMANTIC_JOIN_LATE:
    ++late;
    break;
  default:
    break;
  }
}

GstStructure* JoinCounters::to_structure(const gchar* name) const {
  return gst_structure_new(name, "present", G_TYPE_UINT64, present, "not-sent", G_TYPE_UINT64, not_sent,
                           "lost", G_TYPE_UINT64, lost, "late", G_TYPE_UINT64, late, "dropped", G_TYPE_UINT64,
                           dropped, nullptr);
}

static GstClockTime running_time_of(GstAggregatorPad* pad, GstClockTime timestamp) {
  if (!GST_CLOCK_TIME_IS_VALID(timestamp))
    return GST_CLOCK_TIME_NONE;
  ObjectLock lock(pad);
  return gst_segment_to_running_time(&pad->segment, GST_FORMAT_TIME, timestamp);
}

JoinHead JoinHead::of(GstAggregatorPad* pad, const JoinedLast& last) {
  JoinHead head;
  head.buffer.reset(gst_aggregator_pad_peek_buffer(pad));
  if (!head.buffer)
    return head;
  GstBuffer* buffer = head.buffer.get();
  head.gap = gst_buffer_get_size(buffer) == 0 && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP);
  head.running_time =
      running_time_of(pad, GST_BUFFER_PTS_IS_VALID(buffer) ? GST_BUFFER_PTS(buffer) : GST_BUFFER_DTS(buffer));
  if (!GST_CLOCK_TIME_IS_VALID(head.running_time)) {
    head.running_time = GST_CLOCK_TIME_IS_VALID(last.running_time) ? last.running_time : 0;
    if (GST_CLOCK_TIME_IS_VALID(last.running_time) && GST_CLOCK_TIME_IS_VALID(last.duration))
      head.running_time += last.duration;
  }
  return head;
}

GstClockTime JoinHead::gap_end() const {
  return GST_BUFFER_DURATION_IS_VALID(buffer.get()) ? running_time + GST_BUFFER_DURATION(buffer.get())
                                                    : GST_CLOCK_TIME_NONE;
}

bool JoinSide::is_late(const JoinHead& head, const JoinedLast& last, GstClockTime tol) const {
  if (!GST_CLOCK_TIME_IS_VALID(last.running_time))
    return false;
  if (missed_last)
    return head.running_time < last.running_time + tol;
  // Behind a GAP for the same time: somebody gave up on it too soon. Still pictures may share a time.
  if (had_gap && (!head.gap || GST_CLOCK_TIME_IS_VALID(frame_duration)))
    return head.running_time < last.running_time + tol / 2;
  return head.running_time + tol <= last.running_time;
}

void JoinSide::take(GstAggregatorPad* pad, const JoinHead& head, GstSemanticJoinSet& set,
                    GstSemanticJoined& joined, GstClockTime tol) {
  if (!head.gap) {
    joined.state = GST_SEMANTIC_JOIN_PRESENT;
    joined.buffer = gst_aggregator_pad_pop_buffer(pad);
  } else {
    joined.state = gst_buffer_get_custom_meta(head.buffer.get(), "GstAggregatorMissingDataMeta")
                       ? GST_SEMANTIC_JOIN_LOST
                       : GST_SEMANTIC_JOIN_NOT_SENT;
    const GstClockTime end = head.gap_end();
    // 2 tol is one frame: a GAP that lasts clearly longer speaks for the next pictures too.
    gap_runs_on = GST_CLOCK_TIME_IS_VALID(frame_duration) && GST_CLOCK_TIME_IS_VALID(end) &&
                  end > set.running_time + 3 * tol;
    if (!gap_runs_on)
      gst_aggregator_pad_drop_buffer(pad);
  }
  if (!GST_CLOCK_TIME_IS_VALID(set.duration) && !gap_runs_on)
    set.duration = GST_BUFFER_DURATION(head.buffer.get());
}

void JoinSide::contribute(GstAggregatorPad* pad, const JoinHead& head, GstSemanticJoinSet& set,
                          GstSemanticJoined& joined, GstClockTime tol) {
  joined.pad = pad;
  if (!pad)
    joined.state = GST_SEMANTIC_JOIN_UNLINKED;
  else if (head.buffer && !gap_runs_on && head.running_time < set.running_time + tol)
    take(pad, head, set, joined, tol);
  else if (head.buffer) // what waits is for a later picture, or a long GAP
    joined.state = GST_SEMANTIC_JOIN_NOT_SENT;
  else if (!gst_pad_is_linked(GST_PAD(pad)))
    joined.state = GST_SEMANTIC_JOIN_UNLINKED;
  else
    joined.state = gst_aggregator_pad_is_eos(pad) ? GST_SEMANTIC_JOIN_EOS : GST_SEMANTIC_JOIN_LATE;
  missed_last = joined.state == GST_SEMANTIC_JOIN_LATE;
  const bool nothing = joined.state == GST_SEMANTIC_JOIN_LOST || joined.state == GST_SEMANTIC_JOIN_NOT_SENT;
  had_gap = head.gap && nothing;
  if (off && nothing)
    joined.state = GST_SEMANTIC_JOIN_OFF;
}

} // namespace gsem
