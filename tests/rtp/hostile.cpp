// SPDX-License-Identifier: LGPL-2.1-or-later
// rtpsemanticdepay and packets that nobody should send.
#include "tests/rtp/rtp_test.hpp"

#include <malloc.h>

#include <random>

using namespace rtp_test;
using stream::Piece;

namespace {

constexpr int kRoundPackets = 400; ///< to one receiver

/// A stream with everything: stream headers, aggregates, fragments, repeats, packets of repeats only.
std::vector<Packet> some_packets(std::string& caps) {
  Sender sender(stream::header({1, 2, 3}), "mtu=150 config-interval=-1 caption-repeat=\"40,80\"");
  std::vector<Packet> all;
  for (uint64_t tick = 0; tick < 12; ++tick) {
    std::vector<Piece> pieces;
    if (tick % 4 == 0)
      pieces = {{1, stream::payload(int(tick), 9)},
                {2, stream::payload(1, 40)},
                {3, stream::payload(2, 300), true, true}};
    else if (tick % 4 != 2)
      pieces = {{2, stream::payload(3, 20), false, true}, {3, stream::payload(4, 200), true, true}};
    for (auto& packet : sender.send(tick, pieces))
      all.push_back(packet);
  }
  caps = sender.caps();
  return all;
}

Packet fragment(uint16_t sequence, LayerKind kind, bool start, bool end, const Bytes& piece) {
  RtpDescriptor descriptor;
  descriptor.number = 7;
  descriptor.layers = 0xFE;
  descriptor.fragment = true;
  descriptor.layer.kind = kind;
  descriptor.start = start;
  descriptor.end = end;
  Packet packet;
  packet.sequence = sequence;
  packet.time = 1000;
  packet.ssrc = 5;
  packet.pts = 0;
  fail_unless(write_rtp_descriptor(descriptor, packet.payload) == gsem::Status::Ok);
  stream::append(packet.payload, piece);
  return packet;
}

} // namespace

/// GSEM_FUZZ_PACKETS: another number of them, for runs under sanitizers (docs/rtp.md, "Security").
GST_START_TEST(mutated_packets) {
  const gchar* wanted = g_getenv("GSEM_FUZZ_PACKETS");
  const guint64 rounds = wanted ? g_ascii_strtoull(wanted, nullptr, 10) / kRoundPackets : 60;
  std::string caps;
  const auto originals = some_packets(caps);
  std::mt19937 random(20);
  const auto below = [&](size_t n) { return size_t(random() % n); };
  size_t units = 0;
  for (guint64 round = 0; round < rounds; ++round) {
    Receiver receiver(round % 2 ? caps : kBareCaps, round % 3 ? "" : "wait-for-keyframe=true");
    uint16_t sequence = uint16_t(random());
    for (int i = 0; i < kRoundPackets; ++i) {
      Packet packet = originals[below(originals.size())];
      packet.sequence = sequence;
      sequence = uint16_t(sequence + 1 + (below(8) == 0 ? below(70000) : 0));
      switch (below(6)) {
      case 0:
        packet.payload.resize(below(packet.payload.size() + 1));
        break;
      case 1:
        packet.payload = stream::payload(int(random()), below(60));
        break;
      case 2:
        packet.time = random();
        packet.pts = below(4) ? random() * GstClockTime(1000) : GST_CLOCK_TIME_NONE;
        break;
      case 3:
        break;
      default:
        for (size_t flips = 1 + below(4); flips && !packet.payload.empty(); --flips)
          packet.payload[below(std::min<size_t>(packet.payload.size(), 30))] ^= uint8_t(1u << below(8));
      }
      if (below(50) == 0)
        packet.ssrc = random();
      receiver.push(packet);
      units += receiver.take().size(); // fails on a unit that does not read
      receiver.gaps();
    }
    receiver.end();
    units += receiver.take().size();
    fail_unless(receiver.counter("bad-packets") > 0);
  }
  fail_unless(units > rounds * 16);
}
GST_END_TEST

GST_START_TEST(a_good_stream_behind_bad_packets) {
  std::string caps;
  const auto packets = some_packets(caps);
  Receiver clean(caps), disturbed(caps);
  uint16_t sequence = 100;
  for (size_t i = 0; i < packets.size(); ++i) {
    clean.push(packets[i]);
    // Behind each whole unit something that is not of this stream.
    if (i == 0 || contents(packets[i]).descriptor.number != contents(packets[i - 1]).descriptor.number) {
      Packet bad = packets[i];
      bad.payload = i % 2 ? Bytes{0xC0, 1, 2, 3, 4} : Bytes{};
      bad.sequence = sequence++;
      disturbed.push(bad);
    }
    Packet packet = packets[i];
    packet.sequence = sequence++;
    disturbed.push(packet);
  }
  const auto want = clean.take(), have = disturbed.take();
  fail_unless_equals_int(want.size(), have.size());
  for (size_t i = 0; i < want.size(); ++i)
    fail_unless(want[i].bytes == have[i].bytes);
}
GST_END_TEST

GST_START_TEST(layers_do_not_grow_over_their_limit) {
  const Bytes piece = stream::payload(1, 60000);
  for (LayerKind kind : {LayerKind::Caption, LayerKind::Structure, LayerKind::Signal}) {
    Receiver receiver(kBareCaps);
    const size_t limit = max_payload_bytes(kind);
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    uint16_t sequence = 0;
    receiver.push(fragment(sequence++, kind, true, false, piece));
    for (size_t sent = piece.size(); sent < 3 * limit + 1000000; sent += piece.size())
      receiver.push(fragment(sequence++, kind, false, false, piece));
    const size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    // A vector grows by doubling.
    fail_unless(after < before + 2 * limit + 1000000, "%zu bytes more for a limit of %zu", after - before,
                limit);
    receiver.push(fragment(sequence++, kind, false, true, piece));
    receiver.end();
    fail_unless(receiver.take().empty());
  }
}
GST_END_TEST

GST_START_TEST(forged_numbers_cost_little) {
  std::string caps;
  const auto packets = some_packets(caps);
  Receiver receiver(caps);
  receiver.push(packets[0]);
  for (int i = 1; i < 300; ++i) {
    Packet packet = packets[0];
    packet.sequence = uint16_t(packet.sequence + i);
    packet.pts = GstClockTime(i) * GST_SECOND;
    const auto number = uint16_t(contents(packets[0]).descriptor.number + i * 30000);
    packet.payload[2] = uint8_t(number >> 8);
    packet.payload[3] = uint8_t(number);
    receiver.push(packet);
    receiver.take();
    fail_unless(receiver.gaps() <= 64);
  }
}
GST_END_TEST

GST_START_TEST(hostile_config) {
  for (const char* config :
       {"", "!!!!", "R1NFTRAGAQ/w/28BcscuUA==", "R1NFTRAGAQ/w/28BcscuVA==", "R1NFTQ==", "AAAAAAAAAAAAAAAA"}) {
    Receiver receiver(std::string(kBareCaps) + ", version=(string)1, config=(string)\"" + config + "\"");
    receiver.push(fragment(1, LayerKind::Signal, true, true, {1, 2, 3}));
    receiver.end();
    const bool good = !g_strcmp0(config, "R1NFTRAGAQ/w/28BcscuUA==");
    fail_unless_equals_int(receiver.take().size(), good);
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, mutated_packets);
  tcase_add_test(tc, a_good_stream_behind_bad_packets);
  tcase_add_test(tc, layers_do_not_grow_over_their_limit);
  tcase_add_test(tc, forged_numbers_cost_little);
  tcase_add_test(tc, hostile_config);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "hostile", fill);
}
