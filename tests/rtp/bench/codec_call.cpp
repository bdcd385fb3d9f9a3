// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/rtp/bench/call.hpp"
#include "tests/rtp/bench/stage.hpp"

namespace bench {

namespace {

constexpr size_t kMtu = 1200, kRtp = 12, kPayloadHeader = 2; ///< of an FU-A, or VP8's descriptor
constexpr double kBetweenKeyRequests = 1;                    ///< as rtpsemanticdepay

struct Packet {
  uint64_t sequence = 0;
  size_t picture = 0, bytes = 0;
};

struct Picture {
  int packets = 0, came = 0;
  bool key = false, closed = false;
};

} // namespace

CodecResult codec_call(const Clip& clip, const Network& network, unsigned seed, const std::string& encoder,
                       int refresh) {
  Stage stage("videoconvert ! " + encoder, raw_caps(clip.width, clip.height, clip.rate));
  Link there(network, seed), back({.delay = network.delay}, seed + 1);
  JitterBuffer<Packet> buffer(kLatency);
  Agenda<Packet> arrivals;
  Agenda<uint64_t> nacks;
  Agenda<int> key_requests;
  std::vector<Packet> all; // by sequence number
  std::vector<Picture> pictures(clip.pictures.size());
  Nacks asked(network);
  CodecResult result;
  const double frame = clip.frame(), end = double(clip.pictures.size()) * frame;
  const auto send = [&](const Packet& packet, double now) {
    if (const auto arrival = there.send(now, packet.bytes + kIpUdp))
      arrivals.add(*arrival, packet);
  };
  size_t next = 0, due = 0;
  bool chain = false; // all that a picture refers to has come
  size_t clean = 0;   // pictures since the last damage
  int shown = 0, right = 0;
  double last_request = -1;
  for (int step = 0; double(step) * kStep < end + 1; ++step) {
    const double now = double(step) * kStep;
    key_requests.until(now, [&](int) { stage.force_key_unit(); });
    nacks.until(now, [&](uint64_t sequence) { send(all[sequence], now); });
    if (next < clip.pictures.size() && now + 1e-9 >= double(next) * frame) {
      const Bytes& raw = clip.pictures[next];
      stage.push(raw.data(), raw.size(), clock_time(double(next) * frame), clock_time(frame));
      auto sample = stage.pull();
      if (!sample)
        fail("the encoder has ended");
      GstBuffer* coded = gst_sample_get_buffer(sample.get());
      pictures[next].key = !GST_BUFFER_FLAG_IS_SET(coded, GST_BUFFER_FLAG_DELTA_UNIT);
      constexpr size_t kRoom = kMtu - kRtp - kPayloadHeader;
      for (size_t left = gst_buffer_get_size(coded); left > 0; left -= std::min(left, kRoom)) {
        all.push_back({all.size(), next, std::min(left, kRoom) + kRtp + kPayloadHeader});
        ++pictures[next].packets;
        buffer.sent(now + network.delay);
        send(all.back(), now);
      }
      ++next;
    }
    arrivals.until(now, [&](const Packet& packet) { buffer.insert(packet.sequence, packet); });
    asked.ask(now, buffer.missing(),
              [&](uint64_t sequence) { nacks.add(*back.send(now, kFeedback), sequence); });
    buffer.release(now, [&](const Packet& packet) { ++pictures[packet.picture].came; });
    // A picture is decoded when it is due.
    for (; due < clip.pictures.size() && double(due) * frame + network.delay + kLatency + kStep <= now;
         ++due) {
      const Picture& picture = pictures[due];
      const bool complete = picture.came == picture.packets && picture.packets > 0;
      clean = complete ? clean + 1 : 0;
      chain = complete && (chain || picture.key || (refresh > 0 && clean > size_t(refresh)));
      // What is not complete, or refers to what was not, is shown with what is there.
      const bool something = picture.came > 0;
      shown += something;
      right += chain;
      result.freezes.picture(double(due) * frame, refresh > 0 ? something : chain, frame);
      if (!chain && now - last_request > kBetweenKeyRequests) {
        last_request = now;
        ++result.key_requests;
        key_requests.add(*back.send(now, kFeedback), 0);
      }
    }
  }
  result.nacks = asked.count;
  result.freezes.end(end, frame);
  result.rate = 8 * double(there.bytes()) / end;
  result.right = double(right) / double(clip.pictures.size());
  result.shown = double(shown) / double(clip.pictures.size());
  return result;
}

} // namespace bench
