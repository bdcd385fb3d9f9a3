// SPDX-License-Identifier: LGPL-2.1-or-later
// The codec elements in live pipelines that are late: which gives up what, on a clock of the test's own.
// Frames take ten seconds, so that the time the test itself takes does not count.
#include "tests/element/coded_layers.hpp"

#include <gst/check/gsttestclock.h>

using namespace codec_test;

namespace {

constexpr int kW = 96, kH = 64;
constexpr GstClockTime kPeriod = 10 * GST_SECOND;

std::string slow_caps() {
  return "video/x-raw, format=RGB, width=" + std::to_string(kW) + ", height=" + std::to_string(kH) +
         ", framerate=1/10";
}

GstBuffer* at(GstBuffer* buffer, int number) {
  GST_BUFFER_PTS(buffer) = guint64(number) * kPeriod;
  GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer) = kPeriod;
  return buffer;
}

/// The running time of `element` is `seconds`, whatever its clock says (which stands still).
void set_running_time(GstElement* element, double seconds) {
  constexpr GstClockTime kStart = GstClockTime(1) << 60;
  Ptr<GstClock> clock(gst_element_get_clock(element)); // the harness brings one that stands at zero
  if (!clock || gst_clock_get_time(clock.get()) != kStart) {
    clock.reset(gst_test_clock_new_with_start_time(kStart));
    gst_element_set_clock(element, clock.get());
  }
  gst_element_set_base_time(element, kStart - GstClockTime(seconds * GST_SECOND));
}

/// The pipeline's latency, as its sinks tell.
void tell_latency(GstHarness* h, GstClockTime latency) {
  gst_harness_push_upstream_event(h, gst_event_new_latency(latency));
}

/// structdec or signaldec, live, over a base.
struct Decoder {
  Bench h;
  GstHarness* base;
  CodedLayer layer;

  Decoder(const char* factory, const char* pad, CodedLayer coded)
      : h(gst_element_factory_make(factory, nullptr), pad, "src", true), base(h.feed("sink", true)),
        layer(std::move(coded)) {
    g_object_set(h.element(), "conceal", FALSE, nullptr);
    set_running_time(h.element(), 0);
    gst_harness_set_src_caps_str(base, slow_caps().c_str());
    Ptr<GstCaps> caps(gst_caps_copy(layer.caps.get()));
    gst_caps_set_simple(caps.get(), "framerate", GST_TYPE_FRACTION, 1, 10, nullptr);
    gst_harness_set_src_caps(h, caps.release());
  }
  /// The layers of picture `number`, whose data come `late` seconds after their time.
  guint show(int number, double late) {
    set_running_time(h.element(), number * 10.0 + late);
    push(base, at(base_picture(kW, kH, number, 7), number));
    push(h, at(gst_buffer_copy(layer.units[0].get()), number));
    Ptr<GstBuffer> out(gst_harness_pull(h));
    fail_unless(out != nullptr, "no picture");
    fail_unless_equals_uint64(GST_BUFFER_PTS(out.get()), guint64(number) * kPeriod);
    return gst_buffer_get_semantic_layer_meta(out.get())->layers;
  }
};

CodedLayer coded_signal() {
  return encode(gst_element_factory_make("signalenc", nullptr), kW, kH, 1);
}

} // namespace

/// Seven seconds late: no signal any more, but a map. Twelve: neither; the picture comes all the same.
GST_START_TEST(test_signal_goes_before_structure) {
  Decoder structure("structdec", "structure", encode_maps(kW, kH, 1)),
      signal("signaldec", "signal", coded_signal());
  fail_unless_equals_int(structure.show(0, 0), 6);
  fail_unless_equals_int(signal.show(0, 0), 10);
  fail_unless_equals_int(structure.show(1, 7), 6);
  fail_unless_equals_int(signal.show(1, 7), 2);
  fail_unless_equals_int(structure.show(2, 15), 2);
  fail_unless_equals_int(signal.show(2, 15), 2);
  fail_unless_equals_int(structure.show(3, 0), 6);
  fail_unless_equals_int(signal.show(3, 0), 10);
  fail_unless_equals_uint64(stat(structure.h.element(), "no-time"), 1);
  fail_unless_equals_uint64(stat(signal.h.element(), "no-time"), 2);
}
GST_END_TEST

