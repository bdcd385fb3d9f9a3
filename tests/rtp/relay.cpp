// SPDX-License-Identifier: LGPL-2.1-or-later
// examples/sfu-relay as a process: packets in over UDP, each receiver's own layers out.
#include "tests/rtp/relay_process.hpp"

#include <map>

using namespace relay_test;

GST_START_TEST(each_receiver_gets_its_layers) {
  constexpr int kUnits = 30;
  Socket outputs[3], sender;
  unsigned in = Socket().port();
  std::vector<std::string> arguments{std::to_string(in)};
  for (int i = 0; i < 3; ++i)
    arguments.push_back("127.0.0.1:" + std::to_string(outputs[i].port()) +
                        ",layers=" + std::to_string(i + 1));
  Relay relay(arguments);
  fail_unless(relay.running());

  std::vector<std::vector<stream::Piece>> units;
  Sender payloader(stream::header({1, 2, 3}), "caption-repeat=\"\"");
  for (int i = 0; i < kUnits; ++i) {
    units.push_back({{1, stream::payload(3 * i, 9)},
                     {2, stream::payload(3 * i + 1, 60)},
                     {3, stream::payload(3 * i + 2, 400), true, true}});
    for (const auto& packet : payloader.send(uint64_t(i), units.back()))
      sender.send(packet, in);
    g_usleep(2000);
  }
  for (int i = 0; i < 3; ++i) {
    std::map<unsigned, std::vector<Bytes>> came;
    Packet packet;
    uint16_t sequence = 0;
    bool first = true;
    // The highest layer of the last unit is the end.
    while (came[unsigned(i + 1)].size() < kUnits && outputs[i].receive(10000, packet)) {
      fail_unless(first || packet.sequence == uint16_t(sequence + 1), "a gap in the sequence numbers");
      first = false;
      sequence = packet.sequence;
      const Contents all = contents(packet);
      for (const auto& entry : all.entries)
        if (entry.type == RtpEntry::Type::Layer)
          came[unsigned(entry.layer.kind)].emplace_back(entry.data.begin(), entry.data.end());
      if (all.descriptor.fragment)
        came[unsigned(all.descriptor.layer.kind)].emplace_back(packet.payload.begin() + kRtpDescriptorBytes,
                                                               packet.payload.end());
    }
    for (unsigned kind = 1; kind <= 3; ++kind) {
      fail_unless_equals_int(came[kind].size(), kind <= unsigned(i + 1) ? kUnits : 0);
      for (size_t k = 0; k < came[kind].size(); ++k)
        fail_unless(came[kind][k] == units[k][kind - 1].payload);
    }
  }
  fail_unless_equals_int(relay.end(), 0);
}
GST_END_TEST

GST_START_TEST(wrong_arguments_are_refused) {
  for (const char* wrong :
       {"nowhere", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:5000,layers=4",
        "127.0.0.1:5000,speed=1", "127.0.0.1:5000,layers", "a b:5000", "x ! filesink location=y:5000",
        ":5000", "127.0.0.1:5000,adaptive", "127.0.0.1:5000,rtcp=0", "127.0.0.1:5000,adaptive=1,rtcp=5010",
        "127.0.0.1:5000,rtcp=5004", "127.0.0.1:65535,rtcp=5010"}) {
    Relay relay({"5004", wrong});
    fail_unless(!relay.running(), "%s", wrong);
    fail_unless_equals_int(relay.end(), 2);
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, each_receiver_gets_its_layers);
  tcase_add_test(tc, wrong_arguments_are_refused);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "relay", fill);
}
