// SPDX-License-Identifier: LGPL-2.1-or-later
// The loss and bandwidth bench: layers, H.264 and VP8 over the same bad networks. Real coders and RTP
// elements, network, jitter buffers and feedback in simulated time. tests/rtp/bench/run makes the clip and
// writes docs/live.md.
#include "tests/rtp/bench/call.hpp"
#include "tests/rtp/bench/stage.hpp"

#include <cmath>
#include <cstring>
#include <fstream>

using namespace bench;

namespace {

struct Scenario {
  std::string name;
  Network network;
  bool nack = false; ///< also for the layers, in a row of its own
};

struct Options {
  std::string clip, out, seconds;
  int pictures = 1 << 20;
  bool brief = false;
};

std::vector<Scenario> scenarios(bool brief) {
  std::vector<Scenario> all = {{"no loss", {}}, {"10 % independent", {.loss = .1}, true}};
  if (brief)
    return all;
  all = {{"no loss", {}}};
  for (int loss : {1, 3, 5, 10, 20, 30})
    all.push_back({std::to_string(loss) + " % independent", {.loss = loss / 100.0}, loss >= 5});
  for (int loss : {5, 10, 20, 30})
    all.push_back(
        {std::to_string(loss) + " % in bursts of 4", {.loss = loss / 100.0, .burst = 4}, loss >= 10});
  all.push_back({"10 %, 100 ms one way", {.loss = .1, .delay = .1}, true});
  all.push_back({"10 %, jitter 0..100 ms", {.loss = .1, .jitter = .1}});
  all.push_back({"10 %, jitter 0..100 ms, reordered", {.loss = .1, .jitter = .1, .reorder = true}});
  for (int rate : {40, 20, 10, 5})
    all.push_back({"at most " + std::to_string(rate) + " kbit/s", {.rate = rate * 1000.0}});
  all.push_back({"at most 20 kbit/s, 10 %", {.loss = .1, .rate = 20000}});
  return all;
}

std::string percent(double part) {
  char text[16];
  snprintf(text, sizeof text, "%.1f", 100 * part);
  return text;
}

std::string kilobits(double rate) {
  char text[16];
  snprintf(text, sizeof text, "%.1f", rate / 1000);
  return text;
}

std::string freezes(const Freezes& freezes) {
  char text[48];
  if (!freezes.count)
    return "0";
  snprintf(text, sizeof text, "%d (%.1f s)", freezes.count, freezes.longest);
  return text;
}

/// The part of a limit that everyone is told to use.
constexpr double kShare = .85;
constexpr double kCodecOverhead = 42 * 8; ///< bits a picture: IP, UDP, RTP, payload header of one packet

std::string x264(double rate, double fps) {
  const int kilobits = std::max(1, int(std::lround((rate - fps * kCodecOverhead) / 1000)));
  return "x264enc tune=zerolatency speed-preset=medium intra-refresh=true threads=1 vbv-buf-capacity=300 "
         "key-int-max=" +
         std::to_string(int(fps)) + " bitrate=" + std::to_string(kilobits) +
         " ! video/x-h264,stream-format=byte-stream,alignment=au";
}

std::string vp8(double rate, double fps) {
  const int bits = std::max(1000, int(rate - fps * kCodecOverhead));
  return "vp8enc deadline=1 cpu-used=4 threads=1 end-usage=cbr max-intra-bitrate=300 lag-in-frames=0 "
         "error-resilient=default "
         "keyframe-max-dist=10000 min-quantizer=4 "
         "max-quantizer=63 target-bitrate=" +
         std::to_string(bits);
}

void write_head(FILE* file, const Clip& clip, const Options& options, double rate) {
  fprintf(
      file,
      "# Layers, H.264 and VP8 over bad networks\n\n"
      "Written by this command; do not edit:\n\n"
      "    tests/rtp/bench/run%s\n\n"
      "The test clip (examples/test-clip, %zu pictures at %g a second, %dx%d) is sent over simulated "
      "networks: %g ms one way, the losses of each row, "
      "feedback without losses. The coders are the real ones with the trained profile, so are "
      "`rtpsemanticpay` and `rtpsemanticdepay`; the network, the jitter buffers "
      "(%g ms) and the time are simulated, so the table does not depend on how fast the machine is. All "
      "at the same rate on the wire, IP, UDP and RTP headers counted: "
      "the layers' own, %s kbit/s, and where the network has a limit, %g %% of that "
      "(`semanticlayerfilter target-bitrate`, the others' `bitrate`). "
      "Retransmissions come on top, the columns say what it was.\n\n"
      "* **Layers**: maps as deltas, requests for key maps answered, captions repeated after 40 and 200 ms, "
      "no repair packets. In the rows with NACK lost packets are sent again, as for the others; "
      "in the others nothing is. Under a limit the encoders are not steered here, `semanticlayerfilter` only "
      "thins (docs/adaptation.md has both).\n"
      "* **H.264**: x264, zerolatency, intra refresh once a second. **VP8**: libvpx, real time. Both with "
      "NACK (again after each round trip while it helps) and PLI once a second at most, over the same jitter "
      "buffer. Losses are followed through the references; pictures are not decoded. The jitter buffers do "
      "not adapt: a VP8 key picture larger than what the limit carries in that time is never whole.\n\n"
      "| column | |\n|---|---|\n"
      "| told | frame times of which the receiver knows what came, when the picture is due: it shows a "
      "new or the old one without waiting |\n"
      "| caption | frame times with the caption that the sender means |\n"
      "| map, signal | sent ones that can be decoded when they are due; *recent*: that, or one of the "
      "last second is there |\n"
      "| right | pictures decoded as they were sent |\n"
      "| shown | pictures of which anything came: decoded, maybe over damaged references |\n"
      "| freezes | times of more than 200 ms, on top of the usual time between pictures, without "
      "anything new: how many, and the longest. "
      "New is a map or a signal; for H.264 what is shown, for VP8 what is right |\n\n",
      options.seconds.empty() ? "" : (" " + options.seconds).c_str(), clip.pictures.size(), clip.rate,
      clip.width, clip.height, Network{}.delay * 1000, kLatency * 1000, kilobits(rate).c_str(), kShare * 100);
}

void write_layers(FILE* file, const std::string& name, const SemanticResult& layers) {
  fprintf(file, "| %s | %s | %s | %s | %d | %s | %s | %d | %s | %d | %s |\n", name.c_str(),
          kilobits(layers.rate).c_str(), percent(layers.told).c_str(), percent(layers.caption).c_str(),
          layers.maps_sent, percent(layers.map_fresh).c_str(), percent(layers.map_recent).c_str(),
          layers.signals_sent, percent(layers.signal_fresh).c_str(), layers.key_requests,
          freezes(layers.freezes).c_str());
  fflush(file);
}

int run(const Options& options) {
  const Clip clip = read_clip(options.clip, options.pictures);
  FILE* file = options.out.empty() ? stdout : fopen(options.out.c_str(), "w");
  if (!file)
    fail("cannot write " + options.out);
  const double own = semantic_call(clip, {}, 1, 0, false).rate;
  write_head(file, clip, options, own);
  std::string others;
  fprintf(file, "## Layers\n\n| network | kbit/s | told %% | caption %% | maps sent | map fresh %% | fresh "
                "or recent %% | signals sent | signal fresh %% | key requests | freezes |\n"
                "|---|---|---|---|---|---|---|---|---|---|---|\n");
  unsigned seed = 1000;
  for (const auto& scenario : scenarios(options.brief)) {
    seed += 10;
    const double rate = scenario.network.rate > 0 ? std::min(own, kShare * scenario.network.rate) : own;
    const double target = scenario.network.rate > 0 ? rate : 0;
    const auto layers = semantic_call(clip, scenario.network, seed, target, false);
    write_layers(file, scenario.name, layers);
    if (scenario.nack) {
      const auto repaired = semantic_call(clip, scenario.network, seed, target, true);
      write_layers(file, scenario.name + ", NACK", repaired);
      if (options.brief && repaired.map_fresh <= layers.map_fresh)
        fail("retransmission does not help");
    }
    const auto h264 = codec_call(clip, scenario.network, seed, x264(rate, clip.rate), int(clip.rate));
    const auto vp = codec_call(clip, scenario.network, seed, vp8(rate, clip.rate), 0);
    char line[256];
    snprintf(line, sizeof line, "| %s | %s | %s | %s | %d | %s | %s | %s | %s | %d | %s |\n",
             scenario.name.c_str(), kilobits(h264.rate).c_str(), percent(h264.right).c_str(),
             percent(h264.shown).c_str(), h264.key_requests, freezes(h264.freezes).c_str(),
             kilobits(vp.rate).c_str(), percent(vp.right).c_str(), percent(vp.shown).c_str(), vp.key_requests,
             freezes(vp.freezes).c_str());
    others += line;
    fprintf(stderr, "%s\n", scenario.name.c_str());
    if (options.brief && scenario.network.loss == 0 &&
        (layers.told < 1 || layers.caption < 1 || layers.map_fresh < 1 || layers.signal_fresh < 1 ||
         h264.right < 1 || vp.right < 1))
      fail("something is missing that was not lost");
    if (options.brief && scenario.network.loss > 0 &&
        (layers.map_fresh > .999 || layers.map_fresh < .4 || h264.nacks == 0))
      fail("the losses do not show");
  }
  fprintf(file,
          "\n## H.264 and VP8\n\n| network | H.264: kbit/s | right %% | shown %% | key requests | freezes | "
          "VP8: kbit/s | right %% | shown %% | key requests | freezes |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|\n%s",
          others.c_str());
  return file == stdout || fclose(file) == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  gst_init(&argc, &argv);
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--clip")
      options.clip = value;
    else if (name == "--out")
      options.out = value;
    else if (name == "--pictures")
      options.pictures = atoi(value.c_str());
    else if (name == "--seconds")
      options.seconds = value;
    else if (name == "--brief")
      options.brief = value == "yes";
  }
  if (options.clip.empty())
    fail("usage: live-bench --clip FILE.y4m [--out FILE.md] [--pictures N] [--seconds TEXT-FOR-THE-PAGE] "
         "[--brief yes]");
  return run(options);
}
