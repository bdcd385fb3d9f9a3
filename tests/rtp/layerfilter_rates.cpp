// SPDX-License-Identifier: LGPL-2.1-or-later
// semanticlayerfilter under a bit rate, counted on packets of the real payloader; steering; receivers'
// reports.
#include "tests/element/fake_codecs.hpp"
#include "tests/rtp/filter_test.hpp"

#include <algorithm>
#include <atomic>
#include <random>

using namespace filter_test;

namespace {

/// Layers a second at a steady rate, after it has settled.
struct Steady {
  double captions = 0, maps = 0, signals = 0;
  int layer = 0;
};
Steady settle(Filter& filter, int& tick, int pictures = 500, size_t signal = 300) {
  Steady found;
  const int settle = 150;
  for (int i = 0; i < settle + pictures; ++i, ++tick) {
    const auto out = kinds(filter.send(uint64_t(tick), live_unit(tick, signal)));
    if (i < settle)
      continue;
    found.captions += double(out.count(1)) * 25 / pictures;
    found.maps += double(out.count(2)) * 25 / pictures;
    found.signals += double(out.count(3)) * 25 / pictures;
  }
  found.layer = filter.layer();
  return found;
}

} // namespace

GST_START_TEST(first_thinner_then_fewer_layers) {
  // What comes in: 25 signals, 25 maps, 1 caption a second, about 116 kbit/s on the wire.
  Filter filter("");
  int tick = 0;
  Steady last = settle(filter, tick);
  fail_unless(last.maps > 24.9 && last.signals > 24.9 && last.captions > 0.9);
  bool thinner_signals = false, thinner_maps_below = false;
  for (guint rate : {90000u, 70000u, 55000u, 45000u, 33000u, 26000u, 20000u, 14000u, 10000u, 6000u, 2000u}) {
    g_object_set(filter.element(), "target-bitrate", rate, nullptr);
    const Steady now = settle(filter, tick);
    // Captions always.
    fail_unless(now.captions > 0.9);
    // From the top only, and monotonic in the layer.
    fail_unless(now.layer <= last.layer, "layer %d at %u bit/s", now.layer, rate);
    if (now.layer == 3) {
      fail_unless(now.signals <= last.signals + 0.1);
      // Maps are touched when signals are as thin as they get.
      if (now.maps < 20)
        fail_unless(now.signals < 5, "%.1f signals beside %.1f maps at %u bit/s", now.signals, now.maps,
                    rate);
      thinner_signals = thinner_signals || (now.signals > 0 && now.signals < 20);
    } else {
      fail_unless(now.signals < 0.1);
    }
    if (now.layer == 2 && now.maps > 0.5 && now.maps < 20)
      thinner_maps_below = true;
    if (now.layer == 1)
      fail_unless(now.maps < 0.1);
    last = now;
  }
  fail_unless(thinner_signals && thinner_maps_below);
  fail_unless_equals_int(last.layer, 1);
}
GST_END_TEST

GST_START_TEST(at_20_kbit_maps_still_come) {
  Filter filter("target-bitrate=20000");
  int tick = 0;
  const Steady now = settle(filter, tick, 500, 1000);
  fail_unless_equals_int(now.layer, 2);
  fail_unless(now.maps > 2 && now.maps < 20, "%.1f maps a second", now.maps);
}
GST_END_TEST

/// Bytes on the wire of what a filter and the payloader behind it send, by the packets themselves; in
/// windows.
static void count_on_the_wire(guint rate, const std::string& more, const std::string& payloader,
                              guint overhead, double& mean, double& worst, double& claimed) {
  Filter filter("target-bitrate=" + std::to_string(rate) + " " + more, stream::header({1, 2, 3}),
                "rtpsemanticpay " + payloader);
  constexpr int kSeconds = 20, kWindow = 50;
  double total = 0, window = 0;
  worst = 0;
  std::mt19937 random(3);
  for (int i = 0; i < kSeconds * 25; ++i) {
    filter.push_bytes(filter.writer().unit(uint64_t(i), live_unit(i, 100 + random() % 1500)), uint64_t(i));
    while (GstBuffer* packet = gst_harness_try_pull(filter.harness())) {
      const double bits = double(gst_buffer_get_size(packet) - 12 + overhead) * 8;
      gst_buffer_unref(packet);
      total += bits;
      window += bits;
    }
    if ((i + 1) % kWindow == 0) {
      if (i >= 2 * kWindow)
        worst = std::max(worst, window * 25 / kWindow);
      window = 0;
    }
  }
  mean = total / kSeconds;
  claimed = double(filter.counter("wire-bytes")) * 8 / kSeconds;
}

