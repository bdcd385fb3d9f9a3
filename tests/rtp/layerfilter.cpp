// SPDX-License-Identifier: LGPL-2.1-or-later
// semanticlayerfilter: what goes on of which unit, read with the bitstream library.
#include "tests/rtp/filter_test.hpp"

#include <glib/gstdio.h>

#include <algorithm>
#include <random>

using namespace filter_test;

GST_START_TEST(what_stays_whole_is_not_copied) {
  for (const char* properties : {"", "target-bitrate=10000000"}) {
    Filter filter(properties);
    for (int i = 0; i < 30; ++i) {
      GstBuffer* buffer =
          stream::buffer(filter.writer().unit(uint64_t(i), live_unit(i)), GstClockTime(i) * kFrame);
      gst_buffer_ref(buffer);
      GstMemory* memory = gst_buffer_peek_memory(buffer, 0);
      fail_unless_equals_int(gst_harness_push(filter.harness(), buffer), GST_FLOW_OK);
      GstBuffer* out = gst_harness_pull(filter.harness());
      fail_unless(out == buffer && gst_buffer_peek_memory(out, 0) == memory);
      gst_buffer_unref(out);
      gst_buffer_unref(buffer);
    }
    fail_unless_equals_uint64(filter.counter("trimmed-units"), 0);
    fail_unless_equals_uint64(filter.counter("access-units"), 30);
    fail_unless_equals_uint64(filter.counter("bytes-in"), filter.counter("bytes-out"));
  }
}
GST_END_TEST

GST_START_TEST(layers_above_max_layer_are_absent) {
  for (int max = 1; max <= 3; ++max) {
    Filter filter("max-layer=" + std::to_string(max));
    for (int i = 0; i < 60; ++i) {
      const auto in = live_unit(i);
      const Received out = filter.send(uint64_t(i), in);
      fail_unless(out.lost.empty());
      fail_unless_equals_int(out.unit.number, i);
      std::set<unsigned> wanted;
      for (const auto& piece : in)
        if (piece.kind <= max) {
          wanted.insert(unsigned(piece.kind));
          fail_unless(out.layers.at(unsigned(piece.kind)) == piece.payload);
        }
      fail_unless(kinds(out) == wanted);
      // A caption makes a picture alone; a map does not where there are captions.
      if (max < 3)
        fail_unless_equals_int(out.delta, i % kCaptionEach != 0 || (max == 2 && i % kKeyEach != 0));
    }
    fail_unless_equals_int(filter.layer(), max);
    fail_unless_equals_uint64(filter.counter("signal", "cut"), max < 3 ? 60 : 0);
    fail_unless_equals_uint64(filter.counter("structure", "sent"), max < 2 ? 0 : 60);
  }
}
GST_END_TEST

GST_START_TEST(headers_in_band_go_through) {
  Filter filter("max-layer=1");
  const StreamHeader header = stream::header({1, 2, 3});
  for (int i = 0; i < 4; ++i) {
    Bytes bytes = stream::header_bytes(header);
    filter.writer().restart();
    stream::append(bytes, filter.writer().unit(uint64_t(i) + 70000, live_unit(0)));
    filter.push_bytes(bytes, uint64_t(i));
    const auto out = filter.take();
    fail_unless_equals_int(out.size(), 1);
    fail_unless(out[0].header && !out[0].delta);
    fail_unless(kinds(out[0]) == std::set<unsigned>{1});
    fail_unless_equals_uint64(out[0].unit.timestamp, 70000 + uint64_t(i));
  }
}
GST_END_TEST

