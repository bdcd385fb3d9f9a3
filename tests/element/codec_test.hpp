// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "config.h"

#include "gst/semantic/layer_meta.hpp"
#include "gst/semantic/ptr.hpp"
#include "tests/element/leaks.hpp"
#include "tests/element/refusal.hpp"

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

/// What the tests of the six codec elements share: pictures, caps, messages, stats.
namespace codec_test {

using gsem::Ptr;

constexpr GstClockTime kFrame = 40 * GST_MSECOND; // 25 fps

inline std::string raw_caps(int width, int height, const char* more = "") {
  return "video/x-raw, format=RGB, width=" + std::to_string(width) + ", height=" + std::to_string(height) +
         ", framerate=25/1" + more;
}

inline GstVideoInfo rgb_info(int width, int height) {
  GstVideoInfo info;
  gst_video_info_init(&info);
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_RGB, guint(width), guint(height));
  return info;
}

/// A smooth background with a bright disc and a dark bar; `kind` moves and recolours them, so that kinds
/// differ as scenes do.
inline GstBuffer* picture(int width, int height, int kind = 0, int number = 0) {
  GstVideoInfo info = rgb_info(width, height);
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr);
  {
    gsem::VideoMap map(&info, buffer, GST_MAP_WRITE);
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++) {
        double u = (x + 0.5) / width, v = (y + 0.5) / height;
        double dx = u - 0.3 - 0.2 * (kind % 3), dy = v - 0.5;
        bool disc = dx * dx + dy * dy<0.04, bar = v> 0.8;
        guint8* p = map.data() + size_t(y) * map.stride() + 3 * x;
        p[0] = guint8(disc ? 230 : bar ? 30 : 255 * (kind & 1 ? 1 - u : u));
        p[1] = guint8(disc ? 60 + 60 * (kind % 3) : bar ? 40 : 200 * v);
        p[2] = guint8(disc ? 40 : bar ? 90 : kind & 2 ? 220 : 80);
      }
  }
  GST_BUFFER_PTS(buffer) = number * kFrame;
  GST_BUFFER_DURATION(buffer) = kFrame;
  return buffer;
}

inline double psnr(GstBuffer* a, GstBuffer* b, int width, int height) {
  GstVideoInfo info = rgb_info(width, height);
  gsem::VideoMap ma(&info, a, GST_MAP_READ), mb(&info, b, GST_MAP_READ);
  fail_unless(bool(ma) && bool(mb));
  double sum = 0;
  for (int y = 0; y < height; y++)
    for (int i = 0; i < 3 * width; i++) {
      double d = double(ma.data()[size_t(y) * ma.stride() + i]) - mb.data()[size_t(y) * mb.stride() + i];
      sum += d * d;
    }
  return sum == 0 ? 99 : 10 * std::log10(255.0 * 255.0 * 3 * width * height / sum);
}

/// Whether both buffers show the very same memory: repeated or passed on by reference.
inline bool same_memory(GstBuffer* a, GstBuffer* b) {
  return gst_buffer_n_memory(a) == 1 && gst_buffer_n_memory(b) == 1 &&
         gst_buffer_peek_memory(a, 0) == gst_buffer_peek_memory(b, 0);
}

inline std::string text_of(GstBuffer* buffer) {
  gsem::BufferMap map(buffer, GST_MAP_READ);
  return std::string(reinterpret_cast<char*>(map.data()), map.size());
}

inline GstBuffer* bytes_buffer(const std::string& bytes, int number = 0) {
  GstBuffer* buffer = bytes.empty() ? gst_buffer_new() : gst_buffer_new_memdup(bytes.data(), bytes.size());
  GST_BUFFER_PTS(buffer) = number * kFrame;
  GST_BUFFER_DURATION(buffer) = kFrame;
  return buffer;
}

inline GstEvent* gap(int number, bool lost = false) {
  GstEvent* event = gst_event_new_gap(number * kFrame, kFrame);
  if (lost)
    gst_event_set_gap_flags(event, GST_GAP_FLAG_MISSING_DATA);
  return event;
}

inline guint64 stat(GstElement* element, const char* field, const char* pad = nullptr) {
  GstStructure* stats = nullptr;
  g_object_get(element, "stats", &stats, nullptr);
  fail_unless(stats != nullptr);
  Ptr<GstStructure> owner(stats);
  guint64 value = 0;
  if (!pad) {
    fail_unless(gst_structure_get_uint64(stats, field, &value), "no %s in stats", field);
    return value;
  }
  const GValue* nested = gst_structure_get_value(stats, pad);
  fail_unless(nested && GST_VALUE_HOLDS_STRUCTURE(nested), "no %s in stats", pad);
  fail_unless(gst_structure_get_uint64(gst_value_get_structure(nested), field, &value), "no %s/%s in stats",
              pad, field);
  return value;
}

