// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/coded_layers.hpp"

using namespace codec_test;

namespace {

constexpr int kW = 96, kH = 64;

GstElement* decoder() {
  return gst_element_factory_make("signaldec", nullptr);
}

CodedLayer encode_signal(int width, int height, int count, int quality = 40) {
  GstElement* encoder = gst_element_factory_make("signalenc", nullptr);
  g_object_set(encoder, "quality", quality, nullptr);
  return encode(encoder, width, height, count);
}

guint layers(GstBuffer* buffer) {
  auto meta = gst_buffer_get_semantic_layer_meta(buffer);
  return meta ? meta->layers : 0;
}

/// signaldec with a base on its sink pad; coded pictures come in through the bench itself.
struct Joined {
  Bench h{decoder(), "signal"};
  GstHarness* base = h.feed("sink");
  CodedLayer signal = encode_signal(kW, kH, 1);

  Joined() {
    g_object_set(h.element(), "conceal", FALSE, nullptr); // that has a test of its own
    gst_harness_set_src_caps_str(base, raw_caps(kW, kH).c_str());
    gst_harness_set_src_caps(h, gst_caps_ref(signal.caps.get()));
  }
  Ptr<GstBuffer> pull() {
    Ptr<GstBuffer> buffer(gst_harness_pull(h));
    fail_unless(buffer != nullptr);
    return buffer;
  }
  void join_one(int number) {
    push(base, base_picture(kW, kH, number, 7));
    push(h, unit_at(signal, 0, number));
    fail_unless_equals_int(layers(pull().get()), 2 | 8);
  }
  void check_base_passes(int number) {
    Ptr<GstBuffer> below(base_picture(kW, kH, number, 7));
    auto caps_before = src_caps(h);
    push(base, gst_buffer_ref(below.get()));
    auto out = pull();
    fail_unless(same_memory(below.get(), out.get()), "the base was copied");
    fail_unless_equals_uint64(GST_BUFFER_PTS(out.get()), number * kFrame);
    fail_unless(gst_caps_is_equal(caps_before.get(), src_caps(h).get()));
  }
};

} // namespace

GST_START_TEST(test_alone_it_gives_the_picture_back) {
  for (auto [w, h_] : {std::pair{128, 128}, {227, 227}, {16, 16}, {100, 37}}) {
    double last = 0;
    for (int quality : {0, 63}) {
      CodedLayer signal = encode_signal(w, h_, 1, quality);
      Bench h(decoder(), "signal");
      gst_harness_set_src_caps(h, gst_caps_ref(signal.caps.get()));
      push(h, unit_at(signal, 0, 0));
      Ptr<GstBuffer> out(gst_harness_pull(h)), source(picture(w, h_));
      double db = psnr(source.get(), out.get(), w, h_);
      fail_unless(db > 10 && db > last, "%dx%d quality %d: %g dB", w, h_, quality, db);
      fail_unless_equals_int(layers(out.get()), 8);
      last = db;
    }
    if (w >= 100)
      fail_unless(last > 20, "%dx%d: %g dB at the best quality", w, h_, last);
  }
}
GST_END_TEST

GST_START_TEST(test_with_base_and_map) {
  Bench h(decoder(), "signal");
  GstHarness *base = h.feed("sink"), *structure = h.feed("structure");
  CodedLayer signal = encode_signal(kW, kH, 1), maps = encode_maps(kW, kH, 1);
  gst_harness_set_src_caps_str(base, raw_caps(kW, kH).c_str());
  gst_harness_set_src_caps(structure, gst_caps_ref(maps.caps.get()));
  gst_harness_set_src_caps(h, gst_caps_ref(signal.caps.get()));
  push(base, base_picture(kW, kH, 0, 7));
  push(structure, unit_at(maps, 0, 0));
  push(h, unit_at(signal, 0, 0));
  Ptr<GstBuffer> all(gst_harness_pull(h));
  fail_unless_equals_int(layers(all.get()), 2 | 4 | 8);
  push(base, base_picture(kW, kH, 1, 7));
  gst_harness_push_event(structure, gap(1));
  push(h, unit_at(signal, 0, 1));
  Ptr<GstBuffer> without_map(gst_harness_pull(h));
  fail_unless_equals_int(layers(without_map.get()), 2 | 8);
  gst_harness_push_event(base, gap(2));
  push(structure, bytes_buffer(std::string(100, '\x5a'), 2));
  push(h, unit_at(signal, 0, 2));
  Ptr<GstBuffer> damaged_map(gst_harness_pull(h));
  fail_unless_equals_int(layers(damaged_map.get()), 2 | 8); // the last base serves again
  fail_unless_equals_uint64(stat(h.element(), "corrupt-maps"), 1);
  fail_unless_equals_uint64(stat(h.element(), "decoded"), 3);
}
GST_END_TEST

