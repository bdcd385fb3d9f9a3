// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/coded_layers.hpp"

using namespace codec_test;

namespace {

constexpr int kW = 96, kH = 64;

GstElement* decoder() {
  return gst_element_factory_make("structdec", nullptr);
}

/// structdec with a base on its sink pad; maps come in through the bench itself.
struct Joined {
  Bench h{decoder(), "structure"};
  GstHarness* base = h.feed("sink");
  CodedLayer maps = encode_maps(kW, kH, 2);

  Joined() {
    g_object_set(h.element(), "conceal", FALSE, nullptr); // that has a test of its own
    gst_harness_set_src_caps_str(base, raw_caps(kW, kH).c_str());
    gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
  }
  Ptr<GstBuffer> pull() {
    Ptr<GstBuffer> buffer(gst_harness_pull(h));
    fail_unless(buffer != nullptr);
    return buffer;
  }
};

guint layers(GstBuffer* buffer) {
  auto meta = gst_buffer_get_semantic_layer_meta(buffer);
  return meta ? meta->layers : 0;
}

} // namespace

GST_START_TEST(test_map_alone_is_shown) {
  for (auto [w, h_] : {std::pair{128, 128}, {227, 227}, {16, 16}, {640, 33}}) {
    CodedLayer maps = encode_maps(w, h_, 2);
    Bench h(decoder(), "structure");
    gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
    push(h, unit_at(maps, 0, 0));
    gst_harness_push_event(h, gap(1));
    push(h, unit_at(maps, 1, 2));
    for (int i = 0; i < 3; i++) {
      Ptr<GstBuffer> out(gst_harness_pull(h));
      fail_unless_equals_uint64(GST_BUFFER_PTS(out.get()), i * kFrame);
    }
    GstVideoInfo info;
    fail_unless(gst_video_info_from_caps(&info, src_caps(h).get()));
    fail_unless_equals_int(GST_VIDEO_INFO_FORMAT(&info), GST_VIDEO_FORMAT_GRAY8);
    fail_unless_equals_int(info.width, w);
    fail_unless_equals_int(info.height, h_);
    fail_unless_equals_uint64(stat(h.element(), "shown-maps"), 2);
    fail_unless_equals_uint64(stat(h.element(), "repeated"), 1);
  }
}
GST_END_TEST

GST_START_TEST(test_map_at_its_own_size_for_those_who_want_it) {
  CodedLayer maps = encode_maps(kW, kH, 1);
  Bench h(decoder(), "structure");
  gst_harness_set_sink_caps_str(h, "video/x-raw, format=GRAY8, width=128, height=128");
  gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
  push(h, unit_at(maps, 0, 0));
  Ptr<GstBuffer> out(gst_harness_pull(h));
  fail_unless_equals_int(gst_buffer_get_size(out.get()), 128 * 128);
}
GST_END_TEST

GST_START_TEST(test_no_networks_for_maps) {
  CodedLayer maps = encode_maps(kW, kH, 1);
  GstElement* element = decoder();
  g_object_set(element, "profile", "no-such-profile", nullptr);
  Bench h(element, "structure");
  gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
  push(h, unit_at(maps, 0, 0));
  gst_buffer_unref(gst_harness_pull(h));
  fail_unless_equals_int(h.messages(GST_MESSAGE_ERROR), 0);
}
GST_END_TEST

GST_START_TEST(test_unreadable_maps_alone_are_an_error) {
  Bench h(decoder(), "structure");
  gst_harness_set_src_caps_str(
      h, "video/x-semantic-structure, parsed=true, codec=etch-a-sketch, width=96, height=64, framerate=25/1");
  gst_harness_push(h, bytes_buffer("x"));
  gst_harness_push_event(h, gst_event_new_eos());
  while (!h.messages(GST_MESSAGE_ERROR))
    g_usleep(1000);
  fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE));
}
GST_END_TEST

#if GSEM_WITH_PROFILES

GST_START_TEST(test_map_shapes_the_base) {
  Joined j;
  for (int i = 0; i < 3; i++) {
    push(j.base, base_picture(kW, kH, i, 7));
    push(j.h, unit_at(j.maps, 0, i));
    auto out = j.pull();
    fail_unless_equals_uint64(GST_BUFFER_PTS(out.get()), i * kFrame);
    fail_unless_equals_uint64(GST_BUFFER_DURATION(out.get()), kFrame);
    fail_unless_equals_int(layers(out.get()), 2 | 4);
    Ptr<GstBuffer> base(base_picture(kW, kH, i, 7));
    fail_if(psnr(base.get(), out.get(), kW, kH) > 60, "the base went through");
  }
  fail_unless_equals_uint64(stat(j.h.element(), "painted"), 3);
  GstVideoInfo info;
  fail_unless(gst_video_info_from_caps(&info, src_caps(j.h).get()));
  fail_unless_equals_int(GST_VIDEO_INFO_FORMAT(&info), GST_VIDEO_FORMAT_RGB);
  fail_unless_equals_int(info.width, kW);
}
GST_END_TEST