/// With the payloader's defaults, with all that it can send again, and with nothing of it.
GST_START_TEST(the_rate_is_kept_on_the_wire) {
  for (const char* payloader : {"", "map-redundancy=2 config-interval=1",
                                "caption-repeat=\"\" caption-redundancy=0 key-map-redundancy=0"})
    for (guint rate : {5000u, 20000u, 60000u, 150000u, 250000u})
      for (guint overhead : {40u, 78u}) {
        double mean = 0, worst = 0, claimed = 0;
        count_on_the_wire(rate, "overhead=" + std::to_string(overhead), payloader, overhead, mean, worst,
                          claimed);
        fail_unless(worst < 1.1 * rate, "%s: %.0f bit/s over 2 s at %u", payloader, worst, rate);
        // At 5 kbit/s key maps do not fit: captions alone.
        fail_unless(rate < 10000 || mean > 0.3 * rate, "%s: only %.0f bit/s at %u", payloader, mean, rate);
        // Its own count is that of the packets.
        fail_unless(claimed > 0.98 * mean && claimed < 1.05 * mean, "%s: %.0f claimed, %.0f sent at %u",
                    payloader, claimed, mean, rate);
      }
}
GST_END_TEST

GST_START_TEST(redundancy_counts) {
  double plain = 0, protected_too = 0, worst = 0, claimed = 0;
  count_on_the_wire(60000, "", "", 40, plain, worst, claimed);
  count_on_the_wire(60000, "fec-percentage=100", "", 40, protected_too, worst, claimed);
  fail_unless(worst < 1.1 * 30000, "%.0f bit/s leave no room for as much again", worst);
  fail_unless(claimed > 1.9 * protected_too && protected_too < 0.75 * plain);
}
GST_END_TEST

/// 2 kbit/s with IP, UDP and RTP headers, copies on: each caption comes, and twice more.
GST_START_TEST(at_2_kbit_captions_come) {
  Filter filter("target-bitrate=2000", stream::header({1, 2, 3}), "rtpsemanticpay repeat-start=false");
  constexpr int kSeconds = 20;
  double bits = 0, worst = 0, window = 0;
  std::map<uint16_t, int> captions; // by the number of their unit
  for (int i = 0; i < kSeconds * 25; ++i) {
    filter.push_bytes(filter.writer().unit(uint64_t(i), live_unit(i)), uint64_t(i));
    while (GstBuffer* buffer = gst_harness_try_pull(filter.harness())) {
      const double size = double(gst_buffer_get_size(buffer) + 28) * 8;
      const Contents all = contents(read_packet(buffer));
      gst_buffer_unref(buffer);
      bits += size;
      window += size;
      if (all.descriptor.fragment)
        ++captions[all.descriptor.number];
      for (const auto& entry : all.entries)
        if (entry.type != RtpEntry::Type::StreamHeader)
          ++captions[entry.type == RtpEntry::Type::Repeat ? entry.number : all.descriptor.number];
    }
    if ((i + 1) % 50 == 0) {
      worst = i > 100 ? std::max(worst, window / 2) : 0;
      window = 0;
    }
  }
  fail_unless(bits / kSeconds < 2000 && worst < 2000, "%.0f bit/s, %.0f over 2 s", bits / kSeconds, worst);
  fail_unless(captions.size() >= kSeconds * 25 / kCaptionEach);
  const auto thrice =
      std::count_if(captions.begin(), captions.end(), [](const auto& c) { return c.second >= 3; });
  fail_unless(thrice >= kSeconds * 25 / kCaptionEach - 1, "%d of them sent again", int(thrice));
  fail_unless_equals_uint64(filter.counter("caption", "sent"), kSeconds * 25 / kCaptionEach);
}
GST_END_TEST

GST_START_TEST(small_packets_cost_more) {
  guint64 bytes[2] = {};
  int at = 0;
  for (const char* mtu : {"mtu=1400", "mtu=200"}) {
    Filter filter(mtu);
    filter.send(0, live_unit(0, 2000));
    bytes[at++] = filter.counter("wire-bytes");
  }
  // 2438 bytes of layers: 2 packets, or at least 13, of 44 bytes of headers each.
  fail_unless(bytes[1] >= bytes[0] + 11 * 44);
}
GST_END_TEST