GST_START_TEST(test_grey_is_no_base) {
  Joined j;
  push(j.base, base_picture(kW, kH, 0, 1, false));
  push(j.h, unit_at(j.signal, 0, 0));
  auto with_grey = j.pull();
  fail_unless_equals_int(layers(with_grey.get()), 8);
  Bench alone(decoder(), "signal");
  gst_harness_set_src_caps(alone, gst_caps_ref(j.signal.caps.get()));
  push(alone, unit_at(j.signal, 0, 0));
  Ptr<GstBuffer> without(gst_harness_pull(alone));
  fail_unless(psnr(with_grey.get(), without.get(), kW, kH) > 60);
}
GST_END_TEST

GST_START_TEST(test_signal_not_sent) {
  Joined j;
  j.join_one(0);
  gst_harness_push_event(j.h, gap(1));
  j.check_base_passes(1);
  fail_unless_equals_uint64(stat(j.h.element(), "not-sent", "signal"), 1);
  j.join_one(2);
}
GST_END_TEST

GST_START_TEST(test_signal_lost) {
  Joined j;
  j.join_one(0);
  gst_harness_push_event(j.h, gap(1, true));
  j.check_base_passes(1);
  fail_unless_equals_uint64(stat(j.h.element(), "lost", "signal"), 1);
  j.join_one(2);
}
GST_END_TEST

GST_START_TEST(test_signal_damaged) {
  Joined j;
  j.join_one(0);
  int number = 1;
  std::string wrong_type = text_of(j.signal.units[0].get()), wrong_quality = wrong_type;
  wrong_type[0] = 9;
  wrong_quality[1] = 64;
  for (const std::string& bad : {std::string(), std::string(1, '\0'), wrong_type, wrong_quality}) {
    push(j.h, bytes_buffer(bad, number));
    j.check_base_passes(number++);
  }
  fail_unless_equals_uint64(stat(j.h.element(), "corrupt"), 4);
  fail_unless_equals_int(j.h.messages(GST_MESSAGE_WARNING), 1);
  j.join_one(number);
}
GST_END_TEST

GST_START_TEST(test_any_bytes_are_survived) {
  CodedLayer signal = encode_signal(kW, kH, 1);
  std::string good = text_of(signal.units[0].get());
  Bench h(decoder(), "signal");
  gst_harness_set_src_caps(h, gst_caps_ref(signal.caps.get()));
  guint32 random = 1;
  int number = 0;
  for (int i = 0; i < 40; i++) {
    std::string bad = good.substr(0, 2 + random % (good.size() - 2));
    for (size_t k = 2; k < bad.size(); k++) {
      random = random * 1664525 + 1013904223;
      if (random >> 30 == 0)
        bad[k] = char(random >> 16);
    }
    push(h, bytes_buffer(bad, number++));
    gst_buffer_unref(gst_harness_pull(h));
  }
  fail_unless_equals_int(h.messages(GST_MESSAGE_ERROR), 0);
  push(h, unit_at(signal, 0, number));
  Ptr<GstBuffer> out(gst_harness_pull(h)), source(picture(kW, kH));
  fail_unless(psnr(source.get(), out.get(), kW, kH) > 15);
}
GST_END_TEST

GST_START_TEST(test_signal_ended) {
  Joined j;
  j.join_one(0);
  gst_harness_push_event(j.h, gst_event_new_eos());
  j.check_base_passes(1);
}
GST_END_TEST

GST_START_TEST(test_nothing_at_all) {
  CodedLayer signal = encode_signal(kW, kH, 1);
  Bench h(decoder(), "signal");
  gst_harness_set_src_caps(h, gst_caps_ref(signal.caps.get()));
  gst_harness_push_event(h, gap(0));
  Ptr<GstBuffer> grey(gst_harness_pull(h));
  gsem::BufferMap map(grey.get(), GST_MAP_READ);
  fail_unless_equals_int(map.data()[0], 128);
  push(h, unit_at(signal, 0, 1));
  Ptr<GstBuffer> picture(gst_harness_pull(h));
  gst_harness_push_event(h, gap(2, true));
  Ptr<GstBuffer> again(gst_harness_pull(h));
  fail_unless(same_memory(picture.get(), again.get()));
  fail_unless_equals_uint64(stat(h.element(), "repeated"), 2);
}
GST_END_TEST

static Ptr<GstCaps> other_model(const CodedLayer& layer, const char* field) {
  Ptr<GstCaps> caps(gst_caps_copy(layer.caps.get()));
  gst_caps_set_simple(caps.get(), field, G_TYPE_STRING, "0123456789abcdef", nullptr);
  return caps;
}

