// SPDX-License-Identifier: LGPL-2.1-or-later
// Map codec `vtm` with a stand-in for VTM's programs (fake_vtm.cpp, argument 1) that codes maps exactly and
// misbehaves on demand: nothing may be left of a call, whatever the program did. With $GST_SEMANTIC_VTM_DIR
// pointing at the real VTM, a round trip through that too.
#include "tests/core/check.hpp"
#include "vtm_bridge/map_codec.hpp"
#include "vtm_bridge/process.hpp"
#include "vtm_bridge/vvc_nal.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace gsem;
using namespace gsem::maps;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const char kDirVariable[] = "GST_SEMANTIC_VTM_DIR";

fs::path scratch, fake_folder;

void misbehave(const char* mode) {
  setenv("FAKE_VTM", mode, 1);
}

Map draw(int width, int height) {
  Map map{width, height, Bytes(size_t(width) * size_t(height))};
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      const double distance = std::hypot(x - width / 2.0, y - height / 2.0) - std::min(width, height) / 3.0;
      map.data[size_t(y) * size_t(width) + size_t(x)] = uint8_t(255 * std::exp(-distance * distance / 6));
    }
  return map;
}

MapView view(const Map& map) {
  return {map.data.data(), map.width, map.height, map.width};
}

EncoderSettings settings_for(int width, int height, int qp = 50) {
  EncoderSettings settings;
  settings.codec = "vtm";
  settings.width = width;
  settings.height = height;
  settings.quantiser = qp;
  return settings;
}

std::unique_ptr<MapEncoder> encoder_for(const EncoderSettings& settings) {
  std::unique_ptr<MapEncoder> encoder;
  std::string error;
  const Status status = MapEncoder::create(settings, encoder, error);
  if (status != Status::Ok)
    std::fprintf(stderr, "%s\n", error.c_str());
  CHECK(status == Status::Ok && encoder);
  return encoder;
}

std::unique_ptr<MapDecoder> decoder_for(ByteView header, const ExternalPrograms& programs = {}) {
  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  CHECK(MapDecoder::create("vtm", header, decoder, error, programs) == Status::Ok && decoder);
  return decoder;
}

// ---- what may be left of a call ------------------------------------------------------------------------

int open_files() {
  return int(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

/// Takes the programs' children, which come to us as we are their subreaper. All must have been killed;
/// counts them. False when one is alive after 5 s.
bool reap_orphans(int& killed) {
  for (int i = 0; i < 5000; i++) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0)
      return errno == ECHILD;
    if (pid == 0)
      std::this_thread::sleep_for(1ms);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      killed++;
    else
      return false;
  }
  return false;
}

class Clean {
public:
  ~Clean() {
    int killed = 0;
    CHECK(reap_orphans(killed));
    CHECK(killed <= orphans && (killed == orphans || in_a_hurry));
    CHECK(fs::is_empty(scratch / "tmp"));
    CHECK(open_files() == files_);
  }
  int orphans = 0;         ///< children that the program is known to leave
  bool in_a_hurry = false; ///< the deadline may have come before it left any

private:
  int files_ = open_files();
};

bool says(const std::string& text, std::initializer_list<const char*> words) {
  const bool all = std::all_of(words.begin(), words.end(),
                               [&](const char* word) { return text.find(word) != std::string::npos; });
  if (!all)
    std::fprintf(stderr, "not as expected: \"%s\"\n", text.c_str());
  return all;
}

// ---- it works ------------------------------------------------------------------------------------------

void test_round_trip() {
  // The fake codec is lossless, so padding and cropping must give the very map back.
  const int sizes[][2] = {{16, 16}, {17, 33}, {128, 128}, {227, 227}, {512, 16}};
  for (const auto& [width, height] : sizes) {
    Clean clean;
    const Map map = draw(width, height);
    auto encoder = encoder_for(settings_for(width, height));
    const Bytes header = encoder->codec_header();
    CHECK(header.size() > 4 && header.size() <= 64);
    auto decoder = decoder_for(header);
    for (int i = 0; i < 2; i++) {
      EncodedMap coded;
      Map decoded;
      CHECK(encoder->encode(view(map), false, coded) == Status::Ok);
      CHECK(coded.key && !coded.payload.empty() && (coded.payload[0] & 15) == 0);
      CHECK(encoder->codec_header() == header);
      CHECK(decoder->decode(coded.payload, decoded) == Status::Ok);
      CHECK(decoded.width == width && decoded.height == height && decoded.data == map.data);
    }
  }
}

