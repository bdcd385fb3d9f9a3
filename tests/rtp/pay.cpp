// SPDX-License-Identifier: LGPL-2.1-or-later
// rtpsemanticpay: what it puts into which packet, read with the descriptor library.
#include "tests/rtp/rtp_test.hpp"

#include <gst/video/video.h>

#include <algorithm>
#include <set>

using namespace rtp_test;
using stream::Piece;
using Type = RtpEntry::Type;

namespace {

std::vector<Piece> all_layers(int seed, size_t signal = 100) {
  return {{1, stream::payload(seed, 9)},
          {2, stream::payload(seed + 1, 60)},
          {3, stream::payload(seed + 2, signal), true, true}};
}

bool has(const std::vector<Packet>& packets, Type type) {
  return std::any_of(packets.begin(), packets.end(), [&](const auto& p) { return contents(p).has(type); });
}

const Piece kSignal{3, {7}, true, true};

} // namespace

GST_START_TEST(small_layers_share_a_packet) {
  const StreamHeader header = stream::header({1, 2, 3});
  Sender sender(header, "");
  const auto pieces = all_layers(1);
  const auto packets = sender.send(0, pieces);
  fail_unless_equals_int(packets.size(), 1);
  fail_unless(packets[0].marker);
  const Contents c = contents(packets[0]);
  fail_unless_equals_int(c.descriptor.layers, 0x0E);
  fail_unless_equals_int(c.entries.size(), 4);
  fail_unless(c.entries[0].type == Type::StreamHeader);
  const Bytes config(c.entries[0].data.begin(), c.entries[0].data.end());
  fail_unless(config == stream::header_bytes(header));
  for (size_t i = 0; i < 3; ++i) {
    const RtpEntry& entry = c.entries[i + 1];
    fail_unless_equals_int(int(entry.layer.kind), pieces[i].kind);
    fail_unless(Bytes(entry.data.begin(), entry.data.end()) == pieces[i].payload);
    fail_unless(entry.layer.key && entry.layer.discardable == pieces[i].discardable);
  }
}
GST_END_TEST

GST_START_TEST(large_layers_are_fragmented) {
  for (guint mtu : {100u, 500u, 1400u}) {
    Sender sender(stream::header({1, 2, 3}),
                  "key-map-redundancy=0 config-interval=0 mtu=" + std::to_string(mtu));
    uint32_t time = 0;
    uint16_t sequence = 0;
    for (uint64_t tick = 0; tick < 3; ++tick) {
      const auto pieces = all_layers(int(tick), 5000);
      const auto packets = sender.send(tick, pieces);
      Bytes signal;
      unsigned highest = 0;
      for (size_t i = 0; i < packets.size(); ++i) {
        const Contents c = contents(packets[i]);
        fail_unless(packets[i].size <= mtu);
        fail_unless_equals_int(packets[i].marker, i + 1 == packets.size());
        fail_unless_equals_int(c.descriptor.layers, 0x0E);
        fail_unless(c.kinds().front() >= highest, "layers in order");
        highest = c.kinds().back();
        if (tick || i)
          fail_unless_equals_int(packets[i].sequence, uint16_t(sequence + 1));
        sequence = packets[i].sequence;
        if (tick || i)
          fail_unless_equals_int(packets[i].time, time + (i ? 0 : kFrameRtp));
        time = packets[i].time;
        if (highest == 3 && c.descriptor.fragment) {
          fail_unless_equals_int(c.descriptor.start, signal.empty());
          signal.insert(signal.end(), packets[i].payload.begin() + 4, packets[i].payload.end());
          fail_unless_equals_int(c.descriptor.end, i + 1 == packets.size());
        }
      }
      fail_unless(signal == pieces[2].payload);
      // No packet more than the bytes need: 12 of RTP and 4 of descriptor each.
      const size_t full = mtu - 16;
      fail_unless(packets.size() <= 1 + (5000 + full - 1) / full);
    }
  }
}
GST_END_TEST

