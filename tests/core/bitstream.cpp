// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/access_unit.hpp"
#include "gst/bitstream/crc.hpp"
#include "gst/bitstream/fields.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

using namespace gsem;
using namespace gsem::bitstream;

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                        \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

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

AccessUnitHeader usual_unit(bool key, uint32_t caption, uint32_t structure, uint32_t signal) {
  AccessUnitHeader unit;
  unit.key = key;
  uint32_t sizes[] = {caption, structure, signal};
  for (int kind = 1; kind <= 3; kind++)
    if (sizes[kind - 1]) {
      unit.layers.push_back(usual_layer_unit(LayerKind(kind), key));
      unit.layers.back().size = sizes[kind - 1];
    }
  return unit;
}

/// Check values of the CRC catalogue for the nine digits.
void test_checksums() {
  CHECK(crc32(view("123456789")) == 0xCBF43926u);
  CHECK(crc16(view("123456789")) == 0x29B1);
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
  AccessUnitHeader unit = usual_unit(true, 9, 280, 1500);
  CHECK(write_access_unit_header(unit, state, out) == Status::Ok);
  CHECK(out == from_hex("d3 3f 0000 00 09 9802 dc0b 5a79"));
}

void test_budgets() {
  for (uint32_t side : {16u, 256u, 4096u}) {
    StreamHeader header = usual_header();
    header.width = header.height = side;
    Bytes out;
    CHECK(write_stream_header(header, true, out) == Status::Ok && out.size() <= 16);
  }
  for (bool key : {true, false})
    for (uint32_t structure : {150u, 280u, 16383u})
      for (uint32_t signal : {150u, 6000u, 16383u}) {
        TimestampState state{.valid = true, .last = 1000};
        AccessUnitHeader unit = usual_unit(key, 20, structure, signal);
        unit.number = 990; // ten pictures were not sent
        unit.timestamp = 1001;
        Bytes out;
        CHECK(write_access_unit_header(unit, state, out) == Status::Ok);
        CHECK(out.size() <= 12);
        CHECK(out.size() + 3 * 2 <= 3 * 5 + 4); // at most 5 bytes a layer beside sync, flags and number
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
    header.colour = 1 + random() % 2;
    for (int kind = 1; kind <= 5; kind++)
      if (random() % 2) {
        LayerInfo layer{LayerKind(kind),     uint8_t(random()),   uint8_t(random()),
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
  for (int i = 0; i < 20000; i++) {
    AccessUnitHeader unit, again;
    unit.number = number++;
    timestamp += random() % 50 ? random() % 3 : random() % 200000;
    if (random() % 500 == 0)
      timestamp = random();
    unit.timestamp = timestamp;
    unit.key = random() % 2;
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
          layer = usual_layer_unit(layer.kind, unit.key);
        layer.size = layer.lost ? 0 : random() % 5000;
        unit.layers.push_back(layer);
      }
    Bytes out;
    size_t size;
    if (random() % 100 == 0)
      writer = reader = {}; // a stream header went by
    CHECK(write_access_unit_header(unit, writer, out) == Status::Ok);
    CHECK(parse_access_unit_header(out, again, size, &reader) == Status::Ok && size == out.size());
    CHECK(again.number == unit.number && again.timestamp == unit.timestamp && again.key == unit.key &&
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
      CHECK(parse_access_unit_header(bad, ignored, size, nullptr) != Status::Ok);
    }
  }
}

void test_payloads() {
  AccessUnitHeader unit = usual_unit(true, 3, 0, 5);
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
    AccessUnitHeader unit = usual_unit(true, 9, 60, 200);
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

void test_unit_refusals() {
  TimestampState state;
  Bytes out;
  AccessUnitHeader unit = usual_unit(true, 9, 60, 200), again;
  unit.layers[1].size = Limits::max_structure_bytes + 1;
  CHECK(write_access_unit_header(unit, state, out) == Status::TooLarge && out.empty());
  std::swap(unit.layers[0], unit.layers[2]);
  CHECK(write_access_unit_header(unit, state, out) != Status::Ok);
  unit = {};
  unit.layers.resize(Limits::max_layers + 1);
  CHECK(write_access_unit_header(unit, state, out) == Status::TooLarge);
  size_t size;
  Bytes absurd = from_hex("d3 3c 0000 00 ffffffff7f");
  CHECK(parse_access_unit_header(absurd, again, size, nullptr) == Status::TooLarge);
}

} // namespace

int main() {
  test_checksums();
  test_varint();
  test_worked_examples();
  test_budgets();
  test_header_round_trip();
  test_header_refusals();
  test_versions();
  test_profile_resolver();
  test_unit_round_trip();
  test_payloads();
  test_resync();
  test_unit_refusals();
  return 0;
}
