// SPDX-License-Identifier: LGPL-2.1-or-later
// semanticmux against the bitstream library: every buffer is parsed by hand.
#include "tests/element/leaks.hpp"
#include "tests/element/stream.hpp"
#include "tests/element/test_profile.hpp"

#include "models/entropy/caption_coder.hpp"
#include "models/profile/profile.hpp"

#include <gst/video/video.h>

#include <memory>

using namespace gsem::bitstream;
using gsem::Bytes;
using gsem::ByteView;
using gsem::Status;

namespace {

constexpr GstClockTime kFrame = 40 * GST_MSECOND;
using Layers = std::vector<std::pair<const char*, std::string>>;

std::string layer_caps(const char* kind, const char* more = "") {
  return std::string("video/x-semantic-") + kind +
         ", parsed=(boolean)true, width=(int)64, height=(int)48, framerate=(fraction)25/1" + more;
}

/// A parsed output buffer.
struct Unit {
  bool with_header = false;
  StreamHeader header;
  AccessUnitHeader unit;
  std::vector<Bytes> payloads;
};

struct Bench {
  GstHarness* main = nullptr;
  std::vector<std::pair<std::string, GstHarness*>> pads;
  TimestampState timestamps;

  explicit Bench(const Layers& layers, guint interval = 2) {
    GstElement* mux = gst_element_factory_make("semanticmux", nullptr);
    fail_unless(mux != nullptr);
    g_object_set(mux, "config-interval", interval, nullptr);
    gst_object_ref_sink(mux);
    for (const auto& [name, caps] : layers) {
      GstHarness* h = gst_harness_new_with_element(mux, name, main ? nullptr : "src");
      gst_harness_set_src_caps_str(h, caps.c_str());
      if (!main)
        main = h;
      pads.emplace_back(name, h);
    }
    gst_object_unref(mux);
  }
  ~Bench() {
    for (size_t i = pads.size(); i-- > 0;)
      gst_harness_teardown(pads[i].second);
  }
  GstHarness* pad(const char* name) {
    for (auto& [n, h] : pads)
      if (n == name)
        return h;
    return nullptr;
  }
  void push(const char* name, const Bytes& payload, GstClockTime pts, bool delta = false) {
    GstBuffer* buffer = stream::buffer(payload, pts);
    GST_BUFFER_DURATION(buffer) = kFrame;
    if (delta)
      GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    fail_unless_equals_int(gst_harness_push(pad(name), buffer), GST_FLOW_OK);
  }
  void gap(const char* name, GstClockTime pts, bool missing = false) {
    GstEvent* event = gst_event_new_gap(pts, kFrame);
    if (missing)
      gst_event_set_gap_flags(event, GST_GAP_FLAG_MISSING_DATA);
    gst_harness_push_event(pad(name), event);
  }
  Unit pull(GstBufferFlags* flags = nullptr, GstClockTime* pts = nullptr) {
    GstBuffer* buffer = gst_harness_pull(main);
    fail_unless(buffer != nullptr);
    if (flags)
      *flags = GstBufferFlags(GST_BUFFER_FLAGS(buffer));
    if (pts)
      *pts = GST_BUFFER_PTS(buffer);
    const Bytes bytes = stream::bytes_of(buffer);
    gst_buffer_unref(buffer);
    return parse(bytes);
  }
  Unit parse(ByteView data) {
    Unit out;
    size_t size = 0;
    if (data.size() > 4 && data[0] == 'G') {
      fail_unless(parse_stream_header(data, out.header, size) == Status::Ok);
      out.with_header = true;
      timestamps = {};
      data = data.subspan(size);
    }
    fail_unless(parse_access_unit_header(data, out.unit, size, &timestamps) == Status::Ok);
    fail_unless_equals_int(data.size(), size + payload_section_size(out.unit));
    for (size_t i = 0; i < out.unit.layers.size(); ++i) {
      ByteView payload;
      if (!out.unit.layers[i].lost)
        fail_unless(find_payload(out.unit, data.subspan(size), i, payload) == Status::Ok);
      out.payloads.emplace_back(payload.begin(), payload.end());
    }
    return out;
  }
};

} // namespace

