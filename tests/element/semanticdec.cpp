// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/element/codec_test.hpp"

#include "models/entropy/caption_coder.hpp"
#include "models/profile/profile.hpp"

using namespace codec_test;

namespace {

constexpr const char* kText = "text/x-raw, format=utf8, width=64, height=48, framerate=25/1";

std::shared_ptr<const gsem::profile::Profile> profile() {
  std::shared_ptr<const gsem::profile::Profile> found;
  std::string error;
  fail_unless(gsem::profile::load_profile("", found, error) == gsem::Status::Ok, "%s", error.c_str());
  return found;
}

std::string coded(const char* text) {
  gsem::Bytes out;
  fail_unless(profile()->caption_coder->encode({text, 5, 0}, out) == gsem::Status::Ok);
  return std::string(out.begin(), out.end());
}

std::string coded_caps(const char* more = "") {
  return std::string(
             "video/x-semantic-caption, parsed=true, codec=trigram, width=64, height=48, framerate=25/1") +
         more;
}

GstElement* decoder() {
  return gst_element_factory_make("semanticdec", nullptr);
}

Ptr<GstBuffer> pull(GstHarness* h) {
  Ptr<GstBuffer> buffer(gst_harness_try_pull(h));
  fail_unless(buffer != nullptr);
  return buffer;
}

guint base_id(GstBuffer* buffer) {
  auto meta = gst_buffer_get_semantic_layer_meta(buffer);
  fail_unless(meta != nullptr);
  return meta->base_id;
}

guint layers(GstBuffer* buffer) {
  auto meta = gst_buffer_get_semantic_layer_meta(buffer);
  fail_unless(meta != nullptr);
  return meta->layers;
}

bool is_grey(GstBuffer* buffer) {
  gsem::BufferMap map(buffer, GST_MAP_READ);
  for (gsize i = 0; i < map.size(); i++)
    if (map.data()[i] != 128)
      return false;
  return true;
}

} // namespace

GST_START_TEST(test_a_gap_is_a_picture) {
  Bench h(decoder());
  gst_harness_set_src_caps_str(h, kText);
  gst_harness_push_event(h, gap(0));
  gst_harness_push(h, bytes_buffer("a red bird", 1));
  gst_harness_push_event(h, gap(2));
  gst_harness_push_event(h, gap(3));
  gst_harness_push(h, bytes_buffer("a red bird", 4));
  gst_harness_push(h, bytes_buffer("a yellow bird", 5));
  gst_harness_push_event(h, gap(6));
  fail_unless_equals_int(gst_harness_buffers_received(h), 7);
  std::vector<Ptr<GstBuffer>> out;
  for (int i = 0; i < 7; i++) {
    out.push_back(pull(h));
    fail_unless_equals_uint64(GST_BUFFER_PTS(out.back().get()), i * kFrame);
    fail_unless_equals_uint64(GST_BUFFER_DURATION(out.back().get()), kFrame);
    fail_unless_equals_int(layers(out.back().get()), i == 0 ? 0 : 2);
  }
  fail_unless(is_grey(out[0].get()), "not mid-grey before the first caption");
  fail_if(is_grey(out[1].get()));
  for (int i : {2, 3, 4}) {
    fail_unless(same_memory(out[1].get(), out[size_t(i)].get()), "picture %d is a copy", i);
    fail_unless_equals_int(base_id(out[size_t(i)].get()), base_id(out[1].get()));
  }
  fail_if(base_id(out[5].get()) == base_id(out[1].get()));
  fail_unless(same_memory(out[5].get(), out[6].get()));
  fail_unless_equals_uint64(stat(h.element(), "painted"), 2);
  fail_unless_equals_uint64(stat(h.element(), "gaps"), 4);
  fail_unless_equals_int(h.messages(GST_MESSAGE_QOS), 0);
}
GST_END_TEST