GST_START_TEST(down_at_once_up_after_the_hold_time) {
  for (guint hold : {400u, 2000u}) {
    Filter filter("hold-time=" + std::to_string(hold));
    int tick = 0;
    for (; tick < 100; ++tick)
      filter.send(uint64_t(tick), live_unit(tick));
    fail_unless_equals_int(filter.layer(), 3);
    g_object_set(filter.element(), "target-bitrate", 5000u, nullptr);
    const auto first = kinds(filter.send(uint64_t(tick), live_unit(tick)));
    fail_unless(first.count(3) == 0 && first.count(2) == 0);
    fail_unless_equals_int(filter.layer(), 1);
    for (++tick; tick < 150; ++tick)
      filter.send(uint64_t(tick), live_unit(tick));
    g_object_set(filter.element(), "target-bitrate", 0u, nullptr);
    g_object_set(filter.element(), "target-bitrate", 1000000u, nullptr);
    const int raised = tick;
    for (; filter.layer() < 3 && tick < raised + 200; ++tick)
      filter.send(uint64_t(tick), live_unit(tick));
    const guint waited = guint(tick - raised) * 40;
    fail_unless(waited >= hold && waited <= hold + 120, "%u ms at a hold time of %u", waited, hold);
  }
}
GST_END_TEST

GST_START_TEST(a_rate_between_two_rungs_is_steady) {
  for (guint rate : {17000u, 36000u, 52000u, 83000u, 108000u}) {
    Filter filter("target-bitrate=" + std::to_string(rate));
    int tick = 0, changes = 0;
    settle(filter, tick, 25);
    int layer = filter.layer();
    for (const int end = tick + 60 * 25; tick < end; ++tick) {
      filter.send(uint64_t(tick), live_unit(tick));
      changes += filter.layer() != layer;
      layer = filter.layer();
    }
    fail_unless(changes == 0, "%d changes of the layer in a minute at %u bit/s", changes, rate);
  }
}
GST_END_TEST

GST_START_TEST(encoders_are_steered) {
  Filter filter("");
  int tick = 0;
  auto run = [&](int pictures) {
    for (const int end = tick + pictures; tick < end; ++tick)
      filter.send(uint64_t(tick), live_unit(tick));
  };
  run(50);
  fail_unless(filter.upstream().rates.empty()); // no limit, nothing to say
  guint64 last = 0;
  for (guint rate : {30000u, 60000u, 120000u, 250000u}) {
    g_object_set(filter.element(), "target-bitrate", rate, nullptr);
    run(150);
    const auto rates = filter.upstream().rates;
    fail_unless(!rates.empty());
    // What the maps leave of their share is the signal's.
    constexpr guint kMapRate = (kKeyMap + 9 * kDeltaMap) * 8 * 25 / 10;
    const guint64 sum = guint64(std::min(rates.back().first, kMapRate)) + rates.back().second;
    // More for more; never more than there is, less the headers of 25 packets a second.
    fail_unless(rates.back().first > 0 && sum > last);
    if (rate >= 60000)
      fail_unless(sum < rate - 25 * 44 * 8 && sum > rate / 2, "%u of %u", guint(sum), rate);
    last = sum;
  }
  g_object_set(filter.element(), "target-bitrate", 2000u, nullptr);
  run(25);
  fail_unless(filter.upstream().rates.back() == std::make_pair(0u, 0u));
  // Repeated for encoders that were started again.
  run(100);
  const auto repeats = filter.upstream().rates;
  fail_unless(repeats.size() == 2 && repeats[0] == std::make_pair(0u, 0u));
  g_object_set(filter.element(), "target-bitrate", 0u, nullptr);
  run(1);
  fail_unless(filter.upstream().rates.back() == std::make_pair(G_MAXUINT, G_MAXUINT));
  g_object_set(filter.element(), "max-layer", 2, nullptr);
  run(10);
  fail_unless(filter.upstream().rates.back() == std::make_pair(G_MAXUINT, 0u));
}
GST_END_TEST

/// A filter with a limit behind another: encoders get the lower rates, and only once.
GST_START_TEST(two_filters_in_a_row_agree) {
  for (const bool limited : {true, false}) {
    Filter filter(limited ? "target-bitrate=120000" : "");
    const auto tell = [&](guint structure, guint signal) {
      gst_harness_push_upstream_event(
          filter.harness(),
          gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                               gst_structure_new("semantic-rate", "structure-bitrate", G_TYPE_UINT, structure,
                                                 "signal-bitrate", G_TYPE_UINT, signal, nullptr)));
    };
    int tick = 0;
    const auto run = [&] {
      for (const int end = tick + 150; tick < end; ++tick)
        filter.send(uint64_t(tick), live_unit(tick));
      const auto rates = filter.upstream().rates;
      fail_unless(!rates.empty());
      return rates.back();
    };
    tell(4000, G_MAXUINT);
    const auto own = run();
    fail_unless_equals_int(own.first, 4000);
    fail_unless(limited ? own.second > 4000 && own.second < 120000 : own.second == G_MAXUINT);
    tell(G_MAXUINT, 3000);
    const auto other = run();
    fail_unless(limited ? other.first > 4000 && other.first < 120000 : other.first == G_MAXUINT);
    fail_unless_equals_int(other.second, 3000);
  }
}
GST_END_TEST

