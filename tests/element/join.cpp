// SPDX-License-Identifier: LGPL-2.1-or-later
// The join on its own: one test for each reason why a layer is not there. The element under test writes each
// set as letters.
#include "gst/semantic/layer_join.hpp"
#include "gst/semantic/layer_meta.hpp"
#include "tests/element/leaks.hpp"
#include "tests/element/stream.hpp"

// ---- an element that writes down what it is given: "PN" = present on a, not sent on b ---------------------

G_BEGIN_DECLS
G_DECLARE_FINAL_TYPE(TestJoin, test_join, TEST, JOIN, GstSemanticLayerJoin)
G_END_DECLS

struct _TestJoin {
  GstSemanticLayerJoin parent;
};
G_DEFINE_TYPE(TestJoin, test_join, GST_TYPE_SEMANTIC_LAYER_JOIN)

static GstStaticPadTemplate template_a =
    GST_STATIC_PAD_TEMPLATE("a", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS("video/x-test"));
static GstStaticPadTemplate template_b =
    GST_STATIC_PAD_TEMPLATE("b", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS("video/x-test"));
static GstStaticPadTemplate template_src =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-joined"));

/// Shows nothing before the first buffer, as an element that does not know the size of its pictures yet.
static bool wait_for_data;

static GstFlowReturn write_set(GstSemanticLayerJoin* self, GstSemanticJoinSet* set) {
  const char letters[] = "PNLTEUO";
  if (wait_for_data && !set->pads[0].buffer && !set->pads[1].buffer)
    return GST_SEMANTIC_JOIN_FLOW_NOTHING;
  std::string text;
  for (int i = 0; i < 2; ++i) {
    text += letters[set->pads[i].state];
    fail_unless((set->pads[i].buffer != nullptr) == (set->pads[i].state == GST_SEMANTIC_JOIN_PRESENT));
  }
  return gst_semantic_layer_join_finish(self, set, gst_buffer_new_memdup(text.data(), text.size()));
}

static gboolean no_negotiation(GstAggregator* self) {
  GstCaps* caps = gst_caps_new_empty_simple("video/x-joined");
  gst_aggregator_set_src_caps(self, caps);
  gst_caps_unref(caps);
  return TRUE;
}

static void test_join_init(TestJoin*) {}
static void test_join_class_init(TestJoinClass* klass) {
  auto* element = GST_ELEMENT_CLASS(klass);
  for (auto* templ : {&template_a, &template_b, &template_src})
    gst_element_class_add_static_pad_template_with_gtype(element, templ, GST_TYPE_AGGREGATOR_PAD);
  gst_element_class_set_static_metadata(element, "join under test", "Test", "test", "test");
  auto* join = GST_SEMANTIC_LAYER_JOIN_CLASS(klass);
  join->pad_names[0] = "a";
  join->pad_names[1] = "b";
  join->join = write_set;
  GST_AGGREGATOR_CLASS(klass)->negotiate = no_negotiation;
}

// ---- two harnesses on one element -----------------------------------------------------------------------

namespace {

constexpr GstClockTime kFrame = 40 * GST_MSECOND;

struct Bench {
  GstElement* element = GST_ELEMENT(g_object_new(test_join_get_type(), nullptr));
  GstHarness *a = nullptr, *b = nullptr;
  GstPad* unlinked = nullptr;

