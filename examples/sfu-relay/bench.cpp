// SPDX-License-Identifier: LGPL-2.1-or-later
// --bench: what trimming costs.
#include "examples/sfu-relay/relay.hpp"

#include "gst/bitstream/access_unit.hpp"

#include <gst/app/app.h>

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

namespace sfu {

namespace {

using namespace gsem::bitstream;

constexpr int kRate = 25;

using Packet = std::vector<unsigned char>;

LayerUnit layer(LayerKind kind, uint32_t size, bool key, bool discardable) {
  LayerUnit unit;
  unit.kind = kind;
  unit.size = size;
  unit.key = unit.switch_point = key;
  unit.discardable = discardable;
  return unit;
}

/// What structenc and signalenc send of a 256x256 picture: a caption each 2 s, a key map each 50 pictures.
gsem::Bytes unit_bytes(unsigned picture, TimestampState& timestamps) {
  AccessUnitHeader unit;
  unit.number = uint16_t(picture);
  unit.timestamp = picture;
  if (picture % 50 == 0)
    unit.layers.push_back(layer(LayerKind::Caption, 9, true, false));
  const bool key = picture % 50 == 0;
  unit.layers.push_back(layer(LayerKind::Structure, key ? 420 : 120, key, !key));
  unit.layers.push_back(layer(LayerKind::Signal, 900, true, true));
  gsem::Bytes bytes;
  write_access_unit_header(unit, timestamps, bytes);
  for (const auto& one : unit.layers)
    append_payload(gsem::Bytes(one.size, 0x5a), bytes);
  return bytes;
}

StreamHeader bench_header() {
  StreamHeader header;
  header.width = header.height = 256;
  header.fps_n = kRate;
  for (LayerKind kind : {LayerKind::Caption, LayerKind::Structure, LayerKind::Signal})
    header.layers.emplace_back().kind = kind;
  return header;
}

/// Packets of each picture, from the real payloader.
std::vector<std::vector<Packet>> make_packets(unsigned pictures) {
  GstElement* line =
      gst_parse_launch("appsrc name=in format=time caps=video/x-semantic,stream-format=byte-stream,"
                       "alignment=au,parsed=true ! rtpsemanticpay ! appsink name=out sync=false",
                       nullptr);
  gst_object_ref_sink(line);
  GstElement* in = gst_bin_get_by_name(GST_BIN(line), "in");
  GstElement* out = gst_bin_get_by_name(GST_BIN(line), "out");
  gst_element_set_state(line, GST_STATE_PLAYING);
  gsem::Bytes header;
  write_stream_header(bench_header(), false, header);
  TimestampState timestamps;
  for (unsigned i = 0; i < pictures; ++i) {
    gsem::Bytes bytes = i == 0 ? header : gsem::Bytes();
    const gsem::Bytes unit = unit_bytes(i, timestamps);
    bytes.insert(bytes.end(), unit.begin(), unit.end());
    GstBuffer* buffer = gst_buffer_new_memdup(bytes.data(), bytes.size());
    GST_BUFFER_PTS(buffer) = i * GST_SECOND / kRate;
    gst_app_src_push_buffer(GST_APP_SRC(in), buffer);
  }
  gst_app_src_end_of_stream(GST_APP_SRC(in));
  std::vector<std::vector<Packet>> packets(pictures);
  while (GstSample* sample = gst_app_sink_pull_sample(GST_APP_SINK(out))) {
    GstBuffer* buffer = gst_sample_get_buffer(sample);
    const auto picture = gst_util_uint64_scale_round(GST_BUFFER_PTS(buffer), kRate, GST_SECOND);
    Packet packet(gst_buffer_get_size(buffer));
    gst_buffer_extract(buffer, 0, packet.data(), packet.size());
    if (picture < pictures)
      packets[picture].push_back(std::move(packet));
    gst_sample_unref(sample);
  }
  gst_object_unref(in);
  gst_object_unref(out);
  stop(line);
  return packets;
}

double cpu_seconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/// A socket on a free port of this machine.
int open_socket(unsigned& port) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return -1;
  port = ntohs(address.sin_port);
  return fd;
}

/// Sends each picture's packets to all `ports` when it is due; the processor time that took.
double send_pictures(const std::vector<std::vector<Packet>>& packets, const std::vector<unsigned>& ports,
                     int fd) {
  const gint64 begin = g_get_monotonic_time();
  for (size_t picture = 0; picture < packets.size(); ++picture) {
    const gint64 due = begin + gint64(picture) * G_USEC_PER_SEC / kRate, now = g_get_monotonic_time();
    if (due > now)
      g_usleep(gulong(due - now));
    for (unsigned port : ports) {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      to.sin_port = htons(uint16_t(port));
      for (const auto& packet : packets[picture])
        sendto(fd, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    }
  }
  return cpu_seconds(RUSAGE_THREAD);
}

GstPadProbeReturn count_packets(GstPad*, GstPadProbeInfo* info, gpointer data) {
  const bool list = info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST;
  *static_cast<std::atomic<guint64>*>(data) +=
      list ? gst_buffer_list_length(GST_PAD_PROBE_INFO_BUFFER_LIST(info)) : 1;
  return GST_PAD_PROBE_OK;
}

} // namespace

int bench(unsigned streams, unsigned outputs, unsigned seconds) {
  const auto packets = make_packets(seconds * kRate);
  unsigned nowhere = 0, any = 0;
  const int sink = open_socket(nowhere), from = open_socket(any); // `sink` is never read: the kernel drops
  std::vector<GstElement*> pipelines;
  std::vector<unsigned> ports;
  std::atomic<guint64> came{0};
  for (unsigned i = 0; i < streams; ++i) {
    std::vector<Output> to;
    for (unsigned k = 0; k < outputs; ++k) {
      Output& output = to.emplace_back();
      output.host = "127.0.0.1";
      output.port = nowhere;
      output.layers = 1 + (i + k) % 3;
      output.bitrate = (i + k) % 2 ? 60000 : 0;
    }
    GstElement* pipeline = start(relay_line({}, to));
    if (!pipeline)
      return 1;
    GstIterator* all = gst_bin_iterate_sources(GST_BIN(pipeline));
    GValue item = G_VALUE_INIT;
    gst_iterator_next(all, &item);
    GstElement* source = GST_ELEMENT(g_value_get_object(&item));
    int port = 0;
    g_object_get(source, "port", &port, nullptr);
    ports.push_back(unsigned(port));
    GstPad* pad = gst_element_get_static_pad(source, "src");
    gst_pad_add_probe(pad, GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
                      count_packets, &came, nullptr);
    gst_object_unref(pad);
    g_value_unset(&item);
    gst_iterator_free(all);
    pipelines.push_back(pipeline);
  }
  const double before = cpu_seconds(RUSAGE_SELF);
  double sender = 0;
  std::thread([&] { sender = send_pictures(packets, ports, from); }).join();
  g_usleep(G_USEC_PER_SEC / 2);
  const double used = cpu_seconds(RUSAGE_SELF) - before - sender;
  size_t sent = 0;
  for (const auto& picture : packets)
    sent += picture.size() * streams;
  std::printf(
      "%u streams of %d pictures a second, each for %u receivers, %u s: %zu packets sent, %.1f %% arrived\n",
      streams, kRate, outputs, seconds, sent, 100 * double(came) / double(sent));
  std::printf(
      "relay: %.2f s of processor time, %.1f us a picture and receiver; %.0f trimmed streams a core\n", used,
      used * 1e6 / (double(streams) * outputs * seconds * kRate), double(streams) * outputs * seconds / used);
  for (GstElement* pipeline : pipelines)
    stop(pipeline);
  close(sink);
  close(from);
  return double(came) < 0.99 * double(sent);
}

} // namespace sfu