/// An access unit that comes after its time was given up: its words count, but there was a picture.
GST_START_TEST(test_one_picture_a_time) {
  for (const bool video : {true, false}) {
    Bench h(decoder());
    gst_harness_set_src_caps_str(h, video ? kText
                                          : "text/x-raw, format=utf8, width=64, height=48, framerate=0/1");
    gst_harness_push(h, bytes_buffer("a red bird", 0));
    gst_harness_push_event(h, gap(1));
    gst_harness_push(h, bytes_buffer("a yellow bird", 1));
    gst_harness_push_event(h, gap(1));
    gst_harness_push_event(h, gap(2));
    const int pictures = video ? 3 : 5;
    fail_unless_equals_int(gst_harness_buffers_received(h), pictures);
    std::vector<Ptr<GstBuffer>> out;
    for (int i = 0; i < pictures; i++)
      out.push_back(pull(h));
    fail_unless(same_memory(out[0].get(), out[1].get()));
    fail_if(same_memory(out[0].get(), out.back().get()));
    fail_unless_equals_uint64(GST_BUFFER_PTS(out.back().get()), 2 * kFrame);
    fail_unless_equals_uint64(stat(h.element(), "same-time"), video ? 2 : 0);
    fail_unless_equals_int(h.messages(GST_MESSAGE_QOS), 0);
  }
}
GST_END_TEST

GST_START_TEST(test_gaps_before_caps) {
  Bench h(decoder());
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(h, gst_event_new_stream_start("x"));
  gst_harness_push_event(h, gst_event_new_segment(&segment));
  gst_harness_push_event(h, gap(0, true));
  gst_harness_push_event(h, gap(1));
  fail_unless_equals_int(h.messages(GST_MESSAGE_ERROR), 0);
  fail_unless_equals_int(gst_harness_buffers_received(h), 2);
  fail_unless_equals_uint64(stat(h.element(), "lost"), 1);
}
GST_END_TEST

GST_START_TEST(test_coded_captions) {
  Bench h(decoder());
  gst_harness_set_src_caps_str(h, coded_caps().c_str());
  fail_unless_equals_int(gst_harness_push(h, bytes_buffer(coded("this bird is blue with white"))),
                         GST_FLOW_OK);
  auto out = pull(h);
  fail_if(is_grey(out.get()));
  auto caps = src_caps(h);
  GstVideoInfo info;
  fail_unless(gst_video_info_from_caps(&info, caps.get()));
  fail_unless_equals_int(GST_VIDEO_INFO_FORMAT(&info), GST_VIDEO_FORMAT_RGB);
  fail_unless_equals_int(info.width, 64);
  fail_unless_equals_int(info.height, 48);
  fail_unless_equals_int(info.fps_n, 25);
  fail_unless_equals_string(gst_structure_get_string(gst_caps_get_structure(caps.get(), 0), "colorimetry"),
                            "sRGB");
}
GST_END_TEST

GST_START_TEST(test_same_words_same_picture) {
  std::vector<Ptr<GstBuffer>> out;
  for (int i = 0; i < 2; i++) {
    Bench h(decoder());
    gst_harness_set_src_caps_str(h, kText);
    gst_harness_push(h, bytes_buffer("a small red bird"));
    out.push_back(pull(h));
  }
  fail_unless(psnr(out[0].get(), out[1].get(), 64, 48) > 98, "painting is not deterministic");
}
GST_END_TEST

GST_START_TEST(test_damaged_captions_leave_the_picture) {
  std::string good = coded("this bird is blue with white");
  Bench h(decoder());
  gst_harness_set_src_caps_str(h, coded_caps().c_str());
  gst_harness_push(h, bytes_buffer(good, 0));
  auto first = pull(h);
  int n = 1;
  for (const std::string& bad : {std::string(3000, '\xff'), std::string(1, '\xff'), std::string()}) {
    fail_unless_equals_int(gst_harness_push(h, bytes_buffer(bad, n++)), GST_FLOW_OK);
    auto out = pull(h);
    if (stat(h.element(), "corrupt") == guint64(n - 1))
      fail_unless(same_memory(first.get(), out.get()));
  }
  fail_unless(stat(h.element(), "corrupt") >= 1);
  fail_unless_equals_int(h.messages(GST_MESSAGE_WARNING), 1); // one a second
  gst_harness_push(h, bytes_buffer(good, n));
  auto last = pull(h);
  fail_unless(psnr(first.get(), last.get(), 64, 48) > 98);
}
GST_END_TEST