  explicit Bench(bool with_b = true, const char* caps = "video/x-test, framerate=(fraction)25/1") {
    gst_object_ref_sink(element);
    a = gst_harness_new_with_element(element, "a", "src");
    if (with_b)
      b = gst_harness_new_with_element(element, "b", nullptr);
    gst_harness_set_src_caps_str(a, caps);
    if (b)
      gst_harness_set_src_caps_str(b, caps);
  }
  ~Bench() {
    if (unlinked) {
      gst_element_release_request_pad(element, unlinked);
      gst_object_unref(unlinked);
    }
    if (b)
      gst_harness_teardown(b);
    gst_harness_teardown(a);
    gst_object_unref(element);
  }
  static void push(GstHarness* h, GstClockTime pts, GstClockTime duration = kFrame) {
    GstBuffer* buffer = gst_buffer_new_memdup("x", 1);
    GST_BUFFER_PTS(buffer) = pts;
    GST_BUFFER_DURATION(buffer) = duration;
    fail_unless_equals_int(gst_harness_push(h, buffer), GST_FLOW_OK);
  }
  static void gap(GstHarness* h, GstClockTime pts, GstClockTime duration = kFrame, bool missing = false) {
    GstEvent* event = gst_event_new_gap(pts, duration);
    if (missing)
      gst_event_set_gap_flags(event, GST_GAP_FLAG_MISSING_DATA);
    fail_unless(gst_harness_push_event(h, event));
  }
  void expect(const char* letters, GstClockTime pts) {
    GstBuffer* out = gst_harness_pull(a);
    fail_unless(out != nullptr, "nothing came for %s", letters);
    const gsem::Bytes bytes = stream::bytes_of(out);
    expect_text(std::string(bytes.begin(), bytes.end()), letters);
    fail_unless_equals_uint64(GST_BUFFER_PTS(out), pts);
    gst_buffer_unref(out);
  }
  guint64 stat(const char* pad, const char* field) {
    GstStructure* stats = gst_semantic_layer_join_get_stats(GST_SEMANTIC_LAYER_JOIN(element), "s");
    GstStructure* nested = nullptr;
    guint64 value = 0;
    fail_unless(gst_structure_get(stats, pad, GST_TYPE_STRUCTURE, &nested, nullptr));
    fail_unless(gst_structure_get_uint64(nested, field, &value));
    gst_structure_free(nested);
    gst_structure_free(stats);
    return value;
  }
};

} // namespace

GST_START_TEST(both_present) {
  Bench bench;
  for (int i = 0; i < 3; ++i) {
    bench.push(bench.a, GstClockTime(i) * kFrame);
    bench.push(bench.b, GstClockTime(i) * kFrame);
    bench.expect("PP", GstClockTime(i) * kFrame);
  }
  fail_unless_equals_uint64(bench.stat("b", "present"), 3);
}
GST_END_TEST

GST_START_TEST(plain_gap_is_not_sent) {
  Bench bench;
  bench.push(bench.a, 0);
  bench.gap(bench.b, 0);
  bench.expect("PN", 0);
  bench.gap(bench.a, kFrame);
  bench.push(bench.b, kFrame);
  bench.expect("NP", kFrame);
  fail_unless_equals_uint64(bench.stat("b", "not-sent"), 1);
  fail_unless_equals_uint64(bench.stat("b", "lost"), 0);
}
GST_END_TEST

GST_START_TEST(gaps_alone_make_a_set) {
  Bench bench;
  bench.gap(bench.a, 0);
  bench.gap(bench.b, 0, kFrame, true);
  bench.expect("NL", 0);
}
GST_END_TEST

GST_START_TEST(missing_data_is_lost) {
  Bench bench;
  bench.push(bench.a, 0);
  bench.gap(bench.b, 0, kFrame, true);
  bench.expect("PL", 0);
  fail_unless_equals_uint64(bench.stat("b", "lost"), 1);
}
GST_END_TEST

GST_START_TEST(eos_on_one_pad) {
  Bench bench;
  bench.push(bench.a, 0);
  bench.push(bench.b, 0);
  bench.expect("PP", 0);
  gst_harness_push_event(bench.b, gst_event_new_eos());
  bench.push(bench.a, kFrame);
  bench.expect("PE", kFrame);
  gst_harness_push_event(bench.a, gst_event_new_eos());
  GstEvent* event = nullptr;
  do {
    gst_clear_event(&event);
    event = gst_harness_pull_event(bench.a);
    fail_unless(event != nullptr);
  } while (GST_EVENT_TYPE(event) != GST_EVENT_EOS);
  gst_event_unref(event);
}
GST_END_TEST

GST_START_TEST(pad_never_requested) {
  Bench bench(false);
  bench.push(bench.a, 0);
  bench.expect("PU", 0);
}
GST_END_TEST

GST_START_TEST(requested_but_unlinked_does_not_block) {
  Bench bench(false);
  bench.unlinked = gst_element_request_pad_simple(bench.element, "b");
  fail_unless(bench.unlinked != nullptr);
  fail_unless_equals_string(GST_PAD_NAME(bench.unlinked), "b");
  // The harness linked pad a before: caps and segment again, as a caps event would bring them.
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(bench.a, gst_event_new_segment(&segment));
  for (int i = 0; i < 3; ++i) {
    bench.push(bench.a, GstClockTime(i) * kFrame);
    bench.expect("PU", GstClockTime(i) * kFrame);
  }
}
GST_END_TEST

