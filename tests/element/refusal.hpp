// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/ptr.hpp"

#include <gst/check/gstcheck.h>

#include <string>

/// `element` does not go to PAUSED, with a RESOURCE error that something was not found: message and debug
/// text. Its bus is not looked at otherwise.
inline std::string refusal(GstElement* element) {
  gsem::Ptr<GstBus> bus(gst_bus_new());
  gst_element_set_bus(element, bus.get());
  fail_unless_equals_int(gst_element_set_state(element, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  gsem::Ptr<GstMessage> message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
  fail_unless(message != nullptr);
  GError* error = nullptr;
  gchar* debug = nullptr;
  gst_message_parse_error(message.get(), &error, &debug);
  fail_unless(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND));
  const std::string text = std::string(error->message) + "\n" + (debug ? debug : "");
  g_error_free(error);
  g_free(debug);
  gst_element_set_bus(element, nullptr);
  return text;
}
