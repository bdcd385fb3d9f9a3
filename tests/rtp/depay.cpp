// SPDX-License-Identifier: LGPL-2.1-or-later
// rtpsemanticdepay against what packets say by themselves: a layer survives when all packets of it do.
#include "tests/rtp/rtp_test.hpp"

#include <algorithm>
#include <set>

using namespace rtp_test;
using stream::Piece;

namespace {

using Units = std::vector<std::vector<Piece>>;

/// Four packets each at an MTU of 200: caption and map share one, the signal takes three; then other subsets,
/// a map that is fragmented, and an access unit in one packet.
Units mixed_units() {
  return {
      {{1, stream::payload(1, 9)}, {2, stream::payload(2, 60)}, {3, stream::payload(3, 500), true, true}},
      {{2, stream::payload(4, 80), false, true}, {3, stream::payload(5, 400), true, true}},
      {{3, stream::payload(6, 450), true, true}},
      {{1, stream::payload(7, 12)}, {2, stream::payload(8, 300), false, true}},
      {{1, stream::payload(9, 8)}, {3, stream::payload(10, 40), true, true}},
      {{2, stream::payload(11, 30)}, {3, stream::payload(12, 190), true, true}},
  };
}

struct Sent {
  std::vector<Packet> packets;
  std::string caps;
};

Sent send(const Units& units, const std::string& properties, const std::vector<int>& kinds = {1, 2, 3}) {
  Sender sender(stream::header(kinds), properties);
  Sent sent;
  for (size_t i = 0; i < units.size(); ++i)
    for (auto& packet : sender.send(i, units[i]))
      sent.packets.push_back(packet);
  sent.caps = sender.caps();
  return sent;
}

/// Feeds all packets but those of `dropped` and checks each access unit against what its packets had.
void check_losses(const Sent& sent, const Units& units, const std::set<size_t>& dropped) {
  Receiver receiver(sent.caps);
  std::vector<Received> out;
  int gaps = 0, expected_gaps = 0;
  std::vector<bool> any(units.size()), all(units.size(), true);
  std::vector<std::set<unsigned>> broken(units.size());
  const uint16_t base = contents(sent.packets[0]).descriptor.number;
  for (size_t i = 0; i < sent.packets.size(); ++i) {
    const Contents c = contents(sent.packets[i]);
    const size_t unit = uint16_t(c.descriptor.number - base);
    if (dropped.count(i)) {
      all[unit] = false;
      for (unsigned kind : c.kinds())
        broken[unit].insert(kind);
      continue;
    }
    any[unit] = true;
    receiver.push(sent.packets[i]);
    for (auto& received : receiver.take())
      out.push_back(received);
    gaps += receiver.gaps();
    const bool last = i + 1 == sent.packets.size() ||
                      contents(sent.packets[i + 1]).descriptor.number != c.descriptor.number;
    // An intact unit goes on with its last packet, waiting for nothing.
    if (last && all[unit])
      fail_unless(!out.empty() && out.back().unit.number == c.descriptor.number);
  }
  receiver.end();
  for (auto& received : receiver.take())
    out.push_back(received);
  gaps += receiver.gaps();

  size_t at = 0, missing = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    if (!any[i]) {
      ++missing;
      continue;
    }
    expected_gaps += at > 0 ? int(missing) : 0; // nothing can be missing before the first
    missing = 0;
    fail_unless(at < out.size(), "unit %zu did not come", i);
    const Received& received = out[at];
    fail_unless_equals_int(uint16_t(received.unit.number - base), i);
    fail_unless_equals_uint64(received.pts, i * kFrame);
    fail_unless_equals_int(received.header, at == 0);
    std::set<unsigned> lost(received.lost.begin(), received.lost.end());
    fail_unless(lost == broken[i], "unit %zu has %zu lost layers", i, lost.size());
    fail_unless_equals_int(received.unit.layers.size(), units[i].size());
    for (const auto& piece : units[i])
      if (!lost.count(unsigned(piece.kind)))
        fail_unless(received.layers.at(unsigned(piece.kind)) == piece.payload);
    ++at;
  }
  fail_unless_equals_int(at, out.size());
  fail_unless_equals_int(gaps, expected_gaps);
}