GST_START_TEST(up_at_a_switch_point_that_is_asked_for) {
  Filter filter("max-layer=1");
  filter.send(0, live_unit(0));
  fail_unless_equals_int(filter.layer(), 1);
  filter.upstream();
  g_object_set(filter.element(), "max-layer", 2, nullptr);
  for (int i = 1; i < 10; ++i) {
    fail_unless(kinds(filter.send(uint64_t(i), live_unit(i))).empty());
    fail_unless_equals_int(filter.layer(), 1);
  }
  fail_unless_equals_int(filter.upstream().key_requests, 1);
  fail_unless(kinds(filter.send(10, live_unit(10))) == std::set<unsigned>{2});
  fail_unless_equals_int(filter.layer(), 2);
  fail_unless(kinds(filter.send(11, live_unit(11))) == std::set<unsigned>{2});

  // No key ever comes: asked for once a second.
  g_object_set(filter.element(), "max-layer", 1, nullptr);
  filter.send(12, live_unit(12));
  g_object_set(filter.element(), "max-layer", 3, nullptr);
  filter.upstream();
  for (int i = 0; i < 100; ++i) {
    const auto out = kinds(filter.send(uint64_t(100 + i), live_unit(1)));
    fail_unless(out == std::set<unsigned>{3}); // signals are switch points of their own
  }
  fail_unless_equals_int(filter.upstream().key_requests, 4);
  fail_unless_equals_uint64(filter.counter("key-requests"), 5);
}
GST_END_TEST

GST_START_TEST(no_map_without_its_key) {
  std::mt19937 random(7);
  for (int seed = 0; seed < 40; ++seed) {
    Filter filter("hold-time=" + std::to_string(random() % 300));
    bool key_sent = false, lost_key = false;
    size_t sent = 0;
    for (int i = 0; i < 400; ++i) {
      if (random() % 20 == 0)
        g_object_set(filter.element(), "target-bitrate", guint(random() % 6 ? 2000 << (random() % 9) : 0),
                     nullptr);
      if (random() % 40 == 0)
        g_object_set(filter.element(), "max-layer", int(1 + random() % 3), nullptr);
      auto in = live_unit(i, random() % 2000);
      for (auto& piece : in)
        if (piece.kind == 2) {
          piece.payload.resize(1 + random() % 900);
          piece.lost = random() % 15 == 0;
          if (piece.key)
            lost_key = piece.lost;
        }
      const Received out = filter.send(uint64_t(i), in);
      for (const auto& layer : out.unit.layers) {
        if (unsigned(layer.kind) != 2 || layer.lost)
          continue;
        ++sent;
        fail_unless(layer.key || (key_sent && !lost_key), "seed %d, unit %d", seed, i);
      }
      if (i % kKeyEach == 0)
        key_sent = kinds(out).count(2) == 1;
      fail_unless_equals_int(kinds(out).count(1), i % kCaptionEach == 0);
    }
    fail_unless(sent > 0);
  }
}
GST_END_TEST

GST_START_TEST(changes_are_told) {
  Filter filter("");
  int notified = 0;
  g_signal_connect(filter.element(), "notify::current-layer",
                   G_CALLBACK(+[](GstElement*, GParamSpec*, gpointer data) { ++*static_cast<int*>(data); }),
                   &notified);
  auto next = [&](const char* reason, guint layer, guint previous) {
    Ptr<GstMessage> message(gst_bus_pop_filtered(filter.bus(), GST_MESSAGE_ELEMENT));
    fail_unless(message != nullptr);
    const GstStructure* s = gst_message_get_structure(message.get());
    fail_unless(gst_structure_has_name(s, "semantic-layer-changed"));
    guint value = 99;
    fail_unless(gst_structure_get_uint(s, "layer", &value));
    fail_unless_equals_int(value, layer);
    fail_unless(gst_structure_get_uint(s, "previous-layer", &value));
    fail_unless_equals_int(value, previous);
    fail_unless_equals_string(gst_structure_get_string(s, "reason"), reason);
    fail_unless(gst_structure_has_field_typed(s, "bitrate", G_TYPE_UINT));
    guint64 time = 0;
    fail_unless(gst_structure_get_uint64(s, "running-time", &time));
    return time;
  };
  fail_unless_equals_int(filter.layer(), 0);
  filter.send(0, live_unit(0));
  fail_unless_equals_uint64(next("start", 3, 0), 0);
  g_object_set(filter.element(), "max-layer", 2, nullptr);
  filter.send(1, live_unit(1));
  fail_unless_equals_uint64(next("max-layer", 2, 3), kFrame);
  g_object_set(filter.element(), "target-bitrate", 100u, nullptr);
  for (uint64_t i = 2; i < 40; ++i)
    filter.send(i, live_unit(int(i)));
  next("bitrate", 1, 2);
  fail_unless(gst_bus_pop_filtered(filter.bus(), GST_MESSAGE_ELEMENT) == nullptr);
  fail_unless_equals_int(notified, 3);
}
GST_END_TEST

