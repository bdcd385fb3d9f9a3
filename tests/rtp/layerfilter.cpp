// SPDX-License-Identifier: LGPL-2.1-or-later
// semanticlayerfilter: what goes on of which unit, read with the bitstream library; rates counted on packets
// of the real payloader.
#include "tests/element/fake_codecs.hpp"
#include "tests/rtp/rtp_test.hpp"

#include <glib/gstdio.h>
#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>

using namespace rtp_test;
using stream::Piece;

namespace {

constexpr size_t kCaption = 9, kKeyMap = 420, kDeltaMap = 90;
constexpr int kKeyEach = 10, kCaptionEach = 25;

/// What structenc and signalenc send at 25 fps: a key map each 10 pictures, deltas with temporal ids 2 1 2 1.
std::vector<Piece> live_unit(int i, size_t signal = 300) {
  std::vector<Piece> pieces;
  if (i % kCaptionEach == 0)
    pieces.push_back({1, stream::payload(3 * i, kCaption)});
  const int since_key = i % kKeyEach;
  if (since_key == 0)
    pieces.push_back({2, stream::payload(3 * i + 1, kKeyMap)});
  else
    pieces.push_back(
        {2, stream::payload(3 * i + 1, kDeltaMap), false, true, false, uint8_t(since_key % 2 ? 2 : 1)});
  if (signal)
    pieces.push_back({3, stream::payload(3 * i + 2, signal), true, true});
  return pieces;
}

/// A filter with units of a stream::Writer pushed into it.
class Filter {
public:
  explicit Filter(const std::string& properties, const StreamHeader& header = stream::header({1, 2, 3}))
      : harness_(gst_harness_new_parse(("semanticlayerfilter name=filter " + properties).c_str())),
        element_(gst_harness_find_element(harness_, "semanticlayerfilter")), bus_(gst_bus_new()),
        writer_(header) {
    gst_element_set_bus(element_.get(), bus_.get());
    GstCaps* caps = gst_caps_from_string("video/x-semantic, stream-format=(string)byte-stream, "
                                         "alignment=(string)au, parsed=(boolean)true");
    GValue array = G_VALUE_INIT, item = G_VALUE_INIT;
    g_value_init(&array, GST_TYPE_ARRAY);
    g_value_init(&item, GST_TYPE_BUFFER);
    g_value_take_boxed(&item, stream::buffer(stream::header_bytes(header)));
    gst_value_array_append_and_take_value(&array, &item);
    gst_caps_set_value(caps, "streamheader", &array);
    g_value_unset(&array);
    gst_harness_set_src_caps(harness_, caps);
  }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  ~Filter() {
    gst_element_set_bus(element_.get(), nullptr);
    gst_harness_teardown(harness_);
  }

