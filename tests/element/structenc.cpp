// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/codec_test.hpp"

#include "vtm_bridge/map_codec.hpp"

#include <algorithm>

using namespace codec_test;

namespace {

/// Canny needs no weights: most of what the element does is tested with it.
GstElement* canny() {
  GstElement* element = gst_element_factory_make("structenc", nullptr);
  gst_util_set_object_arg(G_OBJECT(element), "detector", "canny");
  return element;
}

gsem::Bytes codec_data(GstHarness* h) {
  auto caps = src_caps(h);
  const GValue* value = gst_structure_get_value(gst_caps_get_structure(caps.get(), 0), "codec_data");
  fail_unless(value != nullptr);
  gsem::BufferMap map(gst_value_get_buffer(value), GST_MAP_READ);
  return {map.data(), map.data() + map.size()};
}

gsem::maps::Map decode(gsem::maps::MapDecoder& decoder, GstBuffer* buffer) {
  gsem::BufferMap data(buffer, GST_MAP_READ);
  gsem::maps::Map map;
  fail_unless(decoder.decode({data.data(), data.size()}, map) == gsem::Status::Ok);
  return map;
}

std::unique_ptr<gsem::maps::MapDecoder> map_decoder(GstHarness* h) {
  std::unique_ptr<gsem::maps::MapDecoder> decoder;
  std::string error;
  fail_unless(gsem::maps::MapDecoder::create("av1", codec_data(h), decoder, error) == gsem::Status::Ok, "%s",
              error.c_str());
  return decoder;
}

/// Mean of the map over a circle of the test picture's disc (kind 0), and over its flat inside.
void check_edges(const gsem::maps::Map& map) {
  double on = 0, off = 0;
  int n_on = 0, n_off = 0;
  for (int y = 0; y < map.height; y++)
    for (int x = 0; x < map.width; x++) {
      double u = (x + 0.5) / map.width - 0.3, v = (y + 0.5) / map.height - 0.5, r = std::sqrt(u * u + v * v);
      if (std::abs(r - 0.2) < 0.008)
        on += map.data[size_t(y) * map.width + x], n_on++;
      else if (r < 0.12)
        off += map.data[size_t(y) * map.width + x], n_off++;
    }
  fail_unless(on / n_on > 60 && off / n_off < 25, "edge %g, inside %g", on / n_on, off / n_off);
}

} // namespace

GST_START_TEST(test_map_shows_the_edges) {
  for (auto [w, h_] : {std::pair{256, 256}, {227, 227}, {640, 33}, {16, 16}}) {
    Bench h(canny());
    gst_harness_set_src_caps_str(h, raw_caps(w, h_).c_str());
    fail_unless_equals_int(gst_harness_push(h, picture(w, h_)), GST_FLOW_OK);
    Ptr<GstBuffer> buffer(gst_harness_try_pull(h));
    fail_unless(buffer != nullptr);
    auto map = decode(*map_decoder(h), buffer.get());
    fail_unless_equals_int(map.width, 128);
    fail_unless_equals_int(map.height, 128);
    if (w >= 200 && h_ >= 200)
      check_edges(map);
  }
}
GST_END_TEST

GST_START_TEST(test_caps) {
  Bench h(canny());
  gst_harness_set_src_caps_str(h, raw_caps(100, 60, ", pixel-aspect-ratio=4/3").c_str());
  gst_harness_push(h, picture(100, 60));
  auto caps = src_caps(h);
  const GstStructure* s = gst_caps_get_structure(caps.get(), 0);
  fail_unless(gst_structure_has_name(s, "video/x-semantic-structure"));
  int width = 0, height = 0, n = 0, d = 0;
  fail_unless(gst_structure_get_int(s, "width", &width) && width == 100);
  fail_unless(gst_structure_get_int(s, "height", &height) && height == 60);
  fail_unless(gst_structure_get_fraction(s, "pixel-aspect-ratio", &n, &d) && n == 4 && d == 3);
  fail_unless_equals_string(gst_structure_get_string(s, "codec"), "av1");
  fail_if(codec_data(h).empty());
}
GST_END_TEST

