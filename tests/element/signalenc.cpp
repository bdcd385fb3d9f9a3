// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/codec_test.hpp"

using namespace codec_test;

namespace {

GstElement* encoder(int quality = 32) {
  GstElement* element = gst_element_factory_make("signalenc", nullptr);
  g_object_set(element, "quality", quality, nullptr);
  return element;
}

} // namespace

GST_START_TEST(test_every_picture_stands_alone) {
  Bench h(encoder());
  gst_harness_set_src_caps_str(h, raw_caps(96, 64).c_str());
  for (int i = 0; i < 3; i++) {
    fail_unless_equals_int(gst_harness_push(h, picture(96, 64, i, i)), GST_FLOW_OK);
    Ptr<GstBuffer> buffer(gst_harness_pull(h));
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer.get()), i * kFrame);
    fail_unless_equals_uint64(GST_BUFFER_DURATION(buffer.get()), kFrame);
    fail_if(GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT));
    auto meta = gst_buffer_get_semantic_layer_meta(buffer.get());
    fail_unless(meta && meta->key && meta->discardable && meta->switch_point && meta->layers == 8);
    gsem::BufferMap map(buffer.get(), GST_MAP_READ);
    fail_unless_equals_int(map.data()[0], 0);  // intra
    fail_unless_equals_int(map.data()[1], 32); // quality
  }
  fail_unless_equals_uint64(stat(h.element(), "coded"), 3);
}
GST_END_TEST

GST_START_TEST(test_caps) {
  Bench h(encoder());
  gst_harness_set_src_caps_str(h, raw_caps(227, 227).c_str());
  gst_harness_push(h, picture(227, 227));
  auto caps = src_caps(h);
  const GstStructure* s = gst_caps_get_structure(caps.get(), 0);
  fail_unless(gst_structure_has_name(s, "video/x-semantic-signal"));
  int width = 0;
  fail_unless(gst_structure_get_int(s, "width", &width) && width == 227);
  fail_unless_equals_string(gst_structure_get_string(s, "codec"), "hyperprior");
  for (const char* hash : {"parse-hash", "latent-id"})
    fail_unless_equals_int(std::strlen(gst_structure_get_string(s, hash)), 16);
}
GST_END_TEST

GST_START_TEST(test_quality_may_change_while_playing) {
  Bench h(encoder());
  gst_harness_set_src_caps_str(h, raw_caps(256, 256).c_str());
  gsize last = 0;
  int number = 0;
  for (int quality : {0, 20, 40, 63}) {
    g_object_set(h.element(), "quality", quality, nullptr);
    gst_harness_push(h, picture(256, 256, 0, number++));
    Ptr<GstBuffer> buffer(gst_harness_pull(h));
    gsem::BufferMap map(buffer.get(), GST_MAP_READ);
    fail_unless_equals_int(map.data()[1], quality);
    fail_unless(map.size() > last, "quality %d takes %zu bytes, a lower one %zu", quality, map.size(), last);
    last = map.size();
  }
}
GST_END_TEST

GST_START_TEST(test_semantic_rate) {
  Bench h(encoder(50));
  gst_harness_set_src_caps_str(h, raw_caps(256, 256).c_str());
  int number = 0;
  auto allow = [&](guint signal) {
    gst_harness_push_upstream_event(
        h, gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                                gst_structure_new("semantic-rate", "structure-bitrate", G_TYPE_UINT, 1u,
                                                  "signal-bitrate", G_TYPE_UINT, signal, nullptr)));
  };
  auto mean_bytes = [&](int pictures) {
    gsize bytes = 0;
    for (int i = 0; i < pictures; i++) {
      fail_unless_equals_int(gst_harness_push(h, picture(256, 256, i % 4, number++)), GST_FLOW_OK);
      Ptr<GstBuffer> buffer(gst_harness_pull(h));
      gsem::BufferMap map(buffer.get(), GST_MAP_READ);
      fail_unless(map.data()[1] <= 50); // the property is the best
      bytes += map.size();
    }
    return double(bytes) / pictures;
  };
  const double most = mean_bytes(4), least = [&] {
    allow(1);
    mean_bytes(4);
    return mean_bytes(4);
  }();
  fail_unless(least < most);
  for (double share : {0.3, 0.6}) {
    const double bytes = least + share * (most - least);
    allow(guint(bytes * 8 * GST_SECOND / kFrame));
    mean_bytes(8);
    const double have = mean_bytes(24);
    fail_unless(have > 0.8 * bytes && have < 1.2 * bytes, "%.0f bytes a picture, %.0f wanted", have, bytes);
  }
  allow(0);
  fail_unless_equals_int(gst_harness_push(h, picture(256, 256, 0, number++)), GST_FLOW_OK);
  fail_unless(gst_harness_try_pull(h) == nullptr);
  fail_unless_equals_int(events(h, GST_EVENT_GAP).size(), 1);
  fail_unless_equals_uint64(stat(h.element(), "left-out"), 1);
  allow(G_MAXUINT);
  const double again = mean_bytes(4);
  fail_unless(again > 0.9 * most && again < 1.1 * most);
}
GST_END_TEST