const char* const kQuiet =
    "mtu=200 caption-repeat=\"\" caption-redundancy=0 key-map-redundancy=0 config-interval=0 ";

} // namespace

GST_START_TEST(every_packet_and_every_pair_lost) {
  const Units units = mixed_units();
  const Sent sent = send(units, kQuiet);
  fail_unless(sent.packets.size() >= 14);
  check_losses(sent, units, {});
  for (size_t i = 0; i < sent.packets.size(); ++i) {
    check_losses(sent, units, {i});
    for (size_t k = i + 1; k < sent.packets.size(); ++k)
      check_losses(sent, units, {i, k});
  }
}
GST_END_TEST

GST_START_TEST(bursts_lost) {
  const Units units = mixed_units();
  const Sent sent = send(units, kQuiet);
  for (size_t from = 0; from < sent.packets.size(); ++from)
    for (size_t length = 3; from + length < sent.packets.size(); ++length) {
      std::set<size_t> dropped;
      for (size_t i = 0; i < length; ++i)
        dropped.insert(from + i);
      check_losses(sent, units, dropped);
    }
}
GST_END_TEST

GST_START_TEST(round_trip_is_byte_exact) {
  for (int subset = 1; subset < 8; ++subset) {
    std::vector<int> kinds;
    for (int kind = 1; kind <= 3; ++kind)
      if (subset >> (kind - 1) & 1)
        kinds.push_back(kind);
    const StreamHeader header = stream::header(kinds);
    stream::Writer writer(header);
    Sender sender(header, "caption-repeat=\"\" config-interval=0 unit-number-offset=0");
    Ptr<GstElement> pay(gst_harness_find_element(sender.harness(), "rtpsemanticpay"));
    std::unique_ptr<Receiver> receiver;
    Bytes in = stream::header_bytes(header), out;
    uint64_t tick = 0;
    for (guint mtu = 100; mtu <= 1400; mtu += 13, ++tick) {
      g_object_set(pay.get(), "mtu", mtu, nullptr);
      std::vector<Piece> pieces;
      for (int kind : kinds)
        pieces.push_back({kind, stream::payload(int(mtu) + kind, kind == 1 ? 9 : kind == 2 ? 250 : 1900)});
      stream::append(in, writer.unit(tick, pieces));
      for (const auto& packet : sender.send(tick, pieces)) {
        fail_unless(packet.size <= mtu, "%zu bytes at an MTU of %u", packet.size, mtu);
        if (!receiver)
          receiver = std::make_unique<Receiver>(sender.caps());
        receiver->push(packet);
      }
      for (const auto& received : receiver->take())
        stream::append(out, received.bytes);
    }
    fail_unless(in == out, "subset %d: %zu bytes became %zu", subset, in.size(), out.size());
  }
}
GST_END_TEST

GST_START_TEST(flags_travel) {
  const StreamHeader header = stream::header({1, 2, 3});
  for (const char* mtu : {"mtu=1400", "mtu=100"}) {
    Sender sender(header, mtu);
    auto packets =
        sender.send(0, {{1, {1, 2}}, {2, stream::payload(1, 300), false, true}, {3, {3}, true, true}});
    Receiver receiver(sender.caps());
    for (const auto& packet : packets)
      receiver.push(packet);
    const auto out = receiver.take();
    fail_unless_equals_int(out.size(), 1);
    const auto& layers = out[0].unit.layers;
    fail_unless(layers[0].key && !layers[0].discardable && layers[0].switch_point);
    fail_unless(!layers[1].key && layers[1].discardable && !layers[1].switch_point);
    fail_unless(layers[2].key && layers[2].discardable);
    fail_unless(out[0].delta);
  }
}
GST_END_TEST

