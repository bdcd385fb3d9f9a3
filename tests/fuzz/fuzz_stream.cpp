// SPDX-License-Identifier: LGPL-2.1-or-later
// Stream headers, access units and resynchronisation on hostile bytes. What parses must come out the same
// after writing.
#include "gst/bitstream/access_unit.hpp"
#include "tests/fuzz/fuzz_target.hpp"

using namespace gsem;
using namespace gsem::bitstream;

namespace {

bool same(const StreamHeader& a, const StreamHeader& b) {
  bool same = a.width == b.width && a.height == b.height && a.fps_n == b.fps_n && a.fps_d == b.fps_d &&
              a.profile_id == b.profile_id && a.colour == b.colour && a.layers.size() == b.layers.size();
  for (size_t i = 0; same && i < a.layers.size(); i++)
    same = a.layers[i].kind == b.layers[i].kind && a.layers[i].codec == b.layers[i].codec &&
           a.layers[i].parse_hash == b.layers[i].parse_hash &&
           a.layers[i].codec_header == b.layers[i].codec_header;
  return same;
}

void try_header(ByteView data) {
  StreamHeader header, again;
  size_t size = 0;
  if (parse_stream_header(data, header, size) != Status::Ok)
    return;
  FUZZ_CHECK(size <= data.size());
  Bytes written;
  FUZZ_CHECK(write_stream_header(header, false, written) == Status::Ok);
  FUZZ_CHECK(parse_stream_header(written, again, size) == Status::Ok && same(header, again));
}

void try_unit(ByteView data) {
  AccessUnitHeader header, again;
  size_t size = 0;
  TimestampState state, writer_state, reader_state;
  if (parse_access_unit_header(data, header, size, &state) != Status::Ok)
    return;
  FUZZ_CHECK(size <= data.size());
  ByteView section = data.subspan(size), payload;
  for (size_t i = 0; i < header.layers.size(); i++)
    if (find_payload(header, section, i, payload) == Status::Ok)
      FUZZ_CHECK(payload.empty() || (payload.data() >= section.data() &&
                                  payload.data() + payload.size() <= section.data() + section.size()));
  Bytes written;
  FUZZ_CHECK(write_access_unit_header(header, writer_state, written) == Status::Ok);
  FUZZ_CHECK(parse_access_unit_header(written, again, size, &reader_state) == Status::Ok);
  FUZZ_CHECK(again.timestamp == header.timestamp && again.number == header.number &&
          again.layers.size() == header.layers.size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteView bytes(data, size);
  try_header(bytes);
  try_unit(bytes);
  size_t at = 0, previous = 0;
  UnitKind kind;
  while (find_unit(bytes, at, at, kind) == Status::Ok) {
    FUZZ_CHECK(at >= previous && at < size);
    kind == UnitKind::StreamHeader ? try_header(bytes.subspan(at)) : try_unit(bytes.subspan(at));
    previous = ++at;
  }
  return 0;
}

std::vector<Bytes> fuzz_seeds() {
  return {}; // corpus/stream has them as text
}
