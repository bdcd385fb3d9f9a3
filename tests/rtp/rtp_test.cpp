// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/rtp/rtp_test.hpp"

#include <gst/video/video.h>

#include <algorithm>

namespace rtp_test {

const char* const kBareCaps =
    "application/x-rtp, media=(string)video, clock-rate=(int)90000, encoding-name=(string)X-SEMANTIC";

Packet read_packet(GstBuffer* buffer) {
  Packet packet;
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  fail_unless(gst_rtp_buffer_map(buffer, GST_MAP_READ, &rtp));
  const auto* data = static_cast<const guint8*>(gst_rtp_buffer_get_payload(&rtp));
  packet.payload.assign(data, data + gst_rtp_buffer_get_payload_len(&rtp));
  packet.sequence = gst_rtp_buffer_get_seq(&rtp);
  packet.time = gst_rtp_buffer_get_timestamp(&rtp);
  packet.ssrc = gst_rtp_buffer_get_ssrc(&rtp);
  packet.marker = gst_rtp_buffer_get_marker(&rtp);
  packet.pts = GST_BUFFER_PTS(buffer);
  packet.size = gst_buffer_get_size(buffer);
  gst_rtp_buffer_unmap(&rtp);
  return packet;
}

GstBuffer* make_buffer(const Packet& packet) {
  GstBuffer* buffer = gst_rtp_buffer_new_allocate(guint(packet.payload.size()), 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  fail_unless(gst_rtp_buffer_map(buffer, GST_MAP_READWRITE, &rtp));
  if (!packet.payload.empty())
    memcpy(gst_rtp_buffer_get_payload(&rtp), packet.payload.data(), packet.payload.size());
  gst_rtp_buffer_set_seq(&rtp, packet.sequence);
  gst_rtp_buffer_set_timestamp(&rtp, packet.time);
  gst_rtp_buffer_set_ssrc(&rtp, packet.ssrc);
  gst_rtp_buffer_set_marker(&rtp, packet.marker);
  gst_rtp_buffer_set_payload_type(&rtp, 96);
  gst_rtp_buffer_unmap(&rtp);
  GST_BUFFER_PTS(buffer) = packet.pts;
  return buffer;
}

std::vector<unsigned> Contents::kinds() const {
  if (descriptor.fragment)
    return {unsigned(descriptor.layer.kind)};
  std::vector<unsigned> found;
  for (const auto& entry : entries)
    if (entry.type == RtpEntry::Type::Layer)
      found.push_back(unsigned(entry.layer.kind));
  return found;
}

bool Contents::has(RtpEntry::Type type) const {
  return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) { return entry.type == type; });
}

Contents contents(const Packet& packet) {
  Contents found;
  size_t size = 0;
  fail_unless(parse_rtp_descriptor(packet.payload, found.descriptor, size) == gsem::Status::Ok);
  RtpEntryReader reader(found.descriptor, packet.payload, size);
  while (!reader.done()) {
    RtpEntry entry;
    fail_unless(reader.next(entry) == gsem::Status::Ok);
    found.entries.push_back(entry);
  }
  return found;
}

// ---- sender -----------------------------------------------------------------------------------------------

static GstCaps* stream_caps(const StreamHeader& header) {
  GstCaps* caps =
      gst_caps_from_string("video/x-semantic, stream-format=(string)byte-stream, alignment=(string)au, "
                           "parsed=(boolean)true, width=(int)64, height=(int)48, framerate=(fraction)25/1");
  GValue array = G_VALUE_INIT, item = G_VALUE_INIT;
  g_value_init(&array, GST_TYPE_ARRAY);
  g_value_init(&item, GST_TYPE_BUFFER);
  g_value_take_boxed(&item, stream::buffer(stream::header_bytes(header)));
  gst_value_array_append_and_take_value(&array, &item);
  gst_caps_set_value(caps, "streamheader", &array);
  g_value_unset(&array);
  return caps;
}

Sender::Sender(const StreamHeader& header, const std::string& properties)
    : harness_(gst_harness_new_parse(("rtpsemanticpay name=pay repeat-start=false " + properties).c_str())),
      writer_(header) {
  gst_harness_set_src_caps(harness_, stream_caps(header));
}

Sender::~Sender() {
  gst_harness_teardown(harness_);
}

