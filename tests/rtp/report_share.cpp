// SPDX-License-Identifier: LGPL-2.1-or-later
// RTCP of a real rtpbin call stays under a twentieth of what is sent, however little that is, with nothing
// but rtpsemanticpay and rtpsemanticdepay around rtpbin: captions alone over UDP sockets, all bytes counted
// at the sockets with IP and UDP headers, both directions.
#include "gst/semantic/paced_reports.hpp"
#include "tests/rtp/rtp_test.hpp"

#include <gst/app/app.h>

#include <atomic>
#include <random>

using namespace rtp_test;

namespace {

const std::string kExtension =
    "extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
constexpr gsize kIpUdp = 28;

Ptr<GstElement> parse(const std::string& line) {
  GError* error = nullptr;
  Ptr<GstElement> made(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), &error))));
  fail_unless(!error, "%s: %s", line.c_str(), error ? error->message : "");
  return made;
}

Ptr<GstElement> child(const Ptr<GstElement>& bin, const char* name) {
  Ptr<GstElement> found(gst_bin_get_by_name(GST_BIN(bin.get()), name));
  fail_unless(found != nullptr, "no %s", name);
  return found;
}

void connect(const Ptr<GstElement>& from, const Ptr<GstElement>& to, const char* name) {
  int port = 0;
  g_object_get(child(from, name).get(), "port", &port, nullptr);
  g_object_set(child(to, name).get(), "port", port, nullptr);
}

/// What goes into a socket.
struct Counter {
  std::atomic<uint64_t> bytes{0}, feedback{0};
  static GstPadProbeReturn see(GstPad*, GstPadProbeInfo* info, gpointer data) {
    auto& self = *static_cast<Counter*>(data);
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
      GstBufferList* list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
      for (guint i = 0; i < gst_buffer_list_length(list); ++i)
        self.add(gst_buffer_list_get(list, i));
    } else {
      self.add(GST_PAD_PROBE_INFO_BUFFER(info));
    }
    return GST_PAD_PROBE_OK;
  }
  void add(GstBuffer* buffer) {
    guint8 type = 0;
    gst_buffer_extract(buffer, 1, &type, 1);
    bytes += gst_buffer_get_size(buffer) + kIpUdp;
    feedback += type == GST_RTCP_TYPE_RTPFB;
  }
  void watch(const Ptr<GstElement>& sink) {
    Ptr<GstPad> pad(gst_element_get_static_pad(sink.get(), "sink"));
    gst_pad_add_probe(pad.get(), GstPadProbeType(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
                      see, this, nullptr);
  }
};

struct Counted {
  double media = 0, back = 0, forth = 0; ///< bytes
  double share() const { return (back + forth) / media; }
};

std::string words(std::mt19937& random, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i)
    text += char('a' + random() % 26);
  return text;
}

/// A caption of `size` random letters each `pause`; what `seconds` of that take, after `before` seconds.
Counted call(size_t size, guint64 pause, double before, double seconds, const std::string& properties = "") {
  auto receiver = parse("rtpbin name=r rtp-profile=avpf latency=20 udpsrc name=rtp port=0 caps=\"" +
                        std::string(kBareCaps) + ",payload=(int)96," + kExtension +
                        "\" ! r.recv_rtp_sink_0 r. ! rtpsemanticdepay " + properties +
                        " ! fakesink sync=false async=false "
                        "udpsrc name=rtcp port=0 ! r.recv_rtcp_sink_0 "
                        "r.send_rtcp_src_0 ! udpsink name=back host=127.0.0.1 sync=false async=false");
  auto sender =
      parse("rtpbin name=r rtp-profile=avpf appsrc name=words is-live=true format=time "
            "do-timestamp=true caps=text/x-raw,format=utf8 ! semantictextenc ! semanticmux.caption "
            "semanticmux name=semanticmux ! rtpsemanticpay " +
            properties + " ! application/x-rtp," + kExtension +
            " ! r.send_rtp_sink_0 r.send_rtp_src_0 ! udpsink name=rtp host=127.0.0.1 sync=false "
            "async=false r.send_rtcp_src_0 ! udpsink name=rtcp host=127.0.0.1 sync=false async=false "
            "udpsrc name=back port=0 ! r.recv_rtcp_sink_0");
  Counted counted;
  {
    Counter media, back, forth;
    media.watch(child(sender, "rtp"));
    forth.watch(child(sender, "rtcp"));
    back.watch(child(receiver, "back"));
    for (const auto* pipeline : {&receiver, &sender})
      gsem::PacedReports::shorten_names(child(*pipeline, "r").get());
    for (const auto* pipeline : {&receiver, &sender})
      gst_element_set_state(pipeline->get(), GST_STATE_PAUSED);
    connect(receiver, sender, "rtp");
    connect(receiver, sender, "rtcp");
    connect(sender, receiver, "back");
    for (const auto* pipeline : {&receiver, &sender})
      gst_element_set_state(pipeline->get(), GST_STATE_PLAYING);
    auto source = child(sender, "words");
    std::mt19937 random(1);
    Counted start;
    const gint64 begin = g_get_monotonic_time();
    for (double now = 0; now < before + seconds; now = double(g_get_monotonic_time() - begin) / 1e6) {
      const std::string text = words(random, size);
      gst_app_src_push_buffer(GST_APP_SRC(source.get()), gst_buffer_new_memdup(text.data(), text.size()));
      g_usleep(pause);
      if (now < before)
        start = {double(media.bytes), double(back.bytes), double(forth.bytes)};
    }
    counted = {double(media.bytes) - start.media, double(back.bytes) - start.back,
               double(forth.bytes) - start.forth};
    fail_unless(back.feedback >= 2, "%d reports", int(back.feedback));
    for (const auto* pipeline : {&sender, &receiver})
      gst_element_set_state(pipeline->get(), GST_STATE_NULL);
  }
  printf("%.2f kbit/s sent, RTCP back %.3f, forth %.3f: %.1f %%\n", counted.media * 8 / seconds / 1000,
         counted.back * 8 / seconds / 1000, counted.forth * 8 / seconds / 1000, 100 * counted.share());
  return counted;
}

} // namespace

