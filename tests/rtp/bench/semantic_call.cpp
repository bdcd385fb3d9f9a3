// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/semantic/caps.hpp"
#include "plugins/semanticcodec/signal_rate.hpp"
#include "tests/rtp/bench/call.hpp"
#include "tests/rtp/bench/stage.hpp"
#include "vtm_bridge/map_rate.hpp"

#include <gst/check/gstharness.h>
#include <gst/check/gsttestclock.h>
#include <gst/rtp/rtp.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace bench {

using namespace gsem::bitstream;

namespace {

/// First byte of a map: docs/structure.md.
constexpr int kDelta = 1, kKey = 2;
/// Steps of this simulation that a picture may take.
constexpr double kRelease = kStep + 1e-6;
/// What a receiver may still show of the last map that came.
constexpr double kRecent = 1;

struct Map {
  Bytes payload;
  bool key = true, discardable = false, switch_point = true;
  uint8_t temporal_id = 0;
};

/// What semanticlayerfilter lets the layers take, bits a second of payload.
struct Steering {
  guint structure = G_MAXUINT, signal = G_MAXUINT;
};

/// Edges to maps, as structenc in live pipelines does it.
class MapEncoder {
public:
  explicit MapEncoder(const Clip& clip) : clip_(clip), rate_(true) {
    gsem::maps::EncoderSettings settings;
    settings.quantiser = kQuantiser;
    settings.live = true;
    settings.key_interval = 25;
    std::string error;
    if (gsem::maps::MapEncoder::create(settings, encoder_, error) != gsem::Status::Ok)
      fail(error);
  }

