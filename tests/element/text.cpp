// SPDX-License-Identifier: LGPL-2.1-or-later
// semantictextenc and semantictextdec: captions without networks.
#include "tests/element/leaks.hpp"
#include "tests/element/stream.hpp"
#include "tests/element/test_profile.hpp"

#include "models/entropy/caption_coder.hpp"
#include "models/profile/profile.hpp"

#include <glib/gstdio.h>

using gsem::Bytes;
using gsem::Status;

namespace {

Bytes bytes(const std::string& text) {
  return Bytes(text.begin(), text.end());
}

std::string launch(const char* elements) {
  std::string text = elements;
  for (size_t at; (at = text.find("PROFILE")) != std::string::npos;)
    text.replace(at, 7, test_profile::name());
  return text;
}

struct Bench {
  GstHarness* h;
  GstBus* bus = gst_bus_new();
  Bench(const char* elements, const std::string& caps) : h(gst_harness_new_parse(launch(elements).c_str())) {
    gst_element_set_bus(h->element, bus);
    gst_harness_play(h);
    gst_harness_set_src_caps_str(h, caps.c_str());
  }
  ~Bench() {
    gst_element_set_bus(h->element, nullptr);
    gst_harness_teardown(h);
    stream::drain(bus);
    gst_object_unref(bus);
  }
  GstFlowReturn push(const Bytes& data, GstClockTime pts = 0) {
    GstBuffer* buffer = stream::buffer(data, pts);
    GST_BUFFER_DURATION(buffer) = GST_SECOND;
    return gst_harness_push(h, buffer);
  }
  std::string pull(GstClockTime* pts = nullptr) {
    GstBuffer* buffer = gst_harness_pull(h);
    fail_unless(buffer != nullptr);
    const Bytes data = stream::bytes_of(buffer);
    if (pts)
      *pts = GST_BUFFER_PTS(buffer);
    gst_buffer_unref(buffer);
    return std::string(data.begin(), data.end());
  }
};

const char* kBoth = "semantictextenc profile=PROFILE ! semantictextdec profile=PROFILE";
const char* kUtf8 = "text/x-raw, format=(string)utf8";
const char* kCaption = "video/x-semantic-caption, parsed=(boolean)true";

const gsem::profile::Profile& profile() {
  static std::shared_ptr<const gsem::profile::Profile> loaded;
  std::string error;
  fail_unless(gsem::profile::load_profile(test_profile::name(), loaded, error) == Status::Ok, "%s",
              error.c_str());
  return *loaded;
}

} // namespace

GST_START_TEST(any_text_comes_back) {
  Bench bench(kBoth, kUtf8);
  const std::string texts[] = {"this bird is blue with a short beak",
                               "This Bird, is BLUE!",
                               "zyzzyva 1234 \xe2\x82\xac \xf0\x9f\x90\xa6",
                               "a",
                               std::string(4096, 'x'),
                               "two\nlines"};
  for (size_t i = 0; i < std::size(texts); ++i) {
    fail_unless_equals_int(bench.push(bytes(texts[i]), GstClockTime(i) * GST_SECOND), GST_FLOW_OK);
    GstClockTime pts = 0;
    fail_unless(bench.pull(&pts) == texts[i]);
    fail_unless_equals_uint64(pts, GstClockTime(i) * GST_SECOND);
  }
}
GST_END_TEST

GST_START_TEST(payload_is_the_coders) {
  Bench bench("semantictextenc profile=PROFILE", kUtf8);
  bench.push(bytes("this bird is red\n"));
  const std::string coded = bench.pull();
  gsem::entropy::Caption caption;
  fail_unless(profile().caption_coder->decode(bytes(coded), caption) == Status::Ok);
  expect_text(caption.text, "this bird is red");
  fail_unless_equals_int(caption.hint, gsem::entropy::kNoHint);
}
GST_END_TEST

GST_START_TEST(caps_tell_the_tables) {
  Bench bench("semantictextenc profile=PROFILE",
              "text/x-raw, format=(string)utf8, width=(int)320, height=(int)240, framerate=(fraction)30/1");
  bench.push(bytes("a"));
  bench.pull();
  GstCaps* caps = gst_pad_get_current_caps(bench.h->sinkpad);
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  int width = 0;
  expect_text(gst_structure_get_string(s, "parse-hash"), test_profile::caption_hash());
  fail_unless_equals_string(gst_structure_get_string(s, "profile"), test_profile::name());
  fail_unless_equals_string(gst_structure_get_string(s, "codec"), "trigram");
  fail_unless(gst_structure_get_int(s, "width", &width) && width == 320);
  gst_caps_unref(caps);
}
GST_END_TEST

