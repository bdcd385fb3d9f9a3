// SPDX-License-Identifier: LGPL-2.1-or-later
// semanticparse and the typefinder on hand-written files: whole, in crumbs, cut, damaged, random, with seeks.
#include "tests/element/leaks.hpp"
#include "tests/element/stream.hpp"

#include <algorithm>
#include <set>

#include <glib/gstdio.h>
#include <gst/base/gsttypefindhelper.h>

using gsem::Bytes;

namespace {

constexpr GstClockTime kFrame = 40 * GST_MSECOND;

struct File {
  gchar* path = nullptr;
  explicit File(const Bytes& bytes, const char* suffix = "gsem") {
    gchar* pattern = g_strdup_printf("gsem-test-XXXXXX.%s", suffix);
    const gint fd = g_file_open_tmp(pattern, &path, nullptr);
    fail_unless(fd >= 0);
    g_close(fd, nullptr);
    g_free(pattern);
    fail_unless(g_file_set_contents(path, reinterpret_cast<const gchar*>(bytes.data()), gssize(bytes.size()),
                                    nullptr));
  }
  ~File() {
    g_unlink(path);
    g_free(path);
  }
};

/// What came out of a pipeline that ends in `appsink name=out`-like fakesink hand-off.
struct Output {
  std::vector<Bytes> units;
  std::vector<GstClockTime> times;
  std::vector<bool> delta;
  stream::Messages messages;
  GstClockTime duration = GST_CLOCK_TIME_NONE;
};

void collect(GstElement*, GstBuffer* buffer, GstPad*, gpointer user) {
  auto* out = static_cast<Output*>(user);
  out->units.push_back(stream::bytes_of(buffer));
  out->times.push_back(GST_BUFFER_PTS(buffer));
  out->delta.push_back(GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT));
}

struct Pipeline {
  GstElement* element;
  GstBus* bus;
  Output out;

  explicit Pipeline(const std::string& launch) {
    GError* error = nullptr;
    element =
        gst_parse_launch((launch + " ! fakesink name=out signal-handoffs=true sync=false").c_str(), &error);
    fail_unless(error == nullptr, "%s", error ? error->message : "");
    bus = gst_element_get_bus(element);
    GstElement* sink = gst_bin_get_by_name(GST_BIN(element), "out");
    g_signal_connect(sink, "handoff", G_CALLBACK(collect), &out);
    gst_object_unref(sink);
  }
  ~Pipeline() {
    gst_element_set_state(element, GST_STATE_NULL);
    stream::drain(bus);
    gst_object_unref(bus);
    gst_object_unref(element);
  }
  void wait_eos() {
    GstMessage* message =
        gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    fail_unless(message != nullptr, "neither EOS nor an error within 20 s");
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      out.messages = {0, 1, error->domain, error->code, error->message};
      g_error_free(error);
    }
    gst_message_unref(message);
  }
  void run() {
    gst_element_set_state(element, GST_STATE_PLAYING);
    wait_eos();
  }
  bool preroll() {
    gst_element_set_state(element, GST_STATE_PAUSED);
    return gst_element_get_state(element, nullptr, nullptr, 20 * GST_SECOND) == GST_STATE_CHANGE_SUCCESS;
  }
};

Output parse_file(const Bytes& bytes, const char* feed = "") {
  File file(bytes);
  Pipeline pipeline(std::string("filesrc location=") + file.path + " " + feed + " ! semanticparse");
  pipeline.run();
  return std::move(pipeline.out);
}

} // namespace

GST_START_TEST(whole_file) {
  const Bytes file = stream::file({1, 2, 3}, 30);
  const Output out = parse_file(file);
  fail_unless_equals_int(out.units.size(), 30);
  Bytes all;
  for (size_t i = 0; i < out.units.size(); ++i) {
    fail_unless_equals_uint64(out.times[i], i * kFrame);
    fail_unless(!out.delta[i]);
    stream::append(all, out.units[i]);
  }
  // parse ! filesink copies the file, headers included.
  fail_unless(all == file);
}
GST_END_TEST