  Map code(size_t index, guint bitrate) {
    Map map;
    if (bitrate == 0) {
      key_wanted_ = true;
      return map;
    }
    gsem::maps::RateLimits limits;
    limits.bitrate = bitrate == G_MAXUINT ? 0 : bitrate;
    limits.finest = kQuantiser;
    rate_.set_limits(limits);
    if (!rate_.offer(key_wanted_, int64_t(clip_.frame() * 1e9)))
      return map;
    const gsem::maps::Map& edges = clip_.coded[index].edges;
    gsem::maps::EncodedMap coded;
    bool sent = false;
    int encodes = 0;
    if (rate_.encode(*encoder_, {edges.data.data(), edges.width, edges.height, edges.width}, key_wanted_,
                     coded, sent, encodes) != gsem::Status::Ok)
      fail("a map cannot be coded");
    if (!sent)
      return map;
    key_wanted_ = key_wanted_ && !coded.key;
    since_key_ = coded.key ? 0 : since_key_ + 1;
    map.payload = std::move(coded.payload);
    map.key = map.switch_point = coded.key;
    map.discardable = !coded.key;
    map.temporal_id = since_key_ == 0 ? 0 : since_key_ % 2 == 0 ? 1 : 2;
    return map;
  }
  void want_key() { key_wanted_ = true; }

private:
  static constexpr int kQuantiser = 62; ///< structenc's default
  const Clip& clip_;
  gsem::maps::MapRateControl rate_;
  std::unique_ptr<gsem::maps::MapEncoder> encoder_;
  unsigned since_key_ = 0;
  bool key_wanted_ = true;
};

/// The signal of a picture at the quality that its rate allows, as signalenc does it; of those coded.
class SignalEncoder {
public:
  explicit SignalEncoder(const Clip& clip) : clip_(clip) {}
  const Bytes& code(size_t index, guint bitrate) {
    static const Bytes none;
    const auto& signals = clip_.coded[index].signals;
    if (bitrate == 0 || signals.back().empty())
      return none;
    if (bitrate == G_MAXUINT)
      return signals.back();
    const int wanted = rate_.quality(kSignalQualities.back(), bitrate, uint64_t(clip_.frame() * 1e9));
    size_t q = 0;
    while (q + 1 < kSignalQualities.size() && kSignalQualities[q + 1] <= wanted)
      ++q;
    rate_.coded(kSignalQualities[q], signals[q].size());
    return signals[q];
  }

private:
  const Clip& clip_;
  gsem::codec::SignalRate rate_;
};

GstHarness* harness(const std::string& line, const char* caps) {
  GstHarness* made = gst_harness_new_parse(line.c_str());
  gst_harness_set_src_caps_str(made, caps);
  return made;
}

struct RtpPacket {
  Bytes data;
  GstClockTime pts = 0;
};

/// Access units in, packets out.
class Sender {
public:
  Sender(const Clip& clip, const SemanticOptions& options)
      : clip_(clip), steered_(options.steered),
        harness_(harness((options.target > 0 ? "semanticlayerfilter target-bitrate=" +
                                                   std::to_string(int(options.target)) + " ! "
                                             : "") +
                             "rtpsemanticpay name=pay config-interval=1 " + options.payloader,
                         "video/x-semantic,stream-format=byte-stream,alignment=au,parsed=true")) {}
  ~Sender() { gst_harness_teardown(harness_); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  std::vector<RtpPacket> send(size_t index, const Map& map, const Bytes& signal) {
    AccessUnitHeader unit;
    unit.number = uint16_t(index);
    unit.timestamp = index;
    std::vector<const Bytes*> payloads;
    const auto add = [&](LayerUnit layer, const Bytes& payload) {
      if (payload.empty())
        return;
      layer.size = uint32_t(payload.size());
      unit.layers.push_back(layer);
      payloads.push_back(&payload);
    };
    add({.kind = LayerKind::Caption}, clip_.coded[index].caption);
    add({.kind = LayerKind::Structure,
         .key = map.key,
         .discardable = map.discardable,
         .switch_point = map.switch_point,
         .temporal_id = map.temporal_id},
        map.payload);
    add({.kind = LayerKind::Signal, .discardable = true}, signal);
    Bytes bytes;
    if (index == 0)
      bytes = clip_.stream_header;
    if (write_access_unit_header(unit, timestamps_, bytes) != gsem::Status::Ok)
      fail("an access unit cannot be written");
    for (const Bytes* payload : payloads)
      append_payload(*payload, bytes);
    GstBuffer* buffer = gst_buffer_new_memdup(bytes.data(), bytes.size());
    GST_BUFFER_PTS(buffer) = clock_time(double(index) * clip_.frame());
    GST_BUFFER_DURATION(buffer) = clock_time(clip_.frame());
    gst_harness_push(harness_, buffer);
    std::vector<RtpPacket> packets;
    while (GstBuffer* out = gst_harness_try_pull(harness_)) {
      {
        gsem::BufferMap data(out, GST_MAP_READ);
        packets.push_back(
            {Bytes(data.data(), data.data() + data.size()), clock_time(double(index) * clip_.frame())});
      }
      gst_buffer_unref(out);
    }
    return packets;
  }
  /// semanticlayerfilter asks before it goes up. Also follows what it lets the layers take.
  bool wants_key() { return take_key_requests(harness_, steered_ ? &steering : nullptr); }

  static bool take_key_requests(GstHarness* from, Steering* steering = nullptr) {
    bool found = false;
    while (GstEvent* event = gst_harness_try_pull_upstream_event(from)) {
      found = found || gst_video_event_is_force_key_unit(event);
      if (steering && gst_event_has_name(event, GSEM_EVENT_RATE)) {
        const GstStructure* s = gst_event_get_structure(event);
        gst_structure_get_uint(s, "structure-bitrate", &steering->structure);
        gst_structure_get_uint(s, "signal-bitrate", &steering->signal);
      }
      gst_event_unref(event);
    }
    return found;
  }

  Steering steering;

private:
  const Clip& clip_;
  const bool steered_;
  GstHarness* harness_;
  TimestampState timestamps_;
};

/// What came, picture by picture, in time for it.
struct Arrived {
  bool told = false; ///< a unit, or a GAP
  bool map = false, signal = false;
  double late_map =
      -1;        ///< time of an earlier picture whose map came too late for it, and is held from here on
  Bytes caption; ///< the one known from here on, when that changes
};

/// As from SDP.
std::string rtp_caps(const Clip& clip) {
  gsem::Ptr<gchar> config(g_base64_encode(clip.stream_header.data(), clip.stream_header.size()));
  return std::string(
             "application/x-rtp,media=video,clock-rate=90000,encoding-name=X-SEMANTIC,config=(string)\"") +
         config.get() + "\"";
}

/// rtpsemanticdepay, on a clock that stands at the simulated time. A picture's time is that at which packets
/// without any delay but `way` come: so rtpjitterbuffer finds it.
class Receiver {
public:
  Receiver(const Clip& clip, double way, double patience)
      : arrived(clip.pictures.size()), clip_(clip), way_(way), patience_(patience),
        harness_(harness("rtpsemanticdepay name=depay latency=" +
                             std::to_string(int(std::lround(patience * 1000))),
                         rtp_caps(clip).c_str())) {
    gst_harness_set_upstream_latency(harness_, clock_time(kLatency));
    gst_harness_use_testclock(harness_);
    clock_.reset(GST_CLOCK(gst_harness_get_testclock(harness_)));
  }
  ~Receiver() { gst_harness_teardown(harness_); }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  /// Time goes on; what the element does at its deadlines on the way is read at these.
  void advance(double now) {
    while (started_) {
      const GstClockTime next = settle();
      if (next > clock_time(now))
        break;
      gst_test_clock_set_time(clock(), std::max(next, gst_clock_get_time(clock_.get())));
      gst_clock_id_unref(gst_test_clock_process_next_clock_id(clock()));
      settle();
      read(double(next) / double(GST_SECOND));
    }
    gst_test_clock_set_time(clock(), std::max(clock_time(now), gst_clock_get_time(clock_.get())));
  }
  void take(const RtpPacket& packet, double now) {
    GstBuffer* buffer = gst_buffer_new_memdup(packet.data.data(), packet.data.size());
    GST_BUFFER_PTS(buffer) = packet.pts + clock_time(way_);
    gst_harness_push(harness_, buffer);
    read(now);
    // From the first unit that can be read on, the element always waits for the next picture.
    if (started_)
      settle();
  }
  bool wants_key() { return Sender::take_key_requests(harness_); }