GST_START_TEST(markup_is_unescaped) {
  Bench bench(kBoth, "text/x-raw, format=(string)pango-markup");
  bench.push(bytes("<b>blue &amp; red</b> &lt;bird&gt; &#233;&#x20ac; 1 &unknown; <i"));
  expect_text(bench.pull(), "blue & red <bird> \xc3\xa9\xe2\x82\xac 1 &unknown; ");
}
GST_END_TEST

GST_START_TEST(newline_ends_each_caption) {
  Bench bench("semantictextenc profile=PROFILE ! semantictextdec profile=PROFILE newline=true", kUtf8);
  bench.push(bytes("this bird is red"));
  expect_text(bench.pull(), "this bird is red\n");
}
GST_END_TEST

GST_START_TEST(not_utf8_is_an_error) {
  Bench bench(kBoth, kUtf8);
  fail_unless_equals_int(bench.push({'a', 0xff, 0xfe}), GST_FLOW_ERROR);
  fail_unless_equals_int(stream::drain(bench.bus).errors, 1);
}
GST_END_TEST

GST_START_TEST(too_long_is_an_error) {
  for (size_t size : {size_t(4097), size_t(10240), size_t(1) << 20}) {
    Bench bench(kBoth, kUtf8);
    fail_unless_equals_int(bench.push(Bytes(size, 'x')), GST_FLOW_ERROR);
    fail_unless_equals_int(stream::drain(bench.bus).errors, 1);
  }
}
GST_END_TEST

GST_START_TEST(gaps_pass) {
  Bench bench(kBoth, kUtf8);
  bench.push(bytes("a"));
  bench.pull();
  gst_harness_push_event(bench.h, gst_event_new_gap(GST_SECOND, GST_SECOND));
  bool seen = false;
  while (GstEvent* event = gst_harness_try_pull_event(bench.h)) {
    seen = seen || GST_EVENT_TYPE(event) == GST_EVENT_GAP;
    gst_event_unref(event);
  }
  fail_unless(seen);
}
GST_END_TEST

GST_START_TEST(other_tables_are_refused) {
  Bench bench("semantictextdec profile=PROFILE",
              std::string(kCaption) + ", parse-hash=(string)0123456789abcdef");
  fail_unless(bench.push({1, 2, 3}) != GST_FLOW_OK);
  const auto found = stream::drain(bench.bus);
  fail_unless(found.errors >= 1 && found.error_domain == GST_STREAM_ERROR &&
              found.error_code == GST_STREAM_ERROR_WRONG_TYPE);
  // Both hashes are named.
  fail_unless(found.error_text.find("0123456789abcdef") != std::string::npos);
  fail_unless(found.error_text.find(test_profile::caption_hash()) != std::string::npos);
}
GST_END_TEST

GST_START_TEST(random_captions_never_stop_it) {
  Bench bench("semantictextdec profile=PROFILE", kCaption);
  for (int i = 0; i < 500; ++i)
    fail_unless_equals_int(bench.push(stream::payload(i, size_t(i % 60)), GstClockTime(i) * GST_SECOND),
                           GST_FLOW_OK);
  const auto found = stream::drain(bench.bus);
  fail_unless_equals_int(found.errors, 0);
  fail_unless(found.warnings <= 5);
}
GST_END_TEST