/// Every reason for a missing map: the base goes through by reference, with the same caps, and is counted.
static void check_base_passes(Joined& j, int number, bool same_thread_push = true) {
  Ptr<GstBuffer> base(base_picture(kW, kH, number, 7));
  auto caps_before = src_caps(j.h);
  guint64 passed = stat(j.h.element(), "passed");
  if (same_thread_push)
    push(j.base, gst_buffer_ref(base.get()));
  auto out = j.pull();
  fail_unless(same_memory(base.get(), out.get()), "the base was copied");
  fail_unless_equals_uint64(GST_BUFFER_PTS(out.get()), number * kFrame);
  fail_unless_equals_int(layers(out.get()), 2);
  fail_unless_equals_uint64(stat(j.h.element(), "passed"), passed + 1);
  if (caps_before)
    fail_unless(gst_caps_is_equal(caps_before.get(), src_caps(j.h).get()));
}

static void join_one(Joined& j, int number) {
  push(j.base, base_picture(kW, kH, number, 7));
  push(j.h, unit_at(j.maps, 0, number));
  fail_unless_equals_int(layers(j.pull().get()), 6);
}

GST_START_TEST(test_map_not_sent) {
  Joined j;
  join_one(j, 0);
  gst_harness_push_event(j.h, gap(1));
  check_base_passes(j, 1);
  fail_unless_equals_uint64(stat(j.h.element(), "not-sent", "structure"), 1);
  join_one(j, 2);
}
GST_END_TEST

GST_START_TEST(test_map_lost) {
  Joined j;
  join_one(j, 0);
  gst_harness_push_event(j.h, gap(1, true));
  push(j.base, base_picture(kW, kH, 1, 7));
  auto out = j.pull();
  fail_unless_equals_int(gst_buffer_get_semantic_layer_meta(out.get())->lost, 4);
  fail_unless_equals_uint64(stat(j.h.element(), "lost", "structure"), 1);
  join_one(j, 2);
}
GST_END_TEST

GST_START_TEST(test_map_damaged) {
  Joined j;
  join_one(j, 0);
  push(j.h, bytes_buffer(std::string(200, '\x5a'), 1));
  check_base_passes(j, 1);
  push(j.h, bytes_buffer("", 2));
  check_base_passes(j, 2);
  fail_unless_equals_uint64(stat(j.h.element(), "corrupt"), 2);
  fail_unless_equals_int(j.h.messages(GST_MESSAGE_WARNING), 1);
  join_one(j, 3);
}
GST_END_TEST

GST_START_TEST(test_maps_ended) {
  Joined j;
  join_one(j, 0);
  gst_harness_push_event(j.h, gst_event_new_eos());
  check_base_passes(j, 1);
  check_base_passes(j, 2);
}
GST_END_TEST

GST_START_TEST(test_maps_of_unknown_codec) {
  Bench h(decoder(), "structure");
  GstHarness* base = h.feed("sink");
  gst_harness_set_src_caps_str(base, raw_caps(kW, kH).c_str());
  gst_harness_set_src_caps_str(
      h, "video/x-semantic-structure, parsed=true, codec=etch-a-sketch, width=96, height=64, framerate=25/1");
  push(h, bytes_buffer("x", 0));
  push(base, base_picture(kW, kH, 0, 1));
  Ptr<GstBuffer> out(gst_harness_pull(h));
  fail_unless_equals_int(layers(out.get()), 2);
  fail_unless(h.has(GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE));
  fail_unless_equals_int(h.messages(GST_MESSAGE_ERROR), 0);
}
GST_END_TEST

GST_START_TEST(test_base_missing) {
  Joined j;
  gst_harness_push_event(j.base, gap(0));
  push(j.h, unit_at(j.maps, 0, 0));
  auto alone = j.pull();
  fail_unless_equals_int(layers(alone.get()), 4);
  push(j.base, base_picture(kW, kH, 1, 9, false)); // grey: nothing painted yet
  push(j.h, unit_at(j.maps, 0, 1));
  auto grey = j.pull();
  fail_unless_equals_int(layers(grey.get()), 4);
  fail_unless(psnr(alone.get(), grey.get(), kW, kH) > 60, "grey is no base");
  gst_harness_push_event(j.base, gap(2));
  gst_harness_push_event(j.h, gap(2));
  auto nothing = j.pull(); // still one picture an access unit
  fail_unless(same_memory(grey.get(), nothing.get()));
}
GST_END_TEST

