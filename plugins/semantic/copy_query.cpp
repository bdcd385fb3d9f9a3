// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/copy_query.hpp"

#include "gst/semantic/ptr.hpp"

#include <algorithm>

namespace gsem {

namespace {

constexpr char kName[] = "semantic-copies", kEvent[] = "semantic-sparing", kMaps[] = "maps",
               kEverySecond[] = "every-second";

unsigned number(const GstStructure* s, const char* field, unsigned most) {
  guint value = 0;
  gst_structure_get_uint(s, field, &value);
  return std::min(value, most);
}

constexpr unsigned kMostRides = 1000, kMostHeader = 65536;

} // namespace

GstQuery* new_copy_query() {
  return gst_query_new_custom(GST_QUERY_CUSTOM, gst_structure_new_empty(kName));
}

bool is_copy_query(GstQuery* query) {
  const GstStructure* s = gst_query_get_structure(query);
  return GST_QUERY_TYPE(query) == GST_QUERY_CUSTOM && s && gst_structure_has_name(s, kName);
}

void answer_copy_query(GstQuery* query, const CopySettings& settings) {
  GstStructure* s = gst_query_writable_structure(query);
  gst_structure_set(s, "caption", G_TYPE_UINT, settings.caption_rides, "key-map", G_TYPE_UINT,
                    settings.key_map_rides, "map", G_TYPE_UINT, settings.map_rides, "every-second",
                    G_TYPE_BOOLEAN, gboolean(settings.every_second), "start", G_TYPE_BOOLEAN,
                    gboolean(settings.start), "header-bytes", G_TYPE_UINT, settings.header_bytes,
                    "header-interval", G_TYPE_UINT64, guint64(settings.header_interval), nullptr);
  GValue times = G_VALUE_INIT;
  g_value_init(&times, GST_TYPE_ARRAY);
  for (size_t i = 0; i < settings.repeat_count; ++i) {
    GValue time = G_VALUE_INIT;
    g_value_init(&time, G_TYPE_UINT64);
    g_value_set_uint64(&time, settings.repeats[i]);
    gst_value_array_append_and_take_value(&times, &time);
  }
  gst_structure_take_value(s, "caption-repeat", &times);
}

CopySettings read_copy_query(GstQuery* query) {
  CopySettings settings;
  const GstStructure* s = gst_query_get_structure(query);
  settings.caption_rides = number(s, "caption", kMostRides);
  settings.key_map_rides = number(s, "key-map", kMostRides);
  settings.map_rides = number(s, "map", kMostRides);
  settings.header_bytes = number(s, "header-bytes", kMostHeader);
  gboolean every_second = FALSE;
  gst_structure_get_boolean(s, "every-second", &every_second);
  settings.every_second = every_second;
  gboolean start = FALSE;
  gst_structure_get_boolean(s, "start", &start);
  settings.start = start;
  guint64 interval = 0;
  gst_structure_get_uint64(s, "header-interval", &interval);
  settings.header_interval = interval;
  const GValue* times = gst_structure_get_value(s, "caption-repeat");
  const guint count = times && GST_VALUE_HOLDS_ARRAY(times) ? gst_value_array_get_size(times) : 0;
  for (guint i = 0; i < count && settings.repeat_count < settings.repeats.size(); ++i) {
    const GValue* time = gst_value_array_get_value(times, i);
    if (G_VALUE_HOLDS_UINT64(time))
      settings.repeats[settings.repeat_count++] = g_value_get_uint64(time);
  }
  return settings;
}

GstEvent* new_sparing_event(const Sparing& sparing) {
  return gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                              gst_structure_new(kEvent, kMaps, G_TYPE_BOOLEAN, gboolean(sparing.maps),
                                                kEverySecond, G_TYPE_BOOLEAN, gboolean(sparing.every_second),
                                                nullptr));
}

bool read_sparing_event(GstEvent* event, Sparing& sparing) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_CUSTOM_DOWNSTREAM || !gst_event_has_name(event, kEvent))
    return false;
  gboolean maps = FALSE, every_second = FALSE;
  gst_structure_get_boolean(gst_event_get_structure(event), kMaps, &maps);
  gst_structure_get_boolean(gst_event_get_structure(event), kEverySecond, &every_second);
  sparing = {bool(maps), bool(every_second)};
  return true;
}

} // namespace gsem
