// SPDX-License-Identifier: LGPL-2.1-or-later
// Plays VTM's EncoderAppStatic or DecoderAppStatic, whichever it is called, for map_codec_vtm.cpp. Takes
// VTM's options and writes NAL units that hold the map as it is: SPS (sides), PPS (QP), APS (only for maps
// that are not flat), SEI, IDR slice. $FAKE_VTM names a misbehaviour. How it was started is checked first;
// every complaint has an exit status of its own, so that the test's messages say which.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

using Bytes = std::vector<uint8_t>;

constexpr int kIdr = 8, kSps = 15, kPps = 16, kAps = 17, kSei = 24;

std::string mode;

[[noreturn]] void complain(int status, const char* text) {
  std::fprintf(stderr, "fake VTM: %s\n", text);
  std::exit(status);
}

int open_files() {
  DIR* folder = opendir("/proc/self/fd");
  int count = 0;
  while (const dirent* entry = readdir(folder))
    count += entry->d_name[0] != '.';
  closedir(folder);
  return count - 1; // opendir's own
}

void check_surroundings() {
  if (open_files() != 3)
    complain(21, "inherited open files");
  char byte;
  if (read(STDIN_FILENO, &byte, 1) != 0)
    complain(22, "stdin is not empty");
  if (getpgrp() != getpid())
    complain(23, "not in a process group of its own");
  struct sigaction action;
  sigset_t blocked;
  sigprocmask(SIG_BLOCK, nullptr, &blocked);
  if (sigaction(SIGPIPE, nullptr, &action) != 0 || action.sa_handler != SIG_DFL ||
      sigismember(&blocked, SIGUSR1))
    complain(24, "signals ignored or blocked");
  struct stat about;
  if (stat(".", &about) != 0 || (about.st_mode & 0777) != 0700)
    complain(25, "working directory is not private");
}

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    complain(1, "cannot open the input");
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::string& path, const Bytes& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush())
    std::abort(); // VTM: exit 134
}