GST_START_TEST(repeats_bring_a_caption_back) {
  // Access units of their own at 40 and 200 ms, or none there: then the repeat travels alone.
  for (bool alone : {false, true}) {
    Sender sender(stream::header({1, 3}), "mtu=100 caption-redundancy=0 config-interval=0");
    const Bytes caption = stream::payload(1, 9);
    std::vector<Packet> packets;
    for (auto& packet : sender.send(0, {{1, caption}, {3, stream::payload(2, 200), true, true}}))
      if (contents(packet).kinds() != std::vector<unsigned>{1})
        packets.push_back(packet);
    fail_unless_equals_int(packets.size(), 3);
    for (uint64_t tick = 1; tick < 8; ++tick)
      for (auto& packet : sender.send(tick, alone ? std::vector<Piece>{}
                                                  : std::vector<Piece>{{3, {uint8_t(tick)}, true, true}}))
        packets.push_back(packet);
    fail_unless_equals_int(packets.size(), alone ? 3 + 2 : 3 + 7);

    Receiver receiver(sender.caps());
    for (const auto& packet : packets)
      receiver.push(packet);
    const auto out = receiver.take();
    fail_unless_equals_int(out.size(), alone ? 1 : 8);
    // The unit that it was of still waits for it.
    fail_unless(out[0].layers.at(1) == caption && out[0].lost.empty());
    fail_unless_equals_uint64(out[0].pts, 0);
    for (size_t i = 1; i < out.size(); ++i) // the second copy is of no use any more
      fail_unless(out[i].layers.count(1) == 0 && out[i].lost.empty());
    fail_unless_equals_uint64(receiver.counter("repeats-used"), 1);
  }
}
GST_END_TEST

/// With copies in the next unit nothing but the signal of a lost packet is lost, and all is in its own time.
GST_START_TEST(copies_bring_lost_units_back) {
  Sender sender(stream::header({1, 2, 3}), "map-redundancy=1 caption-redundancy=2 config-interval=0");
  constexpr size_t kUnits = 9;
  std::vector<Packet> packets;
  std::vector<std::vector<Piece>> units;
  for (size_t tick = 0; tick < kUnits; ++tick) {
    std::vector<Piece> pieces;
    if (tick % 3 == 1)
      pieces.push_back({1, stream::payload(int(tick), 9)});
    const bool key = tick % 4 == 0;
    pieces.push_back({2, stream::payload(int(tick) + 20, 60), key, !key});
    pieces.push_back({3, stream::payload(int(tick) + 40, 100), true, true});
    units.push_back(pieces);
    const auto sent = sender.send(tick, pieces);
    fail_unless_equals_int(sent.size(), 1);
    packets.push_back(sent[0]);
  }
  for (size_t lost = 1; lost + 1 < kUnits; ++lost)
    for (size_t other = lost; other + 1 < kUnits; ++other) {
      if (other == lost + 1)
        continue; // two in a row are too many for one copy
      Receiver receiver(sender.caps());
      for (size_t i = 0; i < kUnits; ++i)
        if (i != lost && i != other)
          receiver.push(packets[i]);
      const auto out = receiver.take();
      fail_unless_equals_int(out.size(), kUnits);
      fail_unless_equals_int(receiver.gaps(), 0);
      fail_unless_equals_uint64(receiver.counter("lost-units"), 0);
      fail_unless_equals_uint64(receiver.counter("recovered-units"), lost == other ? 1 : 2);
      for (size_t i = 0; i < kUnits; ++i) {
        const bool gone = i == lost || i == other;
        fail_unless_equals_uint64(out[i].pts, i * kFrame);
        fail_unless_equals_uint64(out[i].unit.timestamp, i);
        fail_unless(out[i].lost == (gone ? std::vector<unsigned>{3} : std::vector<unsigned>{}));
        for (const auto& piece : units[i])
          if (piece.kind != 3 || !gone)
            fail_unless(out[i].layers.at(unsigned(piece.kind)) == piece.payload);
        fail_unless_equals_int(out[i].layers.count(1), i % 3 == 1);
      }
    }
}
GST_END_TEST

/// Of two in a row the second comes back, and the caption of the first, which has two copies.
GST_START_TEST(captions_outlast_bursts) {
  Sender sender(stream::header({1, 3}), "caption-redundancy=4 caption-repeat=\"\" config-interval=0");
  std::vector<Packet> packets;
  const Bytes caption = stream::payload(1, 9);
  for (uint64_t tick = 0; tick < 8; ++tick) {
    std::vector<Piece> pieces{{3, {uint8_t(tick)}, true, true}};
    if (tick == 1)
      pieces.insert(pieces.begin(), Piece{1, caption});
    packets.push_back(sender.send(tick, pieces).at(0));
  }
  for (size_t burst = 1; burst <= 5; ++burst) {
    Receiver receiver(sender.caps());
    for (size_t i = 0; i < packets.size(); ++i)
      if (i < 1 || i > burst)
        receiver.push(packets[i]);
    const auto out = receiver.take();
    const bool known = burst <= 4;
    fail_unless_equals_int(out.size(), packets.size() - burst + known);
    fail_unless_equals_int(receiver.gaps(), int(burst) - known);
    if (!known)
      continue;
    fail_unless_equals_uint64(out[1].pts, kFrame);
    fail_unless(out[1].layers.at(1) == caption);
  }
}
GST_END_TEST