GST_START_TEST(three_layers_exactly) {
  Bench bench(
      {{"caption", layer_caps("caption", ", codec=(string)trigram, parse-hash=(string)00000000000000aa")},
       {"structure", layer_caps("structure", ", codec=(string)av1, codec_data=(buffer)0a0b0c")},
       {"signal",
        layer_caps("signal", ", codec=(string)hyperprior, parse-hash=(string)bb, latent-id=(string)cc")}});
  for (int i = 0; i < 4; ++i) {
    const GstClockTime pts = GstClockTime(i) * kFrame;
    bench.push("caption", stream::payload(i, 9), pts);
    bench.push("structure", stream::payload(i + 100, 200), pts, i > 0);
    bench.push("signal", stream::payload(i + 200, 3000), pts);
    GstBufferFlags flags;
    GstClockTime out_pts = 0;
    const Unit unit = bench.pull(&flags, &out_pts);
    fail_unless_equals_uint64(out_pts, pts);
    fail_unless_equals_int(unit.with_header, i == 0);
    fail_unless_equals_int(unit.unit.number, i);
    fail_unless_equals_uint64(unit.unit.timestamp, guint64(i));
    fail_unless_equals_int(unit.unit.layers.size(), 3);
    fail_unless(unit.payloads[0] == stream::payload(i, 9));
    fail_unless(unit.payloads[1] == stream::payload(i + 100, 200));
    fail_unless(unit.payloads[2] == stream::payload(i + 200, 3000));
    fail_unless_equals_int(unit.unit.layers[1].key, i == 0);
    fail_unless_equals_int(!(flags & GST_BUFFER_FLAG_DELTA_UNIT), i == 0);
    if (i == 0) {
      const StreamHeader& h = unit.header;
      fail_unless(h.width == 64 && h.height == 48 && h.fps_n == 25 && h.fps_d == 1);
      fail_unless_equals_int(h.layers.size(), 3);
      fail_unless(h.layers[0].parse_hash == 0xaa && h.layers[2].parse_hash == 0xbb &&
                  h.layers[2].latent_id == 0xcc);
      fail_unless((h.layers[1].codec_header == Bytes{0x0a, 0x0b, 0x0c}));
    }
  }
}
GST_END_TEST

GST_START_TEST(any_subset_of_layers) {
  const char* names[] = {"caption", "structure", "signal"};
  for (int mask = 1; mask < 8; ++mask) {
    std::vector<std::pair<const char*, std::string>> layers;
    for (int i = 0; i < 3; ++i)
      if (mask & 1 << i)
        layers.emplace_back(names[i], layer_caps(names[i]));
    Bench bench(layers);
    for (const auto& [name, caps] : layers)
      bench.push(name, stream::payload(7, 11), 0);
    const Unit unit = bench.pull();
    fail_unless_equals_int(unit.header.layers.size(), layers.size());
    fail_unless_equals_int(unit.unit.layers.size(), layers.size());
  }
}
GST_END_TEST

GST_START_TEST(caps_carry_the_header) {
  Bench bench({{"structure", layer_caps("structure", ", pixel-aspect-ratio=(fraction)4/3")}});
  bench.push("structure", stream::payload(1, 10), 0);
  bench.pull();
  GstCaps* caps = gst_pad_get_current_caps(bench.main->sinkpad);
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  int width = 0, layers = 0, n = 0, d = 0;
  fail_unless(gst_structure_get_int(s, "width", &width) && width == 64);
  fail_unless(gst_structure_get_int(s, "layers", &layers) && layers == 2);
  fail_unless(gst_structure_get_fraction(s, "pixel-aspect-ratio", &n, &d) && n == 4 && d == 3);
  const GValue* array = gst_structure_get_value(s, "streamheader");
  fail_unless_equals_int(gst_value_array_get_size(array), 1);
  const Bytes bytes = stream::bytes_of(gst_value_get_buffer(gst_value_array_get_value(array, 0)));
  StreamHeader header;
  size_t size = 0;
  fail_unless(parse_stream_header(bytes, header, size) == Status::Ok && size == bytes.size());
  fail_unless(header.par_n == 4 && header.par_d == 3);
  gst_caps_unref(caps);
}
GST_END_TEST