void test_stride() {
  const Map wide = draw(64, 40);
  auto encoder = encoder_for(settings_for(21, 40));
  EncodedMap coded;
  Map decoded;
  CHECK(encoder->encode({wide.data.data() + 9, 21, 40, 64}, false, coded) == Status::Ok);
  CHECK(decoder_for(encoder->codec_header())->decode(coded.payload, decoded) == Status::Ok);
  for (size_t y = 0; y < 40 && decoded.data.size() == 21 * 40; y++)
    CHECK(std::equal(&decoded.data[y * 21], &decoded.data[y * 21] + 21, &wide.data[y * 64 + 9]));
}

/// Parameter sets travel once, in the codec header. VTM's PPS holds the QP: at another QP it goes along.
void test_parameter_sets() {
  Clean clean;
  const Map map = draw(32, 32);
  auto encoder = encoder_for(settings_for(32, 32, 50));
  auto decoder = decoder_for(encoder->codec_header());
  auto has_pps = [](const Bytes& payload) {
    std::vector<ByteView> units;
    CHECK(parse_vvc_payload(payload, units) == Status::Ok);
    for (const ByteView& unit : units)
      CHECK(nal_type(unit) != nal::kSps);
    return std::any_of(units.begin(), units.end(), [](ByteView unit) { return nal_type(unit) == nal::kPps; });
  };
  const struct {
    int asked;
    bool same;
  } steps[] = {{50, true}, {30, false}, {50, true}, {99, false}};
  for (const auto& step : steps) {
    encoder->set_quantiser(step.asked); // 99: clamped to 63
    EncodedMap coded;
    Map decoded;
    CHECK(encoder->encode(view(map), false, coded) == Status::Ok);
    CHECK(has_pps(coded.payload) != step.same);
    CHECK(decoder->decode(coded.payload, decoded) == Status::Ok && decoded.data == map.data);
  }
}

void test_names() {
  setenv(kDirVariable, "/nowhere", 1);
  const auto without = available_codecs();
  CHECK(std::find(without.begin(), without.end(), "vtm") == without.end());
  setenv(kDirVariable, fake_folder.c_str(), 1);
  const auto with = available_codecs();
  CHECK(std::find(with.begin(), with.end(), "vtm") != with.end());
  CHECK(coded_format("vtm") == "vvc" && coded_format("av1") == "av1" && coded_format("h264").empty());
  auto encoder = encoder_for(settings_for(16, 16));
  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  CHECK(MapDecoder::create("vvc", encoder->codec_header(), decoder, error) == Status::Ok);
}

void test_parallel() {
  Clean clean;
  std::vector<std::thread> threads;
  bool same[3] = {};
  for (int t = 0; t < 3; t++)
    threads.emplace_back([&, t] {
      const Map map = draw(16 + t, 40);
      std::unique_ptr<MapEncoder> encoder;
      std::unique_ptr<MapDecoder> decoder;
      std::string error;
      EncodedMap coded;
      Map decoded;
      same[t] = MapEncoder::create(settings_for(16 + t, 40), encoder, error) == Status::Ok &&
                encoder->encode(view(map), false, coded) == Status::Ok &&
                MapDecoder::create("vtm", encoder->codec_header(), decoder, error) == Status::Ok &&
                decoder->decode(coded.payload, decoded) == Status::Ok && decoded.data == map.data;
    });
  for (std::thread& thread : threads)
    thread.join();
  CHECK(same[0] && same[1] && same[2]);
}

// ---- it does not ---------------------------------------------------------------------------------------