/// What goes wrong before any work, whoever plays.
void misbehave_at_start() {
  if (mode == "crash")
    raise(SIGSEGV);
  if (mode == "exit")
    complain(1, "Unknown option: --from-the-test");
  if (mode == "stop")
    raise(SIGSTOP);
  if (mode == "flood")
    for (;;)
      std::puts("POC 0 and much more of the same, until somebody makes it end");
  if (mode == "hang" || mode == "leave") {
    const bool child = fork() == 0;
    if (const char* mark = std::getenv("FAKE_VTM_MARK"); mark && !child)
      write_file(mark, {});
    while (child || mode == "hang")
      pause();
  }
  if (mode == "greedy")
    for (int i = 0; i < 100; i++, usleep(10000)) // the limit may come a little after the start
      if (mmap(nullptr, size_t{3} << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
          MAP_FAILED)
        complain(35, "out of memory");
  if (mode == "litter") {
    mkdir("deep", 0700);
    mkdir("deep/er", 0700);
    write_file("deep/er/rec.yuv", {1, 2, 3});
  }
}

// ---- NAL units -----------------------------------------------------------------------------------------

void append_nal(int type, const Bytes& inside, Bytes& stream) {
  stream.insert(stream.end(), {0, 0, 0, 1, 0, uint8_t(type << 3 | 1)});
  int zeros = 0;
  Bytes payload = inside;
  payload.push_back(0x80);
  for (uint8_t byte : payload) {
    if (zeros == 2 && byte <= 3) {
      stream.push_back(3);
      zeros = 0;
    }
    stream.push_back(byte);
    zeros = byte == 0 ? zeros + 1 : 0;
  }
}

struct Nal {
  int type;
  Bytes inside; ///< without emulation prevention and stop bit
};

std::vector<Nal> read_nals(const Bytes& stream) {
  std::vector<size_t> begins;
  for (size_t i = 0; i + 2 < stream.size(); i++)
    if (stream[i] == 0 && stream[i + 1] == 0 && stream[i + 2] == 1)
      begins.push_back(i + 3);
  std::vector<Nal> nals;
  for (size_t n = 0; n < begins.size(); n++) {
    size_t end = n + 1 < begins.size() ? begins[n + 1] - 3 : stream.size();
    while (end > begins[n] && stream[end - 1] == 0)
      end--;
    if (end < begins[n] + 3 || stream[end - 1] != 0x80)
      complain(1, "FIFO exceeded");
    Nal nal{stream[begins[n] + 1] >> 3, {}};
    int zeros = 0;
    for (size_t i = begins[n] + 2; i < end - 1; i++) {
      const bool prevention = zeros == 2 && stream[i] == 3;
      if (!prevention)
        nal.inside.push_back(stream[i]);
      zeros = stream[i] == 0 && !prevention ? zeros + 1 : 0;
    }
    nals.push_back(nal);
  }
  return nals;
}

// ---- the programs --------------------------------------------------------------------------------------

using Options = std::map<std::string, std::string>;

Options read_options(int argc, char** argv, const std::string& with_value, const std::string& alone) {
  Options options;
  for (int i = 1; i < argc; i++) {
    const std::string name = argv[i];
    if (alone.find(name + " ") != std::string::npos)
      options[name] = "";
    else if (with_value.find(name + " ") != std::string::npos && i + 1 < argc) {
      const std::string value = argv[++i];
      if (name == "-c" && !std::ifstream(value))
        complain(1, "no such configuration");
      options[name] += name == "-c" ? value + ";" : value;
    } else {
      complain(1, ("unknown option " + name).c_str());
    }
  }
  return options;
}

Bytes u16(int value) {
  return {uint8_t(value >> 8), uint8_t(value)};
}

int encode(int argc, char** argv) {
  Options options = read_options(argc, argv, "-c -i -wdt -hgt -fr -f -q -b -o ",
                                 "--InputBitDepth=8 --InputChromaFormat=400 ");
  if (options.count("--InputBitDepth=8") + options.count("--InputChromaFormat=400") != 2)
    complain(26, "8 bits and 4:0:0 were not asked for");
  if (options["-o"] != "/dev/null")
    complain(27, "reconstruction would be written");
  const size_t intra = options["-c"].find("encoder_intra_vtm.cfg;");
  if (intra == std::string::npos || options["-c"].find("classSCC.cfg;") < intra)
    complain(28, "configurations missing or in the wrong order");
  const int width = std::stoi(options["-wdt"]), height = std::stoi(options["-hgt"]),
            qp = std::stoi(options["-q"]);
  const Bytes map = read_file(options["-i"]);
  if (width % 8 != 0 || height % 8 != 0 || qp < 0 || qp > 63 || options["-f"] != "1")
    complain(1, "size, QP or number of frames");
  if (map.size() != size_t(width) * size_t(height))
    while (true)
      pause(); // as VTM when the input is short

  Bytes stream, sps = u16(width), slice = {uint8_t(qp)};
  for (uint8_t byte : u16(height))
    sps.push_back(byte);
  if (mode == "newsps")
    sps.push_back(1);
  append_nal(kSps, sps, stream);
  append_nal(kPps, {uint8_t(qp)}, stream);
  if (std::adjacent_find(map.begin(), map.end(), std::not_equal_to<>()) != map.end())
    append_nal(kAps, {7, 7}, stream);
  slice.insert(slice.end(), map.begin(), map.end());
  append_nal(kIdr, slice, stream);
  append_nal(kSei, {5, 5}, stream);

  if (mode == "truncate")
    stream.resize(20); // within the parameter sets: no slice
  if (mode == "empty")
    stream.clear();
  if (mode == "oversize")
    stream.resize((1 << 20) + 1, 0x55);
  if (mode == "garbage")
    for (size_t i = 0; i < stream.size(); i++)
      stream[i] = uint8_t(i * 37 + 11);
  if (mode != "nothing")
    write_file(options["-b"], stream);
  return 0;
}

int decode(int argc, char** argv) {
  Options options = read_options(argc, argv, "-b -o -d ", "");
  int counts[32] = {};
  Nal sps{}, pps{}, slice{};
  for (const Nal& nal : read_nals(read_file(options["-b"]))) {
    counts[nal.type]++;
    if (nal.type == kSps)
      sps = nal;
    else if (nal.type == kPps)
      pps = nal;
    else if (nal.type == kIdr)
      slice = nal;
    else if (nal.type != kAps)
      complain(31, "a NAL unit that should have been left out");
  }
  if (counts[kSps] != 1 || counts[kPps] != 1 || counts[kIdr] != 1 || sps.inside.size() < 4)
    complain(32, "one SPS, one PPS and one slice it must be");
  if (slice.inside.empty() || slice.inside[0] != pps.inside[0])
    complain(33, "PPS of another QP");
  const int width = sps.inside[0] << 8 | sps.inside[1], height = sps.inside[2] << 8 | sps.inside[3];
  Bytes map(slice.inside.begin() + 1, slice.inside.end());
  if (map.size() != size_t(width) * size_t(height))
    complain(1, "FIFO exceeded");
  const bool flat = std::adjacent_find(map.begin(), map.end(), std::not_equal_to<>()) == map.end();
  if (flat != (counts[kAps] == 0))
    complain(34, "APS lost");
  if (options["-d"] != "8") {
    Bytes wide;
    for (uint8_t byte : map)
      wide.insert(wide.end(), {byte, 0});
    map = wide;
  }
  if (mode == "truncate")
    map.resize(map.size() / 2);
  if (mode == "oversize")
    map.resize(map.size() + 1);
  if (mode == "empty")
    map.clear();
  if (mode != "nothing")
    write_file(options["-o"], map);
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  if (const char* wish = std::getenv("FAKE_VTM"))
    mode = wish;
  check_surroundings();
  misbehave_at_start();
  const std::string path = argv[0], name = path.substr(path.rfind('/') + 1);
  if (name == "EncoderAppStatic")
    return encode(argc, argv);
  if (name == "DecoderAppStatic")
    return decode(argc, argv);
  complain(20, "called by a name that VTM does not have");
}