GST_START_TEST(push_mode_in_crumbs) {
  const Bytes file = stream::file({1, 3}, 25);
  for (const char* feed :
       {"! queue ! identity", "blocksize=1 ! queue ! identity", "blocksize=7 ! queue ! identity"}) {
    const Output out = parse_file(file, feed);
    fail_unless_equals_int(out.units.size(), 25);
    for (size_t i = 0; i < out.times.size(); ++i)
      fail_unless_equals_uint64(out.times[i], i * kFrame);
  }
}
GST_END_TEST

GST_START_TEST(capture_that_begins_anywhere) {
  const Bytes file = stream::file({1, 2, 3}, 40, 10);
  const Bytes header = stream::header_bytes(stream::header({1, 2, 3}));
  for (size_t cut : {size_t(1), header.size() + 5, file.size() / 3, file.size() / 2}) {
    const Bytes tail(file.begin() + ptrdiff_t(cut), file.end());
    const Output out = parse_file(tail);
    fail_unless(out.units.size() >= 10 && out.units.size() <= 30);
    // From the first header on, times are the stream's own.
    fail_unless_equals_uint64(out.times.front() % (10 * kFrame), 0);
    fail_unless_equals_uint64(out.times.back(), 39 * kFrame);
  }
}
GST_END_TEST

GST_START_TEST(cut_at_every_byte) {
  const Bytes file = stream::file({1, 3}, 4);
  for (size_t size = 1; size <= file.size(); ++size) {
    GstHarness* h = gst_harness_new("semanticparse");
    gst_harness_set_src_caps_str(h, "video/x-semantic");
    gst_harness_push(h, stream::buffer(Bytes(file.begin(), file.begin() + ptrdiff_t(size)), 0));
    gst_harness_push_event(h, gst_event_new_eos());
    fail_unless(gst_harness_buffers_received(h) <= 4);
    gst_harness_teardown(h);
  }
}
GST_END_TEST

GST_START_TEST(every_byte_damaged) {
  const int units = 6;
  const Bytes file = stream::file({1, 2}, units, 3);
  const size_t header = stream::header_bytes(stream::header({1, 2})).size();
  for (size_t byte = header; byte < file.size(); ++byte) {
    Bytes damaged = file;
    damaged[byte] ^= uint8_t(1u << (byte % 8));
    GstHarness* h = gst_harness_new("semanticparse");
    gst_harness_set_src_caps_str(h, "video/x-semantic");
    fail_unless_equals_int(gst_harness_push(h, stream::buffer(damaged)), GST_FLOW_OK);
    gst_harness_push_event(h, gst_event_new_eos());
    // A damaged unit header costs that unit; nothing costs more. Times of the others are right.
    std::set<GstClockTime> times;
    while (GstBuffer* buffer = gst_harness_try_pull(h)) {
      times.insert(GST_BUFFER_PTS(buffer));
      gst_buffer_unref(buffer);
    }
    int found = 0;
    for (int i = 0; i < units; ++i)
      found += int(times.count(GstClockTime(i) * kFrame));
    fail_unless(found >= units - 1, "byte %zu: %d of %d units", byte, found, units);
    gst_harness_teardown(h);
  }
}
GST_END_TEST

GST_START_TEST(garbage_between_units) {
  const auto header = stream::header({3});
  stream::Writer writer(header);
  Bytes file = stream::payload(1, 300);
  stream::append(file, stream::header_bytes(header));
  for (int i = 0; i < 10; ++i) {
    stream::append(file, writer.unit(uint64_t(i), {{3, stream::payload(i, 40)}}));
    stream::append(file, stream::payload(i + 50, size_t(i) * 11));
  }
  fail_unless_equals_int(parse_file(file).units.size(), 10);
}
GST_END_TEST

