// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/bench_chain.hpp"

#include "gst/bitstream/access_unit.hpp"
#include "models/train/eval/pipeline.hpp"

#include <chrono>
#include <fstream>
#include <stdexcept>

#include <sys/resource.h>
#include <unistd.h>

namespace gsem::eval {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSeconds = 120; ///< for one picture, start-up included
constexpr int kWarmUp = 5;       ///< pictures before the clock starts
const char* const kSink = " ! appsink name=out sync=false max-buffers=4";

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return double(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         1e-6 * double(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

double resident_megabytes() {
  std::ifstream in("/proc/self/statm");
  double all = 0, resident = 0;
  in >> all >> resident;
  return resident * double(sysconf(_SC_PAGESIZE)) / 1e6;
}

std::string source(int frames) {
  return "videotestsrc pattern=smpte horizontal-speed=3 num-buffers=" + std::to_string(frames) +
         " ! video/x-raw,format=RGB,width=256,height=256,framerate=25/1 ! ";
}

std::string threads_of(int threads) {
  return " threads=" + std::to_string(threads);
}

/// Pulls everything out of "out" and times it.
ChainCost drain(Pipeline& pipeline, int threads, std::vector<Bytes>* units) {
  ChainCost cost{threads};
  const auto begin = Clock::now();
  pipeline.play();
  Clock::time_point start;
  double cpu = 0;
  int pictures = 0;
  while (auto sample = pipeline.next("out", kSeconds)) {
    if (units) {
      BufferMap map(gst_sample_get_buffer(sample.get()), GST_MAP_READ);
      units->emplace_back(map.data(), map.data() + map.size());
    }
    if (++pictures == 1)
      cost.first_frame = seconds_since(begin);
    if (pictures == kWarmUp)
      start = Clock::now(), cpu = cpu_seconds();
  }
  cost.frames = pictures - kWarmUp;
  if (cost.frames <= 0)
    throw std::runtime_error("too few pictures came out of the chain");
  cost.seconds = seconds_since(start);
  cost.cpu_seconds = cpu_seconds() - cpu;
  return cost;
}

void push_bytes(Pipeline& pipeline, const Bytes& bytes) {
  pipeline.push("in", gst_buffer_new_memdup(bytes.data(), bytes.size()));
}

/// One long stream out of the same pictures again and again: numbers and timestamps go on, as a decoder of a
/// long video sees them.
class EndlessStream {
public:
  explicit EndlessStream(const std::vector<Bytes>& units) : units_(units) {}

  Bytes next() {
    using namespace bitstream;
    const Bytes& unit = units_[count_ % units_.size()];
    StreamHeader header;
    AccessUnitHeader layers;
    size_t header_size = 0, unit_size = 0;
    if (parse_stream_header(unit, header, header_size) != Status::Ok)
      header_size = 0; // headers are repeated every two seconds only
    const ByteView rest = ByteView(unit).subspan(header_size);
    if (parse_access_unit_header(rest, layers, unit_size, nullptr) != Status::Ok)
      throw std::runtime_error("the encoder's stream cannot be read");
    Bytes out;
    if (count_ == 0)
      out.assign(unit.begin(), unit.begin() + long(header_size));
    layers.number = uint16_t(count_);
    layers.timestamp = count_++;
    write_access_unit_header(layers, timestamps_, out);
    out.insert(out.end(), rest.begin() + long(unit_size), rest.end());
    return out;
  }

private:
  const std::vector<Bytes>& units_;
  bitstream::TimestampState timestamps_;
  uint64_t count_ = 0;
};

std::string decoder(int threads) {
  return "appsrc name=in ! semanticparse ! semanticdecodebin" + threads_of(threads) + kSink;
}

} // namespace

ChainCost time_both(int threads, int frames, const std::string& profile) {
  const std::string settings = threads_of(threads) + (profile.empty() ? "" : " profile=" + profile);
  Pipeline pipeline(source(frames + kWarmUp) + "semanticencodebin" + settings +
                    " ! semanticparse ! semanticdecodebin" + settings + kSink);
  return drain(pipeline, threads, nullptr);
}

ChainCost time_encode(int threads, int frames, std::vector<Bytes>* units) {
  Pipeline pipeline(source(frames + kWarmUp) + "semanticencodebin" + threads_of(threads) + kSink);
  return drain(pipeline, threads, units);
}

ChainCost time_decode(int threads, const std::vector<Bytes>& units) {
  Pipeline pipeline(decoder(threads));
  for (const auto& unit : units)
    push_bytes(pipeline, unit);
  pipeline.end("in");
  return drain(pipeline, threads, nullptr);
}

std::vector<MemoryPoint> watch_memory(int threads, const std::vector<Bytes>& units, int frames) {
  Pipeline pipeline(decoder(threads));
  std::vector<MemoryPoint> out{{0, resident_megabytes()}};
  pipeline.play();
  EndlessStream stream(units);
  int pushed = 0, pulled = 0;
  for (; pulled < frames; pulled++) {
    // A few ahead only: what waits in the source is no memory of the chain. The first unit brings the header.
    while (pushed < frames && pushed < pulled + 16) {
      push_bytes(pipeline, stream.next());
      if (++pushed == frames)
        pipeline.end("in");
    }
    if (!pipeline.next("out", kSeconds))
      throw std::runtime_error("the chain gave " + std::to_string(pulled) + " of " + std::to_string(frames) +
                               " pictures");
    if ((pulled + 1) % std::max(frames / 10, 1) == 0)
      out.push_back({pulled + 1, resident_megabytes()});
  }
  return out;
}

void show_first(const std::string& file) {
  Pipeline pipeline("filesrc name=in ! semanticparse ! semanticdecodebin" + std::string(kSink));
  g_object_set(pipeline.element("in").get(), "location", file.c_str(), nullptr);
  pipeline.play();
  if (!pipeline.next("out", kSeconds))
    throw std::runtime_error("no picture in " + file);
}

} // namespace gsem::eval
