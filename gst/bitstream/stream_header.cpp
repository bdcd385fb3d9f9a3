// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/bitstream/stream_header.hpp"

#include "gst/bitstream/crc.hpp"
#include "gst/bitstream/fields.hpp"

#include <algorithm>

namespace gsem::bitstream {
namespace {

constexpr uint8_t kMagic[4] = {'G', 'S', 'E', 'M'};
constexpr size_t kMaxBody = 8000;         ///< seven layers with full codec headers and room for extensions
constexpr uint32_t kMaxRatio = INT32_MAX; ///< of rates and pixel shapes

enum Flag : uint8_t { Compact = 1, HasPar = 2, HasColour = 4, HasExtension = 8 };

struct Rate {
  uint32_t n, d;
};
constexpr Rate kRates[] = {{0, 1},  {1, 1},   {2, 1},   {3, 1},        {4, 1},        {5, 1},       {6, 1},
                           {8, 1},  {10, 1},  {12, 1},  {15, 1},       {20, 1},       {24, 1},      {25, 1},
                           {30, 1}, {40, 1},  {48, 1},  {50, 1},       {60, 1},       {72, 1},      {90, 1},
                           {96, 1}, {100, 1}, {120, 1}, {24000, 1001}, {30000, 1001}, {60000, 1001}};
constexpr uint8_t kExplicitRate = 31;

uint8_t rate_code(uint32_t n, uint32_t d) {
  for (size_t i = 0; i < std::size(kRates); i++)
    if (kRates[i].n == n && kRates[i].d == d)
      return uint8_t(i);
  return kExplicitRate;
}

bool known_kind(LayerKind kind) {
  return kind >= LayerKind::Caption && kind <= LayerKind::Signal;
}

bool fits_compact(const StreamHeader& header) {
  return header.profile_id != 0 && std::ranges::all_of(header.layers, [](const LayerInfo& layer) {
           return known_kind(layer.kind) && layer.codec == 1 && layer.dependencies == 0;
         });
}

Status check(const StreamHeader& header) {
  auto side_ok = [](uint32_t side) { return side >= Limits::min_side && side <= Limits::max_side; };
  if (!side_ok(header.width) || !side_ok(header.height) || header.layers.size() > Limits::max_layers)
    return Status::TooLarge;
  if (header.fps_d == 0 || header.par_n == 0 || header.par_d == 0 || (header.fps_n == 0 && header.fps_d != 1))
    return Status::Corrupt;
  if (std::max({header.fps_n, header.fps_d, header.par_n, header.par_d}) > kMaxRatio)
    return Status::Corrupt;
  uint8_t previous = 0;
  for (const LayerInfo& layer : header.layers) {
    const uint8_t kind = uint8_t(layer.kind);
    if (kind <= previous || kind > 7 || (layer.dependencies & 1))
      return Status::Corrupt;
    previous = kind;
  }
  // A picture in unknown colours would come out wrong without anybody noticing.
  return header.colour == 1 ? Status::Ok : Status::Unsupported;
}

void write_layer(const LayerInfo& layer, Bytes& out) {
  Bytes entry;
  put_uint(entry, uint8_t(layer.kind), 1);
  put_uint(entry, layer.codec, 1);
  put_uint(entry, layer.dependencies, 1);
  put_uint(entry, layer.parse_hash, 8);
  put_uint(entry, layer.latent_id, 8);
  put_varint(entry, layer.codec_header.size());
  entry.insert(entry.end(), layer.codec_header.begin(), layer.codec_header.end());
  put_varint(out, entry.size());
  out.insert(out.end(), entry.begin(), entry.end());
}

/// Bytes of an entry after the known fields are a newer version's and are skipped.
void read_layer(FieldReader& body, LayerInfo& layer) {
  FieldReader entry(body.bytes(body.varint()));
  layer.kind = LayerKind(entry.uint(1));
  layer.codec = uint8_t(entry.uint(1));
  layer.dependencies = uint8_t(entry.uint(1));
  layer.parse_hash = entry.uint(8);
  layer.latent_id = entry.uint(8);
  uint64_t size = entry.varint();
  if (size > Limits::max_codec_header_bytes)
    body.fail(Status::TooLarge);
  else {
    ByteView codec_header = entry.bytes(size);
    layer.codec_header.assign(codec_header.begin(), codec_header.end());
  }
  if (!entry.ok())
    body.fail(Status::Corrupt);
}

uint32_t read_number(FieldReader& body, uint32_t limit) {
  const uint64_t value = body.varint();
  if (value > limit)
    body.fail(Status::Corrupt);
  return uint32_t(value);
}

void read_layers(FieldReader& body, StreamHeader& header) {
  uint64_t count = body.uint(1);
  if (count > Limits::max_layers)
    return body.fail(Status::TooLarge);
  header.layers.resize(size_t(count));
  for (LayerInfo& layer : header.layers)
    read_layer(body, layer);
}

void read_body(FieldReader& body, StreamHeader& header) {
  uint8_t flags = uint8_t(body.uint(1));
  uint32_t sides = uint32_t(body.uint(3));
  header.width = (sides >> 12) + 1;
  header.height = (sides & 0xFFF) + 1;
  uint8_t packed = uint8_t(body.uint(1)), rate = packed >> 3;
  if (rate == kExplicitRate) {
    header.fps_n = read_number(body, kMaxRatio);
    header.fps_d = read_number(body, kMaxRatio);
  } else if (rate < std::size(kRates)) {
    header.fps_n = kRates[rate].n;
    header.fps_d = kRates[rate].d;
  } else
    body.fail(Status::Unsupported);
  if (flags & HasPar) {
    header.par_n = read_number(body, kMaxRatio);
    header.par_d = read_number(body, kMaxRatio);
  }
  if (flags & HasColour)
    header.colour = uint8_t(body.uint(1));
  header.profile_id = read_number(body, UINT32_MAX);
  if (flags & Compact) {
    if (header.profile_id == 0)
      body.fail(Status::Corrupt); // nothing stands for what is left out
    for (uint8_t kind = 1; kind <= 3; kind++)
      if (packed & 1 << (kind - 1))
        header.layers.emplace_back().kind = LayerKind(kind);
  } else
    read_layers(body, header);
  if (flags & HasExtension)
    body.bytes(body.varint());
  if (body.left())
    body.fail(Status::Corrupt);
}

} // namespace

uint32_t max_payload_bytes(LayerKind kind) {
  switch (kind) {
  case LayerKind::Caption:
    return Limits::max_caption_bytes;
  case LayerKind::Structure:
    return Limits::max_structure_bytes;
  default:
    return Limits::max_signal_bytes;
  }
}

const LayerInfo* StreamHeader::find(LayerKind kind) const {
  auto found = std::ranges::find(layers, kind, &LayerInfo::kind);
  return found == layers.end() ? nullptr : &*found;
}

std::array<uint32_t, 2> time_base(const StreamHeader& header) {
  if (header.fps_n == 0)
    return {1, 90000};
  return {header.fps_d, header.fps_n};
}

Status write_stream_header(const StreamHeader& header, bool compact, Bytes& out) {
  if (Status status = check(header); status != Status::Ok)
    return status;
  for (const LayerInfo& layer : header.layers)
    if (layer.codec_header.size() > Limits::max_codec_header_bytes)
      return Status::TooLarge;
  compact = compact && fits_compact(header);

  uint8_t rate = rate_code(header.fps_n, header.fps_d), mask = 0;
  bool has_par = header.par_n != header.par_d, has_colour = header.colour != 1;
  if (compact)
    for (const LayerInfo& layer : header.layers)
      mask |= uint8_t(1 << (uint8_t(layer.kind) - 1));

  Bytes body;
  put_uint(body, (compact ? Compact : 0) | (has_par ? HasPar : 0) | (has_colour ? HasColour : 0), 1);
  put_uint(body, (header.width - 1) << 12 | (header.height - 1), 3);
  put_uint(body, uint8_t(rate << 3 | mask), 1);
  if (rate == kExplicitRate) {
    put_varint(body, header.fps_n);
    put_varint(body, header.fps_d);
  }
  if (has_par) {
    put_varint(body, header.par_n);
    put_varint(body, header.par_d);
  }
  if (has_colour)
    put_uint(body, header.colour, 1);
  put_varint(body, header.profile_id);
  if (!compact) {
    put_uint(body, header.layers.size(), 1);
    for (const LayerInfo& layer : header.layers)
      write_layer(layer, body);
  }

  size_t begin = out.size();
  out.insert(out.end(), kMagic, kMagic + 4);
  put_uint(out, uint8_t(header.major << 4 | header.minor), 1);
  put_varint(out, body.size());
  out.insert(out.end(), body.begin(), body.end());
  put_uint(out, crc32(ByteView(out).subspan(begin)), 4);
  return Status::Ok;
}

Status parse_stream_header(ByteView data, StreamHeader& header, size_t& size, ProfileResolver resolver,
                           void* user) {
  size = 0;
  header = StreamHeader{};
  for (size_t i = 0; i < 4; i++)
    if (i == data.size())
      return Status::NeedMoreData;
    else if (data[i] != kMagic[i])
      return Status::Corrupt;

  FieldReader frame(data.subspan(4));
  uint8_t version = uint8_t(frame.uint(1));
  uint64_t body_size = frame.varint();
  if (frame.ok() && body_size > kMaxBody)
    return Status::TooLarge;
  ByteView body_bytes = frame.bytes(body_size);
  size_t checked = 4 + frame.position();
  uint32_t crc = uint32_t(frame.uint(4));
  if (!frame.ok())
    return frame.status();
  if (crc32(data.first(checked)) != crc)
    return Status::Corrupt;

  size = checked + 4;
  header.major = version >> 4;
  header.minor = version & 0xF;
  if (header.major != kMajorVersion)
    return Status::Unsupported;
  FieldReader body(body_bytes);
  read_body(body, header);
  if (!body.ok())
    // The checksum is right, so a body that ends early is broken, not unfinished.
    return body.status() == Status::NeedMoreData ? Status::Corrupt : body.status();
  if (Status status = check(header); status != Status::Ok)
    return status;
  if ((body_bytes[0] & Compact) && resolver && !resolver(header.profile_id, header, user))
    return Status::Mismatch;
  return Status::Ok;
}

} // namespace gsem::bitstream