  void push_bytes(const Bytes& bytes, uint64_t tick) {
    GstBuffer* buffer = stream::buffer(bytes, tick * kFrame);
    GST_BUFFER_DURATION(buffer) = kFrame;
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    fail_unless_equals_int(gst_harness_push(harness_, buffer), GST_FLOW_OK);
  }
  /// One unit through it.
  Received send(uint64_t tick, const std::vector<Piece>& pieces) {
    push_bytes(writer_.unit(tick, pieces), tick);
    auto all = take();
    fail_unless_equals_int(all.size(), 1);
    fail_unless_equals_uint64(all[0].unit.timestamp, tick);
    fail_unless_equals_uint64(all[0].pts, tick * kFrame);
    return all[0];
  }
  std::vector<Received> take() { return reader_.take(harness_); }
  stream::Writer& writer() { return writer_; }
  GstHarness* harness() { return harness_; }
  GstElement* element() { return element_.get(); }
  GstBus* bus() { return bus_.get(); }
  int layer() {
    int layer = -1;
    g_object_get(element_.get(), "current-layer", &layer, nullptr);
    return layer;
  }
  Ptr<GstStructure> stats() {
    GstStructure* raw = nullptr;
    g_object_get(element_.get(), "stats", &raw, nullptr);
    return Ptr<GstStructure>(raw);
  }
  guint64 counter(const char* name) {
    guint64 value = 0;
    fail_unless(gst_structure_get_uint64(stats().get(), name, &value), "no counter %s", name);
    return value;
  }
  guint64 counter(const char* layer, const char* name) {
    auto all = stats();
    const GValue* nested = gst_structure_get_value(all.get(), layer);
    guint64 value = 0;
    fail_unless(nested && gst_structure_get_uint64(gst_value_get_structure(nested), name, &value));
    return value;
  }
  /// Upstream events since the last call.
  struct Upstream {
    int key_requests = 0;
    std::vector<std::pair<guint, guint>> rates; ///< structure, signal
  };
  Upstream upstream() {
    Upstream found;
    while (GstEvent* event = gst_harness_try_pull_upstream_event(harness_)) {
      found.key_requests += gst_video_event_is_force_key_unit(event);
      const GstStructure* s = gst_event_get_structure(event);
      guint structure = 0, signal = 0;
      if (s && gst_structure_has_name(s, "semantic-rate")) {
        fail_unless_equals_int(GST_EVENT_TYPE(event), GST_EVENT_CUSTOM_UPSTREAM);
        fail_unless(gst_structure_get_uint(s, "structure-bitrate", &structure));
        fail_unless(gst_structure_get_uint(s, "signal-bitrate", &signal));
        found.rates.emplace_back(structure, signal);
      }
      gst_event_unref(event);
    }
    return found;
  }

private:
  GstHarness* harness_;
  Ptr<GstElement> element_;
  Ptr<GstBus> bus_;
  stream::Writer writer_;
  UnitReader reader_;
};

std::set<unsigned> kinds(const Received& unit) {
  std::set<unsigned> found;
  for (const auto& [kind, payload] : unit.layers)
    found.insert(kind);
  return found;
}

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

/// Bytes on the wire of what a filter and the payloader send, by the packets themselves; in windows.
static void count_on_the_wire(guint rate, const std::string& more, guint overhead, double& mean,
                              double& worst, double& claimed) {
  Filter filter("target-bitrate=" + std::to_string(rate) + " " + more);
  Sender sender(stream::header({1, 2, 3}), "caption-repeat=\"\" config-interval=0 ");
  constexpr int kSeconds = 20, kWindow = 50;
  double total = 0, window = 0;
  worst = 0;
  std::mt19937 random(3);
  for (int i = 0; i < kSeconds * 25; ++i) {
    const Received out = filter.send(uint64_t(i), live_unit(i, 100 + random() % 1500));
    std::vector<Piece> pieces;
    for (const auto& layer : out.unit.layers)
      pieces.push_back({int(layer.kind), out.layers.at(unsigned(layer.kind)), layer.key, layer.discardable});
    for (const auto& packet : sender.send(uint64_t(i), pieces)) {
      total += double(packet.size - 12 + overhead) * 8;
      window += double(packet.size - 12 + overhead) * 8;
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

GST_START_TEST(the_rate_is_kept_on_the_wire) {
  for (guint rate : {5000u, 20000u, 60000u, 150000u, 250000u})
    for (guint overhead : {40u, 78u}) {
      double mean = 0, worst = 0, claimed = 0;
      count_on_the_wire(rate, "overhead=" + std::to_string(overhead), overhead, mean, worst, claimed);
      fail_unless(worst < 1.1 * rate, "%.0f bit/s over 2 s at %u", worst, rate);
      // At 5 kbit/s key maps do not fit: captions alone.
      fail_unless(rate < 10000 || mean > 0.3 * rate, "only %.0f bit/s at %u", mean, rate);
      // Its own count is that of the packets.
      fail_unless(claimed > 0.98 * mean && claimed < 1.05 * mean, "%.0f claimed, %.0f sent", claimed, mean);
    }
}
GST_END_TEST

GST_START_TEST(redundancy_counts) {
  double plain = 0, protected_too = 0, worst = 0, claimed = 0;
  count_on_the_wire(60000, "", 40, plain, worst, claimed);
  count_on_the_wire(60000, "fec-percentage=100", 40, protected_too, worst, claimed);
  fail_unless(worst < 1.1 * 30000, "%.0f bit/s leave no room for as much again", worst);
  fail_unless(claimed > 1.9 * protected_too && protected_too < 0.75 * plain);
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
  tcase_add_test(tc, first_thinner_then_fewer_layers);
  tcase_add_test(tc, at_20_kbit_maps_still_come);
  tcase_add_test(tc, the_rate_is_kept_on_the_wire);
  tcase_add_test(tc, redundancy_counts);
  tcase_add_test(tc, small_packets_cost_more);
  tcase_add_test(tc, down_at_once_up_after_the_hold_time);
  tcase_add_test(tc, a_rate_between_two_rungs_is_steady);
  tcase_add_test(tc, changes_are_told);
  tcase_add_test(tc, encoders_are_steered);
  tcase_add_test(tc, encoders_of_several_filters_are_let_alone);
  tcase_add_test(tc, a_silenced_layer_comes_back);
  tcase_add_test(tc, reports_set_the_rate);
  tcase_add_test(tc, losses_set_the_rate_within_limits);
  tcase_add_test(tc, others_reports_go_through);
  tcase_add_test(tc, lost_and_not_sent_stay_apart);
  tcase_add_test(tc, what_a_layer_depends_on_goes_with_it);
  tcase_add_test(tc, streams_without_maps);
  tcase_add_test(tc, stills_are_thinned_by_count);
  tcase_add_test(tc, hostile_units);
  tcase_add_test(tc, a_gap_follows_what_was_dropped);
  tcase_add_test(tc, events_go_through);
  tcase_add_test(tc, states_and_properties);
  fake_codecs::add();
  tcase_add_test(tc, rates_reach_the_encoders);
  tcase_add_test(tc, the_launch_line_works);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "layerfilter", fill);
}