GST_START_TEST(test_lost_is_counted_apart) {
  Bench h(decoder());
  gst_harness_set_src_caps_str(h, kText);
  gst_harness_push(h, bytes_buffer("a red bird", 0));
  gst_harness_push_event(h, gap(1, true));
  gst_harness_push_event(h, gap(2));
  fail_unless_equals_uint64(stat(h.element(), "lost"), 1);
  fail_unless_equals_uint64(stat(h.element(), "gaps"), 1);
  pull(h);
  auto lost = pull(h), gone = pull(h);
  fail_unless_equals_int(gst_buffer_get_semantic_layer_meta(lost.get())->lost, 2);
  fail_unless_equals_int(gst_buffer_get_semantic_layer_meta(gone.get())->lost, 0);
}
GST_END_TEST

GST_START_TEST(test_another_models_captions) {
  Bench h(decoder());
  gst_harness_set_src_caps_str(h, coded_caps(", parse-hash=(string)0123456789abcdef").c_str());
  gst_harness_push(h, bytes_buffer(coded("a red bird"), 0));
  gst_harness_push(h, bytes_buffer(coded("a blue bird"), 1));
  fail_unless(is_grey(pull(h).get()));
  fail_unless(h.has(GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE));
  fail_unless_equals_int(h.messages(GST_MESSAGE_WARNING), 1);
  fail_unless(h.text().find("0123456789abcdef") != std::string::npos);
  gchar own[17];
  g_snprintf(own, sizeof own, "%016" G_GINT64_MODIFIER "x", guint64(profile()->caption_parse_hash));
  fail_unless(h.text().find(own) != std::string::npos);
  fail_unless_equals_uint64(stat(h.element(), "mismatched"), 2);
}
GST_END_TEST

GST_START_TEST(test_typed_text) {
  struct {
    const char* caps;
    std::string text;
    const char* same_as; ///< null: refused
  } cases[] = {
      {"pango-markup", "a <b>red</b> bird &amp; a &quot;blue&quot; one", "a red bird & a \"blue\" one"},
      {"utf8", "a red bird\n", "a red bird"},
      {"utf8", std::string("a red bird\0", 11), "a red bird"},
      {"utf8", "a red \xf0\x9f\x90\xa6 zxqwv bird", "a red bird"}, // unknown words are ignored
      {"utf8", "caf\xe9", nullptr},
      {"utf8", std::string(10000, 'a'), nullptr}};
  for (const auto& c : cases) {
    Bench h(decoder());
    gst_harness_set_src_caps_str(
        h, (std::string("text/x-raw, width=64, height=48, framerate=25/1, format=") + c.caps).c_str());
    GstFlowReturn flow = gst_harness_push(h, bytes_buffer(c.text));
    fail_unless_equals_int(flow, c.same_as ? GST_FLOW_OK : GST_FLOW_ERROR);
    if (!c.same_as) {
      fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE));
      continue;
    }
    auto out = pull(h);
    Bench other(decoder());
    gst_harness_set_src_caps_str(other, kText);
    gst_harness_push(other, bytes_buffer(c.same_as));
    fail_unless(psnr(out.get(), pull(other).get(), 64, 48) > 98, "\"%s\" is not as \"%s\"", c.text.c_str(),
                c.same_as);
  }
}
GST_END_TEST

GST_START_TEST(test_size_from_caps_then_downstream_then_default) {
  struct {
    const char *in, *downstream;
    int width, height;
  } cases[] = {{"text/x-raw, format=utf8, width=227, height=227", nullptr, 227, 227},
               {"text/x-raw, format=utf8", "video/x-raw, format=RGB, width=320, height=[16,240]", 320, 240},
               {"text/x-raw, format=utf8", "video/x-raw, format=RGB, width=[600,800]", 600, 512},
               {"text/x-raw, format=utf8", nullptr, 512, 512}};
  for (const auto& c : cases) {
    Bench h(decoder());
    if (c.downstream)
      gst_harness_set_sink_caps_str(h, c.downstream);
    gst_harness_set_src_caps_str(h, c.in);
    fail_unless_equals_int(gst_harness_push(h, bytes_buffer("a red bird")), GST_FLOW_OK);
    GstVideoInfo info;
    fail_unless(gst_video_info_from_caps(&info, src_caps(h).get()));
    fail_unless_equals_int(info.width, c.width);
    fail_unless_equals_int(info.height, c.height);
    fail_unless_equals_int(info.fps_n, 0);
    fail_unless(gst_buffer_get_size(pull(h).get()) >= GST_VIDEO_INFO_SIZE(&info));
  }
}
GST_END_TEST

