// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/pipeline.hpp"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>

#include <stdexcept>

namespace gsem::eval {

Pipeline::Pipeline(const std::string& description) {
  GError* error = nullptr;
  pipeline_.reset(gst_parse_launch_full(description.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error));
  if (!pipeline_) {
    const std::string text = error ? error->message : "unknown reason";
    g_clear_error(&error);
    throw std::runtime_error("no pipeline: " + text + "\n  " + description);
  }
  gst_object_ref_sink(pipeline_.get());
}

Pipeline::~Pipeline() {
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

Ptr<GstElement> Pipeline::element(const std::string& name) const {
  Ptr<GstElement> out(gst_bin_get_by_name(GST_BIN(pipeline_.get()), name.c_str()));
  if (!out)
    throw std::runtime_error("no element " + name);
  return out;
}

void Pipeline::push(const std::string& source, GstBuffer* buffer) {
  gst_app_src_push_buffer(GST_APP_SRC(element(source).get()), buffer);
}

void Pipeline::end(const std::string& source) {
  gst_app_src_end_of_stream(GST_APP_SRC(element(source).get()));
}

void Pipeline::fail(GstMessage* message) {
  GError* error = nullptr;
  gchar* debug = nullptr;
  gst_message_parse_error(message, &error, &debug);
  const std::string text = std::string(GST_OBJECT_NAME(message->src)) + ": " + error->message +
                           (debug ? std::string("\n  ") + debug : "");
  g_clear_error(&error);
  g_free(debug);
  gst_message_unref(message);
  throw std::runtime_error(text);
}

void Pipeline::play() {
  if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
    return;
  Ptr<GstBus> bus(gst_element_get_bus(pipeline_.get()));
  if (GstMessage* m = gst_bus_timed_pop_filtered(bus.get(), GST_SECOND, GST_MESSAGE_ERROR))
    fail(m);
  throw std::runtime_error("the pipeline does not start");
}

void Pipeline::wait(double seconds) {
  Ptr<GstBus> bus(gst_element_get_bus(pipeline_.get()));
  GstMessage* m = gst_bus_timed_pop_filtered(bus.get(), GstClockTime(seconds * GST_SECOND),
                                             GstMessageType(GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
  if (!m)
    throw std::runtime_error("the pipeline did not come to an end in time");
  if (GST_MESSAGE_TYPE(m) == GST_MESSAGE_ERROR)
    fail(m);
  gst_message_unref(m);
}

std::vector<Ptr<GstSample>> Pipeline::samples(const std::string& sink) {
  std::vector<Ptr<GstSample>> out;
  const Ptr<GstElement> owned = element(sink);
  while (GstSample* s = gst_app_sink_try_pull_sample(GST_APP_SINK(owned.get()), 0))
    out.emplace_back(s);
  return out;
}

Ptr<GstSample> Pipeline::next(const std::string& sink, double seconds) {
  const Ptr<GstElement> owned = element(sink);
  Ptr<GstBus> bus(gst_element_get_bus(pipeline_.get()));
  for (double waited = 0; waited < seconds; waited += 0.1) {
    if (GstSample* s = gst_app_sink_try_pull_sample(GST_APP_SINK(owned.get()), GST_SECOND / 10))
      return Ptr<GstSample>(s);
    if (GstMessage* m = gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR))
      fail(m);
    if (gst_app_sink_is_eos(GST_APP_SINK(owned.get())))
      return nullptr;
  }
  throw std::runtime_error("nothing came out of the pipeline in time");
}

} // namespace gsem::eval
