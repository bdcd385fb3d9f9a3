// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/codec_test.hpp"

#include "models/entropy/caption_coder.hpp"
#include "models/profile/profile.hpp"

using namespace codec_test;

namespace {

GstElement* encoder(const char* caption = nullptr) {
  GstElement* element = gst_element_factory_make("semanticenc", nullptr);
  g_object_set(element, "caption", caption, nullptr);
  return element;
}

gsem::entropy::Caption decode(GstBuffer* buffer) {
  std::shared_ptr<const gsem::profile::Profile> profile;
  std::string error;
  fail_unless(gsem::profile::load_profile("", profile, error) == gsem::Status::Ok, "%s", error.c_str());
  gsem::entropy::Caption caption;
  std::string bytes = text_of(buffer);
  fail_unless(profile->caption_coder->decode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                             caption) == gsem::Status::Ok);
  return caption;
}

} // namespace

GST_START_TEST(test_unchanged_pictures_are_gaps) {
  Bench h(encoder());
  gst_harness_set_src_caps_str(h, raw_caps(96, 64).c_str());
  for (int i = 0; i < 10; i++)
    fail_unless_equals_int(gst_harness_push(h, picture(96, 64, 0, i)), GST_FLOW_OK);
  fail_unless_equals_int(gst_harness_buffers_received(h), 1);
  auto gaps = events(h, GST_EVENT_GAP);
  fail_unless_equals_int(gaps.size(), 9);
  for (size_t i = 0; i < gaps.size(); i++) {
    GstClockTime pts, duration;
    gst_event_parse_gap(gaps[i].get(), &pts, &duration);
    fail_unless_equals_uint64(pts, (i + 1) * kFrame);
    fail_unless_equals_uint64(duration, kFrame);
  }
  fail_unless_equals_int(h.messages(GST_MESSAGE_QOS), 0);
  fail_unless_equals_uint64(stat(h.element(), "described"), 1);
  fail_unless_equals_uint64(stat(h.element(), "sent"), 1);
  fail_unless_equals_uint64(stat(h.element(), "unchanged"), 9);

  Ptr<GstBuffer> buffer(gst_harness_pull(h));
  fail_unless_equals_uint64(GST_BUFFER_PTS(buffer.get()), 0);
  fail_unless_equals_uint64(GST_BUFFER_DURATION(buffer.get()), kFrame);
  fail_if(GST_BUFFER_FLAG_IS_SET(buffer.get(), GST_BUFFER_FLAG_DELTA_UNIT));
  auto meta = gst_buffer_get_semantic_layer_meta(buffer.get());
  fail_unless(meta && meta->key && meta->layers == 2);
  auto caption = decode(buffer.get());
  fail_if(caption.text.empty());
  fail_unless(caption.hint <= 127);
}
GST_END_TEST

GST_START_TEST(test_caps) {
  Bench h(encoder("a red bird"));
  gst_harness_set_src_caps_str(h, raw_caps(227, 227).c_str());
  gst_harness_push(h, picture(227, 227));
  auto caps = src_caps(h);
  const GstStructure* s = gst_caps_get_structure(caps.get(), 0);
  fail_unless(gst_structure_has_name(s, "video/x-semantic-caption"));
  int width = 0, height = 0, n = 0, d = 0;
  fail_unless(gst_structure_get_int(s, "width", &width) && width == 227);
  fail_unless(gst_structure_get_int(s, "height", &height) && height == 227);
  fail_unless(gst_structure_get_fraction(s, "framerate", &n, &d) && n == 25 && d == 1);
  fail_unless_equals_string(gst_structure_get_string(s, "codec"), "trigram");
  fail_unless_equals_int(std::strlen(gst_structure_get_string(s, "parse-hash")), 16);
  gboolean parsed = FALSE;
  fail_unless(gst_structure_get_boolean(s, "parsed", &parsed) && parsed);
}
GST_END_TEST

