// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/map_codecs.hpp"

#include "models/train/eval/judges.hpp"
#include "models/train/eval/text_format.hpp"
#include "vtm_bridge/map_codec.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace gsem::eval {

namespace {

constexpr int kPhotoSide = 256, kMapSide = 128;

double cpu_seconds() {
  double sum = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    getrusage(who, &used);
    for (const timeval& t : {used.ru_utime, used.ru_stime})
      sum += double(t.tv_sec) + double(t.tv_usec) * 1e-6;
  }
  return sum;
}

std::vector<int> quantisers(const std::string& codec, const MapCodecSettings& settings) {
  if (codec == "av1")
    return {60, 61, 62, 63};
  return {settings.quantiser};
}

/// PSNR and F1 of the pixels >= 128.
std::pair<double, double> compare(const cv::Mat& map, const maps::Map& decoded) {
  double squares = 0, both = 0, either = 0;
  for (size_t i = 0; i < decoded.data.size(); i++) {
    const int a = map.data[i], b = decoded.data[i];
    squares += (a - b) * (a - b);
    both += a >= 128 && b >= 128;
    either += (a >= 128) + (b >= 128);
  }
  const double mean = squares / double(decoded.data.size());
  return {mean > 0 ? 10 * std::log10(255 * 255 / mean) : 99, either > 0 ? 2 * both / either : 1};
}

class Comparison {
public:
  Comparison(const MapCodecSettings& settings, const Progress& say) : settings_(settings), say_(say) {}
  void draw(const EdgeJudge& judge);
  void code(const std::string& codec);

  MapCodecTable table;

private:
  bool code(const std::string& codec, int quantiser);

  const MapCodecSettings& settings_;
  const Progress& say_;
  std::vector<cv::Mat> maps_;
};

void Comparison::draw(const EdgeJudge& judge) {
  std::vector<std::string> messages;
  const auto data = train::read_data(settings_.photos, messages);
  auto photos = data.select(train::Kind::Boundary, false);
  if (photos.empty())
    throw std::runtime_error("--photos: no BSDS500 (train, val and test with NAME.jpg, NAME.png)");
  std::sort(photos.begin(), photos.end(),
            [&](size_t a, size_t b) { return data.entries[a].file < data.entries[b].file; });
  double strong = 0;
  for (size_t i : photos) {
    cv::Mat photo;
    if (maps_.size() == settings_.count)
      break;
    if (!load_photo(data, i, kPhotoSide, say_, photo))
      continue;
    maps_.push_back(judge.find(photo));
    strong += cv::countNonZero(maps_.back() >= 128) / double(maps_.back().total());
  }
  table.detector = judge.name();
  table.maps = maps_.size();
  table.strong = strong / double(std::max<size_t>(maps_.size(), 1));
}

void Comparison::code(const std::string& codec) {
  for (const int quantiser : quantisers(codec, settings_))
    if (!code(codec, quantiser))
      return;
}

bool Comparison::code(const std::string& codec, int quantiser) {
  maps::EncoderSettings wanted;
  wanted.codec = codec;
  wanted.width = wanted.height = kMapSide;
  wanted.quantiser = quantiser;
  if (codec == "vtm") // named for another, VTM would decode for it
    wanted.programs.program_dir = settings_.vtm_dir;
  std::unique_ptr<maps::MapEncoder> encoder;
  std::unique_ptr<maps::MapDecoder> decoder;
  std::string error;
  if (maps::MapEncoder::create(wanted, encoder, error) != Status::Ok ||
      maps::MapDecoder::create(codec, encoder->codec_header(), decoder, error, wanted.programs) !=
          Status::Ok) {
    table.missing.push_back(codec + ": " + error);
    return false;
  }
  MapCodecRow row;
  row.codec = codec;
  row.quantiser = quantiser;
  row.header = encoder->codec_header().size();
  const double n = double(maps_.size());
  for (const cv::Mat& map : maps_) {
    maps::EncodedMap coded;
    maps::Map shown;
    const double begin = cpu_seconds();
    if (encoder->encode({map.data, map.cols, map.rows, int(map.step)}, false, coded) != Status::Ok)
      throw std::runtime_error(codec + " does not code a map: " + encoder->last_error());
    const double coded_at = cpu_seconds();
    if (decoder->decode(coded.payload, shown) != Status::Ok)
      throw std::runtime_error(codec + " does not decode its map: " + decoder->last_error());
    row.decode += (cpu_seconds() - coded_at) / n;
    row.encode += (coded_at - begin) / n;
    row.payload += double(coded.payload.size()) / n;
    const auto [psnr, f] = compare(map, shown);
    row.psnr += psnr / n;
    row.f += f / n;
  }
  say_(format("%s %d: %.1f bytes, F %.3f", codec.c_str(), quantiser, row.payload, row.f));
  table.rows.push_back(row);
  return true;
}

} // namespace

MapCodecTable compare_map_codecs(const profile::Profile& profile, const MapCodecSettings& settings,
                                 const Progress& say) {
  Comparison comparison(settings, say);
  comparison.draw(EdgeJudge(profile, settings.teacher));
  for (const auto& codec : settings.codecs)
    comparison.code(codec);
  return comparison.table;
}

void write_map_codecs(const MapCodecTable& table, const std::string& docs, const std::string& command) {
  std::string text =
      "# Codecs of the structure maps\n\nWritten by this command; do not edit:\n\n    " + command;
  text +=
      format("\n\n%zu structure maps of 128x128: %s on the 256x256 pixels in the middle of BSDS500's first "
             "test photos by name, averaged over 2x2; %.0f %% of the pixels are 128 or more. Each map is a "
             "still.\n\n",
             table.maps, table.detector.c_str(), table.strong * 100);
  text +=
      "Payload: what an access unit carries, without the parameter sets, which the stream header has once "
      "(header). PSNR and F (F1 of the pixels of 128 or more): decoded against uncoded. Seconds: CPU time "
      "a map, programs that are started included.\n\n"
      "| codec | quantiser | payload bytes | header bytes | PSNR dB | F | encode s | decode s |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const auto& r : table.rows)
    text += format("| %s | %d | %.1f | %zu | %.2f | %.3f | %.3f | %.4f |\n", r.codec.c_str(), r.quantiser,
                   r.payload, r.header, r.psnr, r.f, r.encode, r.decode);
  for (const auto& m : table.missing)
    text += "\nNot measured: " + m + "\n";
  std::filesystem::create_directories(docs);
  write_file(docs + "/map-codecs.md", text);
}

} // namespace gsem::eval
