// SPDX-License-Identifier: LGPL-2.1-or-later
// The launch lines of the RTP elements' doc blocks, of docs/rtp.md and of the README do what they say: the
// sender's and the receiver's line, over UDP, give pictures. The coders are stand-ins.
#include "tests/element/fake_codecs.hpp"
#include "tests/rtp/rtp_test.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

using namespace rtp_test;

namespace {

std::string read_text(const std::string& name) {
  const gchar* docs = g_getenv("GSEM_DOCS");
  fail_unless(docs != nullptr, "GSEM_DOCS does not name the docs folder");
  std::ifstream file(std::filesystem::path(docs).parent_path() / name);
  std::stringstream text;
  text << file.rdbuf();
  fail_unless(!text.str().empty(), "no %s", name.c_str());
  return text.str();
}

/// Launch lines in a text, comment marks and continuations taken out.
std::vector<std::string> launch_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  bool more = false;
  for (std::string line; std::getline(stream, line);) {
    line = std::regex_replace(line, std::regex("^( \\*)? *"), "");
    const bool starts = line.rfind("gst-launch-1.0 ", 0) == 0;
    if (!starts && !more)
      continue;
    if (starts)
      lines.emplace_back();
    more = !line.empty() && line.back() == '\\';
    if (more)
      line.pop_back();
    lines.back() += starts ? line.substr(line.find(' ')) : line;
  }
  return lines;
}

/// Those over a network.
std::vector<std::string> network_lines(const std::string& text) {
  auto lines = launch_lines(text);
  std::erase_if(lines, [](const std::string& line) { return line.find("udps") == std::string::npos; });
  return lines;
}

void replace(std::string& line, const std::string& what, const std::string& with) {
  const size_t at = line.find(what);
  fail_unless(at != std::string::npos, "no '%s' in: %s", what.c_str(), line.c_str());
  line.replace(at, what.size(), with);
}

Ptr<GstElement> parse(const std::string& line) {
  GError* error = nullptr;
  GstElement* made = gst_parse_launch(line.c_str(), &error);
  fail_unless(!error, "%s: %s", line.c_str(), error ? error->message : "");
  return Ptr<GstElement>(GST_ELEMENT(gst_object_ref_sink(made)));
}

void run_to_end(GstElement* pipeline) {
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  Ptr<GstBus> bus(gst_element_get_bus(pipeline));
  Ptr<GstMessage> message(gst_bus_timed_pop_filtered(bus.get(), 30 * GST_SECOND,
                                                     GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
  fail_unless(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS);
  gst_element_set_state(pipeline, GST_STATE_NULL);
}

/// A file of 25 units, a second.
void write_file(const std::string& path) {
  auto pipeline =
      parse("videotestsrc num-buffers=25 ! video/x-raw,format=RGB,width=32,height=32,framerate=25/1 ! "
            "semanticencodebin ! semanticparse ! filesink location=" +
            path);
  run_to_end(pipeline.get());
}

/// Sends with one line what the other shows; how many pictures that were.
void send_and_show(std::string sender, std::string receiver, const std::string& file) {
  std::atomic<int> pictures{0};
  replace(receiver, "udpsrc port=5004", "udpsrc name=udp port=0 address=127.0.0.1");
  replace(receiver, "autovideosink", "fakesink name=sink signal-handoffs=true");
  auto show = parse(receiver);
  Ptr<GstElement> sink(gst_bin_get_by_name(GST_BIN(show.get()), "sink"));
  g_signal_connect(sink.get(), "handoff", G_CALLBACK(+[](GstElement*, GstBuffer*, GstPad*, gpointer count) {
                     ++*static_cast<std::atomic<int>*>(count);
                   }),
                   &pictures);
  gst_element_set_state(show.get(), GST_STATE_PLAYING);
  Ptr<GstElement> udp(gst_bin_get_by_name(GST_BIN(show.get()), "udp"));
  gst_element_get_state(udp.get(), nullptr, nullptr, 5 * GST_SECOND); // the sink's waits for data
  gint port = 0;
  g_object_get(udp.get(), "port", &port, nullptr);
  fail_unless(port > 0);

  if (sender.find("videotestsrc") == std::string::npos)
    replace(sender, "in.gsem", file);
  else
    replace(sender, "is-live=true", "is-live=true num-buffers=25");
  replace(sender, "port=5004", "port=" + std::to_string(port));
  auto send = parse(sender);
  run_to_end(send.get());
  for (int i = 0; i < 500 && pictures < 20; ++i)
    g_usleep(10000);
  gst_element_set_state(show.get(), GST_STATE_NULL);
  // The first units may have come before the receiver's first picture was out.
  fail_unless(pictures >= 20, "%d pictures of 25: %s", pictures.load(), receiver.c_str());
}

} // namespace

GST_START_TEST(lines_of_the_doc_blocks_and_of_the_page) {
  gchar* folder = g_dir_make_tmp("gsem-XXXXXX", nullptr);
  const std::string file = std::string(folder) + "/in.gsem";
  write_file(file);
  const auto pay = launch_lines(read_text("plugins/semantic/gstrtpsemanticpay.cpp"));
  const auto depay = launch_lines(read_text("plugins/semantic/gstrtpsemanticdepay.cpp"));
  const auto page = launch_lines(read_text("docs/rtp.md"));
  const auto readme = network_lines(read_text("README.md"));
  fail_unless(pay.size() == 1 && depay.size() == 1 && page.size() == 2 && readme.size() == 2);
  send_and_show(pay[0], depay[0], file);
  send_and_show(page[0], page[1], file);
  send_and_show(readme[1], readme[0], file);
  std::filesystem::remove_all(folder);
  g_free(folder);
}
GST_END_TEST

static void fill(TCase* tc) {
  fake_codecs::add();
  tcase_add_test(tc, lines_of_the_doc_blocks_and_of_the_page);
}

int main(int argc, char** argv) {
  return leaks::run(argc, argv, "launch_lines", fill);
}