GST_START_TEST(test_text_for_those_who_want_text) {
  Bench h(encoder("un oiseau \xc3\xa9tonn\xc3\xa9"));
  gst_harness_set_sink_caps_str(h, "text/x-raw, format=utf8");
  gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
  gst_harness_push(h, picture(64, 64));
  Ptr<GstBuffer> buffer(gst_harness_pull(h));
  fail_unless(text_of(buffer.get()) == "un oiseau \xc3\xa9tonn\xc3\xa9");
}
GST_END_TEST

GST_START_TEST(test_typed_words_are_coded_exactly) {
  for (const char* words :
       {"this bird is red with a black face", "Zwei V\xc3\xb6gel, 3 \xf0\x9f\x90\xa6!", "x"}) {
    Bench h(encoder(words));
    gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
    gst_harness_push(h, picture(64, 64));
    Ptr<GstBuffer> buffer(gst_harness_pull(h));
    auto caption = decode(buffer.get());
    fail_unless_equals_string(caption.text.c_str(), words);
    fail_unless_equals_int(caption.hint, 127);
    fail_unless_equals_uint64(stat(h.element(), "described"), 0);
  }
}
GST_END_TEST

GST_START_TEST(test_new_words_are_sent_at_once) {
  Bench h(encoder("a red bird"));
  gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
  gst_harness_push(h, picture(64, 64, 0, 0));
  gst_harness_push(h, picture(64, 64, 0, 1));
  g_object_set(h.element(), "caption", "a blue bird", nullptr);
  gst_harness_push(h, picture(64, 64, 0, 2));
  fail_unless_equals_int(gst_harness_buffers_received(h), 2);
  gst_buffer_unref(gst_harness_pull(h));
  Ptr<GstBuffer> second(gst_harness_pull(h));
  fail_unless_equals_uint64(GST_BUFFER_PTS(second.get()), 2 * kFrame);
  fail_unless(decode(second.get()).text == "a blue bird");
}
GST_END_TEST

GST_START_TEST(test_another_scene_is_described_again) {
  Bench h(encoder());
  gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
  for (int i = 0; i < 6; i++)
    gst_harness_push(h, picture(64, 64, i < 3 ? 0 : 3, i));
  fail_unless_equals_uint64(stat(h.element(), "described"), 2);
  // Whether the words differ is the network's affair; one of {buffer, GAP} a picture is ours.
  fail_unless_equals_uint64(gst_harness_buffers_received(h) + events(h, GST_EVENT_GAP).size(), 6);
}
GST_END_TEST

GST_START_TEST(test_refresh) {
  Bench h(encoder("a red bird"));
  g_object_set(h.element(), "refresh", 200, nullptr); // five frames
  gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
  for (int i = 0; i < 12; i++)
    gst_harness_push(h, picture(64, 64, 0, i));
  fail_unless_equals_int(gst_harness_buffers_received(h), 3);
  for (GstClockTime expected : {0 * kFrame, 5 * kFrame, 10 * kFrame}) {
    Ptr<GstBuffer> buffer(gst_harness_pull(h));
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer.get()), expected);
  }
}
GST_END_TEST

GST_START_TEST(test_force_key_unit) {
  Bench h(encoder("a red bird"));
  gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
  gst_harness_push(h, picture(64, 64, 0, 0));
  gst_harness_push(h, picture(64, 64, 0, 1));
  gst_harness_push_upstream_event(h,
                                  gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, FALSE, 7));
  gst_harness_push(h, picture(64, 64, 0, 2));
  gst_harness_push(h, picture(64, 64, 0, 3));
  fail_unless_equals_int(gst_harness_buffers_received(h), 2);
  gst_buffer_unref(gst_harness_pull(h));
  Ptr<GstBuffer> forced(gst_harness_pull(h));
  fail_unless_equals_uint64(GST_BUFFER_PTS(forced.get()), 2 * kFrame);
  auto answers = events(h, GST_EVENT_CUSTOM_DOWNSTREAM);
  fail_unless_equals_int(answers.size(), 1);
  guint number = 0;
  fail_unless(gst_video_event_parse_downstream_force_key_unit(answers[0].get(), nullptr, nullptr, nullptr,
                                                              nullptr, &number));
  fail_unless_equals_int(number, 7);
}
GST_END_TEST

