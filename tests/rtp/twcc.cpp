// SPDX-License-Identifier: LGPL-2.1-or-later
// Reports of a real rtpbin at the other end of a UDP connection reach an adaptive semanticlayerfilter through
// the payloader, as docs/adaptation.md says; the coders are stand-ins.
#include "tests/element/fake_codecs.hpp"
#include "tests/rtp/rtp_test.hpp"

using namespace rtp_test;

namespace {

const std::string kExtension =
    "extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

Ptr<GstElement> parse(const std::string& line) {
  GError* error = nullptr;
  Ptr<GstElement> made(GST_ELEMENT(gst_object_ref_sink(gst_parse_launch(line.c_str(), &error))));
  fail_unless(!error, "%s: %s", line.c_str(), error ? error->message : "");
  return made;
}

int port_of(GstElement* pipeline, const char* name) {
  Ptr<GstElement> source(gst_bin_get_by_name(GST_BIN(pipeline), name));
  int port = 0;
  g_object_get(source.get(), "port", &port, nullptr);
  return port;
}

void set_port(GstElement* pipeline, const char* name, int port) {
  Ptr<GstElement> sink(gst_bin_get_by_name(GST_BIN(pipeline), name));
  g_object_set(sink.get(), "port", port, nullptr);
}

guint64 counter(GstElement* filter, const char* name) {
  GstStructure* raw = nullptr;
  g_object_get(filter, "stats", &raw, nullptr);
  Ptr<GstStructure> stats(raw);
  guint64 value = 0;
  fail_unless(gst_structure_get_uint64(stats.get(), name, &value));
  return value;
}

} // namespace

GST_START_TEST(reports_reach_the_filter) {
  auto receiver = parse("rtpbin name=r rtp-profile=avpf latency=20 "
                        "udpsrc name=rtp port=0 caps=\"" +
                        std::string(kBareCaps) + ",payload=(int)96," + kExtension +
                        "\" ! r.recv_rtp_sink_0 r. ! rtpsemanticdepay ! fakesink sync=false async=false "
                        "udpsrc name=rtcp port=0 ! r.recv_rtcp_sink_0 "
                        "r.send_rtcp_src_0 ! udpsink name=back host=127.0.0.1 sync=false async=false");
  auto sender =
      parse("rtpbin name=r rtp-profile=avpf "
            "videotestsrc is-live=true ! video/x-raw,format=RGB,width=32,height=32,framerate=50/1 ! "
            "semanticencodebin ! semanticlayerfilter name=filter adaptive=true ! rtpsemanticpay ! "
            "application/x-rtp," +
            kExtension +
            " ! r.send_rtp_sink_0 r.send_rtp_src_0 ! udpsink name=rtp host=127.0.0.1 sync=false async=false "
            "r.send_rtcp_src_0 ! udpsink name=rtcp host=127.0.0.1 sync=false async=false "
            "udpsrc name=back port=0 ! r.recv_rtcp_sink_0");
  gst_element_set_state(receiver.get(), GST_STATE_READY);
  gst_element_set_state(sender.get(), GST_STATE_READY);
  for (GstElement* pipeline : {receiver.get(), sender.get()})
    gst_element_set_state(pipeline, GST_STATE_PAUSED);
  set_port(sender.get(), "rtp", port_of(receiver.get(), "rtp"));
  set_port(sender.get(), "rtcp", port_of(receiver.get(), "rtcp"));
  set_port(receiver.get(), "back", port_of(sender.get(), "back"));
  for (GstElement* pipeline : {receiver.get(), sender.get()})
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
  Ptr<GstElement> filter(gst_bin_get_by_name(GST_BIN(sender.get()), "filter"));
  guint64 received = 0;
  for (int i = 0; i < 300 && !received; ++i) {
    g_usleep(50000);
    received = counter(filter.get(), "received-bitrate");
  }
  fail_unless(received > 0, "no report came within 15 s");
  // 50 pictures of three layers of five bytes and at least 44 of headers: 20 to 40 kbit/s, or what a busy
  // machine does.
  fail_unless(received < 200000, "%" G_GUINT64_FORMAT " bit/s", received);
  for (GstElement* pipeline : {sender.get(), receiver.get()})
    gst_element_set_state(pipeline, GST_STATE_NULL);
}
GST_END_TEST

static void fill(TCase* tc) {
  fake_codecs::add();
  tcase_add_test(tc, reports_reach_the_filter);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "twcc", fill);
}