struct Misdeed {
  const char* mode;
  std::initializer_list<const char*> encoder_says, decoder_says; ///< empty: not a failure there
  int orphans = 0;
  bool slow = false; ///< ends at the deadline only, so that is a short one
};

const Misdeed kMisdeeds[] = {
    {"crash", {"crashed", "signal 11"}, {"crashed", "signal 11"}},
    {"exit", {"exit status 1", "Unknown option"}, {"exit status 1", "Unknown option"}},
    {"hang", {"hung", "1000 ms"}, {"hung", "1000 ms"}, 1, true},
    {"stop", {"hung"}, {"hung"}, 0, true},
    {"flood", {"hung", "last words"}, {"hung", "last words"}, 0, true},
    {"greedy", {}, {"out of memory"}},
    {"truncate", {"something else than a VVC picture"}, {"left a picture of 512 bytes instead of 1024"}},
    {"oversize", {"1048577 bytes"}, {"left a picture of 1025 bytes instead of 1024"}},
    {"empty", {"bitstream of 0 bytes"}, {"picture of 0 bytes"}},
    {"nothing", {"bitstream of 0 bytes"}, {"picture of 0 bytes"}},
    {"garbage", {"something else than a VVC picture"}, {}},
    {"newsps", {"other parameter sets"}, {}},
    {"litter", {}, {}},
    {"leave", {}, {}, 1},
};

void test_misdeeds() {
  const Map map = draw(30, 27); // 32x32 when padded
  for (const Misdeed& misdeed : kMisdeeds) {
    std::fprintf(stderr, "misdeed: %s\n", misdeed.mode);
    EncoderSettings settings = settings_for(30, 27);
    misbehave("");
    auto encoder = encoder_for(settings);
    settings.programs.deadline = 1s;
    auto hasty = misdeed.slow ? encoder_for(settings) : nullptr;
    MapEncoder& chosen = hasty ? *hasty : *encoder;
    auto decoder = decoder_for(encoder->codec_header(), hasty ? settings.programs : ExternalPrograms());
    EncodedMap good, coded;
    Map decoded;
    CHECK(encoder->encode(view(map), false, good) == Status::Ok);
    misbehave(misdeed.mode);
    {
      Clean clean;
      clean.orphans = misdeed.orphans;
      clean.in_a_hurry = misdeed.slow;
      const bool fails = misdeed.encoder_says.size() > 0;
      CHECK(chosen.encode(view(map), false, coded) == (fails ? Status::Failed : Status::Ok));
      CHECK(says(chosen.last_error(), misdeed.encoder_says));
    }
    {
      Clean clean;
      clean.orphans = misdeed.orphans;
      clean.in_a_hurry = misdeed.slow;
      const bool fails = misdeed.decoder_says.size() > 0;
      CHECK(decoder->decode(good.payload, decoded) == (fails ? Status::Failed : Status::Ok));
      CHECK(says(decoder->last_error(), misdeed.decoder_says));
    }
    // What happened once is over: the next map is coded as if nothing had been.
    misbehave("");
    CHECK(encoder->encode(view(map), false, coded) == Status::Ok && coded.payload == good.payload);
    CHECK(encoder->last_error().empty());
    CHECK(decoder_for(encoder->codec_header())->decode(good.payload, decoded) == Status::Ok);
    CHECK(decoded.data == map.data);
  }
}

void test_misdeeds_at_creation() {
  for (const char* mode : {"crash", "exit", "hang", "garbage"}) {
    Clean clean;
    clean.orphans = 1;
    clean.in_a_hurry = true;
    misbehave(mode);
    EncoderSettings settings = settings_for(16, 16);
    if (*mode == 'h')
      settings.programs.deadline = 1s;
    std::unique_ptr<MapEncoder> encoder;
    std::string error;
    CHECK(MapEncoder::create(settings, encoder, error) == Status::Failed && !encoder);
    CHECK(says(error, {"VTM's encoder", fake_folder.c_str()}));
    misbehave("");
  }
}