GST_START_TEST(not_sent_and_lost_stay_different) {
  Bench bench({{"caption", layer_caps("caption")}, {"structure", layer_caps("structure")}});
  bench.push("caption", stream::payload(1, 5), 0);
  bench.push("structure", stream::payload(2, 5), 0);
  bench.pull();
  bench.gap("caption", kFrame);
  bench.gap("structure", kFrame, true);
  Unit unit = bench.pull();
  fail_unless_equals_int(unit.unit.layers.size(), 1);
  fail_unless(unit.unit.layers[0].kind == LayerKind::Structure && unit.unit.layers[0].lost);
  // Nothing sent at all is a picture too: one small access unit.
  bench.gap("caption", 2 * kFrame);
  bench.gap("structure", 2 * kFrame);
  unit = bench.pull();
  fail_unless(unit.unit.layers.empty() && unit.unit.timestamp == 2);
}
GST_END_TEST

GST_START_TEST(empty_unit_is_small) {
  Bench bench({{"caption", layer_caps("caption")}});
  bench.push("caption", stream::payload(1, 5), 0);
  bench.pull();
  bench.gap("caption", kFrame);
  GstBuffer* buffer = gst_harness_pull(bench.main);
  fail_unless(gst_buffer_get_size(buffer) <= 6);
  fail_unless(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT));
  gst_buffer_unref(buffer);
}
GST_END_TEST

GST_START_TEST(header_again_each_interval) {
  Bench bench({{"signal", layer_caps("signal")}}, 1);
  int headers = 0;
  for (int i = 0; i < 76; ++i) {
    bench.push("signal", stream::payload(i, 10), GstClockTime(i) * kFrame);
    const Unit unit = bench.pull();
    fail_unless_equals_uint64(unit.unit.timestamp, guint64(i));
    headers += unit.with_header;
    fail_unless_equals_int(unit.with_header, i % 25 == 0);
  }
  fail_unless_equals_int(headers, 4);
}
GST_END_TEST

GST_START_TEST(header_only_at_key_units) {
  Bench bench({{"structure", layer_caps("structure")}}, 1);
  for (int i = 0; i < 40; ++i) {
    bench.push("structure", stream::payload(i, 10), GstClockTime(i) * kFrame, i != 0 && i != 35);
    fail_unless_equals_int(bench.pull().with_header, i == 0 || i == 35);
  }
}
GST_END_TEST

GST_START_TEST(interval_zero_is_only_the_first) {
  Bench bench({{"signal", layer_caps("signal")}}, 0);
  for (int i = 0; i < 60; ++i) {
    bench.push("signal", stream::payload(i, 10), GstClockTime(i) * kFrame);
    fail_unless_equals_int(bench.pull().with_header, i == 0);
  }
}
GST_END_TEST

GST_START_TEST(new_caps_bring_a_new_header) {
  Bench bench({{"signal", layer_caps("signal")}}, 0);
  bench.push("signal", stream::payload(1, 10), 0);
  fail_unless(bench.pull().header.width == 64);
  gst_harness_set_src_caps_str(
      bench.main, "video/x-semantic-signal, parsed=(boolean)true, width=(int)128, height=(int)96, "
                  "framerate=(fraction)25/1");
  bench.push("signal", stream::payload(2, 10), kFrame);
  const Unit unit = bench.pull();
  fail_unless(unit.with_header && unit.header.width == 128 && unit.header.height == 96);
}
GST_END_TEST