GST_START_TEST(test_absurd_size) {
  Bench h(decoder());
  gst_harness_set_src_caps_str(h, "text/x-raw, format=utf8, width=100000, height=100000");
  gst_harness_push(h, bytes_buffer("a red bird"));
  fail_unless(h.has(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT));
  fail_unless_equals_int(gst_harness_buffers_received(h), 0);
}
GST_END_TEST

GST_START_TEST(test_new_size_keeps_the_words) {
  Bench h(decoder());
  gst_harness_set_src_caps_str(h, kText);
  gst_harness_push(h, bytes_buffer("a red bird", 0));
  gst_harness_set_src_caps_str(h, "text/x-raw, format=utf8, width=100, height=60, framerate=25/1");
  gst_harness_push_event(h, gap(1));
  fail_unless_equals_int(gst_harness_buffers_received(h), 2);
  pull(h);
  auto out = pull(h);
  fail_unless_equals_int(layers(out.get()), 2);
  fail_if(is_grey(out.get()));
  fail_unless_equals_uint64(stat(h.element(), "painted"), 1);
}
GST_END_TEST

GST_START_TEST(test_a_caption_outlives_a_flush) {
  Bench h(decoder());
  gst_harness_set_src_caps_str(h, kText);
  gst_harness_push(h, bytes_buffer("a red bird", 0));
  auto first = pull(h);
  gst_harness_push_event(h, gst_event_new_flush_start());
  gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(h, gst_event_new_segment(&segment));
  gst_harness_push_event(h, gap(9));
  auto out = pull(h);
  fail_unless(same_memory(first.get(), out.get()));
}
GST_END_TEST

GST_START_TEST(test_live_keeps_the_old_picture_until_the_new_one_is_painted) {
  Bench h(decoder(), "sink", "src", true);
  gst_harness_set_src_caps_str(h, kText);
  int number = 0;
  auto push_until_new = [&](const char* words, guint old_id) {
    gst_harness_push(h, bytes_buffer(words, number++));
    auto out = pull(h);
    int waited = 0;
    while (base_id(out.get()) == old_id && waited++ < 2000) {
      g_usleep(5000);
      gst_harness_push_event(h, gap(number++));
      out = pull(h);
    }
    fail_if(base_id(out.get()) == old_id);
    return out;
  };
  gst_harness_push_event(h, gap(number++));
  auto grey = pull(h);
  fail_unless(is_grey(grey.get()));
  auto first = push_until_new("a red bird", base_id(grey.get()));
  fail_if(is_grey(first.get()));
  auto second = push_until_new("a blue bird", base_id(first.get()));
  fail_if(same_memory(first.get(), second.get()));
  fail_unless_equals_uint64(gst_harness_buffers_received(h), guint(number));
}
GST_END_TEST

GST_START_TEST(test_missing_profile) {
  fails_without_profile("semanticdec");
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_a_gap_is_a_picture);
  tcase_add_test(tc, test_one_picture_a_time);
  tcase_add_test(tc, test_gaps_before_caps);
  tcase_add_test(tc, test_coded_captions);
  tcase_add_test(tc, test_same_words_same_picture);
  tcase_add_test(tc, test_damaged_captions_leave_the_picture);
  tcase_add_test(tc, test_lost_is_counted_apart);
  tcase_add_test(tc, test_another_models_captions);
  tcase_add_test(tc, test_typed_text);
  tcase_add_test(tc, test_size_from_caps_then_downstream_then_default);
  tcase_add_test(tc, test_absurd_size);
  tcase_add_test(tc, test_new_size_keeps_the_words);
  tcase_add_test(tc, test_a_caption_outlives_a_flush);
  tcase_add_test(tc, test_live_keeps_the_old_picture_until_the_new_one_is_painted);
  tcase_add_test(tc, test_missing_profile);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "semanticdec", fill);
}