GST_START_TEST(random_bytes_give_nothing) {
  const Output out = parse_file(stream::payload(5, 200000));
  fail_unless(out.units.empty());
}
GST_END_TEST

GST_START_TEST(duration_and_caps_in_pull_mode) {
  File file(stream::file({1, 2, 3}, 50));
  Pipeline pipeline(std::string("filesrc location=") + file.path + " ! semanticparse name=p");
  fail_unless(pipeline.preroll());
  gint64 duration = 0;
  fail_unless(gst_element_query_duration(pipeline.element, GST_FORMAT_TIME, &duration));
  fail_unless_equals_int64(duration, gint64(50 * kFrame));
  GstElement* parse = gst_bin_get_by_name(GST_BIN(pipeline.element), "p");
  GstPad* pad = gst_element_get_static_pad(parse, "src");
  GstCaps* caps = gst_pad_get_current_caps(pad);
  const GstStructure* s = gst_caps_get_structure(caps, 0);
  gboolean parsed = FALSE;
  int layers = 0;
  fail_unless(gst_structure_get_boolean(s, "parsed", &parsed) && parsed);
  fail_unless(gst_structure_get_int(s, "layers", &layers) && layers == 3);
  fail_unless(gst_structure_has_field(s, "streamheader"));
  gst_caps_unref(caps);
  gst_object_unref(pad);
  gst_object_unref(parse);
}
GST_END_TEST

