// SPDX-License-Identifier: LGPL-2.1-or-later
// The codecs that we compare with: their files are counted as they are, payloads by their formats, and
// programs cannot hang the evaluation.
#include "models/train/eval/program.hpp"
#include "models/train/eval/reference_codec.hpp"
#include "tests/core/check.hpp"

#include <opencv2/imgproc.hpp>

#include <chrono>
#include <cstdlib>
#include <string>

using namespace gsem;
using namespace gsem::eval;

namespace {

cv::Mat picture() {
  cv::Mat p(96, 112, CV_8UC3);
  for (int y = 0; y < p.rows; y++)
    for (int x = 0; x < p.cols; x++)
      p.at<cv::Vec3b>(y, x) = {uint8_t(x * 2), uint8_t(y * 2), uint8_t((x * y) / 50 % 256)};
  return p;
}

void append(Bytes& to, const std::string& text) {
  to.insert(to.end(), text.begin(), text.end());
}

void payload_rules() {
  // SOI, APP0 of 2+4 bytes, COM of 2+3, DQT of 2+3, SOS and two bytes of scan.
  const Bytes jpeg{0xff, 0xd8, 0xff, 0xe0, 0, 4, 1,    2,    0xff, 0xfe, 0, 3,
                   9,    0xff, 0xdb, 0,    3, 7, 0xff, 0xda, 0,    2,    5, 6};
  CHECK(jpeg_payload(jpeg) == jpeg.size() - 6 - 5);
  Bytes webp;
  append(webp, std::string("RIFF\x1e\0\0\0WEBPEXIF\x03\0\0\0abc\0VP8 \x06\0\0\0abcdef", 38));
  CHECK(webp_payload(webp) == 6);
  Bytes avif;
  append(avif, std::string("\0\0\0\x0c"
                           "ftypavif\0\0\0\x0d"
                           "mdat12345",
                           25));
  CHECK(avif_payload(avif) == 5);
  // What is cut or is no such file counts whole, and nothing outside is read.
  for (const Bytes* file : std::initializer_list<const Bytes*>{&jpeg, &webp, &avif})
    for (size_t n = 0; n < file->size(); n++) {
      const Bytes cut(file->begin(), file->begin() + long(n));
      for (auto rule : {jpeg_payload, webp_payload, avif_payload})
        CHECK(rule(cut) <= n);
    }
}

void codecs() {
  std::vector<std::string> missing;
  const cv::Mat source = picture();
  const auto all = reference_codecs({"jpeg", "webp", "avif", "jxl", "none-such"}, missing);
  CHECK(!missing.empty() && missing.back() == "none-such");
  CHECK(!all.empty() && all.front()->name == "jpeg");
  for (const auto& codec : all) {
    CodedPicture low, high;
    cv::Mat from_low, from_high;
    CHECK(codec->encode(source, codec->settings.front(), low) && codec->decode(low, from_low));
    CHECK(codec->encode(source, codec->settings.back(), high) && codec->decode(high, from_high));
    CHECK(from_low.size() == source.size() && from_high.size() == source.size());
    if (from_low.size() != source.size() || from_high.size() != source.size())
      continue;
    CHECK(low.file.size() < high.file.size());
    CHECK(cv::norm(source, from_high) < cv::norm(source, from_low));
    CHECK(low.payload > 0 && low.payload <= low.file.size());
    CHECK(cv::norm(source, from_high, cv::NORM_INF) < 128); // colours in their order
  }
}

void programs() {
  std::string said;
  const std::string shell = find_program("sh");
  CHECK(!shell.empty() && find_program("no-such-program-here").empty());
  CHECK(run_program({shell, "-c", "echo one"}, 30, said) && said == "one\n");
  CHECK(!run_program({shell, "-c", "echo two; exit 3"}, 30, said) && said == "two\n");
  CHECK(!run_program({"/no/such/program"}, 30, said) && said.empty());
  // A program that hangs, with a child that keeps the pipe open, ends at its time.
  const auto start = std::chrono::steady_clock::now();
  CHECK(!run_program({shell, "-c", "sleep 1000 & sleep 1000"}, 0.2, said));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(100));
  CHECK(run_program({shell, "-c", "head -c 200000 /dev/zero"}, 30, said) && said.size() == 65536);
  std::string kept;
  {
    TemporaryFolder folder;
    kept = folder.file("");
    CHECK(run_program({shell, "-c", "echo x > " + folder.file("f")}, 30, said));
  }
  CHECK(!run_program({shell, "-c", "test -e " + kept}, 30, said));
}

} // namespace

int main() {
  payload_rules();
  codecs();
  programs();
  return check::result();
}