GST_START_TEST(fragments_are_not_copied) {
  Sender sender(stream::header({3}), "config-interval=0");
  GstHarness* h = sender.harness();
  stream::Writer writer(stream::header({3}));
  GstBuffer* input = stream::buffer(writer.unit(0, {{3, stream::payload(1, 6000)}}), 0);
  GstMapInfo whole;
  fail_unless(gst_buffer_map(input, &whole, GST_MAP_READ));
  fail_unless_equals_int(gst_harness_push(h, gst_buffer_ref(input)), GST_FLOW_OK);
  int packets = 0;
  while (GstBuffer* packet = gst_harness_try_pull(h)) {
    GstMemory* memory = gst_buffer_peek_memory(packet, gst_buffer_n_memory(packet) - 1);
    GstMapInfo piece;
    fail_unless(gst_memory_map(memory, &piece, GST_MAP_READ));
    fail_unless(piece.data >= whole.data && piece.data + piece.size <= whole.data + whole.size);
    fail_unless(piece.size > 100);
    gst_memory_unmap(memory, &piece);
    gst_buffer_unref(packet);
    ++packets;
  }
  fail_unless_equals_int(packets, 5);
  gst_buffer_unmap(input, &whole);
  gst_buffer_unref(input);
}
GST_END_TEST

GST_START_TEST(nothing_is_sent_for_nothing) {
  Sender sender(stream::header({1, 3}), "caption-repeat=\"\" unit-number-offset=65535");
  uint16_t number = 65535;
  for (uint64_t tick = 0; tick < 12; ++tick) {
    const bool empty = tick % 3 != 0;
    const auto packets = sender.send(tick, empty ? std::vector<Piece>{} : std::vector<Piece>{kSignal});
    fail_unless_equals_int(packets.size(), !empty);
    if (!empty)
      fail_unless_equals_int(contents(packets[0]).descriptor.number, number++);
  }
}
GST_END_TEST

GST_START_TEST(lost_layers_stay_in_the_set) {
  Sender sender(stream::header({1, 2, 3}), "unit-number-offset=0 caption-repeat=\"\"");
  auto packets = sender.send(0, {{1, {1}}, {2, {}, true, true, true}, kSignal});
  fail_unless_equals_int(packets.size(), 1);
  fail_unless_equals_int(contents(packets[0]).descriptor.layers, 0x0E);
  fail_unless((contents(packets[0]).kinds() == std::vector<unsigned>{1, 3}));
  // Of this one there is nothing to be sent; the number is used up, so receivers see the loss.
  fail_unless_equals_int(sender.send(1, {{2, {}, true, true, true}}).size(), 0);
  packets = sender.send(2, {kSignal});
  fail_unless_equals_int(contents(packets.at(0)).descriptor.number, 2);
}
GST_END_TEST

GST_START_TEST(damaged_layers_are_not_sent) {
  Sender sender(stream::header({1, 3}), "config-interval=0");
  stream::Writer writer(stream::header({1, 3}));
  Bytes unit = writer.unit(0, {{1, stream::payload(1, 9)}, {3, stream::payload(2, 50)}});
  unit[unit.size() - 20] ^= 1;
  fail_unless_equals_int(gst_harness_push(sender.harness(), stream::buffer(unit, 0)), GST_FLOW_OK);
  GstBuffer* buffer = gst_harness_pull(sender.harness());
  const Packet packet = read_packet(buffer);
  gst_buffer_unref(buffer);
  fail_unless_equals_int(gst_harness_buffers_in_queue(sender.harness()), 0);
  fail_unless((contents(packet).kinds() == std::vector<unsigned>{1}));
  fail_unless_equals_int(contents(packet).descriptor.layers, 0x0A);
  // Rubbish is nothing to be sent, and no error.
  gst_harness_push(sender.harness(), stream::buffer(stream::payload(3, 500), kFrame));
  gst_harness_push(sender.harness(), stream::buffer({}, kFrame));
  fail_unless_equals_int(gst_harness_buffers_in_queue(sender.harness()), 0);
}
GST_END_TEST