/// A call is broken off at once; the deadline is so far away that the test would time out.
void test_cancel() {
  Clean clean;
  clean.orphans = 2;
  const fs::path mark = scratch / "mark"; // the fake program is hanging now, and so is its child
  setenv("FAKE_VTM_MARK", mark.c_str(), 1);
  EncoderSettings settings = settings_for(16, 16);
  settings.programs.deadline = 1h;
  settings.programs.cancelled = [&] { return fs::remove(mark); };
  const Map map = draw(16, 16);
  auto encoder = encoder_for(settings);
  auto decoder = decoder_for(encoder->codec_header(), settings.programs);
  EncodedMap good, coded;
  Map decoded;
  CHECK(encoder->encode(view(map), false, good) == Status::Ok);
  misbehave("hang");
  CHECK(encoder->encode(view(map), false, coded) == Status::Failed);
  CHECK(says(encoder->last_error(), {"cancelled"}));
  CHECK(decoder->decode(good.payload, decoded) == Status::Failed);
  CHECK(says(decoder->last_error(), {"cancelled"}));
  misbehave("");
  CHECK(encoder->encode(view(map), false, coded) == Status::Ok && coded.payload == good.payload);
  CHECK(decoder->decode(good.payload, decoded) == Status::Ok && decoded.data == map.data);
  unsetenv("FAKE_VTM_MARK");
}

void test_missing() {
  Clean clean;
  auto attempt = [](const std::string& folder) {
    EncoderSettings settings = settings_for(16, 16);
    settings.programs.program_dir = folder;
    std::unique_ptr<MapEncoder> encoder;
    std::string error;
    CHECK(MapEncoder::create(settings, encoder, error) == Status::Failed && !encoder);
    return error;
  };
  unsetenv(kDirVariable);
  CHECK(says(attempt(""), {"vtm-dir", kDirVariable}));
  setenv(kDirVariable, "/nowhere", 1);
  CHECK(
      says(attempt(""), {"EncoderAppStatic", "/nowhere/EncoderAppStatic", "/nowhere/bin/EncoderAppStatic"}));
  setenv(kDirVariable, fake_folder.c_str(), 1);

  const fs::path bare = scratch / "bare";
  fs::create_directories(bare / "bin");
  fs::copy_file(fake_folder / "EncoderAppStatic", bare / "bin" / "EncoderAppStatic");
  CHECK(says(attempt(bare), {"encoder_intra_vtm.cfg", (bare / "cfg/encoder_intra_vtm.cfg").c_str()}));
  fs::copy(fake_folder / "cfg", bare / "cfg", fs::copy_options::recursive);
  EncoderSettings settings = settings_for(16, 16);
  settings.programs.program_dir = bare; // in spite of the variable
  auto encoder = encoder_for(settings);
  fs::permissions(bare / "bin" / "EncoderAppStatic", fs::perms::owner_read);
  if (geteuid() != 0)
    CHECK(says(attempt(bare), {"EncoderAppStatic is missing"}));
  // The program is not a program, or goes away while the encoder lives.
  const Map map = draw(16, 16);
  EncodedMap coded;
  std::ofstream(bare / "bin" / "EncoderAppStatic", std::ios::trunc) << "no program";
  fs::permissions(bare / "bin" / "EncoderAppStatic", fs::perms::owner_all);
  CHECK(encoder->encode(view(map), false, coded) == Status::Failed);
  CHECK(says(encoder->last_error(), {"could not be started"}));
  fs::remove(bare / "bin" / "EncoderAppStatic");
  CHECK(encoder->encode(view(map), false, coded) == Status::Failed);
  CHECK(says(encoder->last_error(), {"could not be started", "No such file"}));

  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  ExternalPrograms programs;
  programs.program_dir = bare;
  CHECK(MapDecoder::create("vtm", encoder->codec_header(), decoder, error, programs) == Status::Failed);
  CHECK(says(error, {"DecoderAppStatic", "looked for"}));
}