  std::vector<Arrived> arrived;

private:
  GstTestClock* clock() { return GST_TEST_CLOCK(clock_.get()); }
  /// Waits until the element waits; gives for what time.
  GstClockTime settle() {
    GstClockID id = nullptr;
    gst_test_clock_wait_for_next_pending_id(clock(), &id);
    const GstClockTime time = gst_clock_id_get_time(id);
    gst_clock_id_unref(id);
    return time;
  }
  double due(size_t index) const {
    return double(index) * clip_.frame() + way_ + kLatency + patience_ + kRelease;
  }

  /// Null when it is too late for that picture.
  Arrived* at(GstClockTime pts, double now, size_t& index) {
    index = size_t(std::max(double(pts) / double(GST_SECOND) - way_, 0.0) * clip_.rate + 0.5);
    if (index >= arrived.size() || now > due(index))
      return nullptr;
    arrived[index].told = true;
    return &arrived[index];
  }

  void read(double now) {
    size_t index = 0;
    while (GstEvent* event = gst_harness_try_pull_event(harness_)) {
      GstClockTime pts = 0, duration = 0;
      if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
        gst_event_parse_gap(event, &pts, &duration);
        at(pts, now, index);
      }
      gst_event_unref(event);
    }
    while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
      started_ = true;
      Arrived late;
      Arrived* picture = at(GST_BUFFER_PTS(buffer), now, index);
      read_unit(buffer, picture ? *picture : late);
      if (!picture)
        take_late(late, index, now);
      gst_buffer_unref(buffer);
    }
  }

  /// Words and maps that come late are known from the next picture on (structdec holds such maps).
  void take_late(Arrived& late, size_t index, double now) {
    const double made = double(index) * clip_.frame();
    while (index < arrived.size() && now > due(index))
      ++index;
    if (index >= arrived.size())
      return;
    if (!late.caption.empty())
      arrived[index].caption = std::move(late.caption);
    if (late.map)
      arrived[index].late_map = std::max(arrived[index].late_map, made);
  }

  void read_unit(GstBuffer* buffer, Arrived& picture) {
    gsem::BufferMap bytes(buffer, GST_MAP_READ);
    gsem::ByteView data(bytes.data(), bytes.size());
    StreamHeader header;
    AccessUnitHeader unit;
    size_t size = 0;
    if (parse_stream_header(data, header, size) == gsem::Status::Ok)
      data = data.subspan(size);
    if (parse_access_unit_header(data, unit, size, nullptr) != gsem::Status::Ok)
      fail("the depayloader's unit does not read");
    for (size_t i = 0; i < unit.layers.size(); ++i) {
      gsem::ByteView payload;
      if (find_payload(unit, data.subspan(size), i, payload) != gsem::Status::Ok || payload.empty())
        continue;
      if (unit.layers[i].kind == LayerKind::Caption)
        picture.caption.assign(payload.begin(), payload.end());
      if (unit.layers[i].kind == LayerKind::Signal)
        picture.signal = true;
      if (unit.layers[i].kind == LayerKind::Structure)
        picture.map = decodes(payload[0]);
    }
  }

  bool decodes(uint8_t first) {
    const int type = first & 3, number = first >> 4;
    if (type == kKey)
      key_map_ = number;
    return type != kDelta || key_map_ == number;
  }

  const Clip& clip_;
  const double way_, patience_;
  GstHarness* harness_;
  gsem::Ptr<GstClock> clock_;
  bool started_ = false; ///< a unit has come out
  int key_map_ = -1;
};