GST_START_TEST(test_deltas_are_decoded_in_order) {
  CodedLayer maps = encode_maps(kW, kH, 4, true);
  Bench h(decoder(), "structure");
  GstHarness* base = h.feed("sink");
  gst_harness_set_src_caps_str(base, raw_caps(kW, kH).c_str());
  gst_harness_set_src_caps(h, gst_caps_ref(maps.caps.get()));
  auto next = [&](size_t unit, int number) {
    push(base, base_picture(kW, kH, number, 7));
    push(h, unit_at(maps, unit, number));
    Ptr<GstBuffer> out(gst_harness_pull(h));
    return layers(out.get());
  };
  fail_unless_equals_int(next(1, 0), 2); // its key map never came
  fail_unless_equals_int(next(0, 1), 6);
  fail_unless_equals_int(next(3, 2), 6); // 1 and 2 lost
  fail_unless_equals_uint64(stat(h.element(), "corrupt"), 1);
}
GST_END_TEST

GST_START_TEST(test_flush) {
  CodedLayer maps = encode_maps(kW, kH, 2, true);
  Joined j;
  gst_harness_set_src_caps(j.h, gst_caps_ref(maps.caps.get()));
  push(j.base, base_picture(kW, kH, 0, 7));
  push(j.h, unit_at(maps, 0, 0));
  j.pull();
  flush_all({j.h, j.base});
  push(j.base, base_picture(kW, kH, 0, 7));
  push(j.h, unit_at(maps, 1, 0)); // a delta; its key map was before the flush
  fail_unless_equals_int(layers(j.pull().get()), 2);
  push(j.base, base_picture(kW, kH, 1, 7));
  push(j.h, unit_at(maps, 0, 1));
  fail_unless_equals_int(layers(j.pull().get()), 6);
}
GST_END_TEST

GST_START_TEST(test_new_size) {
  Joined j;
  join_one(j, 0);
  gst_harness_set_src_caps_str(j.base, raw_caps(50, 70).c_str());
  push(j.base, base_picture(50, 70, 1, 8));
  push(j.h, unit_at(j.maps, 0, 1));
  fail_unless_equals_int(layers(j.pull().get()), 6);
  GstVideoInfo info;
  fail_unless(gst_video_info_from_caps(&info, src_caps(j.h).get()));
  fail_unless_equals_int(info.width, 50);
  fail_unless_equals_int(info.height, 70);
}
GST_END_TEST

GST_START_TEST(test_wrong_base_video) {
  Bench h(decoder(), "structure");
  GstHarness* base = h.feed("sink");
  gst_harness_set_src_caps_str(base, raw_caps(64, 64, ", interlace-mode=interleaved").c_str());
  gst_harness_push(base, picture(64, 64));
  gst_harness_push_event(h, gap(0));
  for (int i = 0; i < 1000 && !h.messages(GST_MESSAGE_ERROR); i++)
    g_usleep(1000);
  fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  fail_unless(h.text().find("interlaced") != std::string::npos);
}
GST_END_TEST

#endif

static void fill(TCase* tc) {
  tcase_add_test(tc, test_map_alone_is_shown);
  tcase_add_test(tc, test_map_at_its_own_size_for_those_who_want_it);
  tcase_add_test(tc, test_no_networks_for_maps);
  tcase_add_test(tc, test_unreadable_maps_alone_are_an_error);
#if GSEM_WITH_PROFILES
  tcase_add_test(tc, test_map_shapes_the_base);
  tcase_add_test(tc, test_map_not_sent);
  tcase_add_test(tc, test_map_lost);
  tcase_add_test(tc, test_map_damaged);
  tcase_add_test(tc, test_maps_ended);
  tcase_add_test(tc, test_maps_of_unknown_codec);
  tcase_add_test(tc, test_base_missing);
  tcase_add_test(tc, test_deltas_are_decoded_in_order);
  tcase_add_test(tc, test_flush);
  tcase_add_test(tc, test_new_size);
  tcase_add_test(tc, test_wrong_base_video);
#endif
}

int main(int argc, char** argv) {
  g_setenv("CK_FORK", "no", FALSE);
  return leaks::run(argc, argv, "structdec", fill);
}
