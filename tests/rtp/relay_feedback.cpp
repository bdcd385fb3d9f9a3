// SPDX-License-Identifier: LGPL-2.1-or-later
// What receivers tell examples/sfu-relay: an adaptive output follows a slow link by the reports of a real
// rtpbin behind it; requests for key units reach the source, few.
#include "tests/rtp/relay_process.hpp"

#include <atomic>
#include <deque>
#include <set>
#include <thread>

using namespace relay_test;

namespace {

unsigned word(const Bytes& bytes, size_t at) {
  return unsigned(bytes[at]) << 8 | bytes[at + 1];
}

unsigned long_word(const Bytes& bytes, size_t at) {
  return word(bytes, at) << 16 | word(bytes, at + 2);
}

void append_long(Bytes& bytes, unsigned value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.push_back(uint8_t(value >> shift));
}

constexpr unsigned kReport = 201, kTransport = 205, kFeedback = 206, kPli = 1, kFir = 4, kNumbers = 15;

/// An empty receiver report and a request, as RFC 4585 and RFC 5104 have them.
Bytes request(unsigned from, unsigned media, unsigned format, unsigned count = 0) {
  Bytes bytes{0x80, kReport, 0, 1};
  append_long(bytes, from);
  const bool fir = format == kFir;
  bytes.insert(bytes.end(), {uint8_t(0x80 | format), kFeedback, 0, uint8_t(fir ? 4 : 2)});
  append_long(bytes, from);
  append_long(bytes, fir ? 0 : media);
  if (fir) {
    append_long(bytes, media);
    append_long(bytes, count << 24);
  }
  return bytes;
}

/// How many feedback messages of a kind, about `media`, are in a compound packet.
int messages(const Bytes& rtcp, unsigned type, unsigned format, unsigned media) {
  int found = 0;
  for (size_t at = 0; at + 4 <= rtcp.size(); at += 4 * (word(rtcp, at + 2) + 1))
    found += rtcp[at + 1] == type && (rtcp[at] & 31) == format && long_word(rtcp, at + 8) == media;
  return found;
}

/// The transport-wide sequence number of a packet; -1: it has none.
int transport_number(const Bytes& rtp) {
  const bool extended = rtp.size() >= 20 && rtp[0] & 0x10;
  // One-byte extensions (RFC 8285), the first of id 1 and two bytes.
  return extended && word(rtp, 12) == 0xbede && rtp[16] == 0x11 ? int(word(rtp, 17)) : -1;
}

/// A packet without extensions that has no part of an access unit: no layer in its set.
bool copies_alone(const Bytes& rtp) {
  return !(rtp[0] & 0x10) && rtp.size() > 13 && !(rtp[13] & 0xe0);
}

Bytes with_transport_number(const Packet& packet, uint16_t number) {
  Ptr<GstBuffer> buffer(make_buffer(packet));
  const guint8 bytes[2] = {guint8(number >> 8), guint8(number)};
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  fail_unless(gst_rtp_buffer_map(buffer.get(), GST_MAP_READWRITE, &rtp));
  fail_unless(gst_rtp_buffer_add_extension_onebyte_header(&rtp, 1, bytes, sizeof bytes));
  gst_rtp_buffer_unmap(&rtp);
  return stream::bytes_of(buffer.get());
}

/// A source: units at 25 a second to the relay, numbered for the way there, until it is destroyed.
class Source {
public:
  Source(unsigned to, size_t signal) : thread_([this, to, signal] { run(to, signal); }) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() {
    stop_ = true;
    thread_.join();
  }
  unsigned ssrc() const { return ssrc_; }

private:
  void run(unsigned to, size_t signal) {
    Socket socket;
    Sender payloader(stream::header({1, 2, 3}), "caption-repeat=\"\"");
    uint16_t number = 0;
    for (int i = 0; !stop_; ++i) {
      Bytes map = stream::payload(2 * i, 60);
      map[0] = 0; // stands alone
      const std::vector<stream::Piece> unit{
          {1, stream::payload(i, 9)}, {2, map}, {3, stream::payload(2 * i + 1, signal), true, true}};
      for (const auto& packet : payloader.send(uint64_t(i), unit)) {
        ssrc_ = packet.ssrc;
        socket.send(with_transport_number(packet, number++), to);
      }
      g_usleep(40000);
    }
  }
  std::atomic<bool> stop_{false};
  std::atomic<unsigned> ssrc_{0};
  std::thread thread_;
};

/// Takes packets at a socket and hands them on, one after the other, at a rate. Half a second may wait.
class SlowLink {
public:
  SlowLink(Socket& from, unsigned to, double bits_a_second)
      : thread_([this, &from, to, bits_a_second] { run(from, to, bits_a_second); }) {}
  SlowLink(const SlowLink&) = delete;
  SlowLink& operator=(const SlowLink&) = delete;
  ~SlowLink() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable())
      thread_.join();
  }
  int packets() const { return packets_; }
  /// All with a part of a unit; captions again on their own are sent by a timer, for which GStreamer 1.22's
  /// payloader has no extensions.
  bool all_numbered() {
    std::set<int> numbers;
    for (int number : numbers_)
      if (number < 0 || !numbers.insert(int16_t(number - numbers_.front())).second)
        return false;
    return *numbers.rbegin() - *numbers.begin() + 1 == int(numbers.size());
  }

