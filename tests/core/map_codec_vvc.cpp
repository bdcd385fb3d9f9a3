// SPDX-License-Identifier: LGPL-2.1-or-later
// Structure maps through VVenC and vvdec; through VTM's programs too where $GST_SEMANTIC_VTM_DIR has them.
#include "tests/core/check.hpp"
#include "tests/core/map_drawing.hpp"
#include "vtm_bridge/map_rate.hpp"
#include "vtm_bridge/vvc_nal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

using namespace gsem;
using namespace gsem::maps;
using namespace map_drawing;

namespace {

double psnr(const Map& a, const Map& b) {
  return 10 * std::log10(255.0 * 255 / std::max(squared_error(a, b), 1e-9));
}

std::unique_ptr<MapEncoder> encoder_for(int width, int height, int quantiser, const char* codec = "vvc") {
  EncoderSettings settings;
  settings.codec = codec;
  settings.width = width;
  settings.height = height;
  settings.quantiser = quantiser;
  std::unique_ptr<MapEncoder> encoder;
  std::string error;
  CHECK(MapEncoder::create(settings, encoder, error) == Status::Ok);
  if (!encoder)
    std::fprintf(stderr, "%s\n", error.c_str());
  return encoder;
}

std::unique_ptr<MapDecoder> decoder_for(ByteView header, const char* codec = "vvc") {
  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  CHECK(MapDecoder::create(codec, header, decoder, error) == Status::Ok);
  return decoder;
}

EncodedMap encode(MapEncoder& encoder, const Map& map) {
  EncodedMap out;
  CHECK(encoder.encode(view(map), false, out) == Status::Ok && out.key);
  return out;
}

void test_sizes() {
  const int sizes[][2] = {{16, 16}, {17, 33}, {128, 128}, {227, 131}, {512, 16}, {37, 512}};
  for (const auto& [width, height] : sizes) {
    const Map map = draw(width, height, 0);
    double last = 1e9;
    size_t bytes = SIZE_MAX;
    for (int quantiser : {0, 32, 50}) {
      auto encoder = encoder_for(width, height, quantiser);
      auto decoder = decoder_for(encoder->codec_header());
      const EncodedMap coded = encode(*encoder, map);
      Map shown;
      CHECK(decoder->decode(coded.payload, shown) == Status::Ok);
      CHECK(shown.width == width && shown.height == height);
      const double now = psnr(map, shown);
      std::printf("%dx%d, QP %d: %zu bytes, %.1f dB\n", width, height, quantiser, coded.payload.size(), now);
      CHECK(now > (quantiser == 0 ? 48 : quantiser == 32 ? 30 : 10) && now < last);
      CHECK(coded.payload.size() < bytes);
      last = now;
      bytes = coded.payload.size();
    }
  }
}

/// A map depends on nothing before it; the PPS travels only with another quantiser than the header's.
void test_maps_are_independent() {
  auto encoder = encoder_for(64, 64, 50);
  auto decoder = decoder_for(encoder->codec_header());
  const Map first = draw(64, 64, 0), second = draw(64, 64, 9);
  const EncodedMap a = encode(*encoder, first);
  const auto units = [](const EncodedMap& map) {
    std::vector<ByteView> found;
    CHECK(parse_vvc_payload(map.payload, found) == Status::Ok);
    return found;
  };
  const auto has_pps = [&](const EncodedMap& map) {
    const auto found = units(map);
    return std::any_of(found.begin(), found.end(), [](ByteView u) { return nal_type(u) == nal::kPps; });
  };
  CHECK(!has_pps(a));
  encoder->set_quantiser(30);
  const EncodedMap fine = encode(*encoder, second);
  Map shown, again;
  CHECK(decoder->decode(fine.payload, shown) == Status::Ok && psnr(second, shown) > 30);
  encoder->set_quantiser(50);
  CHECK(encode(*encoder, first).payload == a.payload);
  CHECK(decoder->decode(a.payload, shown) == Status::Ok);
  decoder->reset();
  CHECK(decoder->decode(a.payload, again) == Status::Ok && again.data == shown.data);
  // Rows further apart than the width are the same map.
  Bytes padded(64 * 80, 77);
  for (size_t y = 0; y < 64; y++)
    std::copy_n(first.data.begin() + ptrdiff_t(64 * y), 64, padded.begin() + ptrdiff_t(80 * y));
  EncodedMap spread;
  CHECK(encoder->encode({padded.data(), 64, 64, 80}, false, spread) == Status::Ok);
  CHECK(spread.payload == a.payload);
  CHECK(encoder->encode({padded.data(), 32, 64, 80}, false, spread) == Status::Failed);
}

void test_rate() {
  auto encoder = encoder_for(128, 128, 30);
  auto decoder = decoder_for(encoder->codec_header());
  MapRateControl rate;
  RateLimits limits;
  limits.max_bytes = 250;
  limits.finest = 30;
  rate.set_limits(limits);
  int sent_maps = 0;
  for (int i = 0; i < 4; i++) {
    const Map map = draw(128, 128, i);
    EncodedMap out;
    Map shown;
    bool sent = false;
    int encodes = 0;
    CHECK(rate.offer(false, 0));
    CHECK(rate.encode(*encoder, view(map), false, out, sent, encodes) == Status::Ok);
    CHECK(encodes <= MapRateControl::kMaxEncodes);
    if (!sent)
      continue;
    sent_maps++;
    CHECK(out.payload.size() <= limits.max_bytes && decoder->decode(out.payload, shown) == Status::Ok);
  }
  CHECK(sent_maps >= 3);
}

void test_damage() {
  auto encoder = encoder_for(64, 64, 40);
  const Bytes header = encoder->codec_header();
  auto decoder = decoder_for(header);
  const Map map = draw(64, 64, 0);
  const EncodedMap good = encode(*encoder, map);
  Map expected, shown;
  CHECK(decoder->decode(good.payload, expected) == Status::Ok);
  std::mt19937 random(1);
  for (int run = 0; run < 60; run++) {
    Bytes bad = good.payload;
    if (run % 3 == 0)
      bad.resize(random() % bad.size());
    else
      for (int i = 0; i < 3; i++)
        bad[random() % bad.size()] ^= uint8_t(1 + random() % 255);
    if (decoder->decode(bad, shown) == Status::Ok) // a damaged picture is one still, of the right size
      CHECK(shown.width == 64 && shown.height == 64 && shown.data.size() == 64 * 64);
  }
  CHECK(decoder->decode(good.payload, shown) == Status::Ok && shown.data == expected.data);

  // Parameter sets for another size than the header claims are refused before any picture is.
  VvcHeader parsed;
  CHECK(parse_vvc_header(header, parsed) == Status::Ok);
  parsed.width = 72;
  std::unique_ptr<MapDecoder> other;
  std::string error;
  CHECK(MapDecoder::create("vvc", write_vvc_header(parsed), other, error) == Status::Corrupt);
  for (const Bytes& set : parsed.parameter_sets) {
    SpsPicture picture;
    if (nal_type(set) == nal::kSps) {
      CHECK(parse_sps(set, picture) == Status::Ok && picture.width == 64 && picture.height == 64 &&
            picture.chroma_format == 0);
      for (size_t size = 0; size < set.size(); size++)
        if (parse_sps(ByteView(set).first(size), picture) == Status::Ok)
          CHECK(size > 4 && picture.width == 64 && picture.height == 64);
    } else {
      CHECK(parse_sps(set, picture) == Status::Corrupt);
    }
  }
}

/// VTM decodes the library's maps to the same samples; its own have the palette tool, which vvdec refuses at
/// once.
void test_against_vtm(const char* folder) {
  const Map map = draw(128, 96, 3);
  auto encoder = encoder_for(128, 96, 45);
  const EncodedMap coded = encode(*encoder, map);
  Map by_vtm, by_library;
  CHECK(decoder_for(encoder->codec_header())->decode(coded.payload, by_library) == Status::Ok);
  setenv("GST_SEMANTIC_VTM_DIR", folder, 1);
  CHECK(decoder_for(encoder->codec_header(), "vvc")->decode(coded.payload, by_vtm) == Status::Ok);
  CHECK(by_vtm.data == by_library.data && psnr(map, by_vtm) > 20);
  auto external = encoder_for(128, 96, 45, "vtm");
  unsetenv("GST_SEMANTIC_VTM_DIR");
  std::unique_ptr<MapDecoder> none;
  std::string error;
  CHECK(MapDecoder::create("vvc", external->codec_header(), none, error) == Status::Unsupported);
  CHECK(error.find("GST_SEMANTIC_VTM_DIR") != std::string::npos);
}

} // namespace

int main() {
  const char* named = std::getenv("GST_SEMANTIC_VTM_DIR");
  const std::string vtm = named ? named : "";
  unsetenv("GST_SEMANTIC_VTM_DIR"); // with it VTM would decode
  test_sizes();
  test_maps_are_independent();
  test_rate();
  test_damage();
  if (!vtm.empty())
    test_against_vtm(vtm.c_str());
  return check::result();
}