GST_START_TEST(captions_are_repeated_in_time) {
  struct Case {
    const char* property;
    std::set<uint64_t> repeats; ///< pictures, 40 ms each
  };
  for (const Case& c :
       {Case{"caption-repeat=\"40,200\"", {1, 5}}, Case{"", {1, 5}}, Case{"caption-repeat=\"\"", {}},
        Case{"caption-repeat=\" 300 , 90\"", {3, 8}}, Case{"caption-repeat=\"1,2,3\"", {1}}}) {
    Sender sender(stream::header({1, 3}),
                  std::string("caption-redundancy=0 config-interval=0 ") + c.property);
    const Bytes caption = stream::payload(1, 9);
    const auto with_caption = sender.send(0, {{1, caption}, kSignal});
    const uint16_t number = contents(with_caption.at(0)).descriptor.number;
    for (uint64_t tick = 1; tick < 12; ++tick) {
      const bool empty = tick == 5; // then the repeat travels alone
      const auto packets = sender.send(tick, empty ? std::vector<Piece>{} : std::vector<Piece>{kSignal});
      const bool repeated = has(packets, Type::Repeat);
      fail_unless_equals_int(repeated, c.repeats.count(tick));
      if (!repeated)
        continue;
      fail_unless_equals_int(packets.size(), 1);
      const Contents found = contents(packets[0]);
      fail_unless_equals_int(found.entries[0].number, number);
      fail_unless(Bytes(found.entries[0].data.begin(), found.entries[0].data.end()) == caption);
      fail_unless_equals_int(found.descriptor.layers, empty ? 0 : 0x08);
      fail_unless_equals_int(found.descriptor.number, uint16_t(number + tick - (tick >= 5)));
      fail_unless_equals_int(packets[0].marker, !empty);
      fail_unless_equals_int(packets[0].time, with_caption[0].time + kFrameRtp * (tick - empty));
    }
  }
}
GST_END_TEST

GST_START_TEST(a_new_caption_ends_the_old_ones_repeats) {
  Sender sender(stream::header({1}), "caption-repeat=\"100\"");
  sender.send(0, {{1, {1}}});
  sender.send(2, {{1, {2}}});
  fail_unless_equals_int(sender.send(3, {}).size(), 0);
  fail_unless_equals_int(sender.send(4, {}).size(), 0);
  const auto packets = sender.send(5, {});
  fail_unless_equals_int(packets.size(), 1);
  fail_unless_equals_int(contents(packets[0]).entries.at(0).data[0], 2);
}
GST_END_TEST

GST_START_TEST(wrong_lists_of_times_are_refused) {
  GstElement* pay = gst_element_factory_make("rtpsemanticpay", nullptr);
  gst_object_ref_sink(pay);
  g_object_set(pay, "caption-repeat", "10,20", nullptr);
  for (const char* wrong :
       {"x", "10,", ",10", "0", "-5", "10;20", "60001", "1,2,3,4,5,6,7,8,9", "99999999999999999999"}) {
    g_object_set(pay, "caption-repeat", wrong, nullptr);
    gchar* have = nullptr;
    g_object_get(pay, "caption-repeat", &have, nullptr);
    fail_unless_equals_string(have, "10,20");
    g_free(have);
  }
  gst_object_unref(pay);
}
GST_END_TEST

GST_START_TEST(stream_header_in_band) {
  struct Case {
    const char* property;
    std::set<uint64_t> headers; ///< pictures
  };
  // Pictures 0, 20, 40.. are key units; the others have a signal, which is key as well, or a delta map only.
  for (const Case& c : {Case{"config-interval=0", {}}, Case{"config-interval=-1", {0, 20, 40, 60}},
                        Case{"config-interval=1", {0, 26, 52}}, Case{"", {0, 50}}}) {
    Sender sender(stream::header({2, 3}), c.property);
    for (uint64_t tick = 0; tick < 70; ++tick) {
      std::vector<Piece> pieces{{2, {1, 2}, tick % 20 == 0, true}};
      if (tick % 2 == 0)
        pieces.push_back(kSignal);
      fail_unless_equals_int(has(sender.send(tick, pieces), Type::StreamHeader), c.headers.count(tick));
    }
  }
}
GST_END_TEST

GST_START_TEST(a_new_stream_header_goes_out_at_once) {
  Sender sender(stream::header({1, 3}), "config-interval=3600");
  sender.send(0, {kSignal});
  const std::string before = sender.caps();
  fail_unless(!has(sender.send(1, {kSignal}), Type::StreamHeader));
  StreamHeader other = stream::header({1, 3});
  other.width = 128;
  const Bytes bytes = stream::header_bytes(other);
  const auto packets = sender.send(2, {kSignal}, bytes);
  const Contents c = contents(packets.at(0));
  fail_unless(c.entries.at(0).type == Type::StreamHeader);
  fail_unless(Bytes(c.entries[0].data.begin(), c.entries[0].data.end()) == bytes);
  fail_unless(sender.caps() != before, "config follows");
}
GST_END_TEST

