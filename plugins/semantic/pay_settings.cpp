// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/pay_settings.hpp"

#include "gst/semantic/ptr.hpp"
#include "plugins/semantic/copy_cost.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

GST_DEBUG_CATEGORY_EXTERN(gst_rtp_semantic_pay_debug);
#define GST_CAT_DEFAULT gst_rtp_semantic_pay_debug

namespace gsem {

namespace {

constexpr guint kMostCaptionRedundancy = 64, kMostMapRedundancy = 4;
constexpr unsigned kMaxRepeatDelay = 60000; ///< ms
const PaySettings kDefault;

enum {
  PROP_0,
  PROP_CAPTION_REPEAT,
  PROP_CAPTION_REDUNDANCY,
  PROP_KEY_MAP_REDUNDANCY,
  PROP_MAP_REDUNDANCY,
  PROP_REPEAT_START,
  PROP_CONFIG_INTERVAL,
  PROP_NUMBER_OFFSET,
  PROP_PACE_REPORTS,
};
static_assert(PROP_PACE_REPORTS + 1 == kPaySettings);

/// "40,200" to milliseconds, ascending. False: not such a list.
bool parse_repeat_delays(const char* text, std::vector<unsigned>& delays) {
  delays.clear();
  for (const char* end = text + strlen(text); text != end;) {
    unsigned delay = 0;
    while (*text == ' ')
      ++text;
    const auto [stop, error] = std::from_chars(text, end, delay);
    if (error != std::errc() || delay == 0 || delay > kMaxRepeatDelay ||
        delays.size() == CopySettings::kMostRepeats)
      return false;
    delays.push_back(delay);
    text = stop;
    while (*text == ' ')
      ++text;
    if (*text == ',' && text + 1 != end)
      ++text;
    else if (text != end)
      return false;
  }
  std::sort(delays.begin(), delays.end());
  return true;
}

void set_caption_repeat(GObject* object, PaySettings& settings, const char* text) {
  std::vector<unsigned> delays;
  if (!parse_repeat_delays(text ? text : "", delays)) {
    GST_WARNING_OBJECT(object, "caption-repeat: '%s' is not a list of up to %zu times in ms, 1 to %u", text,
                       CopySettings::kMostRepeats, kMaxRepeatDelay);
    return;
  }
  ObjectLock lock(object);
  settings.caption_repeat = text ? text : "";
  settings.repeat_delays = std::move(delays);
}

} // namespace

bool set_pay_property(GObject* object, PaySettings& settings, guint id, const GValue* value) {
  switch (id) {
  case PROP_CAPTION_REPEAT:
    set_caption_repeat(object, settings, g_value_get_string(value));
    return true;
  case PROP_CAPTION_REDUNDANCY:
    settings.caption_redundancy = g_value_get_uint(value);
    return true;
  case PROP_KEY_MAP_REDUNDANCY:
    settings.key_map_redundancy = g_value_get_uint(value);
    return true;
  case PROP_MAP_REDUNDANCY:
    settings.map_redundancy = g_value_get_uint(value);
    return true;
  case PROP_REPEAT_START:
    settings.repeat_start = g_value_get_boolean(value);
    return true;
  case PROP_CONFIG_INTERVAL:
    settings.config_interval = g_value_get_int(value);
    return true;
  case PROP_NUMBER_OFFSET:
    settings.number_offset = g_value_get_int(value);
    return true;
  case PROP_PACE_REPORTS:
    settings.pace_reports = g_value_get_boolean(value);
    return true;
  default:
    return false;
  }
}

bool get_pay_property(GObject* object, const PaySettings& settings, guint id, GValue* value) {
  switch (id) {
  case PROP_CAPTION_REPEAT: {
    ObjectLock lock(object);
    g_value_set_string(value, settings.caption_repeat.c_str());
    return true;
  }
  case PROP_CAPTION_REDUNDANCY:
    g_value_set_uint(value, settings.caption_redundancy);
    return true;
  case PROP_KEY_MAP_REDUNDANCY:
    g_value_set_uint(value, settings.key_map_redundancy);
    return true;
  case PROP_MAP_REDUNDANCY:
    g_value_set_uint(value, settings.map_redundancy);
    return true;
  case PROP_REPEAT_START:
    g_value_set_boolean(value, settings.repeat_start);
    return true;
  case PROP_CONFIG_INTERVAL:
    g_value_set_int(value, settings.config_interval);
    return true;
  case PROP_NUMBER_OFFSET:
    g_value_set_int(value, settings.number_offset);
    return true;
  case PROP_PACE_REPORTS:
    g_value_set_boolean(value, settings.pace_reports);
    return true;
  default:
    return false;
  }
}

void install_pay_properties(GObjectClass* klass) {
  const auto flags = [](int more) { return GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | more); };
  g_object_class_install_property(
      klass, PROP_CAPTION_REPEAT,
      g_param_spec_string(
          "caption-repeat", "Caption repeats",
          "Times in ms after which a caption is sent again with the packets of a later access "
          "unit, separated by commas; empty: never",
          kDefault.caption_repeat.c_str(), flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      klass, PROP_CAPTION_REDUNDANCY,
      g_param_spec_uint("caption-redundancy", "Caption redundancy",
                        "With how many of the next access units a caption is sent again", 0,
                        kMostCaptionRedundancy, kDefault.caption_redundancy,
                        flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      klass, PROP_KEY_MAP_REDUNDANCY,
      g_param_spec_uint("key-map-redundancy", "Key map redundancy",
                        "With how many of the next access units a map that others refer to is sent again", 0,
                        kMostMapRedundancy, kDefault.key_map_redundancy, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      klass, PROP_MAP_REDUNDANCY,
      g_param_spec_uint(
          "map-redundancy", "Map redundancy",
          "With how many of the next access units any map is sent again; receivers' jitter buffers "
          "must wait for so many pictures",
          0, kMostMapRedundancy, kDefault.map_redundancy, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      klass, PROP_REPEAT_START,
      g_param_spec_boolean("repeat-start", "Repeat the start",
                           "Send the stream header, caption and key map of the first access unit again at "
                           "once: nothing can be shown before they are there",
                           kDefault.repeat_start, flags(GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      klass, PROP_CONFIG_INTERVAL,
      g_param_spec_int("config-interval", "Configuration interval",
                       "Seconds between in-band stream headers (-1: with every key unit, 0: never, receivers "
                       "have it from the caps)",
                       -1, 3600, kDefault.config_interval, flags(GST_PARAM_MUTABLE_PLAYING)));
  g_object_class_install_property(
      klass, PROP_NUMBER_OFFSET,
      g_param_spec_int("unit-number-offset", "Unit number offset",
                       "Number of the first access unit in the payload descriptors (-1: random)", -1, 65535,
                       kDefault.number_offset, flags(GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      klass, PROP_PACE_REPORTS,
      g_param_spec_boolean(
          "pace-reports", "Pace reports",
          "Where rtpbin is behind this element: keep its RTCP to a twentieth of what is sent",
          kDefault.pace_reports, flags(GST_PARAM_MUTABLE_READY)));
}

} // namespace gsem