GST_START_TEST(repeats_of_what_came_change_nothing) {
  Sender sender(stream::header({1, 3}), "config-interval=0");
  std::vector<Packet> packets;
  for (uint64_t tick = 0; tick < 10; ++tick) {
    std::vector<Piece> pieces{{3, {uint8_t(tick)}, true, true}};
    if (tick == 0 || tick == 4)
      pieces.insert(pieces.begin(), Piece{1, stream::payload(int(tick), 9)});
    for (auto& packet : sender.send(tick, pieces))
      packets.push_back(packet);
  }
  Receiver receiver(sender.caps());
  for (const auto& packet : packets)
    receiver.push(packet);
  const auto out = receiver.take();
  fail_unless_equals_int(out.size(), 10);
  for (size_t i = 0; i < out.size(); ++i)
    fail_unless_equals_int(out[i].layers.count(1), i == 0 || i == 4);
}
GST_END_TEST

GST_START_TEST(late_join_at_every_packet) {
  // No config in the caps: the first unit with a stream header in-band is shown.
  Sender sender(stream::header({1, 2, 3}), "mtu=200 config-interval=1");
  std::vector<Packet> packets;
  std::vector<size_t> headers;
  for (uint64_t tick = 0; tick < 60; ++tick) {
    std::vector<Piece> pieces{{3, stream::payload(int(tick), 300), true, true}};
    if (tick % 20 == 0) {
      pieces.insert(pieces.begin(), {2, stream::payload(int(tick), 30)});
      pieces.insert(pieces.begin(), {1, stream::payload(int(tick), 9)});
    }
    for (auto& packet : sender.send(tick, pieces)) {
      if (contents(packet).has(RtpEntry::Type::StreamHeader))
        headers.push_back(packets.size());
      packets.push_back(packet);
    }
  }
  fail_unless(headers.size() >= 3);
  for (size_t from = 0; from <= headers[headers.size() - 1]; ++from) {
    Receiver receiver(kBareCaps);
    const size_t header = *std::lower_bound(headers.begin(), headers.end(), from);
    std::vector<Received> out;
    for (size_t i = from; i < packets.size() && out.empty(); ++i) {
      receiver.push(packets[i]);
      out = receiver.take();
      fail_unless(out.empty() || i >= header);
    }
    fail_unless(!out.empty() && out[0].header && out[0].lost.empty());
    fail_unless_equals_int(out[0].unit.number, contents(packets[header]).descriptor.number);
    if (from + 3 < header) // somebody waited for it
      fail_unless_equals_int(receiver.key_requests(), 1);
  }
}
GST_END_TEST

GST_START_TEST(numbers_wrap) {
  const int units = 20;
  Sender sender(stream::header({3}),
                "unit-number-offset=65526 seqnum-offset=65520 timestamp-offset=4294960000 config-interval=0");
  std::vector<Received> out;
  std::unique_ptr<Receiver> receiver;
  for (uint64_t tick = 0; tick < units; ++tick)
    for (const auto& packet : sender.send(tick, {{3, {uint8_t(tick)}, true, true}})) {
      if (!receiver)
        receiver = std::make_unique<Receiver>(sender.caps());
      receiver->push(packet);
      for (auto& received : receiver->take())
        out.push_back(received);
    }
  fail_unless_equals_int(out.size(), units);
  for (int i = 0; i < units; ++i) {
    fail_unless_equals_int(out[size_t(i)].unit.number, uint16_t(65526 + i));
    fail_unless_equals_uint64(out[size_t(i)].unit.timestamp, i);
  }
  fail_unless_equals_int(receiver->gaps(), 0);
}
GST_END_TEST

