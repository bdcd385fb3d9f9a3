// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/semantic/layer_meta.hpp"
#include "tests/rtp/bench/call.hpp"
#include "tests/rtp/bench/stage.hpp"

#include <gst/check/gstharness.h>
#include <gst/rtp/rtp.h>

#include <cmath>
#include <set>

namespace bench {

using namespace gsem::bitstream;

namespace {

/// First byte of a map: docs/structure.md.
constexpr int kDelta = 1, kKey = 2;
/// What a receiver may still show of the last map that came.
constexpr double kRecent = 1;

struct Map {
  Bytes payload;
  bool key = true, discardable = false, switch_point = true;
  uint8_t temporal_id = 0;
};

/// The live map encoder, one picture at a time.
class MapEncoder {
public:
  explicit MapEncoder(const Clip& clip)
      : clip_(clip),
        stage_("videoconvert ! structenc live=on", raw_caps(clip.width, clip.height, clip.rate)) {}

  Map code(size_t index) {
    if (key_wanted_)
      stage_.force_key_unit();
    key_wanted_ = false;
    const Bytes& picture = clip_.pictures[index];
    stage_.push(picture.data(), picture.size(), clock_time(double(index) * clip_.frame()),
                clock_time(clip_.frame()));
    auto sample = stage_.pull();
    if (!sample)
      fail("structenc has ended");
    GstBuffer* buffer = gst_sample_get_buffer(sample.get());
    gsem::BufferMap data(buffer, GST_MAP_READ);
    Map map;
    map.payload.assign(data.data(), data.data() + data.size());
    if (const auto* meta = gst_buffer_get_semantic_layer_meta(buffer)) {
      map.key = meta->key;
      map.discardable = meta->discardable;
      map.switch_point = meta->switch_point;
      map.temporal_id = uint8_t(meta->temporal_id);
    }
    return map;
  }
  void want_key() { key_wanted_ = true; }

private:
  const Clip& clip_;
  Stage stage_;
  bool key_wanted_ = false;
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
  Sender(const Clip& clip, double target)
      : clip_(clip),
        harness_(harness(
            (target > 0 ? "semanticlayerfilter target-bitrate=" + std::to_string(int(target)) + " ! " : "") +
                "rtpsemanticpay name=pay config-interval=1",
            "video/x-semantic,stream-format=byte-stream,alignment=au,parsed=true")) {}
  ~Sender() { gst_harness_teardown(harness_); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  std::vector<RtpPacket> send(size_t index, const Map& map) {
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
    add({.kind = LayerKind::Signal, .discardable = true}, clip_.coded[index].signal);
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
  /// semanticlayerfilter asks before it goes up.
  bool wants_key() { return take_key_requests(harness_); }

  static bool take_key_requests(GstHarness* from) {
    bool found = false;
    while (GstEvent* event = gst_harness_try_pull_upstream_event(from)) {
      found = found || gst_video_event_is_force_key_unit(event);
      gst_event_unref(event);
    }
    return found;
  }

private:
  const Clip& clip_;
  GstHarness* harness_;
  TimestampState timestamps_;
};

/// What came, picture by picture.
struct Arrived {
  bool told = false; ///< a unit, or a GAP that says that one is missing, in time
  bool unit = false, map = false, signal = false;
  Bytes caption;
};

class Receiver {
public:
  explicit Receiver(const Clip& clip)
      : arrived(clip.pictures.size()), clip_(clip),
        harness_(harness("rtpsemanticdepay name=depay",
                         "application/x-rtp,media=video,clock-rate=90000,encoding-name=X-SEMANTIC")) {}
  ~Receiver() { gst_harness_teardown(harness_); }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  void take(const RtpPacket& packet, double now) {
    GstBuffer* buffer = gst_buffer_new_memdup(packet.data.data(), packet.data.size());
    GST_BUFFER_PTS(buffer) = packet.pts;
    gst_harness_push(harness_, buffer);
    read(now);
  }
  void end(double now) {
    gst_harness_push_event(harness_, gst_event_new_eos());
    read(now);
  }
  bool wants_key() { return Sender::take_key_requests(harness_); }

  std::vector<Arrived> arrived;

private:
  Arrived* at(GstClockTime pts, double now) {
    const auto index = size_t(double(pts) / double(GST_SECOND) * clip_.rate + 0.5);
    if (index >= arrived.size())
      return nullptr;
    // Behind a lost packet the jitter buffer lets go just when the picture is due.
    arrived[index].told = arrived[index].told || now <= double(index) * clip_.frame() + kLatency + 2 * kStep;
    return &arrived[index];
  }

  void read(double now) {
    while (GstEvent* event = gst_harness_try_pull_event(harness_)) {
      GstClockTime pts = 0, duration = 0;
      if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
        gst_event_parse_gap(event, &pts, &duration);
        at(pts, now);
      }
      gst_event_unref(event);
    }
    while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
      if (Arrived* picture = at(GST_BUFFER_PTS(buffer), now))
        read_unit(buffer, *picture);
      gst_buffer_unref(buffer);
    }
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
    picture.unit = true;
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
  GstHarness* harness_;
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

SemanticResult semantic_call(const Clip& clip, const Network& network, unsigned seed, double target,
                             bool nack) {
  MapEncoder encoder(clip);
  Sender sender(clip, target);
  Receiver receiver(clip);
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
    requests.until(now, [&](int) { encoder.want_key(); });
    nacks.until(now, [&](uint64_t sequence) { send(sequence, now); });
    if (next < clip.pictures.size() && now + 1e-9 >= double(next) * clip.frame()) {
      const auto packets = sender.send(next, encoder.code(next));
      if (sender.wants_key())
        encoder.want_key();
      count_sent(packets, sent[next]);
      for (const auto& packet : packets) {
        all.push_back(packet);
        buffer.sent(now);
        send(all.size() - 1, now);
      }
      ++next;
    }
    arrivals.until(now, [&](OnTheWay& packet) { buffer.insert(packet.sequence, std::move(packet.packet)); });
    if (nack)
      asked.ask(now, buffer.missing(),
                [&](uint64_t sequence) { nacks.add(*back.send(now, kFeedback), sequence); });
    buffer.release(now, [&](const RtpPacket& packet) { receiver.take(packet, now); });
    if (receiver.wants_key()) {
      ++result.key_requests;
      requests.add(*back.send(now, kFeedback), 0);
    }
  }
  receiver.end(end + 1);

  Bytes held, meant;
  double last_map = -1;
  int maps = 0, recent = 0, signals = 0, told = 0, units = 0, captions = 0;
  for (size_t i = 0; i < clip.pictures.size(); ++i) {
    const Arrived& picture = receiver.arrived[i];
    const double time = double(i) * clip.frame();
    if (!clip.coded[i].caption.empty())
      meant = clip.coded[i].caption;
    if (!picture.caption.empty())
      held = picture.caption;
    if (picture.map)
      last_map = time;
    told += picture.told && !sent[i].empty();
    units += !sent[i].empty();
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
    result.freezes.picture(time, picture.map || picture.signal, clip.frame());
  }
  const auto part = [](int of, size_t all) { return all ? double(of) / double(all) : 0; };
  result.freezes.end(end, clip.frame());
  result.rate = 8 * double(there.bytes()) / end;
  result.told = part(told, size_t(units));
  result.caption = part(captions, clip.pictures.size());
  result.map_fresh = part(maps, size_t(result.maps_sent));
  result.map_recent = part(recent, size_t(result.maps_sent));
  result.signal_fresh = part(signals, size_t(result.signals_sent));
  return result;
}

} // namespace bench
