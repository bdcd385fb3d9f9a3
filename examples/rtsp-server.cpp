// SPDX-License-Identifier: LGPL-2.1-or-later
// An RTSP server with one encoder for all clients: each gets its own copy of the stream, through a
// semanticlayerfilter of its own. Clients choose in the URL:
//
//   rtsp://HOST:8554/bird                      all layers
//   rtsp://HOST:8554/bird?layers=2             words and shapes
//   rtsp://HOST:8554/bird?bitrate=20000        whatever fits, in bits a second on the wire
//
// Usage: rtsp-server [--port N] [LINE]; LINE is a launch line that ends in video/x-semantic, by default a
// test pattern and an encoder. To watch:
//
//   gst-launch-1.0 rtspsrc location=rtsp://HOST:8554/bird ! rtpsemanticdepay ! semanticdecodebin !
//   videoconvert ! autovideosink
#include <gst/app/app.h>
#include <gst/rtsp-server/rtsp-server.h>

#include <glib-unix.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace {

const char* const kSource = "videotestsrc is-live=true pattern=ball ! "
                            "video/x-raw,width=256,height=256,framerate=10/1 ! videoconvert ! "
                            "semanticencodebin semanticenc::refresh=2000";
/// A client that does not read gets no more than this kept for it.
constexpr guint64 kMostQueued = 1000000;

/// The encoder's units for all who are connected. appsink's thread gives, the server's threads come and go.
class Studio {
public:
  explicit Studio(const std::string& line) {
    GError* error = nullptr;
    const std::string whole = line + " ! semanticparse ! appsink name=out sync=false max-buffers=1";
    pipeline_ = gst_parse_launch(whole.c_str(), &error);
    if (error) {
      fprintf(stderr, "rtsp-server: %s\n", error->message);
      exit(1);
    }
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline_), "out");
    GstAppSinkCallbacks callbacks{};
    callbacks.new_sample = [](GstAppSink* from, gpointer studio) {
      return static_cast<Studio*>(studio)->give(gst_app_sink_pull_sample(from));
    };
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, this, nullptr);
    output_ = gst_element_get_static_pad(sink, "sink");
    gst_object_unref(sink);
  }
  ~Studio() {
    gst_element_set_state(pipeline_, GST_STATE_NULL);
    gst_object_unref(output_);
    gst_object_unref(pipeline_);
  }
  Studio(const Studio&) = delete;
  Studio& operator=(const Studio&) = delete;

  GstElement* pipeline() { return pipeline_; }

  void connect(GstElement* client) {
    std::lock_guard lock(mutex_);
    clients_.push_back({GST_ELEMENT(gst_object_ref(client)), true});
  }
  void disconnect(GstElement* client) {
    std::lock_guard lock(mutex_);
    const auto at =
        std::find_if(clients_.begin(), clients_.end(), [&](const Client& c) { return c.source == client; });
    if (at == clients_.end())
      return;
    gst_object_unref(client);
    clients_.erase(at);
  }
  /// Receivers ask through RTCP, filters when they go up.
  void ask_for_key_unit() {
    gst_pad_push_event(output_, gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                                                     gst_structure_new("GstForceKeyUnit", "all-headers",
                                                                       G_TYPE_BOOLEAN, TRUE, nullptr)));
  }

private:
  struct Client {
    GstElement* source;
    bool fresh; ///< has not got a unit yet
  };

  /// The units' memory is shared; only times differ, because each client's pipeline began at another time.
  GstFlowReturn give(GstSample* sample) {
    if (!sample)
      return GST_FLOW_EOS;
    std::vector<Client> clients;
    {
      std::lock_guard lock(mutex_);
      for (auto& client : clients_) {
        clients.push_back({GST_ELEMENT(gst_object_ref(client.source)), client.fresh});
        client.fresh = false;
      }
    }
    for (auto& client : clients) {
      gst_app_src_set_caps(GST_APP_SRC(client.source), gst_sample_get_caps(sample));
      GstBuffer* unit = gst_buffer_copy(gst_sample_get_buffer(sample));
      GST_BUFFER_PTS(unit) = GST_BUFFER_DTS(unit) = GST_CLOCK_TIME_NONE; // appsrc stamps them
      gst_app_src_push_buffer(GST_APP_SRC(client.source), unit);
      gst_object_unref(client.source);
    }
    if (std::any_of(clients.begin(), clients.end(), [](const Client& c) { return c.fresh; }))
      ask_for_key_unit();
    gst_sample_unref(sample);
    return GST_FLOW_OK;
  }

  GstElement* pipeline_ = nullptr;
  GstPad* output_ = nullptr;
  std::mutex mutex_;
  std::vector<Client> clients_;
};

Studio* studio;

GstPadProbeReturn pass_key_request(GstPad*, GstPadProbeInfo* info, gpointer) {
  const GstStructure* s = gst_event_get_structure(GST_PAD_PROBE_INFO_EVENT(info));
  if (s && gst_structure_has_name(s, "GstForceKeyUnit"))
    studio->ask_for_key_unit();
  return GST_PAD_PROBE_OK;
}

// ---- one media for each client ----------------------------------------------------------------------------

/// `name=NUMBER` of a URL's query.
guint query_number(const GstRTSPUrl* url, const char* name, guint otherwise, guint least, guint most) {
  gchar** pairs = g_strsplit(url->query ? url->query : "", "&", 8);
  guint value = otherwise;
  for (gchar** pair = pairs; *pair; ++pair)
    if (g_str_has_prefix(*pair, name) && (*pair)[strlen(name)] == '=')
      value =
          guint(std::clamp<guint64>(g_ascii_strtoull(*pair + strlen(name) + 1, nullptr, 10), least, most));
  g_strfreev(pairs);
  return value;
}

