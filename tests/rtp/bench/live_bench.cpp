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
  // For the layers, in rows of their own:
  bool nack = false;      ///< lost packets sent again
  bool redundant = false; ///< maps sent again with later units
};

struct Options {
  std::string clip, fast_clip, out, seconds, only;
  int pictures = 1 << 20;
  bool brief = false, layers_only = false, keep = false;
  std::string coded(const std::string& of) const { return keep ? of + ".coded" : ""; }
};

std::vector<Scenario> scenarios(bool brief) {
  std::vector<Scenario> all = {{"no loss", {}}, {"10 % independent", {.loss = .1}, true, true}};
  if (brief) {
    all.push_back({"at most 20 kbit/s", {.rate = 20000}});
    return all;
  }
  all = {{"no loss", {}}};
  for (int loss : {1, 3, 5, 10, 20, 30})
    all.push_back({std::to_string(loss) + " % independent", {.loss = loss / 100.0}, loss >= 5, loss >= 10});
  for (int loss : {5, 10, 20, 30})
    all.push_back({std::to_string(loss) + " % in bursts of 4",
                   {.loss = loss / 100.0, .burst = 4},
                   loss >= 10,
                   loss == 10});
  all.push_back({"10 %, 100 ms one way", {.loss = .1, .delay = .1}, true});
  all.push_back({"10 %, jitter 0..100 ms", {.loss = .1, .jitter = .1}});
  all.push_back({"10 %, jitter 0..100 ms, reordered", {.loss = .1, .jitter = .1, .reorder = true}});
  for (int rate : {40, 20, 10, 5})
    all.push_back({"at most " + std::to_string(rate) + " kbit/s", {.rate = rate * 1000.0}});
  all.push_back({"at most 20 kbit/s, 10 %", {.loss = .1, .rate = 20000}});
  return all;
}

std::vector<Scenario> fast_scenarios() {
  return {{"no loss", {}},
          {"10 % independent", {.loss = .1}, true, true},
          {"30 % independent", {.loss = .3}, true, true},
          {"10 % in bursts of 4", {.loss = .1, .burst = 4}, true, true},
          {"at most 40 kbit/s", {.rate = 40000}},
          {"at most 20 kbit/s, 10 %", {.loss = .1, .rate = 20000}}};
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
      "* **Layers**: maps as deltas, requests for key maps answered, captions again with the next eight "
      "units, "
      "key maps and, without a limit, every second other map with the next one, the start twice, no repair "
      "packets. In the rows with NACK lost packets are sent again, as "
      "for "
      "the others; *maps twice*: every map again with the next unit (`map-redundancy=1`), what it costs is "
      "in the "
      "first column; *three times*: with the next two, and rtpsemanticdepay waits a picture's time longer "
      "(`map-redundancy=2`, `latency`): the jitter buffer gives up on two lost in a row one after the other. "
      "Under a limit the encoders follow `semanticlayerfilter` (`semantic-rate`; signals in "
      "the qualities 0, 8, 16 and 32 only).\n"
      "* **H.264**: x264, zerolatency, intra refresh once a second. **VP8**: libvpx, real time. Both with "
      "NACK (again after each round trip while it helps) and PLI once a second at most, over the same jitter "
      "buffer. Losses are followed through the references; pictures are not decoded. The jitter buffers do "
      "not adapt: a VP8 key picture larger than what the limit carries in that time is never whole.\n\n"
      "| column | |\n|---|---|\n"
      "| told | of all frame times from the first packet that comes on, those of which the decoders know "
      "what "
      "came, or that nothing did, when the picture is due: they show a new or the old one without waiting |\n"
      "| before | frame times before that packet |\n"
      "| caption | frame times with the caption that the sender means |\n"
      "| map, signal | sent ones that can be decoded when they are due; *recent*: that, or one made in the "
      "last second is there, which structdec holds |\n"
      "| right | pictures decoded as they were sent |\n"
      "| shown | pictures of which anything came: decoded, maybe over damaged references |\n"
      "| freezes | times of more than 200 ms, on top of the usual time between pictures, without "
      "anything new: how many, and the longest. "
      "New is a map or a signal; for H.264 what is shown, for VP8 what is right |\n\n",
      options.seconds.empty() ? "" : (" " + options.seconds).c_str(), clip.pictures.size(), clip.rate,
      clip.width, clip.height, Network{}.delay * 1000, kLatency * 1000, kilobits(rate).c_str(), kShare * 100);
}

void write_layers(FILE* file, const std::string& name, const SemanticResult& layers) {
  fprintf(file, "| %s | %s | %s | %d | %s | %d | %s | %s | %d | %s | %d | %s |\n", name.c_str(),
          kilobits(layers.rate).c_str(), percent(layers.told).c_str(), layers.before_anything,
          percent(layers.caption).c_str(), layers.maps_sent, percent(layers.map_fresh).c_str(),
          percent(layers.map_recent).c_str(), layers.signals_sent, percent(layers.signal_fresh).c_str(),
          layers.key_requests, freezes(layers.freezes).c_str());
  fflush(file);
}

