// SPDX-License-Identifier: LGPL-2.1-or-later
// What the chain costs on this machine, as docs/performance.md.
#include "models/runtime/models.hpp"
#include "models/train/eval/bench_chain.hpp"
#include "models/train/eval/bench_stages.hpp"
#include "models/train/eval/program.hpp"
#include "models/train/eval/text_format.hpp"

#include <CLI/CLI.hpp>
#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <thread>

using namespace gsem;
using namespace gsem::eval;

namespace {

struct Settings {
  std::string out = "performance.md", first, compare;
  std::vector<int> threads{1, 2};
  int rounds = 20, frames = 100, soak = 5000, compare_frames = 10;
  bool rows = false;
};

std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  std::string line;
  while (std::getline(in, line))
    if (line.rfind("model name", 0) == 0)
      return line.substr(line.find(':') + 2);
  return "unknown processor";
}

std::string features() {
  std::string out;
#if defined(__x86_64__) || defined(__i386__)
  __builtin_cpu_init();
#define GSEM_FEATURE(name)                                                                                   \
  if (__builtin_cpu_supports(name))                                                                          \
    out += (out.empty() ? "" : ", ") + std::string(name);
  GSEM_FEATURE("sse4.1")
  GSEM_FEATURE("avx2")
  GSEM_FEATURE("fma")
  GSEM_FEATURE("avx512f")
  GSEM_FEATURE("avx512bw")
  GSEM_FEATURE("avx512vnni")
  GSEM_FEATURE("avx512bf16")
#undef GSEM_FEATURE
#endif
  return out.empty() ? "none that matter" : out;
}

double load() {
  std::ifstream in("/proc/loadavg");
  double value = 0;
  in >> value;
  return value;
}

class Page {
public:
  void line(const std::string& l = {}) {
    text_ += l + "\n";
    std::puts(l.c_str());
    std::fflush(stdout);
  }
  const std::string& text() const { return text_; }

private:
  std::string text_;
};

void head(Page& page, const std::string& command) {
  page.line("# Performance");
  page.line();
  page.line("Written by this command; do not edit:");
  page.line();
  page.line("    " + command);
  page.line();
  page.line(format("%s, %u cores; CPU features: %s. %s. Load average at the start: %.1f (what is over 0 was "
                   "other work, which makes wall-clock times longer, most of all with more threads than free "
                   "cores; CPU times bear it better).",
                   processor().c_str(), std::thread::hardware_concurrency(), features().c_str(),
                   runtime::describe_runtime().c_str(), load()));
  page.line();
}

void stages(Page& page, const profile::Profile& profile, const std::vector<int>& threads, int rounds) {
  page.line("## Stages at 256x256");
  page.line();
  page.line(format("Median of %d runs each, thread counts taking turns; GMAC counted while they ran "
                   "(integer networks and AV1 are not counted).",
                   rounds));
  page.line();
  std::string titles = "| stage | side | runs once a | GMAC |", rule = "|---|---|---|---|";
  for (int t : threads) {
    titles += format(" ms, %d thread%s |", t, t == 1 ? "" : "s");
    rule += "---|";
  }
  page.line(titles);
  page.line(rule);
  double gmac[2] = {};
  for (const auto& s : time_stages(profile, threads, rounds)) {
    std::string row = format("| %s | %s | %s | %s |", s.name.c_str(), s.sender ? "sender" : "receiver",
                             s.when.c_str(), s.gmac > 0 ? format("%.3f", s.gmac).c_str() : "");
    for (double ms : s.wall)
      row += format(" %.2f |", ms);
    page.line(row);
    gmac[s.when.rfind("frame", 0) == 0 ? 0 : 1] += s.gmac;
  }
  page.line();
  page.line(format("Networks: %.3f GMAC a frame, sender and receiver together; %.3f more when the caption "
                   "changes.",
                   gmac[0], gmac[1]));
  page.line();
}

