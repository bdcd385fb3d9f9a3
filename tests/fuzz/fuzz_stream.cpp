// SPDX-License-Identifier: LGPL-2.1-or-later
// Stream headers, access units and resynchronisation on hostile bytes: nothing is read outside the input, and
// what parses comes out the same after writing. Checksums would stop nearly every mutation at the door, so
// each input is tried again with them repaired.
#include "gst/bitstream/access_unit.hpp"
#include "gst/bitstream/crc.hpp"
#include "gst/bitstream/fields.hpp"
#include "tests/fuzz/fuzz_target.hpp"

#include <algorithm>

using namespace gsem;
using namespace gsem::bitstream;

namespace {

bool same(const LayerInfo& a, const LayerInfo& b) {
  return a.kind == b.kind && a.codec == b.codec && a.dependencies == b.dependencies &&
         a.parse_hash == b.parse_hash && a.latent_id == b.latent_id && a.codec_header == b.codec_header;
}

bool same(const StreamHeader& a, const StreamHeader& b) {
  // Pixels of shape 3:3 are written as 1:1.
  return a.width == b.width && a.height == b.height && a.fps_n == b.fps_n && a.fps_d == b.fps_d &&
         uint64_t(a.par_n) * b.par_d == uint64_t(b.par_n) * a.par_d && a.profile_id == b.profile_id &&
         a.colour == b.colour &&
         std::ranges::equal(a.layers, b.layers,
                            [](const LayerInfo& x, const LayerInfo& y) { return same(x, y); });
}

bool same(const LayerUnit& a, const LayerUnit& b) {
  return a.kind == b.kind && a.key == b.key && a.discardable == b.discardable &&
         a.switch_point == b.switch_point && a.lost == b.lost && a.temporal_id == b.temporal_id &&
         a.size == b.size;
}

void try_header(ByteView data) {
  StreamHeader header, again;
  size_t size = 0;
  const Status status = parse_stream_header(data, header, size);
  FUZZ_CHECK(size <= data.size());
  FUZZ_CHECK(status != Status::Unsupported || size > 0);
  if (status != Status::Ok)
    return;
  for (const bool compact : {false, true}) {
    Bytes written;
    FUZZ_CHECK(write_stream_header(header, compact, written) == Status::Ok);
    FUZZ_CHECK(parse_stream_header(written, again, size) == Status::Ok && size == written.size());
    FUZZ_CHECK(compact || same(header, again));
  }
}

void try_unit(ByteView data) {
  AccessUnitHeader header, again;
  size_t size = 0;
  TimestampState state;
  if (parse_access_unit_header(data, header, size, &state) != Status::Ok)
    return;
  FUZZ_CHECK(size > 0 && size <= data.size());
  FUZZ_CHECK(header.layers.size() <= Limits::max_layers);
  const ByteView section = data.subspan(size);
  ByteView payload;
  for (size_t i = 0; i <= header.layers.size(); i++)
    if (find_payload(header, section, i, payload) == Status::Ok)
      FUZZ_CHECK(payload.size() == header.layers[i].size &&
                 (payload.empty() || (payload.data() >= section.data() &&
                                      payload.data() + payload.size() <= section.data() + section.size())));
  Bytes written;
  TimestampState writer_state, reader_state;
  FUZZ_CHECK(write_access_unit_header(header, writer_state, written) == Status::Ok);
  FUZZ_CHECK(parse_access_unit_header(written, again, size, &reader_state) == Status::Ok);
  FUZZ_CHECK(size == written.size());
  FUZZ_CHECK(again.timestamp == header.timestamp && again.number == header.number &&
             again.key == header.key &&
             std::ranges::equal(header.layers, again.layers,
                                [](const LayerUnit& a, const LayerUnit& b) { return same(a, b); }));
}

void try_repaired_header(ByteView data) {
  if (data.size() < 5)
    return;
  FieldReader frame(data.subspan(5));
  const uint64_t body = frame.varint();
  const size_t checked = 5 + frame.position();
  if (!frame.ok() || body > data.size() - checked)
    return;
  Bytes repaired(data.begin(), data.begin() + ptrdiff_t(checked + body));
  put_uint(repaired, crc32(repaired), 4);
  try_header(repaired);
}

/// Where the checksum belongs is only known after parsing: every place is tried.
void try_repaired_unit(ByteView data) {
  constexpr size_t kMost = 48;
  Bytes repaired;
  for (size_t length = 4; length <= std::min(data.size(), kMost); length++) {
    repaired.assign(data.begin(), data.begin() + ptrdiff_t(length));
    put_uint(repaired, crc16(repaired), 2);
    try_unit(repaired);
  }
}

void walk(ByteView data) {
  size_t at = 0, next = 0;
  UnitKind kind = UnitKind::AccessUnit;
  for (; find_unit(data, at, next, kind) == Status::Ok; at = next + 1) {
    FUZZ_CHECK(next >= at && next < data.size());
    kind == UnitKind::StreamHeader ? try_header(data.subspan(next)) : try_unit(data.subspan(next));
  }
  FUZZ_CHECK(next >= at && next <= std::max(at, data.size()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView bytes(data, size);
  try_header(bytes);
  try_unit(bytes);
  try_repaired_header(bytes);
  try_repaired_unit(bytes);
  walk(bytes);
  return 0;
}

std::vector<Bytes> fuzz_seeds() {
  return {}; // corpus/stream has them as text
}