GST_START_TEST(caps_tell_the_stream_header) {
  const StreamHeader header = stream::header({1, 2, 3});
  Sender sender(header, "");
  sender.send(0, {kSignal});
  Ptr<GstCaps> caps(gst_caps_from_string(sender.caps().c_str()));
  const GstStructure* s = gst_caps_get_structure(caps.get(), 0);
  fail_unless_equals_string(gst_structure_get_string(s, "encoding-name"), "X-SEMANTIC");
  fail_unless_equals_string(gst_structure_get_string(s, "version"), "1");
  fail_unless_equals_string(gst_structure_get_string(s, "layers"), "3");
  gsize size = 0;
  guchar* config = g_base64_decode(gst_structure_get_string(s, "config"), &size);
  fail_unless(Bytes(config, config + size) == stream::header_bytes(header));
  g_free(config);
}
GST_END_TEST

GST_START_TEST(key_units_are_asked_for_upstream) {
  Sender sender(stream::header({1, 3}), "config-interval=3600");
  sender.send(0, {kSignal});
  fail_unless(!has(sender.send(1, {kSignal}), Type::StreamHeader));
  while (GstEvent* event = gst_harness_try_pull_upstream_event(sender.harness()))
    gst_event_unref(event);
  gst_harness_push_upstream_event(sender.harness(),
                                  gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, FALSE, 0));
  int asked = 0;
  while (GstEvent* event = gst_harness_try_pull_upstream_event(sender.harness())) {
    asked += gst_video_event_is_force_key_unit(event);
    gst_event_unref(event);
  }
  fail_unless_equals_int(asked, 1);
  fail_unless(has(sender.send(2, {kSignal}), Type::StreamHeader));
  fail_unless(!has(sender.send(3, {kSignal}), Type::StreamHeader));
}
GST_END_TEST

GST_START_TEST(header_extensions_count_in_the_mtu) {
  for (guint mtu : {100u, 300u, 1400u}) {
    Sender sender(stream::header({1, 2, 3}),
                  "config-interval=0 caption-repeat=\"\" caption-redundancy=0 key-map-redundancy=0 mtu=" +
                      std::to_string(mtu));
    Ptr<GstElement> pay(gst_harness_find_element(sender.harness(), "rtpsemanticpay"));
    for (guint id : {3u, 5u}) {
      const char* uri = id == 3 ? "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
                                : "urn:ietf:params:rtp-hdrext:ntp-64";
      GstRTPHeaderExtension* extension = gst_rtp_header_extension_create_from_uri(uri);
      fail_unless(extension != nullptr, "no header extension for %s", uri);
      gst_rtp_header_extension_set_id(extension, id);
      g_signal_emit_by_name(pay.get(), "add-extension", extension);
      gst_object_unref(extension);
    }
    for (uint64_t tick = 0; tick < 3; ++tick) {
      const auto packets = sender.send(tick, all_layers(1, 4000));
      fail_unless(packets.size() > 2);
      for (const auto& packet : packets) {
        fail_unless(packet.size <= mtu, "%zu bytes at an MTU of %u", packet.size, mtu);
        fail_unless(packet.size > packet.payload.size() + 12, "no extension was written");
      }
    }
    // And the room is used.
    fail_unless(sender.send(4, {{3, stream::payload(1, 4000)}}).at(0).size + 8 >= mtu);
  }
}
GST_END_TEST

GST_START_TEST(flush_forgets_repeats) {
  Sender sender(stream::header({1, 3}), "config-interval=0");
  sender.send(0, {{1, {1}}});
  GstHarness* h = sender.harness();
  gst_harness_push_event(h, gst_event_new_flush_start());
  gst_harness_push_event(h, gst_event_new_flush_stop(TRUE));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(h, gst_event_new_segment(&segment));
  fail_unless(!has(sender.send(20, {kSignal}), Type::Repeat));
}
GST_END_TEST

GST_START_TEST(states_and_properties) {
  for (const char* name : {"rtpsemanticpay", "rtpsemanticdepay"}) {
    GstElement* element = gst_element_factory_make(name, nullptr);
    fail_unless(element != nullptr);
    gst_object_ref_sink(element);
    fail_unless_equals_int(gst_plugin_feature_get_rank(GST_PLUGIN_FEATURE(gst_element_get_factory(element))),
                           GST_RANK_NONE);
    for (int round = 0; round < 3; ++round)
      for (GstState state : {GST_STATE_PLAYING, GST_STATE_NULL})
        fail_unless(gst_element_set_state(element, state) != GST_STATE_CHANGE_FAILURE);
    guint n = 0;
    GParamSpec** specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &n);
    for (guint i = 0; i < n; ++i)
      if (specs[i]->owner_type == G_OBJECT_TYPE(element)) {
        fail_unless(strlen(g_param_spec_get_blurb(specs[i])) > 20);
        fail_unless(!(specs[i]->flags & G_PARAM_WRITABLE) ||
                    (specs[i]->flags & (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PLAYING)));
      }
    g_free(specs);
    gst_object_unref(element);
  }
}
GST_END_TEST