/// One harness around an element, with a bus of its own. `source`/`sink`: pad names, null for none.
class Bench {
public:
  explicit Bench(GstElement* element, const char* source = "sink", const char* sink = "src",
                 bool live = false)
      : element_(element) {
    fail_unless(element_ != nullptr);
    gst_object_ref_sink(element_);
    bus_.reset(gst_bus_new());
    gst_element_set_bus(element_, bus_.get());
    harness_ = gst_harness_new_with_element(element_, source, sink);
    gst_harness_set_live(harness_, live);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() {
    for (GstHarness* other : others_)
      gst_harness_teardown(other);
    gst_harness_teardown(harness_);
    gst_bus_set_flushing(bus_.get(), TRUE);
    gst_element_set_bus(element_, nullptr);
    gst_object_unref(element_);
  }

  operator GstHarness*() const { return harness_; }
  GstElement* element() const { return element_; }

  /// A second source on another sink pad. Owned by the bench.
  GstHarness* feed(const char* pad, bool live = false) {
    GstHarness* other = gst_harness_new_with_element(element_, pad, nullptr);
    gst_harness_set_live(other, live);
    others_.push_back(other);
    return other;
  }

  /// Takes everything off the bus; how many messages there were of `type`.
  int messages(GstMessageType type) {
    drain();
    int n = 0;
    for (const auto& m : seen_)
      n += m.type == type;
    return n;
  }
  bool has(GstMessageType type, GQuark domain, int code) {
    drain();
    for (const auto& m : seen_)
      if (m.type == type && m.domain == domain && m.code == code)
        return true;
    return false;
  }
  /// Message and debug text of errors and warnings seen.
  std::string text() {
    drain();
    std::string all;
    for (const auto& m : seen_)
      all += m.text + "\n";
    return all;
  }

private:
  struct Seen {
    GstMessageType type;
    GQuark domain = 0;
    int code = 0;
    std::string text;
  };
  void drain() {
    while (GstMessage* message = gst_bus_pop(bus_.get())) {
      Seen seen{GST_MESSAGE_TYPE(message), 0, 0, {}};
      GError* error = nullptr;
      gchar* debug = nullptr;
      if (seen.type == GST_MESSAGE_ERROR)
        gst_message_parse_error(message, &error, &debug);
      else if (seen.type == GST_MESSAGE_WARNING)
        gst_message_parse_warning(message, &error, &debug);
      if (error) {
        seen.domain = error->domain;
        seen.code = error->code;
        seen.text = std::string(error->message) + " / " + (debug ? debug : "");
        g_error_free(error);
        g_free(debug);
      }
      seen_.push_back(seen);
      gst_message_unref(message);
    }
  }

  GstElement* element_;
  Ptr<GstBus> bus_;
  GstHarness* harness_ = nullptr;
  std::vector<GstHarness*> others_;
  std::vector<Seen> seen_;
};

/// Serialized events that came out, by type, in order; sticky ones included.
inline std::vector<Ptr<GstEvent>> events(GstHarness* h, GstEventType type) {
  std::vector<Ptr<GstEvent>> found;
  while (GstEvent* event = gst_harness_try_pull_event(h)) {
    if (GST_EVENT_TYPE(event) == type)
      found.emplace_back(event);
    else
      gst_event_unref(event);
  }
  return found;
}

inline Ptr<GstCaps> src_caps(GstHarness* h) {
  return Ptr<GstCaps>(gst_pad_get_current_caps(h->sinkpad));
}

/// An encoder (or other element with pads sink and src) refuses these raw caps with STREAM/FORMAT, and says
/// why.
inline void refuses(const char* factory, const std::string& caps, const char* reason) {
  Bench h(gst_element_factory_make(factory, nullptr));
  gst_harness_set_src_caps_str(h, caps.c_str());
  gst_harness_push(h, picture(64, 64));
  fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT), "%s accepts %s", factory,
              caps.c_str());
  fail_unless(h.text().find(reason) != std::string::npos, "no \"%s\" in %s", reason, h.text().c_str());
  fail_unless_equals_int(gst_harness_buffers_received(h), 0);
}

inline void refuses_wrong_video(const char* factory) {
  refuses(factory, raw_caps(64, 64, ", interlace-mode=interleaved"), "interlaced");
  refuses(factory, raw_caps(64, 64, ", colorimetry=(string)2:1:7:1"), "range");
  refuses(factory, raw_caps(64, 64, ", colorimetry=(string)1:1:14:7"), "primaries");
  refuses(factory, "video/x-raw, format=RGBA, width=64, height=64, framerate=25/1", "RGBA");
  refuses(factory, "video/x-raw, format=I420, width=64, height=64, framerate=25/1", "I420");
  refuses(factory, raw_caps(8, 64), "8x64");
  refuses(factory, raw_caps(64, 5000), "64x5000");
}

/// READY -> PAUSED fails with a RESOURCE error for a profile that is not there, and works after `profile` is
/// set right.
inline void fails_without_profile(const char* factory) {
  Ptr<GstElement> element(GST_ELEMENT(gst_object_ref_sink(gst_element_factory_make(factory, nullptr))));
  g_object_set(element.get(), "profile", "no-such-profile", nullptr);
  fail_unless_equals_int(gst_element_set_state(element.get(), GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
  const std::string said = refusal(element.get());
  fail_unless(said.substr(0, said.find('\n')).find("no-such-profile") != said.npos, "%s", said.c_str());
  g_object_set(element.get(), "profile", "birds", nullptr);
  fail_unless(gst_element_set_state(element.get(), GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE);
  gst_element_set_state(element.get(), GST_STATE_NULL);
}

/// Main of a test whose every case needs the trained weights.
inline int run_with_weights(int argc, char** argv, const char* name, void (*fill)(TCase*)) {
#if GSEM_WITH_PROFILES
  g_setenv("CK_FORK", "no", FALSE); // LibTorch takes seconds to load: once is enough
  return leaks::run(argc, argv, name, fill);
#else
  (void)argc, (void)argv, (void)name, (void)fill;
  return 77;
#endif
}

} // namespace codec_test
