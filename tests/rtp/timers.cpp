// SPDX-License-Identifier: LGPL-2.1-or-later
// What the RTP elements do when nothing comes in, on a clock that only the test moves.
#include "tests/rtp/rtp_test.hpp"

#include <gst/check/gsttestclock.h>

#include <optional>

using namespace rtp_test;
using stream::Piece;

namespace {

constexpr GstClockTime kLatency = 100 * GST_MSECOND, kSlack = 20 * GST_MSECOND;
const char* const kFragmented =
    "mtu=200 caption-repeat=\"\" caption-redundancy=0 key-map-redundancy=0 config-interval=0";

std::vector<Piece> large_unit(int seed) {
  return {{1, stream::payload(seed, 9)},
          {2, stream::payload(seed + 1, 60)},
          {3, stream::payload(seed + 2, 500), true, true}};
}

void use_clock(GstHarness* harness, GstClockTime latency) {
  gst_harness_set_upstream_latency(harness, latency);
  gst_harness_use_testclock(harness);
}

bool timer_waits(GstHarness* harness) {
  Ptr<GstClock> clock(GST_CLOCK(gst_harness_get_testclock(harness)));
  for (int i = 0; i < 200; ++i) {
    if (gst_test_clock_peek_id_count(GST_TEST_CLOCK(clock.get())) > 0)
      return true;
    g_usleep(1000);
  }
  return false;
}

GstClockTime next_deadline(GstHarness* harness) {
  fail_unless(timer_waits(harness), "no timer waits");
  Ptr<GstClock> clock(GST_CLOCK(gst_harness_get_testclock(harness)));
  return gst_test_clock_get_next_entry_time(GST_TEST_CLOCK(clock.get()));
}

/// Time goes on to the next deadline; what the element then gives out, within a second.
GstBuffer* crank(GstHarness* harness) {
  fail_unless(timer_waits(harness));
  fail_unless(gst_harness_crank_single_clock_wait(harness));
  for (int i = 0; i < 1000; ++i) {
    if (GstBuffer* buffer = gst_harness_try_pull(harness))
      return buffer;
    g_usleep(1000);
  }
  return nullptr;
}

struct Bench {
  Bench() : sender(stream::header({1, 2, 3}), kFragmented) {
    packets = sender.send(0, large_unit(1));
    next = sender.send(1, large_unit(5));
    fail_unless(packets.size() >= 4);
    receiver.emplace(sender.caps());
    use_clock(receiver->harness(), kLatency);
  }
  Sender sender;
  std::optional<Receiver> receiver;
  std::vector<Packet> packets, next;
};

} // namespace

GST_START_TEST(a_unit_goes_on_when_its_picture_is_due) {
  Bench bench;
  bench.receiver->push(bench.packets[0]);
  bench.receiver->push(bench.packets[1]);
  fail_unless(bench.receiver->take().empty());
  fail_unless_equals_uint64(next_deadline(bench.receiver->harness()), kLatency + kSlack);
  Ptr<GstBuffer> buffer(crank(bench.receiver->harness()));
  fail_unless(buffer != nullptr, "nothing came when the picture was due");
  fail_unless_equals_uint64(GST_BUFFER_PTS(buffer.get()), 0);
  // What comes for it now is late, and the next unit is not disturbed.
  bench.receiver->push(bench.packets[2]);
  for (const auto& packet : bench.next)
    bench.receiver->push(packet);
  const auto units = bench.receiver->take();
  fail_unless_equals_int(units.size(), 1);
  fail_unless(units[0].lost.empty() && units[0].layers.size() == 3);
  fail_unless_equals_uint64(bench.receiver->counter("due-units"), 1);
  fail_unless_equals_uint64(bench.receiver->counter("late-packets"), 1);
}
GST_END_TEST

GST_START_TEST(the_timer_follows_the_open_unit) {
  Bench bench;
  bench.receiver->push(bench.packets[0]);
  fail_unless_equals_uint64(next_deadline(bench.receiver->harness()), kLatency + kSlack);
  // The next unit closes the first; its own deadline is a frame later.
  bench.receiver->push(bench.next[0]);
  fail_unless_equals_int(bench.receiver->take().size(), 1);
  gst_harness_crank_single_clock_wait(bench.receiver->harness());
  fail_unless_equals_uint64(next_deadline(bench.receiver->harness()), kLatency + kSlack + kFrame);
  fail_unless(bench.receiver->take().empty());
  Ptr<GstBuffer> buffer(crank(bench.receiver->harness()));
  fail_unless(buffer != nullptr);
  fail_unless_equals_uint64(GST_BUFFER_PTS(buffer.get()), kFrame);
  fail_unless_equals_uint64(bench.receiver->counter("due-units"), 1);
}
GST_END_TEST

