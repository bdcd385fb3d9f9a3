// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/semantic/segment.hpp"

namespace gsem {

GstEvent* as_time_segment(GstEvent* event) {
  const GstSegment* segment = nullptr;
  gst_event_parse_segment(event, &segment);
  if (segment->format == GST_FORMAT_TIME)
    return event;
  GstSegment replacement;
  gst_segment_init(&replacement, GST_FORMAT_TIME);
  GstEvent* result = gst_event_new_segment(&replacement);
  gst_event_set_seqnum(result, gst_event_get_seqnum(event));
  gst_event_unref(event);
  return result;
}

} // namespace gsem
