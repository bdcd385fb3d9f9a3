// SPDX-License-Identifier: LGPL-2.1-or-later
#include "examples/sfu-relay/relay.hpp"

#include "examples/sfu-relay/key_requests.hpp"

#include <glib-unix.h>

#include <cstdio>

namespace sfu {

namespace {

constexpr char kCaps[] =
    "application/x-rtp,media=(string)video,clock-rate=(int)90000,encoding-name=(string)X-SEMANTIC";
constexpr char kTwcc[] =
    ",extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Says to the session that it may ask for key units.
constexpr char kAsk[] = ",rtcp-fb-nack-pli=(boolean)true";
/// IPv4, UDP and RTP headers, and the transport-wide sequence number.
constexpr unsigned kOverhead = 48;

std::string to_socket(const std::string& host, unsigned port) {
  return " ! udpsink host=" + host + " port=" + std::to_string(port) + " sync=false async=false";
}

/// What a session sends of its own and gets. A port in use is an error: two sessions would share the reports.
std::string rtcp(const std::string& session, unsigned listen, const Address& to) {
  return " " + session + ".send_rtcp_src" + to_socket(to.host, to.port) +
         " udpsrc reuse=false caps=application/x-rtcp port=" + std::to_string(listen) + " ! " + session +
         ".recv_rtcp_sink";
}

std::string input_line(const Input& input) {
  std::string line = "udpsrc port=" + std::to_string(input.port) + " caps=\"" + kCaps + "\" ! ";
  if (input.rtcp.port)
    line = "rtpsession name=in rtp-profile=avpf" + rtcp("in", input.port + 1, input.rtcp) + " " + line +
           "in.recv_rtp_sink in.recv_rtp_src ! ";
  return line + "rtpsemanticdepay name=depay ! tee name=t";
}

/// One thread does it all: sending to a socket does not block, so no receiver needs a queue. (Reports come in
/// threads of their own.) Steering would let the receivers quarrel over one encoder.
std::string output_line(const Output& output, size_t index) {
  const std::string filter = " t. ! semanticlayerfilter name=filter" + std::to_string(index) +
                             " steer-encoders=false max-layer=" + std::to_string(output.layers) +
                             " target-bitrate=" + std::to_string(output.bitrate);
  if (!output.rtcp)
    return filter + " ! rtpsemanticpay" + to_socket(output.host, output.port);
  const std::string session = "out" + std::to_string(index);
  const std::string numbered = output.adaptive ? " adaptive=true overhead=" + std::to_string(kOverhead) : "";
  return " rtpsession name=" + session + " rtp-profile=avpf" + filter + numbered + " ! rtpsemanticpay ! " +
         (output.adaptive ? "application/x-rtp" + std::string(kTwcc) + " ! " : "") + session +
         ".send_rtp_sink " + session + ".send_rtp_src" + to_socket(output.host, output.port) +
         rtcp(session, output.rtcp, {output.host, output.port + 1});
}

} // namespace

std::string relay_line(const Input& input, const std::vector<Output>& outputs) {
  std::string line = input_line(input);
  for (size_t i = 0; i < outputs.size(); ++i)
    line += output_line(outputs[i], i);
  return line;
}

namespace {

GstElement* parse(const std::string& line) {
  GError* error = nullptr;
  GstElement* pipeline = gst_parse_launch(line.c_str(), &error);
  if (error) {
    std::fprintf(stderr, "sfu-relay: %s\n", error->message);
    g_error_free(error);
    if (pipeline)
      gst_object_unref(pipeline);
    return nullptr;
  }
  return GST_ELEMENT(gst_object_ref_sink(pipeline));
}

bool play(GstElement* pipeline) {
  if (gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
    return true;
  std::fprintf(stderr, "sfu-relay: cannot start\n");
  return false;
}

} // namespace

GstElement* start(const std::string& line) {
  GstElement* pipeline = parse(line);
  if (pipeline && !play(pipeline)) {
    stop(pipeline);
    return nullptr;
  }
  return pipeline;
}

void stop(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}

namespace {

/// A relay at work.
struct Relay {
  const std::vector<Output>& outputs;
  GMainLoop* loop;
  GstElement* pipeline;
};

/// What is known of the way to one receiver.
void print_stats(GstElement* pipeline, const Output& output, size_t index) {
  GstElement* filter = gst_bin_get_by_name(GST_BIN(pipeline), ("filter" + std::to_string(index)).c_str());
  GstStructure* stats = nullptr;
  g_object_get(filter, "stats", &stats, nullptr);
  guint64 estimated = 0, received = 0, queue = 0;
  double loss = 0;
  gst_structure_get(stats, "estimated-bitrate", G_TYPE_UINT64, &estimated, "received-bitrate", G_TYPE_UINT64,
                    &received, "queue-delay", G_TYPE_UINT64, &queue, "loss", G_TYPE_DOUBLE, &loss, nullptr);
  std::printf("%s:%u: estimated %.1f kbit/s, received %.1f, queue %.0f ms, loss %.1f %%\n",
              output.host.c_str(), output.port, double(estimated) / 1000, double(received) / 1000,
              double(queue) / double(GST_MSECOND), 100 * loss);
  gst_structure_free(stats);
  gst_object_unref(filter);
}

void print_layer(const Relay& relay, const GstMessage* message) {
  const GstStructure* change = gst_message_get_structure(const_cast<GstMessage*>(message));
  for (size_t i = 0; i < relay.outputs.size(); ++i) {
    guint layer = 0, previous = 0;
    if (!relay.outputs[i].adaptive || "filter" + std::to_string(i) != GST_MESSAGE_SRC_NAME(message) ||
        !gst_structure_get(change, "layer", G_TYPE_UINT, &layer, "previous-layer", G_TYPE_UINT, &previous,
                           nullptr))
      continue;
    std::printf("%s:%u: layer %u, was %u\n", relay.outputs[i].host.c_str(), relay.outputs[i].port, layer,
                previous);
    print_stats(relay.pipeline, relay.outputs[i], i);
    std::fflush(stdout);
  }
}

gboolean on_message(GstBus*, GstMessage* message, gpointer data) {
  const auto& relay = *static_cast<const Relay*>(data);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    std::fprintf(stderr, "sfu-relay: %s\n", error->message);
    g_error_free(error);
    g_main_loop_quit(relay.loop);
  } else if (gst_message_has_name(message, "semantic-layer-changed")) {
    print_layer(relay, message);
  }
  return G_SOURCE_CONTINUE;
}

gboolean quit(gpointer loop) {
  g_main_loop_quit(static_cast<GMainLoop*>(loop));
  return G_SOURCE_REMOVE;
}

/// The payload type is what the source chose.
GstCaps* caps_of_type(GstElement*, guint payload_type, gpointer) {
  GstCaps* caps = gst_caps_from_string((std::string(kCaps) + kAsk + kTwcc).c_str());
  gst_caps_set_simple(caps, "payload", G_TYPE_INT, gint(payload_type), nullptr);
  return caps;
}

/// The session of the source's side, if there is one, gets what it needs to ask.
void connect_source(GstElement* pipeline, KeyRequests& requests) {
  GstElement* session = gst_bin_get_by_name(GST_BIN(pipeline), "in");
  if (!session)
    return;
  g_signal_connect(session, "request-pt-map", G_CALLBACK(caps_of_type), nullptr);
  GstElement* depay = gst_bin_get_by_name(GST_BIN(pipeline), "depay");
  GstPad* pad = gst_element_get_static_pad(depay, "sink");
  requests.watch(pad);
  gst_object_unref(pad);
  gst_object_unref(depay);
  gst_object_unref(session);
}

void run(const Relay& relay, unsigned seconds) {
  GstBus* bus = gst_element_get_bus(relay.pipeline);
  const guint watch = gst_bus_add_watch(bus, on_message, const_cast<Relay*>(&relay));
  g_unix_signal_add(SIGINT, quit, relay.loop);
  g_unix_signal_add(SIGTERM, quit, relay.loop);
  if (seconds)
    g_timeout_add_seconds(seconds, quit, relay.loop);
  g_main_loop_run(relay.loop);
  g_source_remove(watch);
  gst_object_unref(bus);
}

} // namespace

int relay(const Input& input, const std::vector<Output>& outputs, unsigned seconds) {
  GstElement* pipeline = parse(relay_line(input, outputs));
  if (!pipeline)
    return 1;
  KeyRequests requests;
  connect_source(pipeline, requests);
  if (!play(pipeline)) {
    stop(pipeline);
    return 1;
  }
  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  std::printf("relaying %u to %zu receivers\n", input.port, outputs.size());
  std::fflush(stdout);
  run({outputs, loop, pipeline}, seconds);
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].adaptive)
      print_stats(pipeline, outputs[i], i);
  stop(pipeline);
  g_main_loop_unref(loop);
  return 0;
}

} // namespace sfu
