// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/rtp_descriptor.hpp"
#include "tests/core/check.hpp"

#include <cstdlib>
#include <random>
#include <string>

using namespace gsem;
using namespace gsem::bitstream;

namespace {

Bytes from_hex(const std::string& text) {
  Bytes out;
  std::string digits;
  for (char c : text)
    if (c != ' ')
      digits += c;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(uint8_t(std::stoul(digits.substr(i, 2), nullptr, 16)));
  return out;
}

Bytes filled(size_t size, uint8_t value) {
  return Bytes(size, value);
}

void append(ByteView data, Bytes& out) {
  out.insert(out.end(), data.begin(), data.end());
}

/// Every combination of the fields.
void test_fragments() {
  for (int kind = 1; kind <= 7; kind++)
    for (int bits = 0; bits < 128; bits++)
      for (int others = 0; others < 128; others += 7)
        for (int needs : {-1, 0, 2, 6, 0xFE}) {
          RtpDescriptor d;
          d.fragment = true;
          d.number = uint16_t(bits * 517 + others);
          d.layer = {LayerKind(kind), bool(bits & 1), bool(bits & 2), bool(bits & 4), uint8_t(bits >> 5)};
          d.start = bits & 8;
          d.end = bits & 16;
          d.layers = uint8_t(others << 1 | 1 << kind);
          if (needs >= 0)
            d.dependencies = uint8_t(needs);
          Bytes packet;
          CHECK(write_rtp_descriptor(d, packet) == Status::Ok);
          const bool usual = needs < 0 && d.layers < 16;
          CHECK(packet.size() == (usual ? kRtpDescriptorBytes : d.layers < 16 ? 6u : 7u));
          const size_t expected = packet.size();
          RtpDescriptor again;
          size_t size = 0;
          for (size_t cut = 0; cut <= expected; cut++) // nothing behind it: no fragment
            CHECK(parse_rtp_descriptor(ByteView(packet).first(cut), again, size) == Status::Corrupt);
          packet.push_back(1);
          CHECK(parse_rtp_descriptor(packet, again, size) == Status::Ok && size == expected && again == d);
        }
}

/// The examples of docs/rtp.md.
void test_worked_examples() {
  // A unit of three small layers and a stream header, in one packet.
  RtpDescriptor d;
  d.number = 0x0102;
  d.layers = 0x0E;
  d.entries = 0;
  const Bytes header = from_hex("4753454d 10 06 01 0ff0ff 6f 01 72c72e50");
  const Bytes caption = filled(9, 0xCA), structure = filled(280, 0x5A), signal = filled(600, 0x51);
  Bytes packet;
  CHECK(write_rtp_descriptor(d, packet) == Status::Ok && packet == from_hex("00 e0 0102"));
  const auto add = [&](RtpEntry entry, ByteView data, const char* expected, bool with_size = true) {
    entry.data = data;
    Bytes head;
    CHECK(write_rtp_entry(entry, with_size, head) == Status::Ok && head == from_hex(expected));
    append(head, packet);
    append(data, packet);
  };
  add({.type = RtpEntry::Type::StreamHeader}, header, "00 10");
  add({}, caption, "34 09");
  add({.layer = {LayerKind::Structure, true, true, true, 0}}, structure, "5c 9802");
  add({.layer = {LayerKind::Signal, true, true, true, 0}}, signal, "7c d804");
  RtpDescriptor again;
  size_t size = 0;
  CHECK(parse_rtp_descriptor(packet, again, size) == Status::Ok && again == d && highest_layer(again) == 3);
  RtpEntryReader reader(again, packet, size);
  RtpEntry entry;
  CHECK(reader.next(entry) == Status::Ok && entry.type == RtpEntry::Type::StreamHeader &&
        Bytes(entry.data.begin(), entry.data.end()) == header);
  CHECK(reader.next(entry) == Status::Ok && entry.layer.kind == LayerKind::Caption && entry.data.size() == 9);
  CHECK(reader.next(entry) == Status::Ok && entry.layer.kind == LayerKind::Structure &&
        entry.layer.discardable && entry.data.size() == 280);
  CHECK(!reader.done() && reader.next(entry) == Status::Ok && entry.data.size() == 600 && reader.done());

  // Signal alone with a repeat of the caption of unit 0x0102, two units later.
  packet.clear();
  d.number = 0x0104;
  d.layers = 0x08;
  d.entries = 2;
  CHECK(write_rtp_descriptor(d, packet) == Status::Ok && packet == from_hex("04 80 0104"));
  add({.type = RtpEntry::Type::Repeat, .number = 0x0102}, caption, "01 34 0102 09");
  add({.layer = {LayerKind::Signal, true, true, true, 0}}, signal, "7c", false);
  CHECK(parse_rtp_descriptor(packet, again, size) == Status::Ok && again == d);
  RtpEntryReader second(again, packet, size);
  CHECK(second.next(entry) == Status::Ok && entry.type == RtpEntry::Type::Repeat && entry.number == 0x0102 &&
        entry.layer.kind == LayerKind::Caption && entry.data.size() == 9);
  CHECK(second.next(entry) == Status::Ok && entry.data.size() == 600 && second.done());

  // The first and the last of the pieces of a signal layer; the unit has all three layers.
  packet.clear();
  d = {.number = 0x0105, .layers = 0x0E, .fragment = true, .end = false};
  d.layer = {LayerKind::Signal, true, true, true, 0};
  CHECK(write_rtp_descriptor(d, packet) == Status::Ok && packet == from_hex("1c fc 0105"));
  packet.clear();
  d.start = false;
  d.end = true;
  CHECK(write_rtp_descriptor(d, packet) == Status::Ok && packet == from_hex("1a fc 0105"));
}

void test_aggregates_round_trip() {
  std::mt19937 random(17);
  for (int i = 0; i < 5000; i++) {
    const size_t count = 1 + random() % 6;
    RtpDescriptor d;
    d.number = uint16_t(random());
    d.entries = count <= 3 && random() % 2 ? uint8_t(count) : 0;
    std::vector<RtpEntry> entries(count);
    std::vector<Bytes> data(count);
    for (size_t k = 0; k < count; k++) {
      entries[k].type = RtpEntry::Type(random() % 3);
      entries[k].layer = {LayerKind(1 + random() % 7), bool(random() % 2), bool(random() % 2),
                          bool(random() % 2), uint8_t(random() % 4)};
      entries[k].number = uint16_t(random());
      data[k] = filled(1 + random() % 300, uint8_t(random()));
      entries[k].data = data[k];
      if (entries[k].type == RtpEntry::Type::Layer)
        d.layers |= uint8_t(1 << uint8_t(entries[k].layer.kind));
    }
    Bytes packet;
    CHECK(write_rtp_descriptor(d, packet) == Status::Ok);
    for (size_t k = 0; k < count; k++) {
      CHECK(write_rtp_entry(entries[k], d.entries == 0 || k + 1 < count, packet) == Status::Ok);
      append(data[k], packet);
    }
    RtpDescriptor again;
    size_t size = 0;
    CHECK(parse_rtp_descriptor(packet, again, size) == Status::Ok && again == d);
    RtpEntryReader reader(again, packet, size);
    for (size_t k = 0; k < count; k++) {
      RtpEntry entry;
      CHECK(!reader.done() && reader.next(entry) == Status::Ok && entry.type == entries[k].type);
      CHECK(entry.type == RtpEntry::Type::StreamHeader || entry.layer == entries[k].layer);
      CHECK(entry.type != RtpEntry::Type::Repeat || entry.number == entries[k].number);
      CHECK(Bytes(entry.data.begin(), entry.data.end()) == data[k]);
    }
    CHECK(reader.done());
  }
}

Status walk(const char* hex, size_t& good) {
  const Bytes packet = from_hex(hex);
  RtpDescriptor d;
  size_t size = 0;
  good = 0;
  if (Status status = parse_rtp_descriptor(packet, d, size); status != Status::Ok)
    return status;
  RtpEntryReader reader(d, packet, size);
  RtpEntry entry;
  for (; !reader.done(); good++)
    if (Status status = reader.next(entry); status != Status::Ok)
      return status;
  return Status::Ok;
}

void test_refusals() {
  struct Case {
    const char* packet;
    Status status;
    size_t good; ///< entries before the trouble
  };
  const Case cases[] = {
      {"", Status::Corrupt, 0},
      {"40", Status::Unsupported, 0},                       // version 1
      {"00 e0 00", Status::Corrupt, 0},                     // cut
      {"00 e0 0000", Status::Corrupt, 0},                   // empty
      {"0c 40 0000 aa", Status::Corrupt, 0},                // a caption, but the unit has only structure
      {"01 20 0000 00 34 01 aa", Status::Corrupt, 0},       // empty extension
      {"01 20 0000 05 01 03", Status::Corrupt, 0},          // cut extension
      {"01 20 0000 02 01 03 34 01 aa", Status::Corrupt, 0}, // layer kind 0
      {"01 20 0000 03 01 02 99 34 01 aa", Status::Ok, 1},   // longer extension of a newer version
      {"00 20 0000 34 02 aa", Status::Corrupt, 0},          // size over the packet
      {"00 20 0000 34 00 34 01 aa", Status::Corrupt, 0},    // empty entry
      {"00 20 0000 34 8100 aa", Status::Corrupt, 0},        // padded size
      {"00 20 0000 34 01 aa 54 01 bb", Status::Corrupt, 1}, // a layer that the unit lacks
      {"04 20 0000 34 01 aa", Status::Corrupt, 0},          // two entries promised, one there
      {"02 20 0000 34", Status::Corrupt, 0},                // no data
      {"00 20 0000 1f 01 aa 34 01 bb", Status::Ok, 2},      // an entry type to skip
      {"00 00 0000 01 34 0007 01 aa", Status::Ok, 1},       // repeat alone
      {"00 00 0000 01 14 0007 01 aa", Status::Corrupt, 0},  // repeat of layer kind 0
      {"00 ff 0000 34 01 aa", Status::Ok, 1},               // reserved bits of an aggregate are ignored
  };
  for (const Case& c : cases) {
    size_t good = 0;
    CHECK(walk(c.packet, good) == c.status);
    CHECK(good == c.good);
  }
  std::string many = "00 20 0000";
  for (size_t i = 0; i <= kMaxRtpEntries; i++)
    many += " 34 01 aa";
  size_t good = 0;
  CHECK(walk(many.c_str(), good) == Status::Corrupt && good == kMaxRtpEntries);

  Bytes out;
  RtpDescriptor d;
  d.fragment = true;
  d.layers = 4;
  CHECK(write_rtp_descriptor(d, out) == Status::Corrupt); // a caption that the unit lacks
  d = {.layers = 2, .entries = 4};
  CHECK(write_rtp_descriptor(d, out) == Status::Corrupt);
  CHECK(write_rtp_entry({}, true, out) == Status::Corrupt); // no data
  const Bytes byte = {1};
  CHECK(write_rtp_entry({.layer = {.temporal_id = 4}, .data = byte}, true, out) == Status::Corrupt);
  CHECK(write_rtp_entry({.type = RtpEntry::Type::Unknown, .data = byte}, true, out) == Status::Corrupt);
  CHECK(out.empty());
  CHECK(highest_layer({}) == 0 && highest_layer({.layers = 0x82}) == 7 && highest_layer({.layers = 2}) == 1);
}

} // namespace

int main() {
  test_fragments();
  test_worked_examples();
  test_aggregates_round_trip();
  test_refusals();
  return check::result();
}
