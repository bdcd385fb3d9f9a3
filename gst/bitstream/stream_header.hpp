// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <array>
#include <cstdint>
#include <vector>

/// The stream header: what a decoder must know before the first access unit. Normative text:
/// docs/bitstream.md. Thread-safety: plain values and pure functions.
namespace gsem::bitstream {

inline constexpr uint8_t kMajorVersion = 1;
inline constexpr uint8_t kMinorVersion = 0;

/// What a decoder accepts before it takes memory.
struct Limits {
  static constexpr uint32_t min_side = 16, max_side = 4096; ///< pixels
  static constexpr uint32_t max_layers = 8;
  static constexpr uint32_t max_caption_bytes = 8192;
  static constexpr uint32_t max_structure_bytes = 1u << 20;
  static constexpr uint32_t max_signal_bytes = 16u << 20;
  static constexpr uint32_t max_codec_header_bytes = 1024;
};

enum class LayerKind : uint8_t { Caption = 1, Structure = 2, Signal = 3 };

/// Largest payload of a layer kind, in bytes (the signal limit for unknown kinds).
uint32_t max_payload_bytes(LayerKind kind);

/// Codec of a layer's payload. The number space is per kind.
enum class CaptionCodec : uint8_t { Trigram = 1 };
enum class StructureCodec : uint8_t { Av1 = 1, Vvc = 2 };
enum class SignalCodec : uint8_t { Hyperprior = 1 };

struct LayerInfo {
  LayerKind kind = LayerKind::Caption;
  uint8_t codec = 1;
  uint8_t dependencies =
      0; ///< bit k set: decodable only with layer kind k of the same access unit (bit 0 unused)
  uint64_t parse_hash = 0; ///< what must agree for the bits to parse; 0: nothing but the codec itself
  uint64_t latent_id = 0;  ///< contract between analysis and synthesis; 0: none
  Bytes codec_header;      ///< e.g. the AV1 sequence header; at most Limits::max_codec_header_bytes
};

struct StreamHeader {
  uint8_t major = kMajorVersion, minor = kMinorVersion;
  uint32_t width = 0, height = 0; ///< pixels, Limits::min_side..max_side
  uint32_t fps_n = 0, fps_d = 1;  ///< frame rate; 0/1: still picture or variable, time base is then 1/90000 s
  uint32_t par_n = 1, par_d = 1;  ///< pixel aspect ratio
  uint8_t colour = 1;             ///< 1: sRGB, full range (the only value in version 1)
  uint32_t profile_id = 0;        ///< 0: no known profile, hashes and headers are all spelled out
  std::vector<LayerInfo> layers;  ///< ascending kind, at most Limits::max_layers
  const LayerInfo* find(LayerKind kind) const;
};

/// Seconds per timestamp tick as a fraction: fps_d/fps_n, or 1/90000 when the rate is 0.
std::array<uint32_t, 2> time_base(const StreamHeader& header);

/// Fills in hashes and codec headers that a compact header leaves to the known profile id.
/// Returns false for an unknown id. Thread-safe.
using ProfileResolver = bool (*)(uint32_t profile_id, StreamHeader& header, void* user);

/// Appends the header to `out`. `compact`: leave out what `profile_id` stands for (at most 16 bytes then for
/// usual sizes); the caller guarantees that the resolver will give the same values back. What a compact
/// header cannot say (no profile id, another codec than 1, dependencies, unknown kinds) is written in the
/// long form all the same. TooLarge: sizes outside the limits. Corrupt: rates, ratios or kinds that make no
/// sense. Unsupported: colour. `out` is then as it was.
Status write_stream_header(const StreamHeader& header, bool compact, Bytes& out);

/// Reads one header at the start of `data`; `size` receives the bytes it takes (also set for Unsupported, so
/// that it can be skipped). Mismatch: `resolver` does not know the profile id. With `resolver` null a compact
/// header is returned with `LayerInfo` hashes 0 and headers empty.
Status parse_stream_header(ByteView data, StreamHeader& header, size_t& size,
                           ProfileResolver resolver = nullptr, void* user = nullptr);

} // namespace gsem::bitstream
