// SPDX-License-Identifier: LGPL-2.1-or-later
// Codes a folder of grey maps and prints what docs/structure.md reports: bytes, PSNR, F, milliseconds.
#include "vtm_bridge/map_rate.hpp"
#include "vtm_bridge/tools/grey_image.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>

namespace {

using namespace gsem;
using namespace gsem::maps;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string folder, codec = "av1";
  std::vector<int> quantisers = {54, 58, 60, 62, 63};
  int speed = -1, key_interval = 50;
  unsigned bitrate = 0, max_bytes = 0, fps = 25;
  bool live = false;
};

struct Sums {
  double maps = 0, sent = 0, encodes = 0, keys = 0, payload = 0, psnr = 0, f = 0;
  std::vector<double> encode_ms, decode_ms;
};

double psnr(const Map& a, const Map& b) {
  double sum = 0;
  for (size_t i = 0; i < a.data.size(); i++)
    sum += std::pow(double(a.data[i]) - double(b.data[i]), 2);
  return sum == 0 ? 99.0 : 10 * std::log10(255.0 * 255.0 * double(a.data.size()) / sum);
}

/// F1 of the pixels >= 128: `decoded` against `original`.
double pixel_f(const Map& original, const Map& decoded) {
  double both = 0, either = 0;
  for (size_t i = 0; i < original.data.size(); i++) {
    const bool a = original.data[i] >= 128, b = decoded.data[i] >= 128;
    both += a && b;
    either += a + b;
  }
  return either == 0 ? 1.0 : 2 * both / either;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0.0 : values[values.size() / 2];
}

double milliseconds(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// One sequence of maps of one size. False with a message when the codec fails.
bool code_maps(const std::vector<Map>& maps, const Options& options, int quantiser, Sums& sums) {
  std::unique_ptr<MapEncoder> encoder;
  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  EncoderSettings settings{options.codec, maps[0].width,        maps[0].height, quantiser,
                           options.live,  options.key_interval, options.speed};
  if (MapEncoder::create(settings, encoder, error) != Status::Ok ||
      MapDecoder::create(options.codec, encoder->codec_header(), decoder, error) != Status::Ok) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return false;
  }
  MapRateControl rate(options.live);
  RateLimits limits;
  limits.max_bytes = options.max_bytes;
  limits.bitrate = options.bitrate;
  limits.finest = quantiser;
  rate.set_limits(limits);
  for (const Map& map : maps) {
    EncodedMap encoded;
    Map decoded;
    sums.maps += 1;
    if (!rate.offer(false, 1'000'000'000 / options.fps))
      continue;
    auto begin = Clock::now();
    const MapView view{map.data.data(), map.width, map.height, map.width};
    bool sent = false;
    int encodes = 0;
    const Status encode_status = rate.encode(*encoder, view, false, encoded, sent, encodes);
    sums.encode_ms.push_back(milliseconds(begin));
    sums.encodes += encodes;
    if (encode_status == Status::Ok && !sent)
      continue;
    begin = Clock::now();
    if (encode_status != Status::Ok || decoder->decode(encoded.payload, decoded) != Status::Ok) {
      std::fprintf(stderr, "a map does not code\n");
      return false;
    }
    sums.decode_ms.push_back(milliseconds(begin));
    sums.sent += 1;
    sums.keys += encoded.key;
    sums.payload += double(encoded.payload.size());
    sums.psnr += psnr(map, decoded);
    sums.f += pixel_f(map, decoded);
  }
  return true;
}

bool read_folder(const std::string& folder, std::vector<Map>& maps) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".pgm" || entry.path().extension() == ".png")
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  for (const std::string& path : paths) {
    Map map;
    std::string error;
    if (!read_grey_image(path, map, error)) {
      std::fprintf(stderr, "%s\n", error.c_str());
      return false;
    }
    if (!maps.empty() && (map.width != maps[0].width || map.height != maps[0].height)) {
      std::fprintf(stderr, "%s: not of the size of the first map\n", path.c_str());
      return false;
    }
    maps.push_back(std::move(map));
  }
  if (maps.empty())
    std::fprintf(stderr, "%s: no .pgm or .png\n", folder.c_str());
  return !maps.empty();
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Codes a folder of grey maps of one size: bytes, PSNR, F of the pixels >= 128, milliseconds");
  Options options;
  app.add_option("folder", options.folder, "Folder of .pgm and .png maps")->required();
  app.add_option("--codec", options.codec, "Structure codec")->capture_default_str();
  app.add_option("--quantisers", options.quantisers, "Quantisers to try")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--speed", options.speed, "The codec's speed, -1 the default")->capture_default_str();
  app.add_flag("--live", options.live,
               "The maps, in the order of their names, are a video: delta maps, real time");
  app.add_option("--key-interval", options.key_interval, "Maps from key map to key map")
      ->capture_default_str();
  app.add_option("--bitrate", options.bitrate,
                 "Bits a second, 0 off; quantisers are then the finest allowed");
  app.add_option("--max-bytes", options.max_bytes, "Of any map, 0 off");
  app.add_option("--fps", options.fps, "Maps a second, for --bitrate")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  std::vector<Map> maps;
  if (!read_folder(options.folder, maps))
    return 1;
  std::printf("%zu maps of %dx%d, %s, %s\n", maps.size(), maps[0].width, maps[0].height,
              options.codec.c_str(), options.live ? "live" : "stills");
  std::printf("quantiser  bytes a map  sent  key maps  encodes   PSNR      F  encode ms  decode ms (PSNR, F: "
              "of maps sent; ms: "
              "medians)\n");
  for (int quantiser : options.quantisers) {
    Sums sums;
    if (!code_maps(maps, options, quantiser, sums))
      return 1;
    const double sent = std::max(sums.sent, 1.0);
    std::printf("%9d  %11.1f  %4.0f  %8.0f  %7.0f  %5.2f  %.3f  %9.2f  %9.2f\n", quantiser,
                sums.payload / sums.maps, sums.sent, sums.keys, sums.encodes, sums.psnr / sent, sums.f / sent,
                median(sums.encode_ms), median(sums.decode_ms));
  }
  return 0;
}