std::vector<Packet> Sender::send(uint64_t tick, const std::vector<stream::Piece>& pieces,
                                 const Bytes& before) {
  Bytes bytes = before;
  stream::append(bytes, writer_.unit(tick, pieces));
  GstBuffer* buffer = stream::buffer(bytes, tick * kFrame);
  GST_BUFFER_DURATION(buffer) = kFrame;
  fail_unless_equals_int(gst_harness_push(harness_, buffer), GST_FLOW_OK);
  std::vector<Packet> packets;
  while (GstBuffer* out = gst_harness_try_pull(harness_)) {
    packets.push_back(read_packet(out));
    gst_buffer_unref(out);
  }
  return packets;
}

std::string Sender::caps() {
  Ptr<GstCaps> caps(gst_pad_get_current_caps(harness_->sinkpad));
  fail_unless(caps != nullptr);
  Ptr<gchar> text(gst_caps_to_string(caps.get()));
  return text.get();
}

// ---- access units
// ------------------------------------------------------------------------------------------

std::vector<Received> UnitReader::take(GstHarness* harness) {
  std::vector<Received> all;
  while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
    Received& found = all.emplace_back();
    found.bytes = stream::bytes_of(buffer);
    found.pts = GST_BUFFER_PTS(buffer);
    found.delta = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    found.discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    ByteView data(found.bytes);
    size_t size = 0;
    StreamHeader header;
    if (data.size() >= 4 && std::equal(data.begin(), data.begin() + 4, "GSEM")) {
      fail_unless(parse_stream_header(data, header, size) == gsem::Status::Ok);
      found.header = true;
      data = data.subspan(size);
      timestamps_ = TimestampState{};
    }
    fail_unless(parse_access_unit_header(data, found.unit, size, &timestamps_) == gsem::Status::Ok);
    data = data.subspan(size);
    fail_unless_equals_int(data.size(), payload_section_size(found.unit));
    for (size_t i = 0; i < found.unit.layers.size(); ++i) {
      const unsigned kind = unsigned(found.unit.layers[i].kind);
      ByteView payload;
      if (found.unit.layers[i].lost) {
        found.lost.push_back(kind);
        continue;
      }
      fail_unless(find_payload(found.unit, data, i, payload) == gsem::Status::Ok);
      found.layers[kind].assign(payload.begin(), payload.end());
    }
    gst_buffer_unref(buffer);
  }
  return all;
}

// ---- receiver ---------------------------------------------------------------------------------------------

Receiver::Receiver(const std::string& caps, const std::string& properties)
    : harness_(gst_harness_new_parse(("rtpsemanticdepay name=depay " + properties).c_str())) {
  gst_harness_set_src_caps_str(harness_, caps.c_str());
}

Receiver::~Receiver() {
  gst_harness_teardown(harness_);
}

void Receiver::push(const Packet& packet) {
  fail_unless_equals_int(gst_harness_push(harness_, make_buffer(packet)), GST_FLOW_OK);
}

void Receiver::end() {
  fail_unless(gst_harness_push_event(harness_, gst_event_new_eos()));
}

int Receiver::gaps() {
  int found = 0;
  while (GstEvent* event = gst_harness_try_pull_event(harness_)) {
    if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
      GstGapFlags flags = GstGapFlags(0);
      gst_event_parse_gap_flags(event, &flags);
      fail_unless(flags & GST_GAP_FLAG_MISSING_DATA);
      ++found;
    }
    gst_event_unref(event);
  }
  return found;
}

int Receiver::key_requests() {
  int found = 0;
  while (GstEvent* event = gst_harness_try_pull_upstream_event(harness_)) {
    found += gst_video_event_is_force_key_unit(event);
    gst_event_unref(event);
  }
  return found;
}

guint64 Receiver::counter(const char* name) {
  Ptr<GstElement> depay(gst_harness_find_element(harness_, "rtpsemanticdepay"));
  GstStructure* raw = nullptr;
  g_object_get(depay.get(), "stats", &raw, nullptr);
  Ptr<GstStructure> stats(raw);
  guint64 value = 0;
  fail_unless(gst_structure_get_uint64(stats.get(), name, &value), "no counter %s", name);
  return value;
}

} // namespace rtp_test