private:
  void run(Socket& from, unsigned to, double rate) {
    Socket out;
    std::deque<std::pair<gint64, Bytes>> queue; // with the time at which it is through
    while (!stop_) {
      Bytes packet;
      const bool came = from.receive(2, packet);
      const gint64 now = g_get_monotonic_time();
      if (came) {
        if (!copies_alone(packet))
          numbers_.push_back(transport_number(packet));
        ++packets_;
        const gint64 begin = queue.empty() ? now : std::max(now, queue.back().first);
        if (begin - now < G_USEC_PER_SEC / 2)
          queue.emplace_back(begin + gint64(8e6 * double(packet.size() + 28) / rate), packet);
      }
      for (; !queue.empty() && queue.front().first <= now; queue.pop_front())
        out.send(queue.front().second, to);
    }
  }
  std::atomic<bool> stop_{false};
  std::atomic<int> packets_{0};
  std::vector<int> numbers_; ///< the thread's, until it has ended
  std::thread thread_;
};

int port_of(GstElement* pipeline, const char* name) {
  Ptr<GstElement> source(gst_bin_get_by_name(GST_BIN(pipeline), name));
  int port = 0;
  g_object_get(source.get(), "port", &port, nullptr);
  return port;
}

/// A receiver as a user would make it: its reports go to `reports`.
Ptr<GstElement> start_receiver(unsigned rtcp, unsigned reports) {
  const std::string caps = std::string(kBareCaps) +
                           ",payload=(int)96,extmap-1=(string)"
                           "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
  const std::string line =
      "rtpbin name=r rtp-profile=avpf latency=20 udpsrc name=rtp port=0 caps=\"" + caps +
      "\" ! r.recv_rtp_sink_0 r. ! rtpsemanticdepay ! fakesink sync=false async=false "
      "udpsrc port=" +
      std::to_string(rtcp) +
      " ! r.recv_rtcp_sink_0 r.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=" + std::to_string(reports) +
      " sync=false async=false";
  GError* error = nullptr;
  Ptr<GstElement> made(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), &error))));
  fail_unless(!error, "%s", error ? error->message : "");
  fail_unless(gst_element_set_state(made.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
  return made;
}

/// Messages of a kind that come to the source within `ms`, or until there are `enough`.
int count_messages(Socket& source, unsigned type, unsigned format, unsigned media, int ms, int enough) {
  int found = 0;
  for (const gint64 end = g_get_monotonic_time() + ms * 1000; found < enough;) {
    const gint64 left = (end - g_get_monotonic_time()) / 1000;
    Bytes rtcp;
    if (left <= 0 || !source.receive(int(left), rtcp))
      break;
    found += messages(rtcp, type, format, media);
  }
  return found;
}

} // namespace

