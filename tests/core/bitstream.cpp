// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/access_unit.hpp"
#include "gst/bitstream/crc.hpp"
#include "gst/bitstream/fields.hpp"
#include "tests/core/check.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

using namespace gsem;
using namespace gsem::bitstream;

namespace {

ByteView view(const char* text) {
  return {reinterpret_cast<const uint8_t*>(text), strlen(text)};
}

Bytes from_hex(const char* text) {
  Bytes out;
  for (; *text; text++)
    if (*text != ' ') {
      char digits[3] = {text[0], text[1], 0};
      out.push_back(uint8_t(strtoul(digits, nullptr, 16)));
      text++;
    }
  return out;
}

StreamHeader usual_header() {
  StreamHeader header;
  header.width = header.height = 256;
  header.fps_n = 25;
  header.profile_id = 1;
  for (LayerKind kind : {LayerKind::Caption, LayerKind::Structure, LayerKind::Signal})
    header.layers.emplace_back().kind = kind;
  return header;
}

LayerUnit layer_unit(LayerKind kind, bool key, bool discardable, uint8_t temporal_id = 0) {
  return {
      .kind = kind, .key = key, .discardable = discardable, .switch_point = key, .temporal_id = temporal_id};
}

/// Flags as the encoders set them. `structure`: a map of its own, a key map of a video, or a delta of a
/// temporal id.
enum class Map { Still, Key, Delta0, Delta1, Delta2, Delta3 };

LayerUnit usual_layer(LayerKind kind, Map map) {
  if (kind != LayerKind::Structure)
    return layer_unit(kind, true, kind == LayerKind::Signal);
  if (map < Map::Delta0)
    return layer_unit(kind, true, map == Map::Still);
  return layer_unit(kind, false, true, uint8_t(int(map) - int(Map::Delta0)));
}

AccessUnitHeader usual_unit(Map map, uint32_t caption, uint32_t structure, uint32_t signal) {
  AccessUnitHeader unit;
  unit.key = map <= Map::Key || structure == 0;
  const std::array<uint32_t, 3> sizes = {caption, structure, signal};
  for (int kind = 1; kind <= 3; kind++)
    if (sizes[kind - 1]) {
      unit.layers.push_back(usual_layer(LayerKind(kind), map));
      unit.layers.back().size = sizes[kind - 1];
    }
  return unit;
}

/// Check values of the CRC catalogue for the nine digits.
void test_checksums() {
  CHECK(crc32(view("123456789")) == 0xCBF43926u);
  CHECK(crc16(view("123456789")) == 0x29B1);
  CHECK(crc32({}) == 0 && crc16({}) == 0xFFFF);
}

/// Against division bit by bit, at every length around the eight bytes that the tables take at once.
void test_checksums_by_division() {
  std::mt19937 random(2);
  Bytes data(100);
  for (auto& byte : data)
    byte = uint8_t(random());
  for (size_t begin = 0; begin < 9; begin++)
    for (size_t end = begin; end <= data.size(); end++) {
      uint32_t remainder32 = 0xFFFFFFFFu, remainder16 = 0xFFFF;
      for (size_t i = begin; i < end; i++)
        for (int bit = 0; bit < 8; bit++) {
          const bool one32 = ((data[i] >> bit) ^ remainder32) & 1;
          remainder32 = (remainder32 >> 1) ^ (one32 ? 0xEDB88320u : 0);
          const bool one16 = ((data[i] >> (7 - bit)) ^ (remainder16 >> 15)) & 1;
          remainder16 = ((remainder16 << 1) ^ (one16 ? 0x1021u : 0)) & 0xFFFF;
        }
      const ByteView part = ByteView(data).subspan(begin, end - begin);
      CHECK(crc32(part) == ~remainder32 && crc16(part) == remainder16);
    }
}

/// Examples of the varint of Protocol Buffers' documentation, which is the same code.
void test_varint() {
  Bytes out;
  put_varint(out, 150);
  CHECK(out == from_hex("9601"));
  std::mt19937_64 random(7);
  for (int i = 0; i < 2000; i++) {
    uint64_t value = random() >> (1 + random() % 63);
    out.clear();
    put_varint(out, value);
    CHECK(out.size() == varint_size(value) && out.size() <= kMaxVarintBytes);
    FieldReader reader(out);
    CHECK(reader.varint() == value && reader.ok() && reader.left() == 0);
  }
  Bytes padded = from_hex("8000"), endless(12, 0x80);
  FieldReader a(padded), b(endless), c(ByteView(padded).first(1));
  a.varint();
  b.varint();
  c.varint();
  CHECK(a.status() == Status::Corrupt && b.status() == Status::Corrupt && c.status() == Status::NeedMoreData);
}

/// The worked examples of docs/bitstream.md; their checksums were computed by another program (Python's zlib
/// and binascii).
void test_worked_examples() {
  Bytes out;
  CHECK(write_stream_header(usual_header(), true, out) == Status::Ok);
  CHECK(out == from_hex("4753454d 10 06 01 0ff0ff 6f 01 72c72e50"));
  out.clear();
  TimestampState state;
  AccessUnitHeader unit = usual_unit(Map::Still, 9, 280, 1500);
  CHECK(write_access_unit_header(unit, state, out) == Status::Ok);
  CHECK(out == from_hex("d3 73 0000 00 09 9802 dc0b b0b0"));
  out.clear();
  unit = usual_unit(Map::Delta2, 0, 180, 1480);
  unit.number = 1;
  unit.timestamp = 1;
  CHECK(write_access_unit_header(unit, state, out) == Status::Ok);
  CHECK(out == from_hex("d3 1a 0001 b401 c80b 834c"));
  out.clear();
  unit = usual_unit(Map::Still, 9, 0, 0);
  unit.number = 2;
  unit.timestamp = 4;
  unit.layers.push_back({.kind = LayerKind::Structure, .lost = true});
  CHECK(write_access_unit_header(unit, state, out) == Status::Ok);
  CHECK(out == from_hex("d3 a3 0002 02 01 05 09 0d f18d"));
}

void test_budgets() {
  for (uint32_t side : {16u, 256u, 4096u}) {
    StreamHeader header = usual_header();
    header.width = header.height = side;
    Bytes out;
    CHECK(write_stream_header(header, true, out) == Status::Ok && out.size() <= 16);
  }
  struct Case {
    uint16_t number;
    uint64_t timestamp;
    uint32_t caption, structure, signal;
    size_t bytes;
  };
  // Numbers began at the first timestamp; then 11 pictures were left out on the way; then 971.
  const Case cases[] = {
      {1001, 1001, 127, 16383, 16383, 11},
      {1001, 1001, 9, 280, 1500, 11},
      {1001, 1001, 9, 280, 100, 10},
      {1001, 1001, 0, 180, 1500, 10},
      {1001, 1001, 0, 0, 6000, 8},
      {1001, 1001, 9, 0, 0, 7},
      {1001, 1001, 0, 0, 0, 6},
      {990, 1001, 9, 280, 1500, 12},
      {990, 1001, 0, 180, 1500, 11},
      {30, 1001, 127, 16383, 16383, 12},
      {30, 1001, 9, 0, 0, 8},
  };
  for (const Case& c : cases)
    for (Map map : {Map::Still, Map::Key, Map::Delta0, Map::Delta1, Map::Delta2, Map::Delta3}) {
      TimestampState state{.valid = true, .last = 1000};
      AccessUnitHeader unit = usual_unit(map, c.caption, c.structure, c.signal);
      unit.number = c.number;
      unit.timestamp = c.timestamp;
      Bytes out;
      CHECK(write_access_unit_header(unit, state, out) == Status::Ok);
      CHECK(out.size() == c.bytes);
    }
  // A layer's share: what the unit grows by when the layer comes along, checksum of the payload included.
  for (LayerKind kind : {LayerKind::Caption, LayerKind::Structure, LayerKind::Signal})
    for (int flags = 0; flags < 64; flags++) {
      TimestampState state{.valid = true, .last = 1000}, same = state;
      AccessUnitHeader unit;
      unit.number = 7;
      unit.timestamp = 1001;
      Bytes without, with;
      // Another layer with unusual flags has already paid for the byte that says so.
      const LayerKind other = kind == LayerKind::Caption ? LayerKind::Signal : LayerKind::Caption;
      LayerUnit unusual = layer_unit(other, false, false, 3);
      unusual.size = 20;
      unit.layers.push_back(unusual);
      write_access_unit_header(unit, state, without);
      LayerUnit layer{.kind = kind, .key = bool(flags & 1), .discardable = bool(flags & 2)};
      layer.switch_point = flags & 4;
      layer.temporal_id = uint8_t(flags >> 4);
      layer.size = kind == LayerKind::Caption ? 127 : 16383;
      unit.layers.insert(other < kind ? unit.layers.end() : unit.layers.begin(), layer);
      CHECK(write_access_unit_header(unit, same, with) == Status::Ok);
      CHECK(with.size() + 2 - without.size() <= 5);
    }
}

void test_header_round_trip() {
  std::mt19937 random(3);
  for (int i = 0; i < 3000; i++) {
    StreamHeader header;
    header.width = 16 + random() % 4081;
    header.height = 16 + random() % 4081;
    header.fps_n = random() % 3 ? random() % 240 : 30000;
    header.fps_d = header.fps_n ? 1 + random() % 1001 : 1;
    header.par_n = 1 + random() % 3;
    header.profile_id = random() % 500;
    for (int kind = 1; kind <= 5; kind++)
      if (random() % 2) {
        LayerInfo layer{LayerKind(kind),     uint8_t(random()),   uint8_t(random() & ~1u),
                        random() * 77777ull, random() * 99999ull, Bytes(random() % 60)};
        for (auto& byte : layer.codec_header)
          byte = uint8_t(random());
        header.layers.push_back(layer);
      }
    Bytes out;
    StreamHeader again;
    size_t size;
    CHECK(write_stream_header(header, false, out) == Status::Ok);
    CHECK(parse_stream_header(out, again, size) == Status::Ok && size == out.size());
    CHECK(again.width == header.width && again.height == header.height && again.fps_n == header.fps_n &&
          again.fps_d == header.fps_d);
    CHECK(again.par_n == header.par_n && again.colour == header.colour &&
          again.profile_id == header.profile_id);
    CHECK(again.layers.size() == header.layers.size());
    for (size_t k = 0; k < header.layers.size(); k++)
      CHECK(again.layers[k].parse_hash == header.layers[k].parse_hash &&
            again.layers[k].latent_id == header.layers[k].latent_id &&
            again.layers[k].codec_header == header.layers[k].codec_header &&
            again.layers[k].dependencies == header.layers[k].dependencies);
    for (size_t cut = 0; cut < out.size(); cut++)
      CHECK(parse_stream_header(ByteView(out).first(cut), again, size) == Status::NeedMoreData);
  }
}

void test_header_refusals() {
  Bytes out;
  StreamHeader header = usual_header(), again;
  size_t size;
  header.width = 4097;
  CHECK(write_stream_header(header, true, out) == Status::TooLarge && out.empty());
  header.width = 8;
  CHECK(write_stream_header(header, true, out) == Status::TooLarge);
  header = usual_header();
  header.layers[0].codec_header.resize(2000);
  CHECK(write_stream_header(header, false, out) == Status::TooLarge);

  // Every single-byte damage is seen.
  CHECK(write_stream_header(usual_header(), true, out) == Status::Ok);
  for (size_t i = 0; i < out.size(); i++)
    for (int bit = 0; bit < 8; bit++) {
      Bytes bad = out;
      bad[i] ^= uint8_t(1 << bit);
      CHECK(parse_stream_header(bad, again, size) != Status::Ok);
    }
  // An absurd length is refused before its bytes are waited for.
  Bytes absurd = from_hex("4753454d 10 ffffffff7f");
  CHECK(parse_stream_header(absurd, again, size) == Status::TooLarge);
}

/// A newer minor version with an extension and longer layer entries reads; another major version can be
/// skipped.
void test_versions() {
  StreamHeader header = usual_header(), again;
  Bytes out;
  size_t size;
  header.minor = 9;
  CHECK(write_stream_header(header, true, out) == Status::Ok);
  out.resize(out.size() - 4);
  out[5] += 4;    // body length
  out[6] |= 0x08; // extension bit
  for (uint8_t byte : {3, 0xAA, 0xBB, 0xCC})
    out.push_back(byte);
  put_uint(out, crc32(out), 4);
  CHECK(parse_stream_header(out, again, size) == Status::Ok && size == out.size() &&
        again.layers.size() == 3);

  header = usual_header();
  header.major = 2;
  out.clear();
  CHECK(write_stream_header(header, true, out) == Status::Ok);
  CHECK(parse_stream_header(out, again, size) == Status::Unsupported && size == out.size());
}

bool fill(uint32_t id, StreamHeader& header, void*) {
  if (id != 1)
    return false;
  for (auto& layer : header.layers)
    layer.parse_hash = 1000 + uint64_t(layer.kind);
  return true;
}

/// Fields that only a broken or newer writer could have written, each behind a right checksum.
void test_header_rules() {
  struct Case {
    const char* bytes;
    Status status;
  };
  const Case cases[] = {
      {"4753454d 10 06 01 0ff0ff 6f 01", Status::Ok},
      {"4753454d 10 06 01 00e0ff 6f 01", Status::TooLarge},       // 15 pixels wide
      {"4753454d 10 06 01 0ff0ff 6f 00", Status::Corrupt},        // compact, but no profile
      {"4753454d 10 06 01 0ff0ff df 01", Status::Unsupported},    // rate code 27
      {"4753454d 10 07 05 0ff0ff 6f 02 01", Status::Unsupported}, // colour 2
      {"4753454d 10 07 01 0ff0ff 6f 01 00", Status::Corrupt},     // a byte too many
      {"4753454d 10 05 01 0ff0ff 6f", Status::Corrupt},           // a byte too few
      {"4753454d 10 08 03 0ff0ff 6f 00 01 01", Status::Corrupt},  // pixels of shape 0:1
      {"4753454d 10 08 01 0ff0ff ff 19 00 01", Status::Corrupt},  // 25/0 pictures a second
      {"4753454d 10 07 00 0ff0ff 68 01 09", Status::TooLarge},    // nine layers
      {"4753454d 20 03 aabbcc", Status::Unsupported},             // version 2
  };
  for (const Case& c : cases) {
    Bytes bytes = from_hex(c.bytes);
    put_uint(bytes, crc32(bytes), 4);
    StreamHeader header;
    size_t size = 0;
    CHECK(parse_stream_header(bytes, header, size) == c.status && size == bytes.size());
  }
}

void test_profile_resolver() {
  Bytes out;
  StreamHeader header = usual_header(), again;
  size_t size;
  write_stream_header(header, true, out);
  CHECK(parse_stream_header(out, again, size, fill) == Status::Ok &&
        again.find(LayerKind::Signal)->parse_hash == 1003);
  header.profile_id = 2;
  out.clear();
  write_stream_header(header, true, out);
  CHECK(parse_stream_header(out, again, size, fill) == Status::Mismatch && size == out.size());
  // What a compact header cannot say is written in the long form, whatever was asked for.
  header.layers[2].codec = 7;
  out.clear();
  CHECK(write_stream_header(header, true, out) == Status::Ok);
  CHECK(parse_stream_header(out, again, size) == Status::Ok && again.layers[2].codec == 7);
}

void test_unit_round_trip() {
  std::mt19937 random(5);
  TimestampState writer, reader;
  uint64_t timestamp = 0;
  uint16_t number = 65000;
  size_t flips = 0, missed = 0;
  for (int i = 0; i < 20000; i++) {
    AccessUnitHeader unit, again;
    unit.number = number++;
    timestamp += random() % 50 ? random() % 3 : random() % (random() % 2 ? 200 : 200000);
    if (random() % 500 == 0)
      timestamp = random();
    unit.timestamp = timestamp;
    const Map map = Map(random() % 6);
    unit.key = false;
    for (int kind = 1; kind <= 4; kind++)
      if (random() % 2) {
        LayerUnit layer{LayerKind(kind),
                        bool(random() % 2),
                        bool(random() % 2),
                        bool(random() % 2),
                        random() % 8 == 0,
                        uint8_t(random() % 4),
                        0};
        if (random() % 2)
          layer = usual_layer(layer.kind, map);
        layer.size = layer.lost ? 0 : random() % 5000;
        unit.layers.push_back(layer);
      }
    bool any = false, all_key = true;
    for (const auto& layer : unit.layers) {
      any = any || !layer.lost;
      all_key = all_key && (layer.key || layer.lost);
    }
    Bytes out;
    size_t size;
    if (random() % 100 == 0)
      writer = reader = {}; // a stream header went by
    CHECK(write_access_unit_header(unit, writer, out) == Status::Ok);
    CHECK(parse_access_unit_header(out, again, size, &reader) == Status::Ok && size == out.size());
    CHECK(again.number == unit.number && again.timestamp == unit.timestamp && again.key == (any && all_key) &&
          again.layers.size() == unit.layers.size());
    for (size_t k = 0; k < unit.layers.size(); k++) {
      const LayerUnit &a = again.layers[k], &b = unit.layers[k];
      CHECK(a.kind == b.kind && a.key == b.key && a.discardable == b.discardable &&
            a.switch_point == b.switch_point && a.lost == b.lost && a.temporal_id == b.temporal_id &&
            a.size == b.size);
    }
    AccessUnitHeader ignored;
    for (size_t cut = 0; cut < out.size(); cut++)
      CHECK(parse_access_unit_header(ByteView(out).first(cut), ignored, size, nullptr) ==
            Status::NeedMoreData);
    for (size_t bit = 0; bit < out.size() * 8; bit++) {
      Bytes bad = out;
      bad[bit / 8] ^= uint8_t(1 << bit % 8);
      flips++;
      missed += parse_access_unit_header(bad, ignored, size, nullptr) == Status::Ok;
    }
  }
  // A flip that changes the header's length moves the checksum: chance, 2^-16, decides then.
  CHECK(missed * 16384 < flips);
}

/// Half of the range of a short timestamp may get lost on the way without moving what comes after.
void test_timestamps_after_loss() {
  for (uint16_t first_number : {0, 60, 5000})
    for (uint64_t lost = 0; lost < 64; lost += 9) {
      TimestampState writer, reader;
      for (uint64_t i = 0; i < 400; i++) {
        AccessUnitHeader unit, again;
        unit.number = uint16_t(first_number + i);
        unit.timestamp = i < 200 ? i : i + 63; // a pause of 64 ticks
        Bytes out;
        size_t size = 0;
        CHECK(write_access_unit_header(unit, writer, out) == Status::Ok && (i == 0 || out.size() <= 7));
        if (i == 0 || i >= 200 + lost) {
          CHECK(parse_access_unit_header(out, again, size, &reader) == Status::Ok);
          CHECK(again.timestamp == unit.timestamp);
        }
        if (i == 199) // everything up to here arrives
          reader = writer;
      }
    }
}

void test_payloads() {
  AccessUnitHeader unit = usual_unit(Map::Still, 3, 0, 5);
  Bytes section;
  append_payload(from_hex("010203"), section);
  append_payload(from_hex("0a0b0c0d0e"), section);
  CHECK(section.size() == payload_section_size(unit));
  ByteView payload;
  CHECK(find_payload(unit, section, 1, payload) == Status::Ok && payload.size() == 5 && payload[0] == 0x0a);
  CHECK(find_payload(unit, section, 2, payload) == Status::Failed);
  CHECK(find_payload(unit, ByteView(section).first(11), 1, payload) == Status::NeedMoreData &&
        payload.empty());
  section[1] ^= 4; // damage costs that layer alone
  CHECK(find_payload(unit, section, 0, payload) == Status::Corrupt);
  CHECK(find_payload(unit, section, 1, payload) == Status::Ok);
  unit.layers[0].lost = true;
  unit.layers[0].size = 0;
  CHECK(payload_section_size(unit) == 7 && find_payload(unit, section, 0, payload) == Status::Failed);
}

/// Damage in one unit's header loses that unit and no other.
void test_resync() {
  Bytes stream;
  std::vector<size_t> starts;
  TimestampState state;
  std::mt19937 random(11);
  for (int i = 0; i < 40; i++) {
    starts.push_back(stream.size());
    if (i % 10 == 0) {
      write_stream_header(usual_header(), true, stream);
      state = {};
      continue;
    }
    AccessUnitHeader unit = usual_unit(Map::Still, 9, 60, 200);
    unit.number = uint16_t(i);
    unit.timestamp = uint64_t(i);
    write_access_unit_header(unit, state, stream);
    for (const auto& layer : unit.layers) {
      Bytes payload(layer.size);
      for (auto& byte : payload)
        byte = uint8_t(random());
      append_payload(payload, stream);
    }
  }
  size_t offset;
  UnitKind kind;
  for (size_t i = 0; i < starts.size(); i++) {
    CHECK(find_unit(stream, starts[i], offset, kind) == Status::Ok && offset == starts[i]);
    CHECK(kind == (i % 10 == 0 ? UnitKind::StreamHeader : UnitKind::AccessUnit));
  }
  for (size_t i = 0; i + 1 < starts.size(); i++) {
    Bytes bad = stream;
    bad[starts[i] + 2] ^= 0x10;
    CHECK(find_unit(bad, starts[i], offset, kind) == Status::Ok && offset == starts[i + 1]);
  }
}

/// A header whose length was damaged claims the units behind it; they are found all the same, also at the end
/// of a file.
void test_resync_behind_a_wrong_length() {
  Bytes stream;
  write_stream_header(usual_header(), true, stream);
  const size_t second = stream.size();
  TimestampState state;
  write_access_unit_header(usual_unit(Map::Still, 9, 0, 0), state, stream);
  append_payload(Bytes(9, 0x11), stream);
  stream[5] += 40;
  size_t offset = 0;
  UnitKind kind = UnitKind::StreamHeader;
  CHECK(find_unit(stream, 0, offset, kind) == Status::Ok && offset == second && kind == UnitKind::AccessUnit);
  // Nothing whole behind it: the place where it may go on.
  stream.resize(second);
  CHECK(find_unit(stream, 0, offset, kind) == Status::NeedMoreData && offset == 0);
  CHECK(find_unit(stream, 1, offset, kind) == Status::NeedMoreData && offset == stream.size());
  CHECK(find_unit({}, 0, offset, kind) == Status::NeedMoreData && offset == 0);
}

/// docs/bitstream.md promises less than one false unit in 2^24 positions of random bytes.
void test_false_sync() {
  std::mt19937_64 random(13);
  Bytes noise(size_t(1) << 24);
  for (size_t i = 0; i < noise.size(); i += 8)
    for (uint64_t bits = random(), k = 0; k < 8; k++, bits >>= 8)
      noise[i + k] = uint8_t(bits);
  size_t found = 0, offset = 0;
  UnitKind kind = UnitKind::AccessUnit;
  for (size_t at = 0; find_unit(noise, at, offset, kind) == Status::Ok; at = offset + 1)
    found++;
  CHECK(found <= 5); // 1 expected at most; 6 or more would be chance once in 1,600
}

void test_unit_refusals() {
  TimestampState state;
  Bytes out;
  AccessUnitHeader unit = usual_unit(Map::Still, 9, 60, 200), again;
  unit.layers[1].size = Limits::max_structure_bytes + 1;
  CHECK(write_access_unit_header(unit, state, out) == Status::TooLarge && out.empty());
  std::swap(unit.layers[0], unit.layers[2]);
  CHECK(write_access_unit_header(unit, state, out) != Status::Ok);
  unit = {};
  unit.layers.resize(Limits::max_layers + 1);
  CHECK(write_access_unit_header(unit, state, out) == Status::TooLarge);
  size_t size;
  Bytes absurd = from_hex("d3 70 0000 00 ffffffff7f");
  CHECK(parse_access_unit_header(absurd, again, size, nullptr) == Status::TooLarge);
}

} // namespace

int main() {
  test_checksums();
  test_checksums_by_division();
  test_varint();
  test_worked_examples();
  test_budgets();
  test_header_round_trip();
  test_header_refusals();
  test_versions();
  test_header_rules();
  test_profile_resolver();
  test_unit_round_trip();
  test_timestamps_after_loss();
  test_payloads();
  test_resync();
  test_resync_behind_a_wrong_length();
  test_false_sync();
  test_unit_refusals();
  return check::result();
}