/// Which layers a unit on its way has: counted as the payload descriptor says.
void count_sent(const std::vector<RtpPacket>& packets, std::set<int>& kinds) {
  constexpr size_t kRtpHeader = 12;
  for (const auto& packet : packets) {
    // The set of layers as sent: bits 5..7 of the second byte (docs/rtp.md).
    if (packet.data.size() > kRtpHeader + 1)
      for (int kind = 1; kind <= 3; ++kind)
        if (packet.data[kRtpHeader + 1] >> (4 + kind) & 1)
          kinds.insert(kind);
  }
}

} // namespace

SemanticResult semantic_call(const Clip& clip, const Network& network, unsigned seed,
                             const SemanticOptions& options) {
  MapEncoder encoder(clip);
  SignalEncoder signal_encoder(clip);
  Sender sender(clip, options);
  Receiver receiver(clip, network.delay, options.patience);
  Link there(network, seed), back({.delay = network.delay}, seed + 1);
  JitterBuffer<RtpPacket> buffer(kLatency);
  struct OnTheWay {
    uint64_t sequence;
    RtpPacket packet;
  };
  Agenda<OnTheWay> arrivals;
  Agenda<int> requests;
  Agenda<uint64_t> nacks;
  Nacks asked(network);
  std::vector<RtpPacket> all; // by sequence number
  const auto send = [&](uint64_t sequence, double now) {
    if (const auto arrival = there.send(now, all[sequence].data.size() + kIpUdp))
      arrivals.add(*arrival, {sequence, all[sequence]});
  };
  SemanticResult result;
  std::vector<std::set<int>> sent(clip.pictures.size());
  const double end = double(clip.pictures.size()) * clip.frame();
  size_t next = 0;
  for (int step = 0; double(step) * kStep < end + 1; ++step) {
    const double now = double(step) * kStep;
    receiver.advance(now);
    requests.until(now, [&](int) { encoder.want_key(); });
    nacks.until(now, [&](uint64_t sequence) { send(sequence, now); });
    if (next < clip.pictures.size() && now + 1e-9 >= double(next) * clip.frame()) {
      const auto packets = sender.send(next, encoder.code(next, sender.steering.structure),
                                       signal_encoder.code(next, sender.steering.signal));
      if (sender.wants_key())
        encoder.want_key();
      count_sent(packets, sent[next]);
      for (const auto& packet : packets) {
        all.push_back(packet);
        buffer.sent(now + network.delay);
        send(all.size() - 1, now);
      }
      ++next;
    }
    arrivals.until(now, [&](OnTheWay& packet) { buffer.insert(packet.sequence, std::move(packet.packet)); });
    if (options.nack)
      asked.ask(now, buffer.missing(),
                [&](uint64_t sequence) { nacks.add(*back.send(now, kFeedback), sequence); });
    buffer.release(now, [&](const RtpPacket& packet) { receiver.take(packet, now); });
    if (receiver.wants_key()) {
      ++result.key_requests;
      requests.add(*back.send(now, kFeedback), 0);
    }
  }

  const auto first = std::find_if(receiver.arrived.begin(), receiver.arrived.end(),
                                  [](const Arrived& picture) { return picture.told; });
  result.before_anything = int(first - receiver.arrived.begin());
  Bytes held, meant;
  double last_map = -1;
  int maps = 0, recent = 0, signals = 0, told = 0, captions = 0;
  for (size_t i = 0; i < clip.pictures.size(); ++i) {
    const Arrived& picture = receiver.arrived[i];
    const double time = double(i) * clip.frame();
    if (!clip.coded[i].caption.empty())
      meant = clip.coded[i].caption;
    if (!picture.caption.empty())
      held = picture.caption;
    const bool held_map = picture.late_map > last_map;
    last_map = picture.map ? time : std::max(last_map, picture.late_map);
    told += picture.told;
    captions += held == meant;
    if (sent[i].count(2)) {
      ++result.maps_sent;
      maps += picture.map;
      recent += last_map >= 0 && time - last_map <= kRecent;
    }
    if (sent[i].count(3)) {
      ++result.signals_sent;
      signals += picture.signal;
    }
    result.freezes.picture(time, picture.map || picture.signal || held_map, clip.frame());
  }
  const auto part = [](int of, size_t all) { return all ? double(of) / double(all) : 0; };
  result.freezes.end(end, clip.frame());
  result.rate = 8 * double(there.bytes()) / end;
  result.told = part(told, clip.pictures.size() - size_t(result.before_anything));
  result.caption = part(captions, clip.pictures.size());
  result.map_fresh = part(maps, size_t(result.maps_sent));
  result.map_recent = part(recent, size_t(result.maps_sent));
  result.signal_fresh = part(signals, size_t(result.signals_sent));
  return result;
}

} // namespace bench