GST_START_TEST(test_odd_sizes_and_new_ones) {
  Bench h(encoder());
  int number = 0;
  for (auto [w, h_] : {std::pair{16, 16}, {227, 227}, {17, 301}, {640, 16}}) {
    gst_harness_set_src_caps_str(h, raw_caps(w, h_).c_str());
    fail_unless_equals_int(gst_harness_push(h, picture(w, h_, 0, number++)), GST_FLOW_OK);
    fail_unless_equals_int(gst_harness_buffers_received(h), number);
  }
}
GST_END_TEST

GST_START_TEST(test_padded_rows) {
  // The same picture with rows 1000 bytes apart gives the same bits.
  constexpr int kW = 70, kH = 40, kStride = 1000;
  Bench h(encoder());
  gst_harness_set_src_caps_str(h, raw_caps(kW, kH).c_str());
  gst_harness_push(h, picture(kW, kH, 0, 0));
  GstBuffer* padded = gst_buffer_new_allocate(nullptr, kStride * kH, nullptr);
  gsize offset[GST_VIDEO_MAX_PLANES] = {0};
  gint stride[GST_VIDEO_MAX_PLANES] = {kStride};
  gst_buffer_add_video_meta_full(padded, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, kW, kH, 1, offset,
                                 stride);
  GstVideoInfo info = rgb_info(kW, kH);
  {
    Ptr<GstBuffer> source(picture(kW, kH));
    gsem::VideoMap from(&info, source.get(), GST_MAP_READ), to(&info, padded, GST_MAP_WRITE);
    fail_unless_equals_int(to.stride(), kStride);
    for (int y = 0; y < kH; y++) {
      std::memset(to.data() + size_t(y) * kStride, 0xa5, kStride);
      std::memcpy(to.data() + size_t(y) * kStride, from.data() + size_t(y) * from.stride(), 3 * kW);
    }
  }
  GST_BUFFER_PTS(padded) = kFrame;
  gst_harness_push(h, padded);
  Ptr<GstBuffer> one(gst_harness_pull(h)), two(gst_harness_pull(h));
  fail_unless(text_of(one.get()) == text_of(two.get()));
}
GST_END_TEST

GST_START_TEST(test_late_live_pictures_are_gaps) {
  Bench h(encoder(), "sink", "src", true);
  GstTestClock* clock = gst_harness_get_testclock(h);
  gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
  gst_harness_push(h, picture(64, 64, 0, 0));
  gst_harness_push(h, picture(64, 64, 0, 1));
  gst_test_clock_set_time(clock, GST_SECOND * 3600); // the next picture is an hour late
  gst_harness_push(h, picture(64, 64, 0, 2));
  gst_object_unref(clock);
  fail_unless_equals_int(gst_harness_buffers_received(h), 2);
  auto gaps = events(h, GST_EVENT_GAP);
  fail_unless_equals_int(gaps.size(), 1);
  GstClockTime pts;
  gst_event_parse_gap(gaps[0].get(), &pts, nullptr);
  fail_unless_equals_uint64(pts, 2 * kFrame);
  fail_unless_equals_uint64(stat(h.element(), "late"), 1);
}
GST_END_TEST

GST_START_TEST(test_reports_latency) {
  Bench h(encoder(), "sink", "src", true);
  gst_harness_set_upstream_latency(h, 10 * GST_MSECOND);
  gst_harness_set_src_caps_str(h, raw_caps(128, 128).c_str());
  gst_harness_push(h, picture(128, 128));
  fail_unless(gst_harness_query_latency(h) > 10 * GST_MSECOND, "the time for coding is not in the latency");
  fail_unless(h.messages(GST_MESSAGE_LATENCY) > 0);
}
GST_END_TEST

GST_START_TEST(test_wrong_video) {
  refuses_wrong_video("signalenc");
}
GST_END_TEST
GST_START_TEST(test_missing_profile) {
  fails_without_profile("signalenc");
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_every_picture_stands_alone);
  tcase_add_test(tc, test_caps);
  tcase_add_test(tc, test_quality_may_change_while_playing);
  tcase_add_test(tc, test_semantic_rate);
  tcase_add_test(tc, test_odd_sizes_and_new_ones);
  tcase_add_test(tc, test_padded_rows);
  tcase_add_test(tc, test_late_live_pictures_are_gaps);
  tcase_add_test(tc, test_reports_latency);
  tcase_add_test(tc, test_wrong_video);
  tcase_add_test(tc, test_missing_profile);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "signalenc", fill);
}