void test_no_temporary_folder() {
  auto encoder = encoder_for(settings_for(16, 16));
  const Map map = draw(16, 16);
  EncodedMap coded;
  setenv("TMPDIR", "/nowhere", 1);
  CHECK(encoder->encode(view(map), false, coded) == Status::Failed);
  CHECK(says(encoder->last_error(), {"/nowhere", "TMPDIR"}));
  setenv("TMPDIR", (scratch / "tmp").c_str(), 1);
}

void test_settings() {
  std::unique_ptr<MapEncoder> encoder;
  std::string error;
  CHECK(MapEncoder::create(settings_for(16, 16, 64), encoder, error) == Status::Failed);
  CHECK(MapEncoder::create(settings_for(8, 16), encoder, error) == Status::Failed);
  encoder = encoder_for(settings_for(16, 16, 0));
  EncodedMap coded;
  const Map other = draw(24, 16);
  CHECK(encoder->encode(view(other), false, coded) == Status::Failed);
}

// ---- hostile bytes: refused before any program runs ----------------------------------------------------

void test_hostile() {
  Clean clean;
  const Map map = draw(16, 16);
  auto encoder = encoder_for(settings_for(16, 16));
  const Bytes header = encoder->codec_header();
  EncodedMap coded;
  CHECK(encoder->encode(view(map), false, coded) == Status::Ok);
  misbehave("crash"); // were it started, Failed would come of it
  auto decoder = decoder_for(header);
  Map decoded;
  auto status_of = [&](Bytes payload) { return decoder->decode(payload, decoded); };
  const uint8_t sps = nal::kSps << 3 | 1, slice = 8 << 3 | 1;
  CHECK(status_of({}) == Status::Corrupt);
  CHECK(status_of({0}) == Status::Corrupt);
  CHECK(status_of({1, 0, slice, 1}) == Status::Unsupported);
  CHECK(status_of({0, 0, sps, 1}) == Status::Corrupt);                            // an SPS of its own
  CHECK(status_of({0x10, 3, 0, sps, 1, 0, slice, 1}) == Status::Corrupt);         // the same, before a slice
  CHECK(status_of({0x10, 9, 0, slice, 1}) == Status::Corrupt);                    // a length over the end
  CHECK(status_of({0x10, 0x83, 0, 0, slice, 1, 0, slice, 1}) == Status::Corrupt); // a length in two spellings
  CHECK(status_of({0, 0x80, slice, 1}) == Status::Corrupt);                       // forbidden bit
  CHECK(status_of({0, 0, slice, 0, 0, 1, 0, sps, 1}) == Status::Corrupt);         // a start code within
  CHECK(status_of(Bytes((1 << 20) + 1)) == Status::TooLarge);
  CHECK(status_of(coded.payload) == Status::Failed);
  misbehave("");

  auto create = [&](Bytes bytes) {
    std::unique_ptr<MapDecoder> made;
    std::string error;
    const Status status = MapDecoder::create("vtm", bytes, made, error);
    CHECK((status == Status::Ok) == (made != nullptr) && (made || !error.empty()));
    return status;
  };
  CHECK(create(header) == Status::Ok);
  for (size_t size = 0; size < header.size(); size++)
    CHECK(create({header.begin(), header.begin() + ptrdiff_t(size)}) == Status::Corrupt);
  Bytes huge = header;
  huge[0] = 0x40;
  CHECK(create(huge) == Status::TooLarge);
  CHECK(create(Bytes(2000, 1)) == Status::TooLarge);
}