GstElement* create_element(GstRTSPMediaFactory*, const GstRTSPUrl* url) {
  gchar* line = g_strdup_printf(
      "appsrc name=units format=time is-live=true do-timestamp=true block=false max-bytes=%" G_GUINT64_FORMAT
      " leaky-type=downstream ! semanticlayerfilter max-layer=%u target-bitrate=%u steer-encoders=false ! "
      "rtpsemanticpay name=pay0 pt=96",
      kMostQueued, query_number(url, "layers", 3, 1, 3), query_number(url, "bitrate", 0, 0, 100000000));
  GError* error = nullptr;
  GstElement* bin =
      gst_parse_bin_from_description_full(line, FALSE, nullptr, GST_PARSE_FLAG_PLACE_IN_BIN, &error);
  g_free(line);
  if (error) {
    fprintf(stderr, "rtsp-server: %s\n", error->message);
    g_error_free(error);
    return nullptr;
  }
  return bin;
}

void unprepared(GstRTSPMedia*, gpointer source) {
  studio->disconnect(GST_ELEMENT(source));
}

void configure(GstRTSPMediaFactory*, GstRTSPMedia* media, gpointer) {
  GstElement* bin = gst_rtsp_media_get_element(media);
  GstElement* source = gst_bin_get_by_name(GST_BIN(bin), "units");
  GstPad* pad = gst_element_get_static_pad(source, "src");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, pass_key_request, nullptr, nullptr);
  gst_object_unref(pad);
  g_signal_connect_data(
      media, "unprepared", G_CALLBACK(unprepared), source,
      [](gpointer data, GClosure*) { gst_object_unref(data); }, GConnectFlags(0));
  studio->connect(source);
  gst_object_unref(bin);
}

struct SemanticFactory {
  GstRTSPMediaFactory parent;
};
struct SemanticFactoryClass {
  GstRTSPMediaFactoryClass parent;
};
G_DEFINE_TYPE(SemanticFactory, semantic_factory, GST_TYPE_RTSP_MEDIA_FACTORY)

void semantic_factory_init(SemanticFactory*) {}

void semantic_factory_class_init(SemanticFactoryClass* klass) {
  GST_RTSP_MEDIA_FACTORY_CLASS(klass)->create_element = create_element;
}

gboolean on_message(GstBus*, GstMessage* message, gpointer loop) {
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError* error = nullptr;
    gst_message_parse_error(message, &error, nullptr);
    fprintf(stderr, "rtsp-server: %s\n", error->message);
    g_error_free(error);
  }
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR || GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
    g_main_loop_quit(static_cast<GMainLoop*>(loop));
  return TRUE;
}

/// Ends all connections and waits for their threads: these use the studio, which goes next.
void close_server(GstRTSPServer* server) {
  GstRTSPSessionPool* sessions = gst_rtsp_server_get_session_pool(server);
  gst_rtsp_server_client_filter(
      server, [](GstRTSPServer*, GstRTSPClient*, gpointer) { return GST_RTSP_FILTER_REMOVE; }, nullptr);
  gst_rtsp_session_pool_filter(
      sessions, [](GstRTSPSessionPool*, GstRTSPSession*, gpointer) { return GST_RTSP_FILTER_REMOVE; },
      nullptr);
  g_object_unref(sessions);
  g_object_unref(server);
  gst_rtsp_thread_pool_cleanup();
}

gboolean stop(gpointer loop) {
  g_main_loop_quit(static_cast<GMainLoop*>(loop));
  return G_SOURCE_CONTINUE;
}

} // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  std::string port = "8554", line = kSource;
  for (int i = 1; i < argc; ++i) {
    if (!strcmp(argv[i], "--port") && i + 1 < argc) {
      port = argv[++i];
    } else if (argv[i][0] == '-') {
      fprintf(stderr, "usage: rtsp-server [--port N] [LAUNCH LINE THAT ENDS IN video/x-semantic]\n");
      return 1;
    } else {
      line = argv[i];
    }
  }

  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  Studio the_studio(line);
  studio = &the_studio;
  GstBus* bus = gst_element_get_bus(the_studio.pipeline());
  gst_bus_add_watch(bus, on_message, loop);

  GstRTSPServer* server = gst_rtsp_server_new();
  gst_rtsp_server_set_service(server, port.c_str());
  auto* factory = GST_RTSP_MEDIA_FACTORY(g_object_new(semantic_factory_get_type(), nullptr));
  gst_rtsp_media_factory_set_shared(factory, FALSE); // each client its own filter
  g_signal_connect(factory, "media-configure", G_CALLBACK(configure), nullptr);
  GstRTSPMountPoints* mounts = gst_rtsp_server_get_mount_points(server);
  gst_rtsp_mount_points_add_factory(mounts, "/bird", factory);
  g_object_unref(mounts);
  if (gst_rtsp_server_attach(server, nullptr) == 0) {
    fprintf(stderr, "rtsp-server: cannot listen on port %s\n", port.c_str());
    return 1;
  }
  gst_element_set_state(the_studio.pipeline(), GST_STATE_PLAYING);
  printf("rtsp://127.0.0.1:%d/bird\n", gst_rtsp_server_get_bound_port(server));
  fflush(stdout);
  g_unix_signal_add(SIGINT, stop, loop);
  g_unix_signal_add(SIGTERM, stop, loop);
  g_main_loop_run(loop);
  gst_bus_remove_watch(bus);
  gst_object_unref(bus);
  close_server(server);
  g_main_loop_unref(loop);
}