GST_START_TEST(test_flush_and_new_size_begin_with_a_caption) {
  Bench h(encoder("a red bird"));
  gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
  gst_harness_push(h, picture(64, 64, 0, 0));
  gst_harness_push(h, picture(64, 64, 0, 1));
  gst_harness_push_event(h, gst_event_new_flush_start());
  gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(h, gst_event_new_segment(&segment));
  gst_harness_push(h, picture(64, 64, 0, 5));
  fail_unless_equals_int(gst_harness_buffers_received(h), 2);
  gst_harness_set_src_caps_str(h, raw_caps(100, 50).c_str());
  gst_harness_push(h, picture(100, 50, 0, 6));
  fail_unless_equals_int(gst_harness_buffers_received(h), 3);
  int width = 0;
  gst_structure_get_int(gst_caps_get_structure(src_caps(h).get(), 0), "width", &width);
  fail_unless_equals_int(width, 100);
}
GST_END_TEST

GST_START_TEST(test_odd_sizes) {
  for (auto [w, h_] : {std::pair{16, 16}, {227, 227}, {17, 301}, {640, 16}}) {
    Bench h(encoder());
    gst_harness_set_src_caps_str(h, raw_caps(w, h_).c_str());
    fail_unless_equals_int(gst_harness_push(h, picture(w, h_)), GST_FLOW_OK);
    fail_unless_equals_int(gst_harness_buffers_received(h), 1);
  }
}
GST_END_TEST

GST_START_TEST(test_live_describes_in_the_background) {
  Bench h(encoder(), "sink", "src", true);
  gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
  int pushed = 0;
  // The stream never waits: a first caption comes some frames later.
  while (gst_harness_buffers_received(h) == 0 && pushed < 2000) {
    gst_harness_push(h, picture(64, 64, 0, pushed++));
    g_usleep(5000);
  }
  fail_unless_equals_int(gst_harness_buffers_received(h), 1);
  fail_unless(pushed > 1);
  Ptr<GstBuffer> buffer(gst_harness_pull(h));
  fail_unless_equals_uint64(GST_BUFFER_PTS(buffer.get()), (pushed - 1) * kFrame);
  fail_unless_equals_int(events(h, GST_EVENT_GAP).size(), pushed - 1);
  fail_unless_equals_int(h.messages(GST_MESSAGE_QOS), 0);
}
GST_END_TEST

GST_START_TEST(test_wrong_captions) {
  for (const std::string& words : {std::string("caf\xe9"), std::string(5000, 'x')}) {
    Bench h(encoder(words.c_str()));
    gst_harness_set_src_caps_str(h, raw_caps(64, 64).c_str());
    fail_unless_equals_int(gst_harness_push(h, picture(64, 64)), GST_FLOW_ERROR);
    fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_ENCODE));
  }
}
GST_END_TEST

GST_START_TEST(test_wrong_video) {
  refuses_wrong_video("semanticenc");
}
GST_END_TEST
GST_START_TEST(test_missing_profile) {
  fails_without_profile("semanticenc");
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_unchanged_pictures_are_gaps);
  tcase_add_test(tc, test_caps);
  tcase_add_test(tc, test_text_for_those_who_want_text);
  tcase_add_test(tc, test_typed_words_are_coded_exactly);
  tcase_add_test(tc, test_new_words_are_sent_at_once);
  tcase_add_test(tc, test_another_scene_is_described_again);
  tcase_add_test(tc, test_refresh);
  tcase_add_test(tc, test_force_key_unit);
  tcase_add_test(tc, test_flush_and_new_size_begin_with_a_caption);
  tcase_add_test(tc, test_odd_sizes);
  tcase_add_test(tc, test_live_describes_in_the_background);
  tcase_add_test(tc, test_wrong_captions);
  tcase_add_test(tc, test_wrong_video);
  tcase_add_test(tc, test_missing_profile);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "semanticenc", fill);
}