GST_START_TEST(lost_and_not_sent_stay_apart) {
  Filter filter("max-layer=2");
  auto unit = [](int i, bool lost) {
    auto pieces = live_unit(i);
    for (auto& piece : pieces)
      if (piece.kind > 1)
        piece.lost = lost;
    return pieces;
  };
  filter.send(0, unit(0, false));
  filter.send(1, unit(1, false));
  const Received out = filter.send(2, unit(2, true));
  fail_unless(out.lost == std::vector<unsigned>{2}); // not the signal, which is above max-layer
  fail_unless(kinds(filter.send(3, unit(3, false))) == std::set<unsigned>{2}); // a lost delta costs itself
  filter.send(10, unit(10, true));
  fail_unless(kinds(filter.send(11, unit(11, false))).empty()); // its key was lost
  fail_unless_equals_uint64(filter.counter("structure", "blocked"), 1);
  g_object_set(filter.element(), "max-layer", 1, nullptr);
  fail_unless(filter.send(12, unit(12, true)).lost.empty());
}
GST_END_TEST

GST_START_TEST(what_a_layer_depends_on_goes_with_it) {
  StreamHeader header = stream::header({1, 2, 3});
  header.layers[2].dependencies = 1u << 2;
  Filter filter("", header);
  std::mt19937 random(11);
  size_t signals = 0, cut = 0;
  for (int i = 0; i < 1000; ++i) {
    if (i % 100 == 0)
      g_object_set(filter.element(), "target-bitrate", guint(10000 + random() % 120000), nullptr);
    const auto out = kinds(filter.send(uint64_t(i), live_unit(i, 200)));
    fail_unless(out.count(2) || !out.count(3), "unit %d", i);
    signals += out.count(3);
    cut += !out.count(3);
  }
  fail_unless(signals > 50 && cut > 50);
}
GST_END_TEST

GST_START_TEST(streams_without_maps) {
  const StreamHeader header = stream::header({1, 3});
  Filter filter("target-bitrate=15000", header);
  size_t captions = 0, signals = 0;
  for (int i = 0; i < 500; ++i) {
    std::vector<Piece> pieces;
    if (i % kCaptionEach == 0)
      pieces.push_back({1, {1, 2, 3}});
    pieces.push_back({3, stream::payload(i, 250), true, true});
    const auto out = kinds(filter.send(uint64_t(i), pieces));
    captions += out.count(1);
    signals += out.count(3);
  }
  fail_unless_equals_int(captions, 20);
  fail_unless(signals > 40 && signals < 150);
  fail_unless_equals_int(filter.layer(), 3);
}
GST_END_TEST

GST_START_TEST(stills_are_thinned_by_count) {
  // structure maps that all stand alone: no temporal ids, no deltas
  Filter filter("target-bitrate=20000", stream::header({1, 2}));
  size_t maps = 0;
  for (int i = 0; i < 500; ++i)
    maps += kinds(filter.send(uint64_t(i), {{2, stream::payload(i, 200), true, true}})).count(2);
  fail_unless(maps > 50 && maps < 250, "%zu maps", maps);
}
GST_END_TEST