GST_START_TEST(another_sender) {
  const Units units = mixed_units();
  const std::string in_band = "mtu=200 caption-repeat=\"\" config-interval=2 ";
  const Sent first = send(units, in_band + "ssrc=1 unit-number-offset=100 seqnum-offset=100");
  // By another SSRC, and begun anew under the same one with numbers in front of and behind the old ones.
  for (const char* other : {"ssrc=2 unit-number-offset=100 seqnum-offset=100",
                            "ssrc=1 unit-number-offset=30000 seqnum-offset=30000",
                            "ssrc=1 unit-number-offset=60000 seqnum-offset=60000"}) {
    const Sent second = send(units, in_band + other);
    Receiver receiver(kBareCaps);
    for (const auto& packet : first.packets)
      receiver.push(packet);
    fail_unless_equals_int(receiver.take().size(), units.size());
    receiver.gaps();
    for (auto packet : second.packets) {
      packet.pts += GST_SECOND;
      receiver.push(packet);
    }
    const auto out = receiver.take();
    fail_unless_equals_int(out.size(), units.size());
    for (const auto& received : out)
      fail_unless(received.lost.empty());
    fail_unless(receiver.gaps() <= 1, "a jump in numbers is not thousands of losses");
  }
}
GST_END_TEST

GST_START_TEST(duplicates_change_nothing) {
  const Units units = mixed_units();
  const Sent sent = send(units, kQuiet);
  for (size_t distance : {0, 1, 3}) {
    Receiver receiver(sent.caps);
    for (size_t i = 0; i < sent.packets.size(); ++i) {
      receiver.push(sent.packets[i]);
      if (i >= distance)
        receiver.push(sent.packets[i - distance]);
    }
    const auto out = receiver.take();
    fail_unless_equals_int(out.size(), units.size());
    for (const auto& received : out)
      fail_unless(received.lost.empty());
  }
}
GST_END_TEST

GST_START_TEST(loss_events_are_not_passed_on) {
  const Units units = mixed_units();
  const Sent sent = send(units, kQuiet);
  Receiver receiver(sent.caps);
  for (const auto& packet : sent.packets) {
    const bool lost =
        contents(packet).descriptor.number == uint16_t(contents(sent.packets[0]).descriptor.number + 1);
    if (!lost) {
      receiver.push(packet);
      continue;
    }
    gst_harness_push_event(
        receiver.harness(),
        gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                             gst_structure_new("GstRTPPacketLost", "seqnum", G_TYPE_UINT,
                                               guint(packet.sequence), "timestamp", G_TYPE_UINT64, packet.pts,
                                               "duration", G_TYPE_UINT64, kFrame, "retry", G_TYPE_UINT, 0,
                                               nullptr)));
  }
  const auto out = receiver.take();
  fail_unless_equals_int(out.size(), units.size() - 1);
  for (size_t i = 1; i < out.size(); ++i)
    fail_unless_equals_int(out[i].discont, i == 1);
  fail_unless_equals_int(receiver.gaps(), 1); // the unit had several packets
  fail_unless_equals_uint64(receiver.counter("lost-units"), 1);
}
GST_END_TEST

GST_START_TEST(upper_layers_left_out) {
  const Units units = mixed_units();
  const Sent sent = send(units, kQuiet);
  for (unsigned max_layer : {1u, 2u}) {
    Receiver receiver(sent.caps, "max-layer=" + std::to_string(max_layer));
    for (const auto& packet : sent.packets)
      receiver.push(packet);
    const auto out = receiver.take();
    fail_unless_equals_int(out.size(), units.size()); // still a picture each
    for (size_t i = 0; i < out.size(); ++i) {
      fail_unless(out[i].lost.empty());
      for (const auto& piece : units[i])
        fail_unless_equals_int(out[i].layers.count(unsigned(piece.kind)), unsigned(piece.kind) <= max_layer);
    }
  }
}
GST_END_TEST

GST_START_TEST(dependencies_hold_layers_back) {
  StreamHeader header = stream::header({1, 2, 3});
  header.layers[2].dependencies = 1u << 2; // the signal needs the map
  Sender sender(header, kQuiet);
  const auto packets =
      sender.send(0, {{1, {1}}, {2, stream::payload(1, 300)}, {3, stream::payload(2, 40), true, true}});
  Receiver receiver(sender.caps());
  for (const auto& packet : packets)
    if (!(contents(packet).descriptor.fragment && contents(packet).descriptor.end &&
          contents(packet).kinds() == std::vector<unsigned>{2}))
      receiver.push(packet);
  receiver.end();
  const auto out = receiver.take();
  fail_unless_equals_int(out.size(), 1);
  fail_unless((out[0].lost == std::vector<unsigned>{2, 3}));
  fail_unless_equals_int(out[0].layers.count(1), 1);
}
GST_END_TEST