/// The time that the pipeline keeps for what comes after structdec is structdec's when that goes without.
GST_START_TEST(test_structure_has_the_time_of_the_signal) {
  Decoder structure("structdec", "structure", encode_maps(kW, kH, 1)),
      signal("signaldec", "signal", coded_signal());
  tell_latency(structure.h, 12 * GST_SECOND);
  tell_latency(signal.h, 12 * GST_SECOND);
  structure.show(0, 0);
  signal.show(0, 0);
  fail_unless_equals_int(structure.show(1, 15), 6);
  fail_unless_equals_int(signal.show(1, 15), 2);
  fail_unless_equals_int(structure.show(3, 28), 2);
}
GST_END_TEST

GST_START_TEST(test_late_encoders) {
  struct {
    const char* factory;
    double still_coded, too_late;
  } cases[] = {{"signalenc", 2, 8}, {"structenc", 7, 14}};
  for (const auto& c : cases) {
    Bench h(gst_element_factory_make(c.factory, nullptr), "sink", "src", true);
    set_running_time(h.element(), 0);
    gst_harness_set_src_caps_str(h, slow_caps().c_str());
    int number = 0;
    for (double late : {0.0, c.still_coded, c.too_late, 0.0}) {
      set_running_time(h.element(), number * 10 + late);
      events(h, GST_EVENT_GAP);
      fail_unless_equals_int(gst_harness_push(h, at(picture(kW, kH), number)), GST_FLOW_OK);
      Ptr<GstBuffer> out(gst_harness_try_pull(h));
      fail_unless(bool(out) == (late != c.too_late), "%s, %g s late", c.factory, late);
      fail_unless_equals_int(int(events(h, GST_EVENT_GAP).size()), out ? 0 : 1); // the stream goes on
      number++;
    }
    fail_unless_equals_uint64(stat(h.element(), "late"), 1);
    fail_unless_equals_int(h.messages(GST_MESSAGE_QOS), 0);
  }
}
GST_END_TEST

/// QoS from a sink that shows nothing later than its max-lateness: pictures before that time are not made.
GST_START_TEST(test_qos) {
  Decoder structure("structdec", "structure", encode_maps(kW, kH, 1));
  structure.show(0, 0);
  gst_harness_push_upstream_event(structure.h,
                                  gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 2.0, 6 * GST_SECOND, 0));
  fail_unless_equals_int(structure.show(1, 0), 2);
  fail_unless_equals_int(structure.show(2, 0), 6);
  GstEvent* passed_on = nullptr;
  while (GstEvent* event = gst_harness_try_pull_upstream_event(structure.base)) {
    if (GST_EVENT_TYPE(event) == GST_EVENT_QOS)
      gst_event_replace(&passed_on, event);
    gst_event_unref(event);
  }
  fail_unless(passed_on != nullptr);
  GstClockTimeDiff jitter = 0;
  gst_event_parse_qos(passed_on, nullptr, nullptr, &jitter, nullptr);
  fail_unless(jitter < 6 * GstClockTimeDiff(GST_SECOND)); // less by what leaving the map out saves
  gst_event_unref(passed_on);
}
GST_END_TEST

/// What a decoder takes is in its latency, on top of what comes before.
GST_START_TEST(test_latency) {
  for (auto [factory, pad] : {std::pair{"structdec", "structure"}, {"signaldec", "signal"}}) {
    Decoder d(factory, pad, g_str_equal(pad, "signal") ? coded_signal() : encode_maps(kW, kH, 1));
    gst_harness_set_upstream_latency(d.h, 30 * GST_MSECOND);
    gst_harness_set_upstream_latency(d.base, 50 * GST_MSECOND);
    d.show(0, 0);
    GstClockTime latency = gst_harness_query_latency(d.h);
    fail_unless(latency > 50 * GST_MSECOND, "%" GST_TIME_FORMAT, GST_TIME_ARGS(latency));
    fail_unless(d.h.messages(GST_MESSAGE_LATENCY) > 0, "nobody was told");
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, test_signal_goes_before_structure);
  tcase_add_test(tc, test_structure_has_the_time_of_the_signal);
  tcase_add_test(tc, test_late_encoders);
  tcase_add_test(tc, test_qos);
  tcase_add_test(tc, test_latency);
}

int main(int argc, char** argv) {
  return run_with_weights(argc, argv, "live", fill);
}