GST_START_TEST(hostile_units) {
  std::mt19937 random(5);
  const StreamHeader header = stream::header({1, 2, 3});
  Filter filter("target-bitrate=40000");
  size_t came = 0;
  for (int i = 0; i < 4000; ++i) {
    Bytes bytes;
    if (random() % 4 == 0) {
      bytes = stream::header_bytes(header);
      filter.writer().restart();
    }
    stream::append(bytes, filter.writer().unit(uint64_t(i), live_unit(i, 1 + random() % 100)));
    const unsigned what = random() % 4;
    if (what == 0)
      bytes.resize(random() % bytes.size());
    else if (what == 1)
      for (unsigned n = 1 + random() % 8; n; --n)
        bytes[random() % bytes.size()] ^= uint8_t(1u << (random() % 8));
    else if (what == 2)
      for (auto& byte : bytes)
        byte = uint8_t(random());
    if (what == 3 && random() % 3 == 0)
      bytes.insert(bytes.end(), {0xd3, 0x7f, 1, 2, 3});
    GstBuffer* buffer = stream::buffer(bytes, GstClockTime(i) * kFrame);
    fail_unless_equals_int(gst_harness_push(filter.harness(), buffer), GST_FLOW_OK);
    while (GstBuffer* out = gst_harness_try_pull(filter.harness())) {
      const Bytes got = stream::bytes_of(out);
      size_t at = 0;
      UnitKind kind = UnitKind::AccessUnit;
      fail_unless(find_unit(got, 0, at, kind) == gsem::Status::Ok && at == 0);
      ++came;
      gst_buffer_unref(out);
    }
  }
  fail_unless(came > 1000 && came + filter.counter("damaged-units") == 4000);
}
GST_END_TEST

GST_START_TEST(a_gap_follows_what_was_dropped) {
  Filter filter("");
  filter.send(0, live_unit(0));
  filter.push_bytes({1, 2, 3, 4, 5, 6, 7, 8}, 1);
  fail_unless(filter.take().empty());
  fail_unless_equals_uint64(filter.counter("damaged-units"), 1);
  fail_unless(filter.send(2, live_unit(2)).discont);
  fail_unless(!filter.send(3, live_unit(3)).discont);
  // nothing, and an empty unit
  GstBuffer* empty = gst_buffer_new();
  fail_unless_equals_int(gst_harness_push(filter.harness(), empty), GST_FLOW_OK);
  fail_unless_equals_uint64(filter.counter("damaged-units"), 2);
  fail_unless(filter.send(4, {}).unit.layers.empty());
}
GST_END_TEST

GST_START_TEST(events_go_through) {
  Filter filter("target-bitrate=20000");
  GstHarness* h = filter.harness();
  filter.send(0, live_unit(0));
  while (GstEvent* event = gst_harness_try_pull_event(h))
    gst_event_unref(event);
  fail_unless(gst_harness_push_event(h, gst_event_new_gap(kFrame, kFrame)));
  fail_unless(gst_harness_push_event(h, gst_event_new_flush_start()));
  fail_unless(gst_harness_push_event(h, gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  fail_unless(gst_harness_push_event(h, gst_event_new_segment(&segment)));
  // After a flush maps begin with a key again, and time at 0.
  filter.upstream();
  filter.writer().restart();
  fail_unless(kinds(filter.send(1, live_unit(1))).count(2) == 0);
  fail_unless_equals_int(filter.upstream().key_requests, 1);
  fail_unless(kinds(filter.send(10, live_unit(10))).count(2) == 1);
  fail_unless(gst_harness_push_event(h, gst_event_new_eos()));
  std::vector<GstEventType> seen;
  while (GstEvent* event = gst_harness_try_pull_event(h)) {
    seen.push_back(GST_EVENT_TYPE(event));
    gst_event_unref(event);
  }
  for (GstEventType type : {GST_EVENT_GAP, GST_EVENT_FLUSH_START, GST_EVENT_FLUSH_STOP, GST_EVENT_EOS})
    fail_unless_equals_int(std::count(seen.begin(), seen.end(), type), 1);
  // Key requests of receivers reach the encoders.
  filter.upstream();
  gst_harness_push_upstream_event(h,
                                  gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 1));
  fail_unless_equals_int(filter.upstream().key_requests, 1);
}
GST_END_TEST

GST_START_TEST(states_and_properties) {
  GstElement* element = gst_element_factory_make("semanticlayerfilter", nullptr);
  fail_unless(element != nullptr);
  gst_object_ref_sink(element);
  fail_unless_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(gst_element_get_factory(element))),
                         GST_RANK_NONE);
  for (int round = 0; round < 3; ++round)
    for (GstState state : {GST_STATE_PLAYING, GST_STATE_NULL})
      fail_unless(gst_element_set_state(element, state) != GST_STATE_CHANGE_FAILURE);
  guint n = 0;
  GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &n);
  for (guint i = 0; i < n; ++i) {
    if (specs[i]->owner_type != G_OBJECT_TYPE(element))
      continue;
    fail_unless(strlen(g_param_spec_get_blurb(specs[i])) > 20);
    if (!(specs[i]->flags & G_PARAM_WRITABLE))
      continue;
    fail_unless(specs[i]->flags & GST_PARAM_MUTABLE_PLAYING);
    // Each value comes back.
    GValue value = G_VALUE_INIT, back = G_VALUE_INIT;
    for (GValue* v : {&value, &back})
      g_value_init(v, specs[i]->value_type);
    if (specs[i]->value_type == G_TYPE_UINT)
      g_value_set_uint(&value, 77);
    else if (specs[i]->value_type == G_TYPE_INT)
      g_value_set_int(&value, 2);
    else
      g_value_set_boolean(&value, !g_value_get_boolean(g_param_spec_get_default_value(specs[i])));
    g_object_set_property(G_OBJECT(element), specs[i]->name, &value);
    g_object_get_property(G_OBJECT(element), specs[i]->name, &back);
    fail_unless_equals_int(gst_value_compare(&value, &back), GST_VALUE_EQUAL);
  }
  g_free(specs);
  gst_object_unref(element);
}
GST_END_TEST