GST_START_TEST(an_adaptive_output_follows_its_network) {
  PortPair receiver_side;
  unsigned in = Socket().port(), reports = Socket().port();
  receiver_side.rtcp.reset(); // the receiver's
  auto receiver = start_receiver(receiver_side.port() + 1, reports);
  const std::string address = "127.0.0.1:" + std::to_string(receiver_side.port());
  Relay relay({std::to_string(in), address + ",adaptive,rtcp=" + std::to_string(reports)});
  fail_unless(relay.running());
  {
    // 25 x 1,000 bytes a second come in.
    SlowLink link(*receiver_side.rtp, unsigned(port_of(receiver.get(), "rtp")), 15000);
    Source source(in, 900);
    std::string said;
    fail_unless(relay.line(30000, said) && said == address + ": layer 3, was 0", "%s", said.c_str());
    fail_unless(relay.line(10000, said)); // what it knows of the network: nothing yet
    fail_unless(relay.line(50000, said) &&
                    (said == address + ": layer 2, was 3" || said == address + ": layer 1, was 3"),
                "%s", said.c_str());
    for (int i = 0; i < 2000 && link.packets() < 100; ++i)
      g_usleep(10000);
    fail_unless_equals_int(relay.end(), 0);
    link.stop();
    fail_unless(link.packets() >= 100);
    fail_unless(link.all_numbered());
  }
  // The last line: the start is 300; no more than 15 ever arrives, in a burst twice that.
  std::string said, last;
  while (relay.line(10000, said))
    last = said;
  double estimated = 0, received = 0;
  fail_unless(last.rfind(address, 0) == 0 &&
                  sscanf(last.c_str() + address.size(), ": estimated %lf kbit/s, received %lf", &estimated,
                         &received) == 2,
              "%s", last.c_str());
  fail_unless(estimated > 0 && estimated < 60 && received > 0 && received < 60, "%s", last.c_str());
  gst_element_set_state(receiver.get(), GST_STATE_NULL);
}
GST_END_TEST

GST_START_TEST(requests_reach_the_source_once_a_second) {
  PortPair outputs[2];
  Socket source_rtcp;
  const unsigned in_port = PortPair().port();
  unsigned reports[2] = {Socket().port(), Socket().port()};
  Relay relay(
      {std::to_string(in_port), "--source-rtcp", "127.0.0.1:" + std::to_string(source_rtcp.port()),
       "127.0.0.1:" + std::to_string(outputs[0].port()) + ",rtcp=" + std::to_string(reports[0]),
       "127.0.0.1:" + std::to_string(outputs[1].port()) + ",layers=1,rtcp=" + std::to_string(reports[1])});
  fail_unless(relay.running());
  Source source(in_port, 100);
  unsigned media[2];
  for (int i = 0; i < 2; ++i) {
    Packet packet;
    fail_unless(outputs[i].rtp->receive(20000, packet));
    media[i] = packet.ssrc;
  }
  fail_unless_equals_int(count_messages(source_rtcp, kFeedback, kPli, source.ssrc(), 500, 1), 0);

  // One is asked for at once, the others together after a second.
  const gint64 begin = g_get_monotonic_time();
  Socket asks;
  for (int i = 0; i < 40; ++i) {
    asks.send(request(7, media[i % 2], kPli), reports[i % 2]);
    g_usleep(10000);
  }
  int found = count_messages(source_rtcp, kFeedback, kPli, source.ssrc(), 20000, 2);
  fail_unless(found >= 2, "%d requests came to the source", found);
  found += count_messages(source_rtcp, kFeedback, kPli, source.ssrc(), 1500, 100);
  const double seconds = double(g_get_monotonic_time() - begin) / G_USEC_PER_SEC;
  fail_unless(found <= seconds + 1, "%d in %.1f s", found, seconds);

  // A source that adapts hears of the way to the relay.
  fail_unless(count_messages(source_rtcp, kTransport, kNumbers, source.ssrc(), 20000, 1) > 0);

  asks.send(request(7, media[1], kFir, 1), reports[1]);
  fail_unless_equals_int(count_messages(source_rtcp, kFeedback, kPli, source.ssrc(), 20000, 1), 1);
  fail_unless_equals_int(relay.end(), 0);
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, an_adaptive_output_follows_its_network);
  tcase_add_test(tc, requests_reach_the_source_once_a_second);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "relay_feedback", fill);
}