GST_START_TEST(test_another_model_is_skipped) {
  for (const char* field : {"parse-hash", "latent-id"}) {
    Joined j;
    gst_harness_set_src_caps(j.h, other_model(j.signal, field).release());
    for (int i = 0; i < 3; i++) {
      push(j.base, base_picture(kW, kH, i, 7));
      push(j.h, unit_at(j.signal, 0, i));
      fail_unless_equals_int(layers(j.pull().get()), 2);
    }
    fail_unless(j.h.has(GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE));
    fail_unless_equals_int(j.h.messages(GST_MESSAGE_WARNING), 1);
    fail_unless_equals_int(j.h.messages(GST_MESSAGE_ERROR), 0);
    std::string own = gst_structure_get_string(gst_caps_get_structure(j.signal.caps.get(), 0), field);
    fail_unless(j.h.text().find("0123456789abcdef") != std::string::npos &&
                j.h.text().find(own) != std::string::npos);
    fail_unless_equals_uint64(stat(j.h.element(), "mismatched"), 3);
  }
}
GST_END_TEST

GST_START_TEST(test_another_model_and_nothing_below) {
  CodedLayer signal = encode_signal(kW, kH, 1);
  Bench h(decoder(), "signal");
  gst_harness_set_src_caps(h, other_model(signal, "parse-hash").release());
  gst_harness_push(h, unit_at(signal, 0, 0));
  for (int i = 0; i < 1000 && !h.messages(GST_MESSAGE_ERROR); i++)
    g_usleep(1000);
  fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE));
}
GST_END_TEST

GST_START_TEST(test_new_size) {
  CodedLayer small = encode_signal(kW, kH, 1), large = encode_signal(150, 90, 1);
  Bench h(decoder(), "signal");
  gst_harness_set_src_caps(h, gst_caps_ref(small.caps.get()));
  push(h, unit_at(small, 0, 0));
  gst_buffer_unref(gst_harness_pull(h));
  gst_harness_set_src_caps(h, gst_caps_ref(large.caps.get()));
  push(h, unit_at(large, 0, 1));
  Ptr<GstBuffer> out(gst_harness_pull(h)), source(picture(150, 90));
  fail_unless(psnr(source.get(), out.get(), 150, 90) > 15);
}
GST_END_TEST

GST_START_TEST(test_flush) {
  Joined j;
  j.join_one(0);
  flush_all({j.h, j.base});
  j.join_one(0);
}
GST_END_TEST

GST_START_TEST(test_absurd_size) {
  Bench h(decoder(), "signal");
  gst_harness_set_src_caps_str(
      h,
      "video/x-semantic-signal, parsed=true, codec=hyperprior, width=100000, height=100000, framerate=25/1");
  gst_harness_push(h, bytes_buffer("xxxx", 0));
  for (int i = 0; i < 1000 && !h.messages(GST_MESSAGE_ERROR); i++)
    g_usleep(1000);
  fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
}
GST_END_TEST

GST_START_TEST(test_qos_leaves_out_the_synthesis) {
  Joined j;
  j.join_one(0);
  gst_harness_push_upstream_event(j.h, gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, GST_SECOND, 0));
  push(j.h, unit_at(j.signal, 0, 1));
  j.check_base_passes(1);
  fail_unless_equals_uint64(stat(j.h.element(), "no-time"), 1);
  gst_harness_push_upstream_event(j.h, gst_event_new_qos(GST_QOS_TYPE_OVERFLOW, 0.5, -GST_MSECOND, kFrame));
  j.join_one(2);
}
GST_END_TEST

GST_START_TEST(test_missing_profile) {
  fails_without_profile("signaldec");
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_alone_it_gives_the_picture_back);
  tcase_add_test(tc, test_with_base_and_map);
  tcase_add_test(tc, test_grey_is_no_base);
  tcase_add_test(tc, test_signal_not_sent);
  tcase_add_test(tc, test_signal_lost);
  tcase_add_test(tc, test_signal_damaged);
  tcase_add_test(tc, test_any_bytes_are_survived);
  tcase_add_test(tc, test_signal_ended);
  tcase_add_test(tc, test_nothing_at_all);
  tcase_add_test(tc, test_another_model_is_skipped);
  tcase_add_test(tc, test_another_model_and_nothing_below);
  tcase_add_test(tc, test_new_size);
  tcase_add_test(tc, test_flush);
  tcase_add_test(tc, test_absurd_size);
  tcase_add_test(tc, test_qos_leaves_out_the_synthesis);
  tcase_add_test(tc, test_missing_profile);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "signaldec", fill);
}
