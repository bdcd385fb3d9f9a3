// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/rtp/rtp_test.hpp"

#include <gst/video/video.h>

#include <set>

/// A semanticlayerfilter with units of a stream::Writer pushed into it, for its two test programs.
namespace filter_test {

using namespace rtp_test;
using stream::Piece;

inline constexpr size_t kCaption = 9, kKeyMap = 420, kDeltaMap = 90;
inline constexpr int kKeyEach = 10, kCaptionEach = 25;

/// What structenc and signalenc send at 25 fps: a key map each 10 pictures, deltas with temporal ids 2 1 2 1.
inline std::vector<Piece> live_unit(int i, size_t signal = 300) {
  std::vector<Piece> pieces;
  if (i % kCaptionEach == 0)
    pieces.push_back({1, stream::payload(3 * i, kCaption)});
  const int since_key = i % kKeyEach;
  if (since_key == 0)
    pieces.push_back({2, stream::payload(3 * i + 1, kKeyMap)});
  else
    pieces.push_back(
        {2, stream::payload(3 * i + 1, kDeltaMap), false, true, false, uint8_t(since_key % 2 ? 2 : 1)});
  if (signal)
    pieces.push_back({3, stream::payload(3 * i + 2, signal), true, true});
  return pieces;
}

/// A filter with units of a stream::Writer pushed into it.
class Filter {
public:
  /// `behind`: what follows it, as in a launch line.
  explicit Filter(const std::string& properties, const StreamHeader& header = stream::header({1, 2, 3}),
                  const std::string& behind = "")
      : harness_(gst_harness_new_parse(
            ("semanticlayerfilter name=filter " + properties + (behind.empty() ? "" : " ! " + behind))
                .c_str())),
        element_(gst_harness_find_element(harness_, "semanticlayerfilter")), bus_(gst_bus_new()),
        writer_(header) {
    gst_element_set_bus(element_.get(), bus_.get());
    GstCaps* caps = gst_caps_from_string("video/x-semantic, stream-format=(string)byte-stream, "
                                         "alignment=(string)au, parsed=(boolean)true");
    GValue array = G_VALUE_INIT, item = G_VALUE_INIT;
    g_value_init(&array, GST_TYPE_ARRAY);
    g_value_init(&item, GST_TYPE_BUFFER);
    g_value_take_boxed(&item, stream::buffer(stream::header_bytes(header)));
    gst_value_array_append_and_take_value(&array, &item);
    gst_caps_set_value(caps, "streamheader", &array);
    g_value_unset(&array);
    gst_harness_set_src_caps(harness_, caps);
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  ~Filter() {
    gst_element_set_bus(element_.get(), nullptr);
    gst_harness_teardown(harness_);
  }

  void push_bytes(const Bytes& bytes, uint64_t tick) {
    GstBuffer* buffer = stream::buffer(bytes, tick * kFrame);
    GST_BUFFER_DURATION(buffer) = kFrame;
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    fail_unless_equals_int(gst_harness_push(harness_, buffer), GST_FLOW_OK);
  }
  /// One unit through it.
  Received send(uint64_t tick, const std::vector<Piece>& pieces) {
    push_bytes(writer_.unit(tick, pieces), tick);
    auto all = take();
    fail_unless_equals_int(all.size(), 1);
    fail_unless_equals_uint64(all[0].unit.timestamp, tick);
    fail_unless_equals_uint64(all[0].pts, tick * kFrame);
    return all[0];
  }
  std::vector<Received> take() { return reader_.take(harness_); }
  stream::Writer& writer() { return writer_; }
  GstHarness* harness() { return harness_; }
  GstElement* element() { return element_.get(); }
  GstBus* bus() { return bus_.get(); }
  int layer() {
    int layer = -1;
    g_object_get(element_.get(), "current-layer", &layer, nullptr);
    return layer;
  }
  Ptr<GstStructure> stats() {
    GstStructure* raw = nullptr;
    g_object_get(element_.get(), "stats", &raw, nullptr);
    return Ptr<GstStructure>(raw);
  }
  guint64 counter(const char* name) {
    guint64 value = 0;
    fail_unless(gst_structure_get_uint64(stats().get(), name, &value), "no counter %s", name);
    return value;
  }
  guint64 counter(const char* layer, const char* name) {
    auto all = stats();
    const GValue* nested = gst_structure_get_value(all.get(), layer);
    guint64 value = 0;
    fail_unless(nested && gst_structure_get_uint64(gst_value_get_structure(nested), name, &value));
    return value;
  }
  /// Upstream events since the last call.
  struct Upstream {
    int key_requests = 0;
    std::vector<std::pair<guint, guint>> rates; ///< structure, signal
  };
  Upstream upstream() {
    Upstream found;
    while (GstEvent* event = gst_harness_try_pull_upstream_event(harness_)) {
      found.key_requests += gst_video_event_is_force_key_unit(event);
      const GstStructure* s = gst_event_get_structure(event);
      guint structure = 0, signal = 0;
      if (s && gst_structure_has_name(s, "semantic-rate")) {
        fail_unless_equals_int(GST_EVENT_TYPE(event), GST_EVENT_CUSTOM_UPSTREAM);
        fail_unless(gst_structure_get_uint(s, "structure-bitrate", &structure));
        fail_unless(gst_structure_get_uint(s, "signal-bitrate", &signal));
        found.rates.emplace_back(structure, signal);
      }
      gst_event_unref(event);
    }
    return found;
  }

private:
  GstHarness* harness_;
  Ptr<GstElement> element_;
  Ptr<GstBus> bus_;
  stream::Writer writer_;
  UnitReader reader_;
};

inline std::set<unsigned> kinds(const Received& unit) {
  std::set<unsigned> found;
  for (const auto& [kind, payload] : unit.layers)
    found.insert(kind);
  return found;
}

} // namespace filter_test