GST_START_TEST(second_pad_of_a_name_is_refused) {
  Bench bench;
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
  ASSERT_CRITICAL(fail_unless(gst_element_request_pad_simple(bench.element, "a") == nullptr));
}
GST_END_TEST

GST_START_TEST(unlinking_while_playing) {
  Bench bench;
  bench.push(bench.a, 0);
  bench.push(bench.b, 0);
  bench.expect("PP", 0);
  GstPad* b = gst_element_get_static_pad(bench.element, "b");
  GstPad* peer = gst_pad_get_peer(b);
  bench.push(bench.a, kFrame);
  gst_pad_unlink(peer, b);
  bench.expect("PU", kFrame);
  gst_pad_link(peer, b);
  gst_object_unref(peer);
  gst_object_unref(b);
  // Linked again, and data flows: a part of the sets again.
  bench.push(bench.b, 2 * kFrame);
  bench.push(bench.a, 2 * kFrame);
  bench.expect("PP", 2 * kFrame);
}
GST_END_TEST

GST_START_TEST(unlinking_while_stopped_is_forgotten) {
  Bench bench;
  GstPad* b = gst_element_get_static_pad(bench.element, "b");
  GstPad* peer = gst_pad_get_peer(b);
  gst_element_set_state(bench.element, GST_STATE_NULL);
  gst_pad_unlink(peer, b);
  gst_pad_link(peer, b);
  gst_object_unref(peer);
  gst_object_unref(b);
  gst_harness_play(bench.a);
  gst_element_set_state(bench.element, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str(bench.b, "video/x-test, framerate=(fraction)25/1");
  gst_harness_set_src_caps_str(bench.a, "video/x-test, framerate=(fraction)25/1");
  bench.push(bench.b, 0);
  bench.push(bench.a, 0);
  bench.expect("PP", 0);
}
GST_END_TEST

GST_START_TEST(silent_absence_is_seen_at_the_next_buffer) {
  Bench bench;
  bench.push(bench.a, 0);
  bench.push(bench.b, kFrame);
  bench.expect("PN", 0);
  bench.push(bench.a, kFrame);
  bench.expect("PP", kFrame);
}
GST_END_TEST

GST_START_TEST(jitter_below_half_a_frame_is_one_picture) {
  Bench bench;
  bench.push(bench.a, 10 * GST_MSECOND);
  bench.push(bench.b, 0);
  bench.expect("PP", 0);
  bench.push(bench.a, 50 * GST_MSECOND);
  bench.push(bench.b, 75 * GST_MSECOND);
  bench.expect("PN", 50 * GST_MSECOND);
}
GST_END_TEST

GST_START_TEST(running_time_counts_not_pts) {
  Bench bench;
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 7 * GST_SECOND;
  gst_harness_push_event(bench.b, gst_event_new_segment(&segment));
  bench.push(bench.a, kFrame);
  bench.push(bench.b, 7 * GST_SECOND + kFrame);
  bench.expect("PP", kFrame);
}
GST_END_TEST

GST_START_TEST(source_segment_is_the_first_pads) {
  Bench bench;
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = 7 * GST_SECOND;
  gst_harness_push_event(bench.a, gst_event_new_segment(&segment));
  bench.push(bench.a, 7 * GST_SECOND);
  bench.push(bench.b, 0);
  bench.expect("PP", 7 * GST_SECOND);
}
GST_END_TEST

GST_START_TEST(outside_the_segment_is_dropped) {
  Bench bench(false);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  segment.start = segment.time = GST_SECOND;
  gst_harness_push_event(bench.a, gst_event_new_segment(&segment));
  bench.push(bench.a, 0);
  bench.push(bench.a, GST_SECOND);
  bench.expect("PU", GST_SECOND);
}
GST_END_TEST

GST_START_TEST(long_gap_speaks_for_many_pictures) {
  Bench bench;
  bench.gap(bench.b, 0, 5 * kFrame);
  for (int i = 0; i < 5; ++i) {
    bench.push(bench.a, GstClockTime(i) * kFrame);
    bench.expect("PN", GstClockTime(i) * kFrame);
  }
  bench.push(bench.b, 5 * kFrame);
  bench.push(bench.a, 5 * kFrame);
  bench.expect("PP", 5 * kFrame);
}
GST_END_TEST

GST_START_TEST(stills_at_equal_times_are_all_kept) {
  Bench bench(false, "video/x-test, framerate=(fraction)0/1");
  for (int i = 0; i < 3; ++i) {
    bench.push(bench.a, 0, GST_CLOCK_TIME_NONE);
    bench.expect("PU", 0);
  }
}
GST_END_TEST

GST_START_TEST(flush_with_an_unlinked_pad) {
  Bench bench(false);
  bench.unlinked = gst_element_request_pad_simple(bench.element, "b");
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(bench.a, gst_event_new_segment(&segment));
  bench.push(bench.a, 10 * kFrame);
  bench.expect("PU", 10 * kFrame);
  GstEvent* start = gst_event_new_flush_start();
  GstEvent* stop = gst_event_new_flush_stop(TRUE);
  gst_event_set_seqnum(stop, gst_event_get_seqnum(start));
  fail_unless(gst_harness_push_event(bench.a, start));
  fail_unless(gst_harness_push_event(bench.a, stop));
  fail_unless(gst_harness_push_event(bench.a, gst_event_new_segment(&segment)));
  // Earlier than what was out before the flush, and not late all the same.
  bench.push(bench.a, 0);
  bench.expect("PU", 0);
}
GST_END_TEST

GST_START_TEST(live_deadline_and_late_buffer) {
  Bench bench;
  gst_harness_use_testclock(bench.a);
  gst_harness_set_live(bench.a, TRUE);
  gst_harness_set_upstream_latency(bench.a, 0);
  g_object_set(bench.element, "latency", guint64(50 * GST_MSECOND), nullptr);
  gst_harness_play(bench.a);
  bench.push(bench.a, 0);
  // Nothing on b: the deadline is its time plus the latency.
  fail_unless(gst_harness_crank_single_clock_wait(bench.a));
  bench.expect("PT", 0);
  fail_unless_equals_uint64(gst_clock_get_time(GST_ELEMENT_CLOCK(bench.element)), 50 * GST_MSECOND);
  // It comes after all: dropped. The next picture is whole again.
  bench.push(bench.b, 0);
  bench.push(bench.b, kFrame);
  bench.push(bench.a, kFrame);
  bench.expect("PP", kFrame);
  fail_unless_equals_uint64(bench.stat("b", "late"), 1);
  fail_unless_equals_uint64(bench.stat("b", "dropped"), 1);
}
GST_END_TEST

/// A set of which nothing could be shown is not over: its data, which come later, are.
GST_START_TEST(live_gaps_before_any_data) {
  Bench bench;
  gst_harness_use_testclock(bench.a);
  gst_harness_set_live(bench.a, TRUE);
  gst_harness_set_upstream_latency(bench.a, 0);
  g_object_set(bench.element, "latency", guint64(50 * GST_MSECOND), nullptr);
  gst_harness_play(bench.a);
  wait_for_data = true;
  bench.gap(bench.b, 0);
  fail_unless(gst_harness_crank_single_clock_wait(bench.a)); // the deadline of a set with nothing in it
  bench.gap(bench.b, kFrame);
  bench.push(bench.a, 0);
  bench.expect("PN", 0);
  bench.push(bench.a, kFrame);
  bench.expect("PN", kFrame);
  fail_unless_equals_uint64(bench.stat("a", "dropped"), 0);
  wait_for_data = false;
}
GST_END_TEST

GST_START_TEST(behind_a_gap_of_its_own_is_late) {
  Bench bench;
  bench.push(bench.a, 0);
  bench.gap(bench.b, 0, kFrame, true);
  bench.expect("PL", 0);
  bench.push(bench.b, 0);
  bench.push(bench.a, kFrame);
  bench.push(bench.b, kFrame);
  bench.expect("PP", kFrame);
  fail_unless_equals_uint64(bench.stat("b", "dropped"), 1);
}
GST_END_TEST

/// What was given up came after all, but without this layer: no second picture for its time.
GST_START_TEST(a_second_gap_for_the_same_time_is_late) {
  Bench bench;
  bench.push(bench.a, 0);
  bench.gap(bench.b, 0, kFrame, false);
  bench.expect("PN", 0);
  bench.gap(bench.b, 0, kFrame, true);
  bench.push(bench.a, kFrame);
  bench.push(bench.b, kFrame);
  bench.expect("PP", kFrame);
}
GST_END_TEST

GST_START_TEST(live_gap_needs_no_deadline) {
  Bench bench;
  gst_harness_use_testclock(bench.a);
  gst_harness_set_live(bench.a, TRUE);
  gst_harness_set_upstream_latency(bench.a, 0);
  g_object_set(bench.element, "latency", guint64(50 * GST_MSECOND), nullptr);
  gst_harness_play(bench.a);
  for (int i = 0; i < 3; ++i) {
    bench.push(bench.a, GstClockTime(i) * kFrame);
    bench.gap(bench.b, GstClockTime(i) * kFrame);
    bench.expect("PN", GstClockTime(i) * kFrame);
  }
  fail_unless_equals_uint64(gst_clock_get_time(GST_ELEMENT_CLOCK(bench.element)), 0);
}
GST_END_TEST

GST_START_TEST(bytes_segment_is_an_error) {
  Bench bench(false);
  GstBus* bus = gst_bus_new();
  gst_element_set_bus(bench.element, bus);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_BYTES);
  gst_harness_push_event(bench.a, gst_event_new_segment(&segment));
  GstMessage* message = gst_bus_timed_pop_filtered(bus, 5 * GST_SECOND, GST_MESSAGE_ERROR);
  fail_unless(message != nullptr);
  gst_message_unref(message);
  gst_element_set_bus(bench.element, nullptr);
  gst_object_unref(bus);
}
GST_END_TEST

