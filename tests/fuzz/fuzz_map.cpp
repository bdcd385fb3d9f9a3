// SPDX-License-Identifier: LGPL-2.1-or-later
// Structure payloads and codec headers on hostile bytes. Input: records of a length byte and a payload,
// decoded one after the other; the whole input is also tried as a codec header.
#include "tests/fuzz/fuzz_target.hpp"

#include "vtm_bridge/map_codec.hpp"

#include <algorithm>
#include <string>

using namespace gsem;
using namespace gsem::maps;

namespace {

constexpr int kSide = 32;

std::unique_ptr<MapEncoder> make_encoder(bool live) {
  EncoderSettings settings;
  settings.width = settings.height = kSide;
  settings.live = live;
  std::unique_ptr<MapEncoder> encoder;
  std::string error;
  FUZZ_CHECK(MapEncoder::create(settings, encoder, error) == Status::Ok);
  return encoder;
}

MapDecoder& decoder() {
  static const std::unique_ptr<MapDecoder> instance = [] {
    std::unique_ptr<MapDecoder> decoder;
    std::string error;
    FUZZ_CHECK(MapDecoder::create("av1", make_encoder(false)->codec_header(), decoder, error) == Status::Ok);
    return decoder;
  }();
  return *instance;
}

void add_maps(bool live, int count, Bytes& records) {
  auto encoder = make_encoder(live);
  Bytes map(kSide * kSide);
  for (int i = 0; i < count; i++) {
    for (int p = 0; p < kSide * kSide; p++)
      map[size_t(p)] = (p % kSide + i) % 9 < 2 ? 220 : 5;
    EncodedMap encoded;
    FUZZ_CHECK(encoder->encode({map.data(), kSide, kSide, kSide}, false, encoded) == Status::Ok);
    FUZZ_CHECK(encoded.payload.size() < 256);
    records.push_back(uint8_t(encoded.payload.size()));
    records.insert(records.end(), encoded.payload.begin(), encoded.payload.end());
  }
}

} // namespace

std::vector<Bytes> fuzz_seeds() {
  std::vector<Bytes> seeds(2);
  add_maps(false, 2, seeds[0]);
  add_maps(true, 4, seeds[1]);
  seeds.push_back(make_encoder(false)->codec_header());
  return seeds;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(data, size);
  decoder().reset();
  for (size_t position = 0; position < size;) {
    const size_t length = std::min<size_t>(input[position], size - position - 1);
    Map map;
    if (decoder().decode(input.subspan(position + 1, length), map) == Status::Ok)
      FUZZ_CHECK(map.width == kSide && map.height == kSide && map.data.size() == kSide * kSide);
    position += 1 + length;
  }
  if (size <= 64) {
    std::unique_ptr<MapDecoder> other;
    std::string error;
    const Status status = MapDecoder::create("av1", input, other, error);
    FUZZ_CHECK((status == Status::Ok) == (other != nullptr) && (status == Status::Ok || !error.empty()));
  }
  return 0;
}
