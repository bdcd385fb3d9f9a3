// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/reference_codec.hpp"

#include "models/train/eval/program.hpp"

#include <opencv2/imgcodecs.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace gsem::eval {

namespace {

constexpr double kProgramSeconds = 60;

uint32_t big32(const uint8_t* p) {
  return uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8 | p[3];
}
uint32_t little32(const uint8_t* p) {
  return uint32_t(p[3]) << 24 | uint32_t(p[2]) << 16 | uint32_t(p[1]) << 8 | p[0];
}

/// JPEG and WebP through OpenCV's own libraries: no process a picture.
class LibraryCodec : public ReferenceCodec {
public:
  std::string extension;
  std::vector<int> fixed; ///< flags besides the quality
  int quality_flag = 0;
  size_t (*payload_of)(ByteView) = nullptr;

  bool encode(const cv::Mat& picture, int setting, CodedPicture& coded) const override {
    std::vector<int> flags{quality_flag, setting};
    flags.insert(flags.end(), fixed.begin(), fixed.end());
    if (!cv::imencode(extension, picture, coded.file, flags))
      return false;
    coded.payload = payload_of(coded.file);
    return true;
  }
  bool decode(const CodedPicture& coded, cv::Mat& picture) const override {
    picture = cv::imdecode(coded.file, cv::IMREAD_COLOR);
    return !picture.empty();
  }
};

/// AVIF and JPEG XL through their projects' programs.
class ProgramCodec : public ReferenceCodec {
public:
  std::string encoder, decoder, extension;
  std::vector<std::string> (*flags)(int setting) = nullptr;
  size_t (*payload_of)(ByteView) = nullptr;

  bool encode(const cv::Mat& picture, int setting, CodedPicture& coded) const override {
    TemporaryFolder folder;
    const std::string in = folder.file("in.png"), out = folder.file("out" + extension);
    if (!cv::imwrite(in, picture, {cv::IMWRITE_PNG_COMPRESSION, 1}))
      return false;
    std::vector<std::string> arguments{encoder};
    for (auto& f : flags(setting))
      arguments.push_back(std::move(f));
    arguments.insert(arguments.end(), {in, out});
    std::string said;
    if (!run_program(arguments, kProgramSeconds, said))
      return false;
    std::ifstream file(out, std::ios::binary);
    coded.file.assign(std::istreambuf_iterator<char>(file), {});
    coded.payload = payload_of(coded.file);
    return !coded.file.empty();
  }
  bool decode(const CodedPicture& coded, cv::Mat& picture) const override {
    TemporaryFolder folder;
    const std::string in = folder.file("in" + extension), out = folder.file("out.png");
    std::ofstream(in, std::ios::binary)
        .write(reinterpret_cast<const char*>(coded.file.data()), std::streamsize(coded.file.size()));
    std::string said;
    if (!run_program({decoder, in, out}, kProgramSeconds, said))
      return false;
    picture = cv::imread(out, cv::IMREAD_COLOR);
    return !picture.empty();
  }
};

size_t whole(ByteView file) {
  return file.size();
}

std::unique_ptr<ReferenceCodec> jpeg() {
  auto c = std::make_unique<LibraryCodec>();
  c->name = "jpeg";
  c->title = "JPEG (libjpeg-turbo in OpenCV, 4:2:0, optimised tables)";
  c->payload_rule = "without APPn and COM segments";
  c->settings = {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 19, 22, 26, 30, 35, 41, 48, 56, 65, 75, 85, 92};
  c->extension = ".jpg";
  c->quality_flag = cv::IMWRITE_JPEG_QUALITY;
  c->fixed = {cv::IMWRITE_JPEG_OPTIMIZE, 1};
  c->payload_of = jpeg_payload;
  return c;
}

std::unique_ptr<ReferenceCodec> webp() {
  auto c = std::make_unique<LibraryCodec>();
  c->name = "webp";
  c->title = "WebP (libwebp in OpenCV, lossy, method 4)";
  c->payload_rule = "the VP8 chunk";
  c->settings = {1, 2, 3, 5, 7, 10, 14, 19, 25, 33, 42, 52, 63, 75, 85, 92};
  c->extension = ".webp";
  c->quality_flag = cv::IMWRITE_WEBP_QUALITY;
  c->payload_of = webp_payload;
  return c;
}

std::unique_ptr<ReferenceCodec> avif() {
  auto c = std::make_unique<ProgramCodec>();
  c->name = "avif";
  c->title = "AVIF (avifenc, 4:2:0, speed 4)";
  c->payload_rule = "the mdat box";
  c->settings = {63, 58, 52, 46, 38, 30, 22, 14};
  c->program = true;
  c->encoder = find_program("avifenc");
  c->decoder = find_program("avifdec");
  c->extension = ".avif";
  c->flags = [](int setting) -> std::vector<std::string> {
    const std::string quantiser = std::to_string(setting);
    return {"-j", "1", "-s", "4", "-y", "420", "--min", quantiser, "--max", quantiser};
  };
  c->payload_of = avif_payload;
  return c;
}

std::unique_ptr<ReferenceCodec> jpeg_xl() {
  auto c = std::make_unique<ProgramCodec>();
  c->name = "jxl";
  c->title = "JPEG XL (cjxl, effort 7)";
  c->payload_rule = "all of the bare codestream";
  c->settings = {150, 100, 70, 50, 35, 25, 15}; // tenths of a butteraugli distance
  c->program = true;
  c->encoder = find_program("cjxl");
  c->decoder = find_program("djxl");
  c->extension = ".jxl";
  c->flags = [](int setting) -> std::vector<std::string> {
    char distance[16];
    snprintf(distance, sizeof distance, "%g", setting / 10.0);
    return {"-e", "7", "--num_threads=0", "--container=0", "-d", distance};
  };
  c->payload_of = whole;
  return c;
}

bool works(const ReferenceCodec& codec) {
  CodedPicture coded;
  cv::Mat back, grey(64, 64, CV_8UC3, cv::Scalar(90, 120, 150));
  return codec.encode(grey, codec.settings[codec.settings.size() / 2], coded) && codec.decode(coded, back);
}

} // namespace

