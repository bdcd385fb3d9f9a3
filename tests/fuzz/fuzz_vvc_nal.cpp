// SPDX-License-Identifier: LGPL-2.1-or-later
// VVC byte streams, codec headers and payloads of the vtm and vvc map codecs on hostile bytes; each input is
// tried as all three. What parses must come out of the writer as it went in.
#include "tests/fuzz/fuzz_target.hpp"

#include "vtm_bridge/vvc_nal.hpp"

#include <algorithm>

using namespace gsem;
using namespace gsem::maps;

namespace {

const Bytes kSps = {0, 0x79, 0, 13, 2}, kPps = {0, 0x81, 0, 0, 3, 1}, kSlice = {0, 0x41, 0xc4, 7, 9, 0x80};

bool same(ByteView a, ByteView b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void check_within(ByteView input, const std::vector<ByteView>& units) {
  for (const ByteView& unit : units)
    FUZZ_CHECK(!unit.empty() && unit.data() >= input.data() &&
               unit.data() + unit.size() <= input.data() + input.size());
}

void try_stream(ByteView input) {
  std::vector<ByteView> units, again;
  if (split_byte_stream(input, 8, units) != Status::Ok)
    return;
  FUZZ_CHECK(!units.empty() && units.size() <= 8);
  check_within(input, units);
  Bytes joined;
  for (const ByteView& unit : units)
    append_to_byte_stream(unit, joined);
  FUZZ_CHECK(split_byte_stream(joined, 8, again) == Status::Ok && again.size() == units.size());
  for (size_t i = 0; i < units.size(); i++)
    FUZZ_CHECK(same(units[i], again[i]));
}

void try_payload(ByteView input) {
  std::vector<ByteView> units, again;
  if (parse_vvc_payload(input, units) != Status::Ok)
    return;
  check_within(input, units);
  Bytes written, joined;
  FUZZ_CHECK(write_vvc_payload(units, written) == Status::Ok && same(written, input));
  // No unit can pass for two in the byte stream that the decoder gets.
  for (const ByteView& unit : units)
    append_to_byte_stream(unit, joined);
  FUZZ_CHECK(split_byte_stream(joined, kMaxPayloadUnits, again) == Status::Ok &&
             again.size() == units.size());
}

void try_header(ByteView input) {
  VvcHeader header;
  if (parse_vvc_header(input, header) != Status::Ok)
    return;
  FUZZ_CHECK(header.width >= 16 && header.width <= 512 && header.height >= 16 && header.height <= 512);
  FUZZ_CHECK(same(write_vvc_header(header), input));
  for (const Bytes& set : header.parameter_sets) {
    SpsPicture picture;
    if (parse_sps(set, picture) == Status::Ok)
      FUZZ_CHECK(picture.width >= 16 && picture.width <= 512 && picture.height >= 16 &&
                 picture.height <= 512 && picture.chroma_format <= 3);
  }
}

} // namespace

std::vector<Bytes> fuzz_seeds() {
  Bytes stream, payload;
  for (const Bytes& unit : {kSps, kPps, kSlice})
    append_to_byte_stream(unit, stream);
  FUZZ_CHECK(write_vvc_payload({kPps, kSlice}, payload) == Status::Ok);
  return {stream, payload, write_vvc_header({227, 131, {kSps, kPps}})};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView input(data, size);
  try_stream(input);
  try_payload(input);
  try_header(input);
  return 0;
}