GST_START_TEST(compact_header_for_a_known_profile) {
  const std::string known = std::string(", profile=(string)") + test_profile::name() +
                            ", codec=(string)trigram, parse-hash=(string)" + test_profile::caption_hash();
  {
    Bench bench({{"caption", layer_caps("caption", known.c_str())}});
    bench.push("caption", stream::payload(1, 10), 0);
    const Unit unit = bench.pull();
    fail_unless_equals_int(unit.header.profile_id, test_profile::kId);
    StreamHeader resolved;
    Bytes bytes;
    size_t size = 0;
    fail_unless(write_stream_header(unit.header, true, bytes) == Status::Ok);
    fail_unless(bytes.size() <= 16);
    fail_unless(parse_stream_header(bytes, resolved, size, gsem::profile::resolve_profile_id) == Status::Ok);
    fail_unless(resolved.layers[0].parse_hash != 0);
  }
  // Another hash than the profile's must be spelled out.
  const std::string other =
      std::string(", profile=(string)") + test_profile::name() + ", parse-hash=(string)0000000000000001";
  Bench bench({{"caption", layer_caps("caption", other.c_str())}});
  bench.push("caption", stream::payload(1, 10), 0);
  const Unit unit = bench.pull();
  fail_unless(unit.header.profile_id == 0 && unit.header.layers[0].parse_hash == 1);
}
GST_END_TEST

GST_START_TEST(description_and_codec_tags) {
  const std::string known = std::string(", profile=(string)") + test_profile::name() +
                            ", parse-hash=(string)" + test_profile::caption_hash();
  std::shared_ptr<const gsem::profile::Profile> profile;
  std::string error;
  fail_unless(gsem::profile::load_profile(test_profile::name(), profile, error) == Status::Ok);
  Bytes coded;
  fail_unless(profile->caption_coder->encode({"this bird is blue", gsem::entropy::kNoHint, 0}, coded) ==
              Status::Ok);
  Bench bench({{"caption", layer_caps("caption", known.c_str())}});
  bench.push("caption", coded, 0);
  bench.pull();
  GstEvent* event = nullptr;
  do {
    gst_clear_event(&event);
    event = gst_harness_pull_event(bench.main);
    fail_unless(event != nullptr);
  } while (GST_EVENT_TYPE(event) != GST_EVENT_TAG);
  GstTagList* tags = nullptr;
  gst_event_parse_tag(event, &tags);
  gchar *codec = nullptr, *description = nullptr;
  fail_unless(gst_tag_list_get_string(tags, GST_TAG_VIDEO_CODEC, &codec));
  fail_unless_equals_string(codec, "Layered semantic video");
  fail_unless(gst_tag_list_get_string(tags, GST_TAG_DESCRIPTION, &description));
  fail_unless_equals_string(description, "this bird is blue");
  g_free(codec);
  g_free(description);
  gst_event_unref(event);
}
GST_END_TEST

GST_START_TEST(still_picture) {
  Bench bench(
      Layers{{"signal", "video/x-semantic-signal, parsed=(boolean)true, width=(int)227, height=(int)227, "
                        "framerate=(fraction)0/1"}});
  GstBuffer* buffer = stream::buffer(stream::payload(1, 10), 0);
  fail_unless_equals_int(gst_harness_push(bench.main, buffer), GST_FLOW_OK);
  const Unit unit = bench.pull();
  fail_unless(unit.header.fps_n == 0 && unit.header.width == 227 && unit.unit.timestamp == 0);
}
GST_END_TEST

GST_START_TEST(equal_times_get_different_timestamps) {
  Bench bench(
      Layers{{"signal", "video/x-semantic-signal, parsed=(boolean)true, width=(int)64, height=(int)48, "
                        "framerate=(fraction)0/1"}});
  guint64 last = 0;
  for (int i = 0; i < 3; ++i) {
    gst_harness_push(bench.main, stream::buffer(stream::payload(i, 10), 0));
    const Unit unit = bench.pull();
    fail_unless(i == 0 || unit.unit.timestamp > last);
    last = unit.unit.timestamp;
  }
}
GST_END_TEST

GST_START_TEST(force_key_unit_goes_up_every_pad) {
  Bench bench({{"caption", layer_caps("caption")}, {"signal", layer_caps("signal")}});
  bench.push("caption", stream::payload(1, 5), 0);
  bench.push("signal", stream::payload(2, 5), 0);
  bench.pull();
  gst_harness_push_upstream_event(bench.main,
                                  gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 1));
  for (auto& [name, h] : bench.pads) {
    bool seen = false;
    while (GstEvent* event = gst_harness_try_pull_upstream_event(h)) {
      seen = seen || gst_video_event_is_force_key_unit(event);
      gst_event_unref(event);
    }
    fail_unless(seen, "no force-key-unit on %s", name.c_str());
  }
  // all-headers: the next key unit brings the header.
  bench.push("caption", stream::payload(1, 5), kFrame);
  bench.push("signal", stream::payload(2, 5), kFrame);
  fail_unless(bench.pull().with_header);
}
GST_END_TEST