/// All ways of sending layers over one network.
SemanticResult run_layers(FILE* file, const Clip& clip, const Scenario& scenario, unsigned seed,
                          double target, bool brief) {
  SemanticOptions plain{.target = target, .steered = target > 0};
  const auto layers = semantic_call(clip, scenario.network, seed, plain);
  write_layers(file, scenario.name, layers);
  if (scenario.nack) {
    SemanticOptions nack = plain;
    nack.nack = true;
    const auto repaired = semantic_call(clip, scenario.network, seed, nack);
    write_layers(file, scenario.name + ", NACK", repaired);
    if (brief && repaired.map_fresh <= layers.map_fresh)
      fail("retransmission does not help");
  }
  if (scenario.redundant) {
    SemanticOptions redundant = plain;
    redundant.payloader = "map-redundancy=1";
    const auto doubled = semantic_call(clip, scenario.network, seed, redundant);
    write_layers(file, scenario.name + ", maps twice", doubled);
    if (brief && (doubled.map_fresh <= layers.map_fresh || doubled.rate <= layers.rate))
      fail("map redundancy does not help, or costs nothing");
    redundant.payloader = "map-redundancy=2";
    redundant.patience += clip.frame();
    const auto tripled = semantic_call(clip, scenario.network, seed, redundant);
    write_layers(file, scenario.name + ", three times", tripled);
    if (brief && tripled.map_fresh < doubled.map_fresh)
      fail("a third map does not help");
  }
  return layers;
}

std::string run_codecs(const Clip& clip, const Scenario& scenario, unsigned seed, double rate, bool brief) {
  const auto h264 = codec_call(clip, scenario.network, seed, x264(rate, clip.rate), int(clip.rate));
  const auto vp = codec_call(clip, scenario.network, seed, vp8(rate, clip.rate), 0);
  char line[256];
  snprintf(line, sizeof line, "| %s | %s | %s | %s | %d | %s | %s | %s | %s | %d | %s |\n",
           scenario.name.c_str(), kilobits(h264.rate).c_str(), percent(h264.right).c_str(),
           percent(h264.shown).c_str(), h264.key_requests, freezes(h264.freezes).c_str(),
           kilobits(vp.rate).c_str(), percent(vp.right).c_str(), percent(vp.shown).c_str(), vp.key_requests,
           freezes(vp.freezes).c_str());
  if (brief && scenario.network.loss == 0 && scenario.network.rate <= 0 && (h264.right < 1 || vp.right < 1))
    fail("something is missing that was not lost");
  if (brief && scenario.network.loss > 0 && h264.nacks == 0)
    fail("the losses do not show");
  return line;
}

void run_clip(FILE* file, const Clip& clip, const std::vector<Scenario>& all, double own,
              const Options& options) {
  std::string others;
  fprintf(file,
          "## Layers, %g pictures a second\n\n| network | kbit/s | told %% | before | caption %% | maps sent "
          "| map fresh "
          "%% | fresh or recent %% | signals sent | signal fresh %% | key requests | freezes |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|---|\n",
          clip.rate);
  unsigned seed = 1000;
  for (const auto& scenario : all) {
    seed += 10;
    if (scenario.name.find(options.only) == std::string::npos)
      continue;
    const bool limited = scenario.network.rate > 0;
    const double rate = limited ? std::min(own, kShare * scenario.network.rate) : own;
    const auto layers = run_layers(file, clip, scenario, seed, limited ? rate : 0, options.brief);
    if (options.brief && scenario.network.loss == 0 && !limited &&
        (layers.told < 1 || layers.caption < 1 || layers.map_fresh < 1 || layers.signal_fresh < 1))
      fail("something is missing that was not lost");
    if (options.brief && scenario.network.loss > 0 && (layers.map_fresh > .999 || layers.map_fresh < .4))
      fail("the losses do not show");
    if (!options.layers_only)
      others += run_codecs(clip, scenario, seed, rate, options.brief);
    fprintf(stderr, "%s\n", scenario.name.c_str());
  }
  fprintf(file,
          "\n## H.264 and VP8, %g pictures a second\n\n| network | H.264: kbit/s | right %% | shown %% | key "
          "requests | freezes | VP8: kbit/s | right %% | shown %% | key requests | freezes |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|\n%s\n",
          clip.rate, others.c_str());
}

int run(const Options& options) {
  const Clip clip = read_clip(options.clip, options.pictures, options.coded(options.clip));
  FILE* file = options.out.empty() ? stdout : fopen(options.out.c_str(), "w");
  if (!file)
    fail("cannot write " + options.out);
  const double own = semantic_call(clip, {}, 1, {}).rate;
  write_head(file, clip, options, own);
  run_clip(file, clip, scenarios(options.brief), own, options);
  if (!options.fast_clip.empty()) {
    const Clip fast =
        read_clip(options.fast_clip, int(clip.pictures.size()), options.coded(options.fast_clip));
    run_clip(file, fast, fast_scenarios(), semantic_call(fast, {}, 1, {}).rate, options);
  }
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
    else if (name == "--fast-clip")
      options.fast_clip = value;
    else if (name == "--only")
      options.only = value;
    else if (name == "--keep")
      options.keep = value == "yes";
    else if (name == "--layers-only")
      options.layers_only = value == "yes";
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
    fail("usage: live-bench --clip FILE.y4m [--fast-clip FILE.y4m] [--out FILE.md] [--pictures N] "
         "[--seconds TEXT-FOR-THE-PAGE] [--brief yes] [--layers-only yes] [--only TEXT-IN-THE-NAME] [--keep "
         "yes]");
  return run(options);
}