/// Sender and receiver as in use: a process each, a pipe between them. Frames a second, start-up left out
/// (two lengths, their difference counts).
double two_processes(int frames) {
  const std::string launch = find_program("gst-launch-1.0");
  if (launch.empty())
    return 0;
  auto seconds = [&](int n) {
    const std::string line =
        launch + " -q videotestsrc pattern=smpte horizontal-speed=3 num-buffers=" + std::to_string(n) +
        " ! video/x-raw,format=RGB,width=256,height=256,framerate=25/1 ! semanticencodebin threads=1 ! "
        "fdsink | " +
        launch + " -q fdsrc ! semanticparse ! semanticdecodebin threads=1 ! fakesink sync=false";
    std::string said;
    const auto begin = std::chrono::steady_clock::now();
    if (!run_program({"/bin/sh", "-c", line}, 3600, said))
      throw std::runtime_error("the processes of sender and receiver failed: " + said);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const double few = seconds(frames / 4);
  return (frames - frames / 4) / (seconds(frames) - few);
}

void pipe_row(Page& page, const char* instructions, int frames) {
  const double rate = two_processes(2 * frames);
  if (rate > 0)
    page.line(format("| sender \\| receiver, two processes | %s | 1 each | %.1f | %.1f | | |", instructions,
                     rate, 1000 / rate));
}

void rows(Page& page, const char* instructions, const std::vector<int>& threads, int frames,
          std::vector<Bytes>& units) {
  auto row = [&](const char* what, const ChainCost& c) {
    page.line(format("| %s | %s | %d | %.1f | %.1f | %.1f | %.2f |", what, instructions, c.threads,
                     c.frames / c.seconds, c.seconds * 1000 / c.frames, c.cpu_seconds * 1000 / c.frames,
                     c.first_frame));
  };
  for (int t : threads) {
    units.clear();
    row("encode", time_encode(t, frames, &units));
    row("decode", time_decode(t, units));
    row("encode and decode", time_both(t, frames));
  }
  pipe_row(page, instructions, frames);
}

/// The same in a process whose libraries may use AVX2 at most, as on most machines.
void avx2_rows(Page& page, const std::vector<int>& threads, int frames) {
  std::string list, said;
  for (int t : threads)
    list += (list.empty() ? "" : ",") + std::to_string(t);
  setenv("ATEN_CPU_CAPABILITY", "avx2", 1);
  setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
  setenv("OPENBLAS_CORETYPE", "Haswell", 1);
  const bool good = run_program(
      {"/proc/self/exe", "--rows", "--threads", list, "--frames", std::to_string(frames)}, 3600, said);
  for (const char* variable : {"ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "OPENBLAS_CORETYPE"})
    unsetenv(variable);
  if (!good)
    throw std::runtime_error("the process with AVX2 alone failed: " + said);
  std::istringstream lines(said);
  for (std::string line; std::getline(lines, line);)
    if (line.rfind("| ", 0) == 0)
      page.line(line);
}

void chains(Page& page, const std::vector<int>& threads, int frames, std::vector<Bytes>& units) {
  page.line("## The chain through the elements");
  page.line();
  page.line(format("Moving test picture, 256x256 at 25 frames a second, all three layers at default "
                   "qualities, as fast as it goes, %d frames after 5 to warm up. Not live: every map is "
                   "coded as a still.",
                   frames));
  page.line();
  page.line(
      "| chain | instructions | threads | frames/s | ms a frame | CPU ms a frame | first picture after, s |");
  page.line("|---|---|---|---|---|---|---|");
  rows(page, "all", threads, frames, units);
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f"))
    avx2_rows(page, threads, frames);
#endif
  page.line();
}

/// "0.74 s (median of 5, 0.70 to 0.90)".
std::string whole_process(const std::vector<std::string>& command) {
  std::vector<double> seconds;
  for (int i = 0; i < 5; i++) {
    std::string said;
    const auto begin = std::chrono::steady_clock::now();
    if (!run_program(command, 300, said))
      throw std::runtime_error(command[0] + " failed: " + said);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return format("%.2f s (median of 5, %.2f to %.2f)", seconds[2], seconds[0], seconds[4]);
}

void start(Page& page, const std::vector<Bytes>& units) {
  TemporaryFolder folder;
  const std::string file = folder.file("one.gsem");
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(units[0].data()), std::streamsize(units[0].size()));
  page.line("## Start");
  page.line();
  page.line("Whole processes, LibTorch and the weights included:");
  page.line();
  page.line("* to the first decoded picture: " + whole_process({"/proc/self/exe", "--first", file}));
  if (const std::string launch = find_program("gst-launch-1.0"); !launch.empty())
    page.line("* `gst-launch-1.0 filesrc ! semanticparse ! semanticdecodebin ! fakesink` of one picture: " +
              whole_process({launch, "-q", "filesrc", "location=" + file, "!", "semanticparse", "!",
                             "semanticdecodebin", "!", "fakesink"}));
  if (const std::string inspect = find_program("gst-inspect-1.0"); !inspect.empty())
    page.line("* `gst-inspect-1.0 semantic` (no LibTorch): " + whole_process({inspect, "semantic"}));
  page.line();
}

void memory(Page& page, const std::vector<Bytes>& units, int frames) {
  page.line(format("## Memory of the decoding chain over %d frames", frames));
  page.line();
  page.line("Resident memory of this process (measuring included), in MB:");
  page.line();
  std::string above = "| frames |", rule = "|---|", below = "| MB |";
  const auto points = watch_memory(1, units, frames);
  for (const auto& p : points) {
    above += format(" %d |", p.frames);
    rule += "---|";
    below += format(" %.1f |", p.megabytes);
  }
  page.line(above);
  page.line(rule);
  page.line(below);
  page.line();
  if (points.size() > 2)
    page.line(format("From the first tenth to the end it grew by %.1f MB.",
                     points.back().megabytes - points[1].megabytes));
}

/// The two profiles take turns, so that other work on the machine hits both.
void compare(Page& page, const profile::Profile& ours, const std::string& other, int threads, int frames) {
  page.line(format("## Profile %s against %s", ours.name.c_str(), other.c_str()));
  page.line();
  page.line(format(
      "The same moving test picture, 256x256, all layers, encode and decode in one process, %d thread%s, "
      "%d frames each in two turns, after 5 to warm up.",
      threads, threads == 1 ? "" : "s", frames));
  page.line();
  ChainCost sum[2];
  for (int turn = 0; turn < 2; turn++)
    for (int i = 0; i < 2; i++) {
      const ChainCost c = time_both(threads, frames, i == 0 ? ours.folder : other);
      sum[i].frames += c.frames;
      sum[i].seconds += c.seconds;
      sum[i].cpu_seconds += c.cpu_seconds;
      sum[i].first_frame += c.first_frame / 2;
    }
  page.line("| profile | frames/s | ms a frame | CPU ms a frame | first picture after, s |");
  page.line("|---|---|---|---|---|");
  for (int i = 0; i < 2; i++)
    page.line(format("| %s | %.2f | %.1f | %.1f | %.2f |", i == 0 ? ours.name.c_str() : other.c_str(),
                     sum[i].frames / sum[i].seconds, sum[i].seconds * 1000 / sum[i].frames,
                     sum[i].cpu_seconds * 1000 / sum[i].frames, sum[i].first_frame));
  page.line();
  page.line(format("%.1f times as many frames a second; %.1f times as little CPU time a frame.",
                   sum[1].seconds / sum[1].frames * sum[0].frames / sum[0].seconds,
                   sum[1].cpu_seconds / sum[1].frames * sum[0].frames / sum[0].cpu_seconds));
}

} // namespace

int main(int argc, char** argv) {
  Settings s;
  CLI::App app{"Times every stage and the whole chain at 256x256 and writes performance.md. GST_PLUGIN_PATH "
               "and GST_SEMANTIC_PROFILE_PATH say which plugins and weights."};
  app.add_option("--out", s.out, "File to write")->capture_default_str();
  app.add_option("--threads", s.threads, "Thread counts to compare")
      ->delimiter(',')
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  app.add_option("--rounds", s.rounds, "Runs of each stage")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--frames", s.frames, "Frames through each chain")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--soak", s.soak, "Frames for the memory table (0: leave it out)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--compare", s.compare,
                 "Folder of another profile: only time the whole chain with it and with the default one");
  app.add_option("--compare-frames", s.compare_frames, "Frames of each turn of --compare")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--first", s.first, "Only show the first picture of this file (for timing a start)");
  app.add_flag("--rows", s.rows, "Only print the rows of the chain's table (for a process with AVX2 alone)");
  CLI11_PARSE(app, argc, argv);
  gst_init(nullptr, nullptr);
  try {
    if (!s.first.empty()) {
      show_first(s.first);
      return 0;
    }
    if (s.rows) {
      Page page;
      std::vector<Bytes> units;
      rows(page, "AVX2", s.threads, s.frames, units);
      return 0;
    }
    std::shared_ptr<const profile::Profile> profile;
    std::string error;
    if (profile::load_profile("", profile, error) != Status::Ok)
      throw std::runtime_error(error);
    Page page;
    head(page, printable_command(argc, argv));
    if (!s.compare.empty()) {
      compare(page, *profile, s.compare, s.threads[0], s.compare_frames);
      write_file(s.out, page.text());
      return 0;
    }
    stages(page, *profile, s.threads, s.rounds);
    std::vector<Bytes> units;
    chains(page, s.threads, s.frames, units);
    start(page, units);
    if (s.soak)
      memory(page, units, s.soak);
    write_file(s.out, page.text());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gst-semantic-bench: %s\n", e.what());
    return 1;
  }
}