GST_START_TEST(encoders_of_several_filters_are_let_alone) {
  Filter filter("steer-encoders=false target-bitrate=20000 max-layer=2");
  for (int i = 0; i < 100; ++i)
    filter.send(uint64_t(i), live_unit(i));
  fail_unless(filter.upstream().rates.empty());
  fail_unless_equals_uint64(filter.counter("rate-events"), 0);
}
GST_END_TEST

GST_START_TEST(a_silenced_layer_comes_back) {
  // Encoders that obey: no signal when told 0.
  Filter filter("target-bitrate=20000");
  bool signal = true;
  int tick = 0;
  auto run = [&](int pictures) {
    for (const int end = tick + pictures; tick < end; ++tick) {
      filter.send(uint64_t(tick), live_unit(tick, signal ? 600 : 0));
      for (const auto& rates : filter.upstream().rates)
        signal = rates.second > 0;
    }
  };
  run(300);
  fail_unless(!signal && filter.layer() == 2);
  g_object_set(filter.element(), "target-bitrate", 300000u, nullptr);
  run(100);
  fail_unless(signal && filter.layer() == 3);
}
GST_END_TEST

/// What rtpsession sends upstream: `n` packets of 200 bytes, `spacing` apart when sent, `arriving` when they
/// come.
static GstEvent* twcc_report(guint n, GstClockTime spacing, GstClockTime arriving, bool lost) {
  const GstClockTime now = gst_util_get_timestamp();
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  GValueArray* packets = g_value_array_new(n);
  for (guint i = 0; i < n; ++i) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(
        &value, gst_structure_new("RTPTWCCPacket", "seqnum", G_TYPE_UINT, i, "local-ts", G_TYPE_UINT64,
                                  now - (n - i) * spacing, "remote-ts", G_TYPE_UINT64,
                                  lost ? GST_CLOCK_TIME_NONE : 1000 * GST_SECOND + i * arriving, "size",
                                  G_TYPE_UINT, 200u, "lost", G_TYPE_BOOLEAN, gboolean(lost), nullptr));
    g_value_array_append(packets, &value);
    g_value_unset(&value);
  }
  GValue list = G_VALUE_INIT;
  g_value_init(&list, g_type_from_name("GValueArray"));
  g_value_take_boxed(&list, packets);
  G_GNUC_END_IGNORE_DEPRECATIONS
  GstStructure* s = gst_structure_new_empty("RTPTWCCPackets");
  gst_structure_take_value(s, "packets", &list);
  return gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM, s);
}

GST_START_TEST(reports_set_the_rate) {
  Filter filter("adaptive=true");
  int tick = 0;
  auto run = [&](int pictures) {
    for (const int end = tick + pictures; tick < end; ++tick)
      filter.send(uint64_t(tick), live_unit(tick));
  };
  run(50);
  fail_unless_equals_int(filter.layer(), 3);
  fail_unless_equals_uint64(filter.counter("estimated-bitrate"), 300000);
  // 200 + 40 bytes sent each 10 ms come each 100 ms: the link carries 19.2 kbit/s, and a queue grows.
  gst_harness_push_upstream_event(filter.harness(),
                                  twcc_report(20, 10 * GST_MSECOND, 100 * GST_MSECOND, false));
  const guint64 estimate = filter.counter("estimated-bitrate"), received = filter.counter("received-bitrate");
  fail_unless(received > 18000 && received < 20500, "%" G_GUINT64_FORMAT, received);
  fail_unless(estimate > 10000 && estimate <= received);
  fail_unless(filter.counter("queue-delay") > 500 * GST_MSECOND);
  run(25);
  fail_unless(filter.layer() < 3);
  // It was for this filter and goes no further; key requests do.
  fail_unless_equals_int(filter.upstream().key_requests, 0);
  GstHarness* h = filter.harness();
  fail_unless_equals_int(gst_harness_upstream_events_in_queue(h), 0);
}
GST_END_TEST