GST_START_TEST(meta_follows_copies_not_parts) {
  GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 16, nullptr);
  auto* meta = gst_buffer_add_semantic_layer_meta(buffer);
  meta->base_id = gst_semantic_next_base_id();
  meta->lost = 6;
  fail_unless(meta->base_id != 0 && gst_semantic_next_base_id() != meta->base_id);
  GstBuffer* copy = gst_buffer_copy(buffer);
  GstBuffer* part = gst_buffer_copy_region(buffer, GST_BUFFER_COPY_ALL, 4, 8);
  const auto* copied = gst_buffer_get_semantic_layer_meta(copy);
  fail_unless(copied && copied->base_id == meta->base_id && copied->lost == 6 && copied != meta);
  fail_unless(gst_buffer_get_semantic_layer_meta(part) == nullptr);
  gst_buffer_unref(copy);
  gst_buffer_unref(part);
  gst_buffer_unref(buffer);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, both_present);
  tcase_add_test(tc, plain_gap_is_not_sent);
  tcase_add_test(tc, gaps_alone_make_a_set);
  tcase_add_test(tc, missing_data_is_lost);
  tcase_add_test(tc, eos_on_one_pad);
  tcase_add_test(tc, pad_never_requested);
  tcase_add_test(tc, requested_but_unlinked_does_not_block);
  tcase_add_test(tc, second_pad_of_a_name_is_refused);
  tcase_add_test(tc, unlinking_while_playing);
  tcase_add_test(tc, unlinking_while_stopped_is_forgotten);
  tcase_add_test(tc, silent_absence_is_seen_at_the_next_buffer);
  tcase_add_test(tc, jitter_below_half_a_frame_is_one_picture);
  tcase_add_test(tc, running_time_counts_not_pts);
  tcase_add_test(tc, source_segment_is_the_first_pads);
  tcase_add_test(tc, outside_the_segment_is_dropped);
  tcase_add_test(tc, long_gap_speaks_for_many_pictures);
  tcase_add_test(tc, stills_at_equal_times_are_all_kept);
  tcase_add_test(tc, flush_with_an_unlinked_pad);
  tcase_add_test(tc, live_deadline_and_late_buffer);
  tcase_add_test(tc, live_gaps_before_any_data);
  tcase_add_test(tc, behind_a_gap_of_its_own_is_late);
  tcase_add_test(tc, a_second_gap_for_the_same_time_is_late);
  tcase_add_test(tc, live_gap_needs_no_deadline);
  tcase_add_test(tc, bytes_segment_is_an_error);
  tcase_add_test(tc, meta_follows_copies_not_parts);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "join", fill);
}