GST_START_TEST(share_at_2_kbits) {
  const Counted counted = call(16, 1000000, 2, 24);
  fail_unless(counted.share() < 0.06, "%.1f %%", 100 * counted.share());
}
GST_END_TEST

GST_START_TEST(share_at_20_kbits) {
  const Counted counted = call(240, 300000, 2, 8);
  fail_unless(counted.share() < 0.06, "%.1f %%", 100 * counted.share());
}
GST_END_TEST

GST_START_TEST(without_pacing_it_is_more) {
  const Counted counted = call(240, 300000, 1, 5, "pace-reports=false");
  fail_unless(counted.share() > 0.06, "%.1f %%", 100 * counted.share());
}
GST_END_TEST

/// A depayloader behind a session, over a queue: whether that is paced while it plays, and left as it was
/// after.
static void check_found(const char* session_line, const char* source_pad, bool paced) {
  Sender sender(stream::header({1}), "");
  const auto packets = sender.send(0, {{1, stream::payload(1, 9)}});
  auto receiver = parse(std::string(session_line) + " appsrc name=in is-live=true format=time caps=\"" +
                        kBareCaps + ",payload=(int)96\" ! s.recv_rtp_sink" + source_pad +
                        " ! queue ! rtpsemanticdepay name=d pace-reports=" + (paced ? "true" : "false") +
                        " ! fakesink sync=false async=false");
  auto session_element = child(receiver, "s");
  GObject* session = nullptr;
  if (*source_pad == '_')
    g_signal_emit_by_name(session_element.get(), "get-internal-session", 0, &session);
  else
    g_object_get(session_element.get(), "internal-session", &session, nullptr);
  const auto reduced = [&] {
    gboolean value = FALSE;
    g_object_get(session, "rtcp-reduced-size", &value, nullptr);
    return value != FALSE;
  };
  fail_if(reduced());
  gst_element_set_state(receiver.get(), GST_STATE_PLAYING);
  auto source = child(receiver, "in");
  for (int i = 0; i < 2; ++i) { // a session believes in a source after its second packet
    Packet packet = packets[0];
    packet.sequence = uint16_t(packet.sequence + i);
    gst_app_src_push_buffer(GST_APP_SRC(source.get()), make_buffer(packet));
  }
  auto depay = child(receiver, "d");
  const auto arrived = [&] {
    GstStructure* stats = nullptr;
    guint64 count = 0;
    g_object_get(depay.get(), "stats", &stats, nullptr);
    gst_structure_get_uint64(stats, "packets", &count);
    gst_structure_free(stats);
    return count > 0;
  };
  for (int i = 0; i < 1000 && !arrived(); ++i)
    g_usleep(10000);
  fail_unless(arrived());
  fail_unless(reduced() == paced);
  gst_element_set_state(receiver.get(), GST_STATE_NULL);
  fail_if(reduced());
  g_object_unref(session);
}

GST_START_TEST(sessions_are_found) {
  for (const bool paced : {true, false}) {
    check_found("rtpbin name=s latency=20", "_0 s.", paced);
    check_found("rtpsession name=s", " s.recv_rtp_src", paced);
  }
}
GST_END_TEST

static void fill(TCase* tc) {
  tcase_add_test(tc, sessions_are_found);
  tcase_add_test(tc, share_at_2_kbits);
  tcase_add_test(tc, share_at_20_kbits);
  tcase_add_test(tc, without_pacing_it_is_more);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "report_share", fill);
}