GST_START_TEST(missing_profile_then_fixed) {
  GstElement* dec = gst_element_factory_make("semantictextdec", nullptr);
  GstBus* bus = gst_bus_new();
  gst_object_ref_sink(dec);
  gst_element_set_bus(dec, bus);
  g_object_set(dec, "profile", "no-such-profile", nullptr);
  fail_unless_equals_int(gst_element_set_state(dec, GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  const auto found = stream::drain(bus);
  fail_unless(found.errors == 1 && found.error_domain == GST_RESOURCE_ERROR &&
              found.error_code == GST_RESOURCE_ERROR_NOT_FOUND);
  fail_unless(found.error_text.find("no-such-profile") != std::string::npos);
  gst_element_set_state(dec, GST_STATE_NULL);
  g_object_set(dec, "profile", test_profile::name(), nullptr);
  fail_unless(gst_element_set_state(dec, GST_STATE_PAUSED) != GST_STATE_CHANGE_FAILURE);
  gst_element_set_state(dec, GST_STATE_NULL);
  gst_element_set_bus(dec, nullptr);
  stream::drain(bus);
  gst_object_unref(bus);
  gst_object_unref(dec);
}
GST_END_TEST

/// Words from a pipe: a segment of bytes, buffers without time.
GST_START_TEST(words_without_time) {
  gchar* folder = g_dir_make_tmp("gsem-text-XXXXXX", nullptr);
  const std::string words = std::string(folder) + "/a.txt";
  fail_unless(g_file_set_contents(words.c_str(), "this bird is red\n", -1, nullptr));
  GstElement* pipeline = gst_parse_launch(
      launch(("filesrc location=" + words +
              " ! text/x-raw,format=utf8 ! semantictextenc profile=PROFILE ! semanticmux ! semanticdemux name=d "
              "d.caption ! semantictextdec profile=PROFILE ! fakesink name=out enable-last-sample=true")
                 .c_str())
          .c_str(),
      nullptr);
  GstBus* bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* message =
      gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS);
  gst_message_unref(message);
  GstElement* out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
  GstSample* sample = nullptr;
  g_object_get(out, "last-sample", &sample, nullptr);
  fail_unless(sample != nullptr);
  const Bytes text = stream::bytes_of(gst_sample_get_buffer(sample));
  expect_text(std::string(text.begin(), text.end()), "this bird is red");
  gst_sample_unref(sample);
  gst_object_unref(out);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  stream::drain(bus);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  g_unlink(words.c_str());
  g_rmdir(folder);
  g_free(folder);
}
GST_END_TEST

GST_START_TEST(through_a_file_to_text) {
  gchar* folder = g_dir_make_tmp("gsem-text-XXXXXX", nullptr);
  const std::string coded = std::string(folder) + "/a.gsem", words = std::string(folder) + "/a.txt";
  {
    Bench bench("semantictextenc profile=PROFILE ! mux.caption semanticmux name=mux",
                "text/x-raw, format=(string)utf8, width=(int)64, height=(int)48, framerate=(fraction)1/1");
    std::string file;
    for (int i = 0; i < 3; ++i)
      bench.push(bytes(i == 1 ? "this bird is red" : "this bird is blue"), GstClockTime(i) * GST_SECOND);
    for (int i = 0; i < 3; ++i)
      file += bench.pull();
    fail_unless(g_file_set_contents(coded.c_str(), file.data(), gssize(file.size()), nullptr));
  }
  GstElement* pipeline =
      gst_parse_launch(launch(("filesrc location=" + coded +
                               " ! semanticparse ! semanticdemux name=d d.caption ! semantictextdec "
                               "profile=PROFILE newline=true ! filesink location=" +
                               words)
                                  .c_str())
                           .c_str(),
                       nullptr);
  GstBus* bus = gst_element_get_bus(pipeline);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstMessage* message =
      gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS);
  gst_message_unref(message);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  stream::drain(bus);
  gst_object_unref(bus);
  gst_object_unref(pipeline);
  gchar* text = nullptr;
  fail_unless(g_file_get_contents(words.c_str(), &text, nullptr, nullptr));
  expect_text(text, "this bird is blue\nthis bird is red\nthis bird is blue\n");
  g_free(text);
  g_unlink(coded.c_str());
  g_unlink(words.c_str());
  g_rmdir(folder);
  g_free(folder);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, any_text_comes_back);
  tcase_add_test(tc, payload_is_the_coders);
  tcase_add_test(tc, caps_tell_the_tables);
  tcase_add_test(tc, markup_is_unescaped);
  tcase_add_test(tc, newline_ends_each_caption);
  tcase_add_test(tc, not_utf8_is_an_error);
  tcase_add_test(tc, too_long_is_an_error);
  tcase_add_test(tc, gaps_pass);
  tcase_add_test(tc, other_tables_are_refused);
  tcase_add_test(tc, random_captions_never_stop_it);
  tcase_add_test(tc, missing_profile_then_fixed);
  tcase_add_test(tc, words_without_time);
  tcase_add_test(tc, through_a_file_to_text);
}

int main(int argc, char** argv) {
  test_profile::name();
  const int status = leaks::run(argc, argv, "text", fill);
  test_profile::remove();
  return status;
}
