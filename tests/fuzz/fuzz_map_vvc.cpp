// SPDX-License-Identifier: LGPL-2.1-or-later
// VVC structure payloads and codec headers on hostile bytes, decoded by the library. Input: u16 length of the
// codec header (0: a good one), the codec header, a payload.
#include "tests/fuzz/fuzz_target.hpp"

#include "vtm_bridge/map_codec.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

using namespace gsem;
using namespace gsem::maps;

namespace {

constexpr int kSide = 32;

struct Coded {
  Bytes header, payload;
};

Coded code(int quantiser, int step) {
  EncoderSettings settings;
  settings.codec = "vvc";
  settings.width = settings.height = kSide;
  settings.quantiser = quantiser;
  std::unique_ptr<MapEncoder> encoder;
  std::string error;
  FUZZ_CHECK(MapEncoder::create(settings, encoder, error) == Status::Ok);
  Bytes map(kSide * kSide);
  for (int p = 0; p < kSide * kSide; p++)
    map[size_t(p)] = (p % kSide + p / kSide * step) % 9 < 2 ? 220 : 5;
  EncodedMap encoded;
  FUZZ_CHECK(encoder->encode({map.data(), kSide, kSide, kSide}, false, encoded) == Status::Ok);
  return {encoder->codec_header(), encoded.payload};
}

Bytes join(const Bytes& header, const Bytes& payload) {
  Bytes out{uint8_t(header.size() >> 8), uint8_t(header.size())};
  out.insert(out.end(), header.begin(), header.end());
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

} // namespace

std::vector<Bytes> fuzz_seeds() {
  const Coded fine = code(30, 1), coarse = code(55, 3);
  return {join(fine.header, fine.payload), join(coarse.header, coarse.payload), join({}, fine.payload),
          join({}, coarse.payload)};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  unsetenv("GST_SEMANTIC_VTM_DIR");
  const ByteView input(data, size);
  if (size < 2)
    return 0;
  const size_t length = std::min<size_t>(size_t(input[0]) << 8 | input[1], size - 2);
  static const Bytes good = code(30, 1).header;
  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  const Status status =
      MapDecoder::create("vvc", length > 0 ? input.subspan(2, length) : ByteView(good), decoder, error);
  FUZZ_CHECK((status == Status::Ok) == (decoder != nullptr) && (status == Status::Ok || !error.empty()));
  Map map;
  if (decoder && decoder->decode(input.subspan(2 + length), map) == Status::Ok)
    FUZZ_CHECK(map.width >= 16 && map.width <= 512 && map.height >= 16 && map.height <= 512 &&
               map.data.size() == size_t(map.width) * size_t(map.height));
  return 0;
}