/// Until the first unit has come nothing can be shown: what it has for all goes at once again.
GST_START_TEST(the_start_is_sent_twice) {
  Sender sender(stream::header({1, 2, 3}), "repeat-start=true unit-number-offset=7 caption-repeat=\"\"");
  const auto caption = stream::payload(1, 9), map = stream::payload(2, 60), signal = stream::payload(3, 300);
  const auto sent = sender.send(0, {{1, caption}, {2, map}, {3, signal, true, true}});
  fail_unless_equals_int(sent.size(), 2);
  fail_unless(sent[0].marker && !sent[1].marker);
  const Contents again = contents(sent[1]);
  fail_unless(again.kinds().empty());
  fail_unless_equals_int(again.descriptor.number, 7);
  std::vector<Bytes> copies;
  for (const auto& entry : again.entries)
    if (entry.type == RtpEntry::Type::Repeat) {
      fail_unless_equals_int(entry.number, 7);
      copies.emplace_back(entry.data.begin(), entry.data.end());
    }
  fail_unless(copies == std::vector<Bytes>({caption, map}));
  fail_unless(again.has(RtpEntry::Type::StreamHeader));
  fail_unless_equals_int(sender.send(1, {{3, signal, true, true}}).size(), 1);
  // Alone it is enough for a picture.
  Receiver receiver(kBareCaps);
  receiver.push(sent[1]);
  receiver.end();
  const auto came = receiver.take();
  fail_unless_equals_int(came.size(), 1);
  fail_unless(came[0].layers.at(1) == caption && came[0].layers.at(2) == map);
}
GST_END_TEST

/// Of maps that none refers to those of temporal id 1, every second one, go once more.
GST_START_TEST(every_second_map_goes_again) {
  for (bool wanted : {true, false}) {
    Sender sender(stream::header({1, 2}), "caption-repeat=\"\"");
    if (!wanted) { // what semanticlayerfilter says under a limit
      GstStructure* s = gst_structure_new("semantic-sparing", "every-second", G_TYPE_BOOLEAN, TRUE, nullptr);
      gst_harness_push_event(sender.harness(), gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, s));
    }
    std::vector<unsigned> copied;
    for (uint64_t i = 0; i < 9; ++i) {
      const bool key = i == 0;
      const auto id = uint8_t(key ? 0 : i % 2 ? 2 : 1);
      for (const auto& packet : sender.send(i, {{2, stream::payload(int(i), 50), key, !key, false, id}}))
        for (const auto& entry : contents(packet).entries)
          if (entry.type == RtpEntry::Type::Repeat)
            copied.push_back(unsigned(i) - 1);
    }
    fail_unless(copied == (wanted ? std::vector<unsigned>({0, 2, 4, 6}) : std::vector<unsigned>({0})));
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, the_start_is_sent_twice);
  tcase_add_test(tc, every_second_map_goes_again);
  tcase_add_test(tc, small_layers_share_a_packet);
  tcase_add_test(tc, large_layers_are_fragmented);
  tcase_add_test(tc, fragments_are_not_copied);
  tcase_add_test(tc, nothing_is_sent_for_nothing);
  tcase_add_test(tc, lost_layers_stay_in_the_set);
  tcase_add_test(tc, damaged_layers_are_not_sent);
  tcase_add_test(tc, captions_are_repeated_in_time);
  tcase_add_test(tc, a_new_caption_ends_the_old_ones_repeats);
  tcase_add_test(tc, wrong_lists_of_times_are_refused);
  tcase_add_test(tc, stream_header_in_band);
  tcase_add_test(tc, a_new_stream_header_goes_out_at_once);
  tcase_add_test(tc, caps_tell_the_stream_header);
  tcase_add_test(tc, key_units_are_asked_for_upstream);
  tcase_add_test(tc, header_extensions_count_in_the_mtu);
  tcase_add_test(tc, flush_forgets_repeats);
  tcase_add_test(tc, states_and_properties);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "pay", fill);
}
