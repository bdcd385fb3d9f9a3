// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/rtp_settings.hpp"

#include <gst/rtp/rtp.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace gsem {

bool parse_repeat_delays(const char* text, std::vector<unsigned>& delays) {
  delays.clear();
  for (const char* end = text + strlen(text); text != end;) {
    unsigned delay = 0;
    while (*text == ' ')
      ++text;
    const auto [stop, error] = std::from_chars(text, end, delay);
    if (error != std::errc() || delay == 0 || delay > kMaxRepeatDelay || delays.size() == kMaxRepeats)
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

size_t rtp_extension_bytes(GstCaps* caps, GstBuffer* input) {
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  size_t bytes = 0;
  for (int i = 0; i < gst_structure_n_fields(s); ++i) {
    const gchar* field = gst_structure_nth_field_name(s, guint(i));
    if (!g_str_has_prefix(field, "extmap-"))
      continue;
    const guint64 id = g_ascii_strtoull(field + strlen("extmap-"), nullptr, 10);
    const GValue* value = gst_structure_get_value(s, field);
    if (GST_VALUE_HOLDS_ARRAY(value) && gst_value_array_get_size(value) > 1)
      value = gst_value_array_get_value(value, 1);
    constexpr size_t kOneByteMost = 16;
    size_t most = kOneByteMost;
    auto* extension = G_VALUE_HOLDS_STRING(value)
                          ? gst_rtp_header_extension_create_from_uri(g_value_get_string(value))
                          : nullptr;
    if (extension && id > 0 && id < 256) {
      gst_rtp_header_extension_set_id(extension, guint(id));
      if (gst_rtp_header_extension_set_attributes_from_caps(extension, caps))
        most = gst_rtp_header_extension_get_max_size(extension, input);
    }
    if (extension)
      gst_object_unref(extension);
    constexpr size_t kElementHeader = 2; // of the longer form
    bytes += kElementHeader + most;
  }
  constexpr size_t kExtensionHeader = 4;
  return bytes ? kExtensionHeader + (bytes + 3) / 4 * 4 : 0;
}

} // namespace gsem