/// GAP events since the last call, with their times; `missing`: how many say that something was lost.
static std::vector<GstClockTime> take_gaps(GstHarness* harness, int& missing) {
  std::vector<GstClockTime> times;
  while (GstEvent* event = gst_harness_try_pull_event(harness)) {
    if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
      GstGapFlags flags = GstGapFlags(0);
      gst_event_parse_gap(event, &times.emplace_back(), nullptr);
      gst_event_parse_gap_flags(event, &flags);
      missing += (flags & GST_GAP_FLAG_MISSING_DATA) != 0;
    }
    gst_event_unref(event);
  }
  return times;
}

/// Whatever comes or not, something goes on for each picture at its time, once.
GST_START_TEST(every_picture_is_told_of) {
  Bench bench;
  GstHarness* harness = bench.receiver->harness();
  std::vector<Packet> fourth;
  bench.sender.send(2, large_unit(9)); // lost, as the second
  fourth = bench.sender.send(3, large_unit(13));
  for (const auto& packet : bench.packets)
    bench.receiver->push(packet);
  fail_unless_equals_int(bench.receiver->take().size(), 1);
  int missing = 0;
  take_gaps(harness, missing);
  if (next_deadline(harness) < kFrame + kLatency + kSlack) // of the first unit, before it was whole
    gst_harness_crank_single_clock_wait(harness);
  fail_unless_equals_uint64(next_deadline(harness), kFrame + kLatency + kSlack);
  fail_unless(gst_harness_crank_single_clock_wait(harness));
  fail_unless_equals_uint64(next_deadline(harness), 2 * kFrame + kLatency + kSlack); // it waits again
  fail_unless((take_gaps(harness, missing) == std::vector<GstClockTime>{kFrame}));
  fail_unless_equals_int(missing, 0); // nobody knows yet
  // Behind the second lost one comes the fourth: what was not told yet is.
  for (const auto& packet : fourth)
    bench.receiver->push(packet);
  fail_unless_equals_int(bench.receiver->take().size(), 1);
  fail_unless((take_gaps(harness, missing) == std::vector<GstClockTime>{2 * kFrame}));
  fail_unless_equals_int(missing, 1);
  fail_unless_equals_uint64(bench.receiver->counter("due-pictures"), 1);
  fail_unless_equals_uint64(gst_harness_query_latency(harness), kLatency + kSlack);
}
GST_END_TEST

/// A jitter buffer gives up on the second and third unit in turn, and only then lets go of the fourth, which
/// has copies of both: with a picture's time more to wait they are in time.
GST_START_TEST(added_latency_waits_for_copies) {
  Sender sender(stream::header({2}), "map-redundancy=2 config-interval=0");
  std::vector<std::vector<Packet>> units;
  for (int i = 0; i < 4; ++i)
    units.push_back(sender.send(uint64_t(i), {{2, stream::payload(i, 50), true, true}}));
  for (const bool patient : {false, true}) {
    Receiver receiver(sender.caps(), patient ? "latency=60" : "");
    GstHarness* harness = receiver.harness();
    use_clock(harness, kLatency);
    receiver.push(units[0].front());
    fail_unless_equals_int(receiver.take().size(), 1);
    const GstClockTime wait = patient ? 60 * GST_MSECOND : kSlack;
    fail_unless_equals_uint64(gst_harness_query_latency(harness), kLatency + wait);
    fail_unless_equals_uint64(next_deadline(harness), kFrame + kLatency + wait);
    if (!patient)
      gst_harness_crank_single_clock_wait(harness);
    gst_harness_set_time(harness, 2 * kFrame + kLatency);
    next_deadline(harness); // what was due by then is done
    receiver.push(units[3].front());
    const auto received = receiver.take();
    fail_unless_equals_int(received.size(), 3);
    for (size_t i = 0; i < 3; ++i) {
      fail_unless_equals_uint64(received[i].pts, (i + 1) * kFrame);
      fail_unless(received[i].layers.at(2) == stream::payload(int(i) + 1, 50));
    }
    fail_unless_equals_uint64(receiver.counter("recovered-units"), 2);
    fail_unless_equals_uint64(receiver.counter("due-pictures"), patient ? 0 : 1);
  }
}
GST_END_TEST

GST_START_TEST(complete_units_leave_no_timer) {
  Bench bench;
  for (const auto& packet : bench.packets)
    bench.receiver->push(packet);
  fail_unless_equals_int(bench.receiver->take().size(), 1);
  // The thread may still wait for a deadline that was taken back: nothing comes of it.
  if (timer_waits(bench.receiver->harness()))
    gst_harness_crank_single_clock_wait(bench.receiver->harness());
  g_usleep(50000);
  fail_unless(bench.receiver->take().empty());
  fail_unless_equals_uint64(bench.receiver->counter("due-units"), 0);
}
GST_END_TEST