GST_START_TEST(test_stills_stand_alone) {
  Bench h(canny());
  gst_harness_set_src_caps_str(h, raw_caps(128, 128).c_str());
  std::vector<Ptr<GstBuffer>> out;
  for (int i = 0; i < 3; i++) {
    gst_harness_push(h, picture(128, 128, i, i));
    out.emplace_back(gst_harness_pull(h));
    fail_unless_equals_uint64(GST_BUFFER_PTS(out.back().get()), i * kFrame);
    fail_if(GST_BUFFER_FLAG_IS_SET(out.back().get(), GST_BUFFER_FLAG_DELTA_UNIT));
    auto meta = gst_buffer_get_semantic_layer_meta(out.back().get());
    fail_unless(meta && meta->key && meta->switch_point && meta->discardable && meta->layers == 4);
  }
  auto decoder = map_decoder(h);
  decode(*decoder, out[2].get()); // without the two before it
}
GST_END_TEST

GST_START_TEST(test_live_deltas_refer_to_the_key_only) {
  for (bool by_property : {true, false}) {
    GstElement* element = canny();
    if (by_property)
      gst_util_set_object_arg(G_OBJECT(element), "live", "on");
    g_object_set(element, "key-interval", 6, nullptr);
    Bench h(element, "sink", "src", !by_property);
    gst_harness_set_src_caps_str(h, raw_caps(128, 128).c_str());
    std::vector<Ptr<GstBuffer>> out;
    for (int i = 0; i < 8; i++) {
      gst_harness_push(h, picture(128, 128, 0, i));
      out.emplace_back(gst_harness_pull(h));
      bool key = i % 6 == 0;
      fail_unless(GST_BUFFER_FLAG_IS_SET(out.back().get(), GST_BUFFER_FLAG_DELTA_UNIT) == !key);
      auto meta = gst_buffer_get_semantic_layer_meta(out.back().get());
      fail_unless(meta->key == key && meta->discardable == !key && meta->switch_point == key);
      fail_unless_equals_int(meta->temporal_id, key ? 0 : i % 6 % 2 ? 2 : 1);
    }
    auto decoder = map_decoder(h);
    decode(*decoder, out[0].get());
    decode(*decoder, out[4].get()); // deltas 1..3 lost
    fail_unless_equals_uint64(stat(h.element(), "keys"), 2);
    fail_unless_equals_uint64(stat(h.element(), "deltas"), 6);
  }
}
GST_END_TEST

GST_START_TEST(test_force_key_unit_flush_and_new_size_give_a_key) {
  GstElement* element = canny();
  gst_util_set_object_arg(G_OBJECT(element), "live", "on");
  Bench h(element);
  gst_harness_set_src_caps_str(h, raw_caps(128, 128).c_str());
  auto push = [&](int number, int width) {
    gst_harness_push(h, picture(width, 128, 0, number));
    Ptr<GstBuffer> buffer(gst_harness_try_pull(h));
    fail_unless(buffer != nullptr);
    return !GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT);
  };
  fail_unless(push(0, 128));
  fail_if(push(1, 128));
  gst_harness_push_upstream_event(h,
                                  gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, FALSE, 1));
  fail_unless(push(2, 128));
  fail_if(push(3, 128));
  fail_unless_equals_int(events(h, GST_EVENT_CUSTOM_DOWNSTREAM).size(), 1);
  gst_harness_push_event(h, gst_event_new_flush_start());
  gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(h, gst_event_new_segment(&segment));
  fail_unless(push(4, 128));
  gst_harness_set_src_caps_str(h, raw_caps(64, 128).c_str());
  fail_unless(push(5, 64));
}
GST_END_TEST

GST_START_TEST(test_quality_may_change_while_playing) {
  Bench h(canny());
  gst_harness_set_src_caps_str(h, raw_caps(256, 256).c_str());
  gsize last = 0;
  int number = 0;
  for (int quality : {0, 32, 63}) {
    g_object_set(h.element(), "quality", quality, nullptr);
    gst_harness_push(h, picture(256, 256, 0, number++));
    Ptr<GstBuffer> buffer(gst_harness_pull(h));
    fail_unless(gst_buffer_get_size(buffer.get()) >= last, "quality %d gives fewer bytes", quality);
    last = gst_buffer_get_size(buffer.get());
  }
  g_object_set(h.element(), "quantiser", 5, nullptr);
  gst_harness_push(h, picture(256, 256, 0, number++));
  Ptr<GstBuffer> buffer(gst_harness_pull(h));
  fail_unless(gst_buffer_get_size(buffer.get()) > last);
}
GST_END_TEST