static void seek_and_check(const std::string& launch, int units, bool exact) {
  Pipeline pipeline(launch);
  fail_unless(pipeline.preroll());
  for (int target : {units * 3 / 4, units / 4, units - 1, 0, units / 2}) {
    pipeline.out = Output{};
    fail_unless(gst_element_seek_simple(pipeline.element, GST_FORMAT_TIME,
                                        GstSeekFlags(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
                                        gint64(target) * gint64(kFrame)));
    fail_unless(gst_element_get_state(pipeline.element, nullptr, nullptr, 20 * GST_SECOND) ==
                GST_STATE_CHANGE_SUCCESS);
    gst_element_set_state(pipeline.element, GST_STATE_PLAYING);
    pipeline.wait_eos();
    fail_unless(!pipeline.out.times.empty());
    const GstClockTime first = pipeline.out.times.front(), want = GstClockTime(target) * kFrame;
    fail_unless(first <= want && want - first <= GST_SECOND, "wanted %d, began at picture %d", target,
                int(first / kFrame));
    fail_unless_equals_uint64(pipeline.out.times.back(), GstClockTime(units - 1) * kFrame);
    if (exact)
      for (size_t i = 1; i < pipeline.out.times.size(); ++i)
        fail_unless_equals_uint64(pipeline.out.times[i], pipeline.out.times[i - 1] + kFrame);
    gst_element_set_state(pipeline.element, GST_STATE_PAUSED);
  }
}

GST_START_TEST(seeks_in_pull_mode) {
  File file(stream::file({1, 2, 3}, 200, 50));
  seek_and_check(std::string("filesrc location=") + file.path + " ! semanticparse", 200, true);
}
GST_END_TEST

static Bytes joined(const Bytes& a, const Bytes& b) {
  Bytes both = a;
  stream::append(both, b);
  return both;
}

GST_START_TEST(joined_files_play_one_behind_the_other) {
  const Bytes one = stream::file({1, 2, 3}, 30, 10);
  for (const char* feed : {"", "! queue ! identity", "blocksize=11 ! queue ! identity"}) {
    const Output out = parse_file(joined(joined(one, one), stream::file({1, 2}, 20)), feed);
    fail_unless_equals_int(out.units.size(), 80);
    for (size_t i = 0; i < out.times.size(); ++i)
      fail_unless_equals_uint64(out.times[i], i * kFrame);
  }
}
GST_END_TEST

GST_START_TEST(joined_files_seek) {
  File file(joined(stream::file({1, 2, 3}, 90, 25), stream::file({1, 3}, 110, 110)));
  const std::string launch = std::string("filesrc location=") + file.path + " ! semanticparse";
  {
    Pipeline pipeline(launch);
    fail_unless(pipeline.preroll());
    gint64 duration = 0;
    fail_unless(gst_element_query_duration(pipeline.element, GST_FORMAT_TIME, &duration));
    fail_unless_equals_int64(duration, gint64(200 * kFrame));
  }
  seek_and_check(launch, 200, true);
}
GST_END_TEST

GST_START_TEST(seek_when_headers_come_once) {
  // Only short timestamps behind the first unit, more than 16 bits of them: the index tells them apart.
  const int units = 70000;
  File file(stream::file({1}, units, units));
  Pipeline pipeline(std::string("filesrc location=") + file.path + " ! semanticparse");
  fail_unless(pipeline.preroll());
  pipeline.out = Output{};
  const GstClockTime want = GstClockTime(units - 100) * kFrame;
  fail_unless(gst_element_seek_simple(pipeline.element, GST_FORMAT_TIME, GstSeekFlags(GST_SEEK_FLAG_FLUSH),
                                      gint64(want)));
  fail_unless(gst_element_get_state(pipeline.element, nullptr, nullptr, 20 * GST_SECOND) ==
              GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state(pipeline.element, GST_STATE_PLAYING);
  pipeline.wait_eos();
  const GstClockTime first = pipeline.out.times.front();
  fail_unless(first <= want && want - first <= GST_SECOND);
  fail_unless_equals_uint64(pipeline.out.times.back(), GstClockTime(units - 1) * kFrame);
}
GST_END_TEST

GST_START_TEST(delta_units_are_marked) {
  const auto header = stream::header({1, 2});
  stream::Writer writer(header);
  Bytes file = stream::header_bytes(header);
  stream::append(file, writer.unit(0, {{1, {1}}, {2, {1}}}));
  stream::append(file, writer.unit(1, {{2, {1}, false, true}}));
  stream::append(file, writer.unit(2, {{2, {1}}})); // key, but without the words
  stream::append(file, writer.unit(3, {}));
  stream::append(file, writer.unit(4, {{1, {1}}, {2, {1}}}));
  const Output out = parse_file(file);
  fail_unless((out.delta == std::vector<bool>{false, true, true, true, false}));
}
GST_END_TEST

GST_START_TEST(upstream_time_is_kept) {
  GstHarness* h = gst_harness_new("semanticparse");
  gst_harness_set_src_caps_str(h, "video/x-semantic");
  const auto header = stream::header({1});
  stream::Writer writer(header);
  Bytes first = stream::header_bytes(header);
  stream::append(first, writer.unit(0, {{1, {1}}}));
  gst_harness_push(h, stream::buffer(first, 3 * GST_SECOND));
  gst_harness_push(h, stream::buffer(writer.unit(1, {{1, {1}}}), 3 * GST_SECOND + kFrame));
  for (GstClockTime want : {GstClockTime(3 * GST_SECOND), 3 * GST_SECOND + kFrame}) {
    GstBuffer* buffer = gst_harness_pull(h);
    fail_unless_equals_uint64(GST_BUFFER_PTS(buffer), want);
    gst_buffer_unref(buffer);
  }
  gst_harness_teardown(h);
}
GST_END_TEST

GST_START_TEST(header_only_in_caps) {
  const auto header = stream::header({1});
  GstCaps* caps = gst_caps_new_empty_simple("video/x-semantic");
  GValue array = G_VALUE_INIT, item = G_VALUE_INIT;
  g_value_init(&array, GST_TYPE_ARRAY);
  g_value_init(&item, GST_TYPE_BUFFER);
  g_value_take_boxed(&item, stream::buffer(stream::header_bytes(header)));
  gst_value_array_append_and_take_value(&array, &item);
  gst_caps_set_value(caps, "streamheader", &array);
  g_value_unset(&array);
  GstHarness* h = gst_harness_new("semanticparse");
  gst_harness_set_src_caps(h, caps);
  stream::Writer writer(header);
  gst_harness_push(h, stream::buffer(writer.unit(0, {{1, {1}}})));
  gst_harness_push_event(h, gst_event_new_eos());
  fail_unless_equals_int(gst_harness_buffers_received(h), 1);
  gst_harness_teardown(h);
}
GST_END_TEST

static GstTypeFindProbability probe(const Bytes& bytes, std::string& type) {
  GstBuffer* buffer = stream::buffer(bytes);
  GstTypeFindProbability probability = GST_TYPE_FIND_NONE;
  GstCaps* caps = gst_type_find_helper_for_buffer(nullptr, buffer, &probability);
  type = caps ? gst_structure_get_name(gst_caps_get_structure(caps, 0)) : "";
  if (caps)
    gst_caps_unref(caps);
  gst_buffer_unref(buffer);
  return probability;
}

GST_START_TEST(typefind) {
  std::string type;
  const Bytes file = stream::file({1, 2, 3}, 2), header = stream::header_bytes(stream::header({1, 2, 3}));
  fail_unless_equals_int(probe(file, type), GST_TYPE_FIND_MAXIMUM);
  fail_unless_equals_string(type.c_str(), "video/x-semantic");
  // A header with something else behind it is not certain.
  Bytes odd = header;
  stream::append(odd, stream::payload(3, 100));
  fail_unless(probe(odd, type) < GST_TYPE_FIND_MAXIMUM && type == "video/x-semantic");
  // The magic alone, with a wrong checksum, is nothing.
  Bytes bad = file;
  bad[header.size() - 1] ^= 1;
  probe(bad, type);
  fail_unless(type != "video/x-semantic");
  // "*.gsem" puts this typefinder first.
  bool registered = false;
  GList* factories = gst_type_find_factory_get_list();
  for (GList* l = factories; l; l = l->next) {
    const gchar* const* extensions = gst_type_find_factory_get_extensions(GST_TYPE_FIND_FACTORY(l->data));
    registered = registered || (extensions && g_strv_contains(extensions, "gsem"));
  }
  gst_plugin_feature_list_free(factories);
  fail_unless(registered);
}
GST_END_TEST

GST_START_TEST(restart_with_another_file) {
  File a(stream::file({1}, 5)), b(stream::file({2, 3}, 7));
  Pipeline pipeline(std::string("filesrc name=f location=") + a.path + " ! semanticparse");
  pipeline.run();
  fail_unless_equals_int(pipeline.out.units.size(), 5);
  gst_element_set_state(pipeline.element, GST_STATE_READY);
  GstElement* source = gst_bin_get_by_name(GST_BIN(pipeline.element), "f");
  g_object_set(source, "location", b.path, nullptr);
  gst_object_unref(source);
  pipeline.out = Output{};
  pipeline.run();
  fail_unless_equals_int(pipeline.out.units.size(), 7);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, whole_file);
  tcase_add_test(tc, push_mode_in_crumbs);
  tcase_add_test(tc, capture_that_begins_anywhere);
  tcase_add_test(tc, cut_at_every_byte);
  tcase_add_test(tc, every_byte_damaged);
  tcase_add_test(tc, garbage_between_units);
  tcase_add_test(tc, random_bytes_give_nothing);
  tcase_add_test(tc, duration_and_caps_in_pull_mode);
  tcase_add_test(tc, seeks_in_pull_mode);
  tcase_add_test(tc, seek_when_headers_come_once);
  tcase_add_test(tc, joined_files_play_one_behind_the_other);
  tcase_add_test(tc, joined_files_seek);
  tcase_add_test(tc, delta_units_are_marked);
  tcase_add_test(tc, upstream_time_is_kept);
  tcase_add_test(tc, header_only_in_caps);
  tcase_add_test(tc, typefind);
  tcase_add_test(tc, restart_with_another_file);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "parse", fill);
}