GST_START_TEST(a_flush_takes_the_open_unit_along) {
  Bench bench;
  bench.receiver->push(bench.packets[0]);
  GstHarness* harness = bench.receiver->harness();
  fail_unless_equals_uint64(next_deadline(harness), kLatency + kSlack);
  fail_unless(gst_harness_push_event(harness, gst_event_new_flush_start()));
  fail_unless(gst_harness_push_event(harness, gst_event_new_flush_stop(TRUE)));
  if (timer_waits(harness))
    gst_harness_crank_single_clock_wait(harness);
  g_usleep(50000);
  fail_unless(bench.receiver->take().empty());
  fail_unless_equals_uint64(bench.receiver->counter("due-units"), 0);
}
GST_END_TEST

GST_START_TEST(stops_with_a_timer_that_waits) {
  for (int round = 0; round < 20; ++round) {
    Bench bench;
    bench.receiver->push(bench.packets[0]);
    if (round % 2)
      next_deadline(bench.receiver->harness());
    Ptr<GstElement> depay(gst_harness_find_element(bench.receiver->harness(), "rtpsemanticdepay"));
    fail_unless_equals_int(gst_element_set_state(depay.get(), GST_STATE_READY), GST_STATE_CHANGE_SUCCESS);
    fail_unless_equals_int(gst_element_set_state(depay.get(), GST_STATE_PLAYING), GST_STATE_CHANGE_SUCCESS);
  }
}
GST_END_TEST

GST_START_TEST(captions_are_repeated_without_a_following_unit) {
  Sender sender(stream::header({1, 2, 3}), "caption-repeat=\"40,200\" config-interval=0");
  use_clock(sender.harness(), kLatency);
  const auto caption = sender.send(0, {{1, stream::payload(3, 9)}});
  fail_unless_equals_int(caption.size(), 1);
  const auto number = contents(caption[0]).descriptor.number;
  // A frame of 40 ms is waited for a unit to travel with.
  for (GstClockTime delay : {40, 200}) {
    fail_unless_equals_uint64(next_deadline(sender.harness()), delay * GST_MSECOND + kLatency + kFrame);
    Ptr<GstBuffer> buffer(crank(sender.harness()));
    fail_unless(buffer != nullptr, "no repeat after %u ms", unsigned(delay));
    const Packet packet = read_packet(buffer.get());
    const Contents found = contents(packet);
    fail_unless_equals_int(found.descriptor.layers, 0);
    fail_unless_equals_int(found.entries.size(), 1);
    fail_unless(found.entries[0].type == RtpEntry::Type::Repeat);
    fail_unless_equals_int(found.entries[0].number, number);
    const Bytes want = stream::payload(3, 9);
    fail_unless(
        std::equal(want.begin(), want.end(), found.entries[0].data.begin(), found.entries[0].data.end()));
    // A receiver that lost the first packet shows the caption now.
    Receiver receiver(sender.caps());
    receiver.push(packet);
    const auto units = receiver.take();
    fail_unless_equals_int(units.size(), 1);
    fail_unless(units[0].layers.at(1) == want);
  }
}
GST_END_TEST

GST_START_TEST(repeats_that_travel_with_units_are_not_sent_alone) {
  Sender sender(stream::header({1, 2, 3}), "caption-repeat=\"40\" config-interval=0");
  use_clock(sender.harness(), kLatency);
  sender.send(0, {{1, stream::payload(3, 9)}});
  next_deadline(sender.harness());
  const auto later = sender.send(1, {{3, stream::payload(4, 50), true, true}});
  fail_unless_equals_int(later.size(), 1);
  fail_unless(contents(later[0]).has(RtpEntry::Type::Repeat));
  if (timer_waits(sender.harness()))
    gst_harness_crank_single_clock_wait(sender.harness());
  g_usleep(50000);
  fail_unless(gst_harness_try_pull(sender.harness()) == nullptr);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, a_unit_goes_on_when_its_picture_is_due);
  tcase_add_test(tc, the_timer_follows_the_open_unit);
  tcase_add_test(tc, every_picture_is_told_of);
  tcase_add_test(tc, added_latency_waits_for_copies);
  tcase_add_test(tc, complete_units_leave_no_timer);
  tcase_add_test(tc, a_flush_takes_the_open_unit_along);
  tcase_add_test(tc, stops_with_a_timer_that_waits);
  tcase_add_test(tc, captions_are_repeated_without_a_following_unit);
  tcase_add_test(tc, repeats_that_travel_with_units_are_not_sent_alone);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "timers", fill);
}