GST_START_TEST(relays_keep_losses) {
  const Units units = mixed_units();
  const Sent sent = send(units, kQuiet);
  const uint16_t base = contents(sent.packets[0]).descriptor.number;
  GstHarness* relay = gst_harness_new_parse(
      (std::string("rtpsemanticdepay ! rtpsemanticpay name=pay unit-number-offset=0 ") + kQuiet).c_str());
  gst_harness_set_src_caps_str(relay, sent.caps.c_str());
  for (size_t i = 0; i < sent.packets.size(); ++i) // without the second packet, and the whole second unit
    if (i != 1 && contents(sent.packets[i]).descriptor.number != uint16_t(base + 1))
      fail_unless_equals_int(gst_harness_push(relay, make_buffer(sent.packets[i])), GST_FLOW_OK);
  Receiver receiver(sent.caps);
  while (GstBuffer* buffer = gst_harness_try_pull(relay)) {
    receiver.push(read_packet(buffer));
    gst_buffer_unref(buffer);
  }
  gst_harness_teardown(relay);
  const auto out = receiver.take();
  fail_unless_equals_int(out.size(), units.size() - 1);
  for (size_t i = 0; i < out.size(); ++i) {
    fail_unless_equals_int(out[i].unit.number, i ? i + 1 : 0);
    fail_unless(out[i].lost == (i ? std::vector<unsigned>{} : std::vector<unsigned>{3}));
  }
  fail_unless_equals_int(receiver.gaps(), 1);
}
GST_END_TEST

GST_START_TEST(a_lost_key_map_is_asked_for) {
  // First bytes of maps: type 2 key, 1 delta; the number of the key map above.
  const StreamHeader header = stream::header({2, 3});
  const auto map = [](int type, int key) { return Bytes{uint8_t(type | key << 4), 1, 2, 3}; };
  for (int lost : {-1, 0, 1, 2}) {
    Sender sender(header, kQuiet);
    std::vector<Packet> packets;
    for (auto& p : sender.send(0, {{2, map(2, 5)}}))
      packets.push_back(p);
    for (auto& p : sender.send(1, {{2, map(1, 5), false, true}}))
      packets.push_back(p);
    for (auto& p : sender.send(2, {{2, map(2, 6)}}))
      packets.push_back(p);
    for (auto& p : sender.send(3, {{2, map(1, 6), false, true}}))
      packets.push_back(p);
    for (auto& p : sender.send(4, {{2, map(1, 6), false, true}}))
      packets.push_back(p);
    fail_unless_equals_int(packets.size(), 5);
    Receiver receiver(sender.caps());
    for (int i = 0; i < 5; ++i)
      if (i != lost)
        receiver.push(packets[size_t(i)]);
    // A lost delta harms nobody; a lost key map is asked for once, not with each delta.
    fail_unless_equals_int(receiver.key_requests(), lost == 0 || lost == 2);
  }
}
GST_END_TEST

GST_START_TEST(waits_for_a_key_unit) {
  Sender sender(stream::header({1, 3}), kQuiet);
  std::vector<Packet> packets;
  for (uint64_t tick = 0; tick < 9; ++tick) {
    std::vector<Piece> pieces{{3, {uint8_t(tick)}, true, true}};
    if (tick % 3 == 1)
      pieces.insert(pieces.begin(), {1, {uint8_t(tick)}});
    for (auto& packet : sender.send(tick, pieces))
      packets.push_back(packet);
  }
  Receiver receiver(sender.caps(), "wait-for-keyframe=true");
  std::vector<size_t> shown;
  for (size_t i = 0; i < packets.size(); ++i) {
    if (i == 5)
      continue;
    receiver.push(packets[i]);
    for (const auto& received : receiver.take())
      shown.push_back(size_t(received.pts / kFrame));
  }
  fail_unless((shown == std::vector<size_t>{1, 2, 3, 4, 7, 8}));
}
GST_END_TEST

