// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/bin_children.hpp"

#include <gst/pbutils/missing-plugins.h>

namespace gsem {

GstElement* add_child(GstBin* bin, const char* factory, const char* name, std::string& missing) {
  GstElement* child = gst_element_factory_make(factory, name);
  if (!child) {
    if (missing.empty())
      missing = factory;
    return nullptr;
  }
  gst_bin_add(bin, child);
  return child;
}

void post_missing(GstElement* bin, const std::string& factory) {
  gst_element_post_message(bin, gst_missing_element_message_new(bin, factory.c_str()));
  GST_ELEMENT_ERROR(
      bin, CORE, MISSING_PLUGIN, ("The element %s is missing.", factory.c_str()),
      ("the codec elements are in the plugin semanticcodec, which needs LibTorch: install it, or point "
       "GST_PLUGIN_PATH at its folder"));
}

void pass_on(GstElement* child, const char* property, const GValue* value) {
  if (child && g_object_class_find_property(G_OBJECT_GET_CLASS(child), property))
    g_object_set_property(G_OBJECT(child), property, value);
}

GstElement* add_queue(GstBin* bin, const char* name, guint buffers, std::string& missing) {
  GstElement* queue = add_child(bin, "queue", name, missing);
  if (queue)
    // GAPs are events and have no buffer count: only their time holds back a stream that is mostly gaps.
    g_object_set(queue, "max-size-buffers", buffers, "max-size-bytes", 0u, "max-size-time",
                 guint64(GST_SECOND / 2), nullptr);
  return queue;
}

} // namespace gsem