/// A changing scene, so that every delta has something to say.
static GstBuffer* moving(int number) {
  return picture(128, 128, number % 3, number);
}

/// Pushes pictures `from`..`to`-1; the bytes of each map, 0 for a GAP. There is one of both for each picture.
static std::vector<gsize> map_sizes(GstHarness* h, int from, int to) {
  std::vector<gsize> sizes;
  events(h, GST_EVENT_GAP);
  for (int i = from; i < to; i++) {
    fail_unless_equals_int(gst_harness_push(h, moving(i)), GST_FLOW_OK);
    Ptr<GstBuffer> buffer(gst_harness_try_pull(h));
    auto gaps = events(h, GST_EVENT_GAP);
    fail_unless_equals_int(int(gaps.size()) + (buffer ? 1 : 0), 1);
    if (!buffer) {
      GstClockTime at, duration;
      gst_event_parse_gap(gaps[0].get(), &at, &duration);
      fail_unless_equals_uint64(at, i * kFrame);
    }
    sizes.push_back(buffer ? gst_buffer_get_size(buffer.get()) : 0);
  }
  return sizes;
}

static double total(const std::vector<gsize>& sizes) {
  double sum = 0;
  for (gsize size : sizes)
    sum += double(size);
  return sum;
}

GST_START_TEST(test_max_bytes) {
  for (const char* live : {"off", "on"}) {
    GstElement* element = canny();
    gst_util_set_object_arg(G_OBJECT(element), "live", live);
    g_object_set(element, "quality", 63, nullptr);
    Bench h(element);
    gst_harness_set_src_caps_str(h, raw_caps(128, 128).c_str());
    auto free = map_sizes(h, 0, 3);
    gsize largest = *std::max_element(free.begin(), free.end());
    guint limit = guint(largest * 2 / 3);
    g_object_set(h.element(), "max-bytes", limit, nullptr);
    for (gsize size : map_sizes(h, 3, 8))
      fail_unless(size > 0 && size <= limit, "%zu bytes", size);
    guint64 encodes = stat(h.element(), "encodes"), frames = stat(h.element(), "frames");
    fail_unless(encodes > frames && encodes <= 3 * frames);
    // Nothing fits into five bytes: the maps are left out, and the stream goes on.
    g_object_set(h.element(), "max-bytes", 5, nullptr);
    for (gsize size : map_sizes(h, 8, 11))
      fail_unless_equals_uint64(size, 0);
    fail_unless_equals_uint64(stat(h.element(), "left-out"), 3);
    g_object_set(h.element(), "max-bytes", 0, nullptr);
    fail_unless(total(map_sizes(h, 11, 12)) > 0);
    fail_unless_equals_int(h.messages(GST_MESSAGE_QOS), 0);
  }
}
GST_END_TEST

GST_START_TEST(test_bitrate) {
  GstElement* element = canny();
  gst_util_set_object_arg(G_OBJECT(element), "live", "on");
  g_object_set(element, "quantiser", 5, nullptr); // fine enough to spend these rates
  Bench h(element);
  gst_harness_set_src_caps_str(h, raw_caps(128, 128).c_str());
  int number = 0;
  for (guint bitrate : {40000u, 10000u}) {
    g_object_set(h.element(), "bitrate", bitrate, nullptr);
    map_sizes(h, number, number + 25);
    auto sizes = map_sizes(h, number + 25, number + 75);
    double mean = total(sizes) * 8 / 2,
           largest = double(*std::max_element(sizes.begin(), sizes.end())) * 8 / 2;
    fail_unless(std::abs(mean - bitrate) < 0.1 * bitrate + largest, "%g bit/s for %u", mean, bitrate);
    number += 75;
  }
}
GST_END_TEST

static void steer(GstHarness* h, guint structure) {
  fail_unless(gst_harness_push_upstream_event(
      h, gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                              gst_structure_new("semantic-rate", "structure-bitrate", G_TYPE_UINT, structure,
                                                "signal-bitrate", G_TYPE_UINT, 0u, nullptr))));
}

