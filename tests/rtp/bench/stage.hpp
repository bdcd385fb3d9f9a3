// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/ptr.hpp"

#include <gst/app/app.h>
#include <gst/video/video.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace bench {

[[noreturn]] inline void fail(const std::string& what) {
  fprintf(stderr, "live-bench: %s\n", what.c_str());
  exit(1);
}

/// Elements between an appsrc and an appsink, run step by step from here.
class Stage {
public:
  Stage(const std::string& line, const std::string& caps) {
    GError* error = nullptr;
    pipeline_.reset(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(
        ("appsrc name=in format=time max-buffers=0 max-bytes=0 ! " + line + " ! appsink name=out sync=false")
            .c_str(),
        &error))));
    if (error)
      fail(line + ": " + error->message);
    in_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "in"));
    out_.reset(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "out"));
    gsem::Ptr<GstCaps> parsed(gst_caps_from_string(caps.c_str()));
    gst_app_src_set_caps(GST_APP_SRC(in_.get()), parsed.get());
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
  }
  ~Stage() { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  void push(const void* data, size_t size, GstClockTime pts, GstClockTime duration) {
    GstBuffer* buffer = gst_buffer_new_memdup(data, size);
    GST_BUFFER_PTS(buffer) = pts;
    GST_BUFFER_DURATION(buffer) = duration;
    gst_app_src_push_buffer(GST_APP_SRC(in_.get()), buffer);
  }
  void end() { gst_app_src_end_of_stream(GST_APP_SRC(in_.get())); }
  /// The next buffer; null at the end.
  gsem::Ptr<GstSample> pull() {
    constexpr GstClockTime kPatience = 120 * GST_SECOND;
    gsem::Ptr<GstSample> sample(gst_app_sink_try_pull_sample(GST_APP_SINK(out_.get()), kPatience));
    if (!sample && !gst_app_sink_is_eos(GST_APP_SINK(out_.get())))
      fail("an element gives nothing: " + error_text());
    return sample;
  }
  void force_key_unit() {
    gst_element_send_event(out_.get(),
                           gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
  }

private:
  std::string error_text() {
    gsem::Ptr<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    gsem::Ptr<GstMessage> message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
    if (!message)
      return "no error message";
    GError* error = nullptr;
    gst_message_parse_error(message.get(), &error, nullptr);
    const std::string text = error->message;
    g_error_free(error);
    return text;
  }
  gsem::Ptr<GstElement> pipeline_, in_, out_;
};

inline std::string raw_caps(int width, int height, double rate) {
  return "video/x-raw,format=I420,width=" + std::to_string(width) + ",height=" + std::to_string(height) +
         ",framerate=" + std::to_string(int(rate)) +
         "/1,pixel-aspect-ratio=1/1,interlace-mode=progressive,colorimetry=bt601";
}

inline GstClockTime clock_time(double seconds) {
  return GstClockTime(seconds * double(GST_SECOND) + 0.5);
}

} // namespace bench