GST_START_TEST(layers_of_different_pictures) {
  Bench bench({{"caption", layer_caps("caption")},
               {"signal", "video/x-semantic-signal, parsed=(boolean)true, width=(int)128, height=(int)96, "
                          "framerate=(fraction)25/1"}});
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(bench.main->element, bus);
  bench.push("caption", stream::payload(1, 5), 0);
  bench.push("signal", stream::payload(1, 5), 0);
  GstMessage* message = gst_bus_timed_pop_filtered(bus, 5 * GST_SECOND, GST_MESSAGE_ERROR);
  fail_unless(message != nullptr);
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  fail_unless(g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  g_error_free(error);
  gst_message_unref(message);
  gst_element_set_bus(bench.main->element, nullptr);
  gst_object_unref(bus);
}
GST_END_TEST

GST_START_TEST(unknown_codec_is_refused) {
  GstElement* mux = gst_element_factory_make("semanticmux", nullptr);
  gst_object_ref_sink(mux);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(mux, bus);
  GstHarness* h = gst_harness_new_with_element(mux, "structure", "src");
  gst_harness_set_src_caps_str(h, layer_caps("structure", ", codec=(string)mjpeg").c_str());
  GstMessage* message = gst_bus_timed_pop_filtered(bus, 5 * GST_SECOND, GST_MESSAGE_ERROR);
  fail_unless(message != nullptr);
  gst_message_unref(message);
  gst_element_set_bus(mux, nullptr);
  gst_object_unref(bus);
  gst_harness_teardown(h);
  gst_object_unref(mux);
}
GST_END_TEST

GST_START_TEST(stats_count_bytes) {
  Bench bench({{"caption", layer_caps("caption")}, {"signal", layer_caps("signal")}});
  for (int i = 0; i < 3; ++i) {
    bench.push("signal", stream::payload(i, 100), GstClockTime(i) * kFrame);
    if (i == 0)
      bench.push("caption", stream::payload(i, 9), 0);
    else
      bench.gap("caption", GstClockTime(i) * kFrame);
    bench.pull();
  }
  GstStructure* stats = nullptr;
  g_object_get(bench.main->element, "stats", &stats, nullptr);
  guint64 units = 0, caption = 0, signal = 0;
  gst_structure_get(stats, "access-units", G_TYPE_UINT64, &units, "caption-bytes", G_TYPE_UINT64, &caption,
                    "signal-bytes", G_TYPE_UINT64, &signal, nullptr);
  fail_unless_equals_uint64(units, 3);
  fail_unless_equals_uint64(caption, 9);
  fail_unless_equals_uint64(signal, 300);
  gst_structure_free(stats);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, three_layers_exactly);
  tcase_add_test(tc, any_subset_of_layers);
  tcase_add_test(tc, caps_carry_the_header);
  tcase_add_test(tc, not_sent_and_lost_stay_different);
  tcase_add_test(tc, empty_unit_is_small);
  tcase_add_test(tc, header_again_each_interval);
  tcase_add_test(tc, header_only_at_key_units);
  tcase_add_test(tc, interval_zero_is_only_the_first);
  tcase_add_test(tc, new_caps_bring_a_new_header);
  tcase_add_test(tc, compact_header_for_a_known_profile);
  tcase_add_test(tc, description_and_codec_tags);
  tcase_add_test(tc, still_picture);
  tcase_add_test(tc, equal_times_get_different_timestamps);
  tcase_add_test(tc, force_key_unit_goes_up_every_pad);
  tcase_add_test(tc, layers_of_different_pictures);
  tcase_add_test(tc, unknown_codec_is_refused);
  tcase_add_test(tc, stats_count_bytes);
}

int main(int argc, char** argv) {
  test_profile::name();
  const int status = leaks::run(argc, argv, "mux", fill);
  test_profile::remove();
  return status;
}
