// SPDX-License-Identifier: LGPL-2.1-or-later
// Structure maps through their codec: exactness at quantiser 0, sizes, constant headers, loss of delta and
// key maps, damage.
#include "vtm_bridge/map_codec.hpp"
#include "tests/core/check.hpp"
#include "tests/core/map_drawing.hpp"
#include "vtm_bridge/av1_payload.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>

using namespace gsem;
using namespace gsem::maps;
using namespace map_drawing;

namespace {

std::unique_ptr<MapEncoder> encoder_for(int width, int height, int quantiser, bool live,
                                        int key_interval = 50) {
  EncoderSettings settings;
  settings.width = width;
  settings.height = height;
  settings.quantiser = quantiser;
  settings.live = live;
  settings.key_interval = key_interval;
  std::unique_ptr<MapEncoder> encoder;
  std::string error;
  CHECK(MapEncoder::create(settings, encoder, error) == Status::Ok);
  return encoder;
}

std::unique_ptr<MapDecoder> decoder_for(const MapEncoder& encoder) {
  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  CHECK(MapDecoder::create("av1", encoder.codec_header(), decoder, error) == Status::Ok);
  return decoder;
}

void test_stills() {
  const int sizes[][2] = {{16, 16}, {17, 33}, {128, 128}, {227, 227}, {512, 16}, {37, 512}};
  for (const auto& [width, height] : sizes) {
    const Map map = draw(width, height, 0);
    // Quantiser 0 is AV1's lossless mode: the decoded map is the map.
    for (int quantiser : {0, 40}) {
      auto encoder = encoder_for(width, height, quantiser, false);
      auto decoder = decoder_for(*encoder);
      EncodedMap encoded;
      Map decoded;
      CHECK(encoder->encode(view(map), false, encoded) == Status::Ok);
      CHECK(encoded.key && encoded.payload.size() > 1 && encoded.payload[0] == 0);
      CHECK(decoder->decode(encoded.payload, decoded) == Status::Ok);
      CHECK(decoded.width == width && decoded.height == height && decoded.data.size() == map.data.size());
      CHECK(quantiser == 0 ? decoded.data == map.data : squared_error(map, decoded) < 255.0 * 255.0 / 300);
    }
  }
}

void test_stills_are_independent() {
  auto encoder = encoder_for(64, 64, 62, false);
  const Map first = draw(64, 64, 0), second = draw(64, 64, 9);
  EncodedMap a, coarse, fine, again;
  CHECK(encoder->encode(view(first), false, a) == Status::Ok);
  CHECK(encoder->encode(view(second), false, coarse) == Status::Ok);
  encoder->set_quantiser(30);
  CHECK(encoder->encode(view(second), false, fine) == Status::Ok);
  CHECK(fine.payload.size() > coarse.payload.size());
  encoder->set_quantiser(1000); // clamped to 63
  CHECK(encoder->encode(view(second), false, again) == Status::Ok);
  CHECK(again.payload.size() <= coarse.payload.size());
  encoder->set_quantiser(62);
  CHECK(encoder->encode(view(first), true, again) == Status::Ok);
  CHECK(again.payload == a.payload);

  // Rows further apart than the width are the same map.
  Bytes padded(64 * 80, 77);
  for (size_t y = 0; y < 64; y++)
    std::copy_n(first.data.begin() + ptrdiff_t(64 * y), 64, padded.begin() + ptrdiff_t(80 * y));
  CHECK(encoder->encode({padded.data(), 64, 64, 80}, false, again) == Status::Ok);
  CHECK(again.payload == a.payload);
}

void test_header_is_constant() {
  const Bytes header = encoder_for(128, 128, 62, false)->codec_header();
  for (int quantiser : {0, 33, 63})
    for (bool live : {false, true})
      CHECK(encoder_for(128, 128, quantiser, live)->codec_header() == header);
  CHECK(header.size() <= 24);
  CHECK(encoder_for(64, 128, 62, false)->codec_header() != header);
}

struct LiveStream {
  std::unique_ptr<MapEncoder> encoder;
  std::vector<EncodedMap> encoded;
  std::vector<Map> decoded; ///< without any loss
};

LiveStream make_live(int maps, int key_interval) {
  LiveStream stream;
  stream.encoder = encoder_for(96, 80, 58, true, key_interval);
  auto decoder = decoder_for(*stream.encoder);
  for (int i = 0; i < maps; i++) {
    const Map map = draw(96, 80, i);
    CHECK(stream.encoder->encode(view(map), false, stream.encoded.emplace_back()) == Status::Ok);
    CHECK(stream.encoded.back().key == (i % key_interval == 0));
    CHECK(decoder->decode(stream.encoded.back().payload, stream.decoded.emplace_back()) == Status::Ok);
    CHECK(squared_error(map, stream.decoded.back()) < 255.0 * 255.0 / 100);
  }
  return stream;
}

void test_lost_deltas(const LiveStream& stream) {
  std::mt19937 random(3);
  for (int run = 0; run < 5; run++) {
    auto decoder = decoder_for(*stream.encoder);
    for (size_t i = 0; i < stream.encoded.size(); i++) {
      Map map;
      if (!stream.encoded[i].key && random() % 2 == 0)
        continue;
      CHECK(decoder->decode(stream.encoded[i].payload, map) == Status::Ok);
      CHECK(map.data == stream.decoded[i].data);
    }
  }
}

void test_lost_key(const LiveStream& stream) {
  auto decoder = decoder_for(*stream.encoder);
  int keys = 0, refused = 0;
  for (size_t i = 0; i < stream.encoded.size(); i++) {
    keys += stream.encoded[i].key;
    if (stream.encoded[i].key && keys == 2)
      continue; // the second key map is lost
    Map map;
    const Status status = decoder->decode(stream.encoded[i].payload, map);
    refused += status == Status::Corrupt;
    CHECK(status == (keys == 2 ? Status::Corrupt : Status::Ok));
    CHECK(keys == 2 || map.data == stream.decoded[i].data);
  }
  CHECK(refused > 0);

  // A delta alone, and after a reset.
  Map map;
  auto fresh = decoder_for(*stream.encoder);
  CHECK(fresh->decode(stream.encoded[1].payload, map) == Status::Corrupt);
  CHECK(fresh->decode(stream.encoded[0].payload, map) == Status::Ok);
  fresh->reset();
  CHECK(fresh->decode(stream.encoded[1].payload, map) == Status::Corrupt);
}

void test_damage(const LiveStream& stream) {
  std::mt19937 random(5);
  auto decoder = decoder_for(*stream.encoder);
  for (int run = 0; run < 300; run++) {
    // Key map 0, a damaged map of any kind, then delta 1: either refused or exactly right, and a key map
    // always helps.
    Map map;
    CHECK(decoder->decode(stream.encoded[0].payload, map) == Status::Ok &&
          map.data == stream.decoded[0].data);
    Bytes damaged = stream.encoded[random() % 4].payload;
    for (int flips = 0; flips < 3; flips++)
      damaged[1 + random() % (damaged.size() - 1)] ^= uint8_t(1u << random() % 8);
    if (run % 3 == 0)
      damaged.resize(random() % damaged.size());
    const bool damaged_key = !damaged.empty() && (damaged[0] & 3) == 2;
    decoder->decode(damaged, map);
    const Status status = decoder->decode(stream.encoded[1].payload, map);
    if (damaged_key)
      CHECK(status == Status::Ok || status == Status::Corrupt);
    else
      CHECK(status == Status::Ok && map.data == stream.decoded[1].data);
  }
}

void test_forced_keys() {
  auto encoder = encoder_for(64, 64, 60, true, 1000);
  auto decoder = decoder_for(*encoder);
  EncodedMap encoded;
  Map decoded;
  uint8_t number = 15;
  for (int i = 0; i < 40; i++) {
    const bool force = i % 2 == 0; // more than 16 key maps: their number wraps
    CHECK(encoder->encode(view(draw(64, 64, i)), force, encoded) == Status::Ok && encoded.key == force);
    number = uint8_t((number + force) % 16);
    PayloadType type;
    CHECK(parse_payload_type(encoded.payload[0], type) == Status::Ok && type.key_number == number);
    CHECK(decoder->decode(encoded.payload, decoded) == Status::Ok);
  }
}

void test_long_key_interval() {
  // Far more maps from one key map than AV1's order hints could count.
  auto encoder = encoder_for(32, 32, 55, true, kMaxKeyInterval);
  auto decoder = decoder_for(*encoder);
  for (int i = 0; i < 300; i++) {
    const Map map = draw(32, 32, i % 5);
    EncodedMap encoded;
    Map decoded;
    CHECK(encoder->encode(view(map), false, encoded) == Status::Ok && encoded.key == (i == 0));
    CHECK(decoder->decode(encoded.payload, decoded) == Status::Ok);
    CHECK(squared_error(map, decoded) < 255.0 * 255.0 / 100);
  }
}

void test_refusals() {
  EncoderSettings good;
  const auto refused = [](const EncoderSettings& settings) {
    std::unique_ptr<MapEncoder> encoder;
    std::string error;
    return MapEncoder::create(settings, encoder, error) == Status::Failed && !encoder && !error.empty();
  };
  EncoderSettings settings = good;
  settings.codec = "h.260";
  CHECK(refused(settings));
  for (int side : {0, -1, 15, 513, 1 << 30}) {
    settings = good;
    settings.width = side;
    CHECK(refused(settings));
    settings = good;
    settings.height = side;
    CHECK(refused(settings));
  }
  settings = good;
  settings.quantiser = 64;
  CHECK(refused(settings));
  settings = good;
  settings.key_interval = 0;
  CHECK(refused(settings));
  settings = good;
  settings.live = true;
  settings.speed = 7; // crashes libaom 3.6
  CHECK(refused(settings));

  auto encoder = encoder_for(32, 32, 60, false);
  const Map other = draw(33, 32, 0);
  EncodedMap encoded;
  CHECK(encoder->encode(view(other), false, encoded) == Status::Failed);
  CHECK(encoder->encode({nullptr, 32, 32, 32}, false, encoded) == Status::Failed);

  std::unique_ptr<MapDecoder> decoder;
  std::string error;
  CHECK(MapDecoder::create("av1", {}, decoder, error) == Status::Corrupt && !error.empty());
  CHECK(MapDecoder::create("none", encoder->codec_header(), decoder, error) == Status::Failed);
  Map map;
  decoder = decoder_for(*encoder);
  CHECK(decoder->decode({}, map) == Status::Corrupt);
  CHECK(decoder->decode(Bytes{0}, map) == Status::Corrupt);
  CHECK(decoder->decode(Bytes{3, 1, 2}, map) == Status::Unsupported);
  CHECK(decoder->decode(Bytes((1u << 20) + 1), map) == Status::TooLarge);

  const std::vector<std::string> codecs = available_codecs();
  CHECK(std::find(codecs.begin(), codecs.end(), "av1") != codecs.end());
}

void test_temporal_units() {
  // Sequence header of 2 bytes, frame of 3; the last OBU may come without a size.
  const Bytes unit = {0x12, 0x00, 0x0a, 0x02, 7, 8, 0x32, 0x03, 1, 2, 3};
  ByteView sequence, frame;
  CHECK(split_temporal_unit(unit, sequence, frame) == Status::Ok);
  CHECK(std::ranges::equal(sequence, Bytes{7, 8}) && std::ranges::equal(frame, Bytes{1, 2, 3}));
  Bytes written;
  append_temporal_unit(sequence, frame, written);
  CHECK(written == unit);
  const Bytes unsized = {0x12, 0x00, 0x30, 1, 2, 3};
  CHECK(split_temporal_unit(unsized, sequence, frame) == Status::Ok && sequence.empty() && frame.size() == 3);
  const Bytes two_frames = {0x32, 0x01, 1, 0x32, 0x01, 1}, cut = {0x32, 0x7f, 1}, none = {0x12, 0x00};
  for (const Bytes& bad : {two_frames, cut, none})
    CHECK(split_temporal_unit(bad, sequence, frame) == Status::Failed);
}

} // namespace

int main() {
  test_temporal_units();
  test_stills();
  test_stills_are_independent();
  test_header_is_constant();
  const LiveStream stream = make_live(24, 8);
  test_lost_deltas(stream);
  test_lost_key(stream);
  test_damage(stream);
  test_forced_keys();
  test_long_key_interval();
  test_refusals();
  return check::result();
}