GST_START_TEST(losses_set_the_rate_within_limits) {
  Filter filter("adaptive=true min-bitrate=50000 max-bitrate=200000 target-bitrate=90000");
  filter.send(0, live_unit(0));
  fail_unless_equals_uint64(filter.counter("estimated-bitrate"), 90000);
  gst_harness_push_upstream_event(filter.harness(), twcc_report(50, GST_MSECOND, GST_MSECOND, true));
  fail_unless_equals_uint64(filter.counter("estimated-bitrate"), 50000);
  auto stats = filter.stats();
  double loss = 0;
  fail_unless(gst_structure_get_double(stats.get(), "loss", &loss) && loss == 1.0);
}
GST_END_TEST

GST_START_TEST(others_reports_go_through) {
  Filter filter(""); // not adaptive
  GstHarness* h = filter.harness();
  filter.send(0, live_unit(0));
  filter.upstream();
  gst_harness_push_upstream_event(h, twcc_report(5, GST_MSECOND, GST_MSECOND, false));
  fail_unless_equals_int(gst_harness_upstream_events_in_queue(h), 1);
  filter.upstream();
  g_object_set(filter.element(), "adaptive", TRUE, nullptr);
  // A retransmission is another's work.
  gst_harness_push_upstream_event(
      h,
      gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new("GstRTPRetransmissionRequest",
                                                                        "seqnum", G_TYPE_UINT, 1u, nullptr)));
  fail_unless_equals_int(gst_harness_upstream_events_in_queue(h), 1);
  // Reports that are none.
  filter.upstream();
  for (const char* text :
       {"RTPTWCCPackets", "RTPTWCCPackets, packets=(int)3", "RTPTWCCPackets, packets=(string)x"})
    gst_harness_push_upstream_event(
        h, gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM, gst_structure_from_string(text, nullptr)));
  filter.send(1, live_unit(1));
  fail_unless_equals_int(filter.layer(), 3);
}
GST_END_TEST

GST_START_TEST(rates_reach_the_encoders) {
  GError* error = nullptr;
  Ptr<GstElement> pipeline(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(
      "videotestsrc num-buffers=50 ! video/x-raw,format=RGB,width=32,height=32,framerate=25/1 ! "
      "semanticencodebin name=e ! semanticlayerfilter target-bitrate=60000 ! rtpsemanticpay ! "
      "fakesink sync=false",
      &error))));
  fail_unless(!error, "%s", error ? error->message : "");
  Ptr<GstElement> bin(gst_bin_get_by_name(GST_BIN(pipeline.get()), "e"));
  std::atomic<int> seen[2] = {0, 0};
  for (int i = 0; i < 2; ++i) {
    Ptr<GstElement> encoder(gst_bin_get_by_name(GST_BIN(bin.get()), i ? "signalenc" : "structenc"));
    Ptr<GstPad> pad(gst_element_get_static_pad(encoder.get(), "src"));
    gst_pad_add_probe(
        pad.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        [](GstPad*, GstPadProbeInfo* info, gpointer data) {
          if (gst_event_has_name(GST_PAD_PROBE_INFO_EVENT(info), "semantic-rate"))
            ++*static_cast<std::atomic<int>*>(data);
          return GST_PAD_PROBE_OK;
        },
        &seen[i], nullptr);
  }
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  Ptr<GstBus> bus(gst_element_get_bus(pipeline.get()));
  Ptr<GstMessage> message(gst_bus_timed_pop_filtered(bus.get(), 30 * GST_SECOND,
                                                     GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  fail_unless(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  fail_unless(seen[0] > 0 && seen[1] > 0);
}
GST_END_TEST

static void fill(TCase* tc) {
  fake_codecs::add();
  tcase_add_test(tc, first_thinner_then_fewer_layers);
  tcase_add_test(tc, at_20_kbit_maps_still_come);
  tcase_add_test(tc, the_rate_is_kept_on_the_wire);
  tcase_add_test(tc, redundancy_counts);
  tcase_add_test(tc, at_2_kbit_captions_come);
  tcase_add_test(tc, small_packets_cost_more);
  tcase_add_test(tc, down_at_once_up_after_the_hold_time);
  tcase_add_test(tc, a_rate_between_two_rungs_is_steady);
  tcase_add_test(tc, encoders_are_steered);
  tcase_add_test(tc, two_filters_in_a_row_agree);
  tcase_add_test(tc, encoders_of_several_filters_are_let_alone);
  tcase_add_test(tc, a_silenced_layer_comes_back);
  tcase_add_test(tc, reports_set_the_rate);
  tcase_add_test(tc, losses_set_the_rate_within_limits);
  tcase_add_test(tc, others_reports_go_through);
  tcase_add_test(tc, rates_reach_the_encoders);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "layerfilter_rates", fill);
}