GST_START_TEST(flushed) {
  const Units units = mixed_units();
  const Sent sent = send(units, kQuiet);
  Receiver receiver(sent.caps);
  receiver.push(sent.packets[0]);
  gst_harness_push_event(receiver.harness(), gst_event_new_flush_start());
  gst_harness_push_event(receiver.harness(), gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(receiver.harness(), gst_event_new_segment(&segment));
  for (const auto& packet : send(units, kQuiet).packets)
    receiver.push(packet);
  const auto out = receiver.take();
  fail_unless_equals_int(out.size(), units.size());
  fail_unless(out[0].header);
}
GST_END_TEST

GST_START_TEST(versions) {
  GstHarness* h = gst_harness_new("rtpsemanticdepay");
  GstPad* sink = h->srcpad;
  gst_pad_push_event(sink, gst_event_new_stream_start("x"));
  for (const auto& [version, ok] : {std::pair<const char*, bool>{"1", true}, {"2", false}, {"x", false}}) {
    Ptr<GstCaps> caps(gst_caps_from_string(kBareCaps));
    gst_caps_set_simple(caps.get(), "version", G_TYPE_STRING, version, nullptr);
    GstPad* peer = gst_pad_get_peer(sink);
    fail_unless_equals_int(gst_pad_send_event(peer, gst_event_new_caps(caps.get())), ok);
    gst_object_unref(peer);
  }
  gst_harness_teardown(h);
}
GST_END_TEST

/// Decoders hear of each change of max-layer once, before the first unit that it is about.
GST_START_TEST(max_layer_is_told_downstream) {
  Sender sender(stream::header({1, 2, 3}), kQuiet);
  Receiver receiver(sender.caps());
  Ptr<GstElement> depay(gst_harness_find_element(receiver.harness(), "rtpsemanticdepay"));
  std::vector<guint> told;
  int unit = 0;
  for (guint most : {3u, 2u, 2u, 1u, 3u}) {
    g_object_set(depay.get(), "max-layer", most, nullptr);
    for (const auto& packet :
         sender.send(uint64_t(unit),
                     {{1, stream::payload(1, 9)}, {2, stream::payload(2, 40)}, {3, stream::payload(3, 50)}}))
      receiver.push(packet);
    ++unit;
    while (GstEvent* event = gst_harness_try_pull_event(receiver.harness())) {
      guint layer = 0;
      if (gst_event_has_name(event, "semantic-max-layer")) {
        fail_unless_equals_int(GST_EVENT_TYPE(event), GST_EVENT_CUSTOM_DOWNSTREAM);
        fail_unless(gst_structure_get_uint(gst_event_get_structure(event), "max-layer", &layer));
        told.push_back(layer);
      }
      gst_event_unref(event);
    }
    const auto units = receiver.take();
    fail_unless_equals_int(units.size(), 1);
    fail_unless_equals_int(units[0].layers.size(), most);
  }
  fail_unless(told == std::vector<guint>({2, 1, 3}));
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, max_layer_is_told_downstream);
  tcase_add_test(tc, every_packet_and_every_pair_lost);
  tcase_add_test(tc, bursts_lost);
  tcase_add_test(tc, round_trip_is_byte_exact);
  tcase_add_test(tc, flags_travel);
  tcase_add_test(tc, repeats_bring_a_caption_back);
  tcase_add_test(tc, copies_bring_lost_units_back);
  tcase_add_test(tc, captions_outlast_bursts);
  tcase_add_test(tc, repeats_of_what_came_change_nothing);
  tcase_add_test(tc, late_join_at_every_packet);
  tcase_add_test(tc, numbers_wrap);
  tcase_add_test(tc, another_sender);
  tcase_add_test(tc, duplicates_change_nothing);
  tcase_add_test(tc, loss_events_are_not_passed_on);
  tcase_add_test(tc, upper_layers_left_out);
  tcase_add_test(tc, dependencies_hold_layers_back);
  tcase_add_test(tc, relays_keep_losses);
  tcase_add_test(tc, a_lost_key_map_is_asked_for);
  tcase_add_test(tc, waits_for_a_key_unit);
  tcase_add_test(tc, flushed);
  tcase_add_test(tc, versions);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "depay", fill);
}