/// The text between |[ and ]| of an element's documentation.
static std::string launch_line(const char* source) {
  gchar *path = g_build_filename(g_getenv("GSEM_DOCS"), "..", "plugins", "semantic", source, nullptr),
        *text = nullptr;
  fail_unless(g_file_get_contents(path, &text, nullptr, nullptr), "cannot read %s", path);
  std::string line(text);
  g_free(text);
  g_free(path);
  line = line.substr(line.find("|[") + 2);
  line = line.substr(0, line.find("]|"));
  for (const char* noise : {"gst-launch-1.0", "\\\n *", "\n *", "\n"})
    for (size_t at; (at = line.find(noise)) != std::string::npos;)
      line.replace(at, strlen(noise), " ");
  return line;
}

GST_START_TEST(the_launch_line_works) {
  std::string line = launch_line("gstsemanticlayerfilter.cpp");
  gchar* folder = g_dir_make_tmp("layerfilter-XXXXXX", nullptr);
  const std::string file = std::string(folder) + "/in.gsem";
  const Bytes bytes = stream::file({1, 2, 3}, 50);
  fail_unless(g_file_set_contents(file.c_str(), reinterpret_cast<const gchar*>(bytes.data()),
                                  gssize(bytes.size()), nullptr));
  const size_t at = line.find("in.gsem");
  fail_unless(at != std::string::npos);
  line.replace(at, strlen("in.gsem"), file);
  GError* error = nullptr;
  Ptr<GstElement> pipeline(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), &error))));
  fail_unless(!error, "%s: %s", line.c_str(), error ? error->message : "");
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  Ptr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  Ptr<GstMessage> message(gst_bus_timed_pop_filtered(bus.get(), 30 * GST_SECOND,
                                                     GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  fail_unless(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  g_remove(file.c_str());
  g_rmdir(folder);
  g_free(folder);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, what_stays_whole_is_not_copied);
  tcase_add_test(tc, layers_above_max_layer_are_absent);
  tcase_add_test(tc, headers_in_band_go_through);
  tcase_add_test(tc, up_at_a_switch_point_that_is_asked_for);
  tcase_add_test(tc, no_map_without_its_key);
  tcase_add_test(tc, changes_are_told);
  tcase_add_test(tc, lost_and_not_sent_stay_apart);
  tcase_add_test(tc, what_a_layer_depends_on_goes_with_it);
  tcase_add_test(tc, streams_without_maps);
  tcase_add_test(tc, stills_are_thinned_by_count);
  tcase_add_test(tc, hostile_units);
  tcase_add_test(tc, a_gap_follows_what_was_dropped);
  tcase_add_test(tc, events_go_through);
  tcase_add_test(tc, states_and_properties);
  tcase_add_test(tc, the_launch_line_works);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "layerfilter", fill);
}