GST_START_TEST(test_semantic_rate_event) {
  GstElement* element = canny();
  gst_util_set_object_arg(G_OBJECT(element), "live", "on");
  g_object_set(element, "key-interval", 1000, nullptr);
  Bench h(element);
  gst_harness_set_src_caps_str(h, raw_caps(128, 128).c_str());
  double unsteered = total(map_sizes(h, 0, 15));
  fail_unless_equals_uint64(stat(h.element(), "keys"), 1);
  steer(h, 0);
  fail_unless(total(map_sizes(h, 50, 55)) == 0);
  steer(h, 8000);
  map_sizes(h, 60, 85); // the first of these is a key map
  fail_unless_equals_uint64(stat(h.element(), "keys"), 2);
  auto sizes = map_sizes(h, 85, 135);
  double largest = double(*std::max_element(sizes.begin(), sizes.end()));
  fail_unless(std::abs(total(sizes) - 2000) < 200 + largest, "%g bytes for 2000", total(sizes));
  // An upper limit, not an order to spend.
  for (guint plenty : {10000000u, G_MAXUINT}) {
    steer(h, plenty);
    double again = total(map_sizes(h, 135, 150));
    fail_unless(again < 1.5 * unsteered, "%g bytes, %g without a limit", again, unsteered);
  }
  // It ends here: nothing further up can use it.
  while (GstEvent* event = gst_harness_try_pull_upstream_event(h)) {
    fail_if(gst_event_has_name(event, "semantic-rate"));
    gst_event_unref(event);
  }
}
GST_END_TEST

GST_START_TEST(test_unknown_codec) {
  Ptr<GstElement> element(GST_ELEMENT(gst_object_ref_sink(canny())));
  Ptr<GstBus> bus(gst_bus_new());
  gst_element_set_bus(element.get(), bus.get());
  g_object_set(element.get(), "codec", "etch-a-sketch", nullptr);
  fail_unless_equals_int(gst_element_set_state(element.get(), GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  Ptr<GstMessage> message(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_ERROR));
  fail_unless(message != nullptr);
  g_object_set(element.get(), "codec", "av1", nullptr);
  fail_unless(gst_element_set_state(element.get(), GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE);
  gst_element_set_state(element.get(), GST_STATE_NULL);
  gst_element_set_bus(element.get(), nullptr);
}
GST_END_TEST

#if GSEM_WITH_PROFILES
GST_START_TEST(test_network_finds_the_edges) {
  Bench h(gst_element_factory_make("structenc", nullptr));
  gst_harness_set_src_caps_str(h, raw_caps(256, 256).c_str());
  fail_unless_equals_int(gst_harness_push(h, picture(256, 256)), GST_FLOW_OK);
  Ptr<GstBuffer> buffer(gst_harness_pull(h));
  auto map = decode(*map_decoder(h), buffer.get());
  check_edges(map);
}
GST_END_TEST
GST_START_TEST(test_wrong_video) {
  refuses_wrong_video("structenc");
}
GST_END_TEST
GST_START_TEST(test_missing_profile) {
  fails_without_profile("structenc");
}
GST_END_TEST
#endif

static void fill(TCase* tc) {
  tcase_add_test(tc, test_map_shows_the_edges);
  tcase_add_test(tc, test_caps);
  tcase_add_test(tc, test_stills_stand_alone);
  tcase_add_test(tc, test_live_deltas_refer_to_the_key_only);
  tcase_add_test(tc, test_force_key_unit_flush_and_new_size_give_a_key);
  tcase_add_test(tc, test_quality_may_change_while_playing);
  tcase_add_test(tc, test_max_bytes);
  tcase_add_test(tc, test_bitrate);
  tcase_add_test(tc, test_semantic_rate_event);
  tcase_add_test(tc, test_unknown_codec);
#if GSEM_WITH_PROFILES
  tcase_add_test(tc, test_network_finds_the_edges);
  tcase_add_test(tc, test_wrong_video);
  tcase_add_test(tc, test_missing_profile);
#endif
}

int main(int argc, char** argv) {
  g_setenv("CK_FORK", "no", FALSE);
  return leaks::run(argc, argv, "structenc", fill);
}
