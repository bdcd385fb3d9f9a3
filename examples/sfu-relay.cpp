// SPDX-License-Identifier: LGPL-2.1-or-later
// A relay: one layered stream comes in over RTP/UDP, each receiver gets as many layers as it asked for. It
// never looks into a payload and needs neither networks nor LibTorch.
//
//   sfu-relay [--seconds N] PORT HOST:PORT[,layers=1..3][,bitrate=BITS_A_SECOND] ...
//   sfu-relay --bench STREAMS [--outputs N] [--seconds N]
//
// With examples/rtp-send at one end and examples/rtp-receive at the others:
//
//   sfu-relay 5004 127.0.0.1:6000 127.0.0.1:6010,layers=2 127.0.0.1:6020,bitrate=20000
//
// --bench sends STREAMS streams of 25 pictures a second to itself, trims each for N receivers (1), and prints
// what that costs: streams a core = 1 / (processor time a stream and second), the sender's own time taken
// off.
#include "gst/bitstream/access_unit.hpp"

#include <gst/app/app.h>
#include <gst/rtp/rtp.h>

#include <arpa/inet.h>
#include <glib-unix.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace gsem::bitstream;

constexpr char kCaps[] =
    "application/x-rtp,media=(string)video,clock-rate=(int)90000,encoding-name=(string)X-SEMANTIC";
constexpr int kRate = 25;

struct Output {
  std::string host;
  unsigned port = 0, layers = 3, bitrate = 0;
};

bool number(std::string_view text, unsigned least, unsigned most, unsigned& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= least && value <= most;
}

/// Host names are letters, digits and what addresses have: nothing that a launch line would read otherwise.
bool host_name(std::string_view text) {
  return !text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                 "0123456789.-:") == std::string_view::npos;
}

bool parse_output(std::string_view text, Output& output) {
  const size_t options = std::min(text.find(','), text.size());
  const std::string_view address = text.substr(0, options);
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || !host_name(address.substr(0, colon)) ||
      !number(address.substr(colon + 1), 1, 65535, output.port))
    return false;
  output.host = address.substr(0, colon);
  for (std::string_view rest = text.substr(options); !rest.empty();) {
    rest.remove_prefix(1);
    const size_t end = std::min(rest.find(','), rest.size()), equals = rest.find('=');
    if (equals >= end)
      return false;
    const std::string_view name = rest.substr(0, equals), value = rest.substr(equals + 1, end - equals - 1);
    if (!(name == "layers" && number(value, 1, 3, output.layers)) &&
        !(name == "bitrate" && number(value, 1, 1000000000, output.bitrate)))
      return false;
    rest.remove_prefix(end);
  }
  return true;
}

/// One thread does it all: sending to a socket does not block, so no receiver needs a queue. Steering would
/// let the receivers quarrel over one encoder.
std::string relay_line(unsigned port, const std::vector<Output>& outputs) {
  std::string line =
      "udpsrc port=" + std::to_string(port) + " caps=\"" + kCaps + "\" ! rtpsemanticdepay ! tee name=t";
  for (const auto& output : outputs)
    line += " t. ! semanticlayerfilter steer-encoders=false max-layer=" + std::to_string(output.layers) +
            " target-bitrate=" + std::to_string(output.bitrate) +
            " ! rtpsemanticpay ! udpsink host=" + output.host + " port=" + std::to_string(output.port) +
            " sync=false async=false";
  return line;
}

GstElement* start(const std::string& line) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error) {
    std::fprintf(stderr, "sfu-relay: %s\n", error->message);
    g_error_free(error);
    if (pipeline)
      gst_object_unref(pipeline);
    return nullptr;
  }
  gst_object_ref_sink(pipeline);
  if (gst_element_set_state(pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    std::fprintf(stderr, "sfu-relay: cannot start\n");
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    return nullptr;
  }
  return pipeline;
}

void stop(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

// ---- relay
// --------------------------------------------------------------------------------------------------

gboolean on_message(GstBus*, GstMessage* message, gpointer data) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    std::fprintf(stderr, "sfu-relay: %s\n", error->message);
    g_error_free(error);
    g_main_loop_quit(static_cast<GMainLoop*>(data));
  }
  return G_SOURCE_CONTINUE;
}

gboolean quit(gpointer loop) {
  g_main_loop_quit(static_cast<GMainLoop*>(loop));
  return G_SOURCE_REMOVE;
}

int relay(unsigned port, const std::vector<Output>& outputs, unsigned seconds) {
  GstElement* pipeline = start(relay_line(port, outputs));
  if (!pipeline)
    return 1;
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  GstBus* bus = gst_element_get_bus(pipeline);
  const guint watch = gst_bus_add_watch(bus, on_message, loop);
  g_unix_signal_add(SIGINT, quit, loop);
  g_unix_signal_add(SIGTERM, quit, loop);
  if (seconds)
    g_timeout_add_seconds(seconds, quit, loop);
  std::printf("relaying %u to %zu receivers\n", port, outputs.size());
  std::fflush(stdout);
  g_main_loop_run(loop);
  g_source_remove(watch);
  gst_object_unref(bus);
  stop(pipeline);
  g_main_loop_unref(loop);
  return 0;
}

// ---- bench
// --------------------------------------------------------------------------------------------------

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

int bench(unsigned streams, unsigned outputs, unsigned seconds) {
  const auto packets = make_packets(seconds * kRate);
  unsigned nowhere = 0, any = 0;
  const int sink = open_socket(nowhere), from = open_socket(any); // `sink` is never read: the kernel drops
  std::vector<GstElement*> pipelines;
  std::vector<unsigned> ports;
  std::atomic<guint64> came{0};
  for (unsigned i = 0; i < streams; ++i) {
    std::vector<Output> to;
    for (unsigned k = 0; k < outputs; ++k)
      to.push_back({"127.0.0.1", nowhere, 1 + (i + k) % 3, (i + k) % 2 ? 60000u : 0u});
    GstElement* pipeline = start(relay_line(0, to));
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

int usage() {
  std::fprintf(stderr, "usage: sfu-relay [--seconds N] PORT HOST:PORT[,layers=1..3][,bitrate=BITS] ...\n"
                       "       sfu-relay --bench STREAMS [--outputs N] [--seconds N]\n");
  return 2;
}

} // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  unsigned seconds = 0, streams = 0, outputs = 1, port = 0;
  std::vector<Output> receivers;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i], next = i + 1 < argc ? argv[i + 1] : "";
    bool good = true;
    if (argument == "--seconds")
      good = number(next, 1, 86400, seconds), ++i;
    else if (argument == "--bench")
      good = number(next, 1, 10000, streams), ++i;
    else if (argument == "--outputs")
      good = number(next, 1, 1000, outputs), ++i;
    else if (port == 0)
      good = number(argument, 1, 65535, port);
    else
      good = parse_output(argument, receivers.emplace_back());
    if (!good)
      return usage();
  }
  if (streams)
    return bench(streams, outputs, seconds ? seconds : 5);
  if (port == 0 || receivers.empty())
    return usage();
  return relay(port, receivers, seconds);
}