void test_byte_stream() {
  // Both start codes, zeros before, between and after (H.266 B.2).
  const Bytes stream = {0,    0, 0, 1, 0, 0x79, 5,    0, 0, 0, 0, 1, 0,
                        0x81, 6, 0, 0, 1, 0,    0x41, 0, 0, 3, 1, 0, 0};
  std::vector<ByteView> units;
  CHECK(split_byte_stream(stream, 3, units) == Status::Ok && units.size() == 3);
  if (units.size() == 3) {
    CHECK(units[0].size() == 3 && nal_type(units[0]) == 15);
    CHECK(units[1].size() == 3 && nal_type(units[1]) == 16 && units[1].back() == 6);
    CHECK(units[2].size() == 6 && nal_type(units[2]) == 8);
  }
  CHECK(split_byte_stream(stream, 2, units) == Status::TooLarge);
  CHECK(split_byte_stream(Bytes{}, 3, units) == Status::Corrupt);
  CHECK(split_byte_stream(Bytes{1, 2, 3}, 3, units) == Status::Corrupt);
  CHECK(split_byte_stream(Bytes{7, 0, 0, 1, 0, 0x79}, 3, units) == Status::Corrupt);
  CHECK(split_byte_stream(Bytes{0, 0, 1, 0x79}, 3, units) == Status::Corrupt);
}

// ---- VTM itself ----------------------------------------------------------------------------------------

void test_real(const std::string& folder) {
  if (folder.empty()) {
    std::fprintf(stderr, "VTM itself: SKIPPED, %s is not set\n", kDirVariable);
    return;
  }
  Clean clean;
  unsetenv("FAKE_VTM");
  const Map map = draw(109, 90);
  EncoderSettings settings = settings_for(109, 90, 22);
  settings.programs.program_dir = folder;
  settings.programs.deadline = 5min;
  auto encoder = encoder_for(settings);
  if (!encoder)
    return;
  auto decoder = decoder_for(encoder->codec_header(), settings.programs);
  for (int qp : {22, 40}) {
    encoder->set_quantiser(qp);
    EncodedMap coded;
    Map decoded;
    CHECK(encoder->encode(view(map), false, coded) == Status::Ok);
    CHECK(decoder->decode(coded.payload, decoded) == Status::Ok);
    CHECK(decoded.width == 109 && decoded.height == 90 && decoded.data.size() == map.data.size());
    double error = 0;
    for (size_t i = 0; i < std::min(map.data.size(), decoded.data.size()); i++)
      error += std::pow(double(map.data[i]) - double(decoded.data[i]), 2);
    const double psnr = 10 * std::log10(255.0 * 255.0 * double(map.data.size()) / (error + 1e-9));
    std::fprintf(stderr, "VTM itself: QP %d, header %zu bytes, payload %zu bytes, %.2f dB\n", qp,
                 encoder->codec_header().size(), coded.payload.size(), psnr);
    CHECK(psnr > (qp == 22 ? 35 : 22));
  }
}

void make_folders(const char* fake_program) {
  scratch = fs::temp_directory_path() / "gst-semantic-test-vtm-XXXXXX";
  std::string name = scratch;
  CHECK(mkdtemp(name.data()) != nullptr);
  scratch = name;
  fake_folder = scratch / "vtm";
  fs::create_directories(scratch / "tmp");
  fs::create_directories(fake_folder / "cfg" / "per-class");
  for (const char* program : {"EncoderAppStatic", "DecoderAppStatic"})
    fs::copy_file(fake_program, fake_folder / program);
  std::ofstream(fake_folder / "cfg" / "encoder_intra_vtm.cfg") << "# as the test wants it\n";
  std::ofstream(fake_folder / "cfg" / "per-class" / "classSCC.cfg") << "# as the test wants it\n";
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2)
    return 2;
  const char* named = std::getenv(kDirVariable);
  const std::string real = named != nullptr ? named : "";
  make_folders(argv[1]);
  setenv("TMPDIR", (scratch / "tmp").c_str(), 1);
  setenv(kDirVariable, fake_folder.c_str(), 1);
  misbehave("");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  // What an application may have done, and the programs must not see.
  signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  CHECK(open("/dev/null", O_RDONLY) > 2);

  test_byte_stream();
  test_round_trip();
  test_stride();
  test_parameter_sets();
  test_names();
  test_parallel();
  test_settings();
  test_missing();
  test_no_temporary_folder();
  test_misdeeds();
  test_misdeeds_at_creation();
  test_cancel();
  test_hostile();
  test_real(real);
  fs::remove_all(scratch);
  return check::result();
}
