// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/access_unit.hpp"
#include "gst/bitstream/stream_header.hpp"
#include "gst/semantic/caps.hpp"
#include "gst/semantic/ptr.hpp"

#include <array>
#include <string>

/// Between caps and the stream header: every field of docs/caps.md is written and read here.
/// Thread-safety: pure functions.
namespace gsem {

struct LayerName {
  bitstream::LayerKind kind;
  const char* pad;  ///< "caption"
  const char* caps; ///< "video/x-semantic-caption"
};

inline constexpr std::array<LayerName, 3> kLayerNames{{
    {bitstream::LayerKind::Caption, GSEM_PAD_CAPTION, GSEM_CAPS_CAPTION},
    {bitstream::LayerKind::Structure, GSEM_PAD_STRUCTURE, GSEM_CAPS_STRUCTURE},
    {bitstream::LayerKind::Signal, GSEM_PAD_SIGNAL, GSEM_CAPS_SIGNAL},
}};

/// Pad templates of mux, demux and parse.
#define GSEM_CAPS_GEOMETRY                                                                                   \
  "width = (int) [ 16, 4096 ], height = (int) [ 16, 4096 ], framerate = (fraction) [ 0/1, max ]"
#define GSEM_STREAM_PARSED_TEMPLATE                                                                          \
  GSEM_CAPS_STREAM ", stream-format = (string) byte-stream, alignment = (string) au, parsed = (boolean) "    \
                   "true"

/// Index into kLayerNames, -1 for other pads.
int layer_index(const char* pad_name);

/// 16 hexadecimal digits: the spelling of hashes in caps.
std::string hash_to_string(uint64_t hash);
/// False when `text` is not 1 to 16 hexadecimal digits.
bool hash_from_string(const char* text, uint64_t& hash);

/// A buffer of its own with these bytes, also of none. (transfer full)
GstBuffer* new_buffer(const void* data, size_t size);

/// "av1"; null for a codec this version does not know.
const char* codec_name(bitstream::LayerKind kind, uint8_t codec);

/// Size, rate and pixel shape from a layer's caps. False when they have no size.
bool geometry_from_caps(const GstStructure* caps, bitstream::StreamHeader& header);

/// Codec, hashes and codec header from a layer's caps. `error` is the reason when false.
bool layer_from_caps(const GstStructure* caps, bitstream::LayerKind kind, bitstream::LayerInfo& layer,
                     std::string& error);

/// What the demuxer's pad for `layer` carries.
Ptr<GstCaps> layer_caps(const bitstream::StreamHeader& header, const bitstream::LayerInfo& layer);

/// The stream's caps; `header_bytes` go into `streamheader`.
Ptr<GstCaps> stream_caps(const bitstream::StreamHeader& header, ByteView header_bytes);

/// First buffer of `streamheader` in stream caps, null when there is none.
GstBuffer* header_buffer(const GstCaps* caps);

/// Reads the header at the start of `data`, with the hashes of known profiles filled in. A profile that
/// cannot be found leaves hashes 0 and codec headers empty, and `known_profile` false.
Status read_header(ByteView data, bitstream::StreamHeader& header, size_t& size, bool& known_profile);

/// Time of a timestamp in the header's time base.
GstClockTime tick_time(const bitstream::StreamHeader& header, uint64_t tick);
uint64_t time_tick(const bitstream::StreamHeader& header, GstClockTime time);
/// One frame, NONE when the rate is 0.
GstClockTime frame_duration(const bitstream::StreamHeader& header);

/// A picture can be made from this unit without earlier ones: all key, and it brings the words where the
/// stream has them.
bool decodes_alone(const bitstream::StreamHeader& header, const bitstream::AccessUnitHeader& unit);

} // namespace gsem
