// SPDX-License-Identifier: LGPL-2.1-or-later
// RTP payload descriptors and aggregates on hostile packets: views stay inside the packet, and what parses
// comes out the same after writing.
#include "gst/bitstream/rtp_descriptor.hpp"
#include "tests/fuzz/fuzz_target.hpp"

using namespace gsem;
using namespace gsem::bitstream;

namespace {

void check_entry(const RtpEntry& entry, ByteView packet) {
  FUZZ_CHECK(!entry.data.empty());
  FUZZ_CHECK(entry.data.data() >= packet.data());
  FUZZ_CHECK(entry.data.data() + entry.data.size() <= packet.data() + packet.size());
}

/// Writes the entries as an aggregate of the same form and reads them back.
void rewrite(const RtpDescriptor& descriptor, const std::vector<RtpEntry>& entries) {
  Bytes packet;
  FUZZ_CHECK(write_rtp_descriptor(descriptor, packet) == Status::Ok);
  for (size_t i = 0; i < entries.size(); i++) {
    const bool with_size = i + 1 != descriptor.entries;
    FUZZ_CHECK(write_rtp_entry(entries[i], with_size, packet) == Status::Ok);
    packet.insert(packet.end(), entries[i].data.begin(), entries[i].data.end());
  }
  RtpDescriptor again;
  size_t size = 0;
  FUZZ_CHECK(parse_rtp_descriptor(packet, again, size) == Status::Ok && again == descriptor);
  RtpEntryReader reader(again, packet, size);
  for (const RtpEntry& entry : entries) {
    RtpEntry read;
    FUZZ_CHECK(!reader.done() && reader.next(read) == Status::Ok);
    FUZZ_CHECK(read.type == entry.type && read.layer == entry.layer && read.number == entry.number);
    FUZZ_CHECK(Bytes(read.data.begin(), read.data.end()) == Bytes(entry.data.begin(), entry.data.end()));
  }
  FUZZ_CHECK(reader.done());
}

Bytes aggregate(RtpDescriptor descriptor, std::vector<RtpEntry> entries) {
  static const Bytes data(20, 0x42);
  Bytes packet;
  write_rtp_descriptor(descriptor, packet);
  for (size_t i = 0; i < entries.size(); i++) {
    entries[i].data = ByteView(data).first(4 + 3 * i);
    write_rtp_entry(entries[i], i + 1 != descriptor.entries, packet);
    packet.insert(packet.end(), entries[i].data.begin(), entries[i].data.end());
  }
  return packet;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView packet(data, size);
  RtpDescriptor descriptor;
  size_t at = 0;
  if (parse_rtp_descriptor(packet, descriptor, at) != Status::Ok)
    return 0;
  FUZZ_CHECK(at >= kRtpDescriptorBytes && at < size);
  if (descriptor.fragment) {
    Bytes written;
    RtpDescriptor again;
    FUZZ_CHECK(write_rtp_descriptor(descriptor, written) == Status::Ok);
    written.push_back(0);
    FUZZ_CHECK(parse_rtp_descriptor(written, again, at) == Status::Ok && again == descriptor);
    return 0;
  }
  RtpEntryReader reader(descriptor, packet, at);
  std::vector<RtpEntry> entries;
  bool writable = true;
  while (!reader.done()) {
    RtpEntry entry;
    if (reader.next(entry) != Status::Ok) {
      FUZZ_CHECK(reader.done());
      return 0;
    }
    check_entry(entry, packet);
    FUZZ_CHECK(entries.size() < kMaxRtpEntries);
    writable = writable && entry.type != RtpEntry::Type::Unknown;
    entries.push_back(entry);
  }
  if (writable)
    rewrite(descriptor, entries);
  return 0;
}

std::vector<Bytes> fuzz_seeds() {
  const RtpLayer caption{}, structure{LayerKind::Structure, false, true, false, 2},
      signal{LayerKind::Signal, true, true, true, 0}, other{LayerKind(5), true, false, true, 0};
  using Type = RtpEntry::Type;
  RtpDescriptor fragment{.number = 9, .layers = 0x0E, .fragment = true, .layer = signal, .end = false};
  Bytes first, dependent;
  write_rtp_descriptor(fragment, first);
  first.resize(40);
  fragment.dependencies = uint8_t(4);
  fragment.layers = 0x2E;
  write_rtp_descriptor(fragment, dependent);
  dependent.resize(40);
  return {
      first,
      dependent,
      aggregate({.number = 1, .layers = 0x0E},
                {{.type = Type::StreamHeader}, {.layer = caption}, {.layer = structure}}),
      aggregate({.number = 2, .layers = 0x08, .entries = 2},
                {{.type = Type::Repeat, .layer = caption, .number = 1}, {.layer = signal}}),
      aggregate({.number = 3, .layers = 0x2A, .entries = 3},
                {{.layer = caption}, {.layer = signal}, {.layer = other}}),
  };
}