size_t jpeg_payload(ByteView file) {
  if (file.size() < 4 || file[0] != 0xff || file[1] != 0xd8)
    return file.size();
  size_t outside = 0, at = 2;
  while (at + 4 <= file.size() && file[at] == 0xff && file[at + 1] != 0xda) {
    const uint8_t marker = file[at + 1];
    const size_t length = 2 + (size_t(file[at + 2]) << 8 | file[at + 3]);
    if (length > file.size() - at)
      return file.size();
    if ((marker >= 0xe0 && marker <= 0xef) || marker == 0xfe)
      outside += length;
    at += length;
  }
  return file.size() - outside;
}

size_t webp_payload(ByteView file) {
  if (file.size() < 20 || memcmp(file.data(), "RIFF", 4) || memcmp(file.data() + 8, "WEBP", 4))
    return file.size();
  size_t sum = 0;
  for (size_t at = 12; at + 8 <= file.size();) {
    const size_t length = little32(&file[at + 4]);
    if (length > file.size() - at - 8)
      return file.size();
    if (!memcmp(&file[at], "VP8 ", 4) || !memcmp(&file[at], "VP8L", 4) || !memcmp(&file[at], "ALPH", 4))
      sum += length;
    at += 8 + length + (length & 1);
  }
  return sum ? sum : file.size();
}

size_t avif_payload(ByteView file) {
  size_t sum = 0;
  for (size_t at = 0; at + 8 <= file.size();) {
    const size_t length = big32(&file[at]);
    if (length < 8 || length > file.size() - at)
      break; // to the end of the file, or 64-bit: neither is written for pictures of this size
    if (!memcmp(&file[at + 4], "mdat", 4))
      sum += length - 8;
    at += length;
  }
  return sum ? sum : file.size();
}

std::vector<std::unique_ptr<ReferenceCodec>> reference_codecs(const std::vector<std::string>& names,
                                                              std::vector<std::string>& missing) {
  const struct {
    const char* name;
    std::unique_ptr<ReferenceCodec> (*make)();
  } all[] = {{"jpeg", jpeg}, {"webp", webp}, {"avif", avif}, {"jxl", jpeg_xl}};
  std::vector<std::unique_ptr<ReferenceCodec>> out;
  for (const auto& known : all)
    if (std::find(names.begin(), names.end(), known.name) != names.end()) {
      auto codec = known.make();
      if (works(*codec))
        out.push_back(std::move(codec));
      else
        missing.push_back(known.name);
    }
  for (const auto& name : names)
    if (std::none_of(std::begin(all), std::end(all), [&](const auto& k) { return name == k.name; }))
      missing.push_back(name);
  return out;
}

} // namespace gsem::eval
