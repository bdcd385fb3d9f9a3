// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/// Structure-map codecs behind one interface: AV1 (libaom, dav1d) and VVC (VVenC, vvdec; where built with
/// them) embedded; VTM as external programs. Maps are 16..512 pixels a side, any size in between; payloads
/// are at most bitstream::Limits::max_structure_bytes.
namespace gsem::maps {

inline constexpr int kMaxKeyInterval = 100000;

/// 8-bit grey map; rows are `stride` bytes apart.
struct MapView {
  const uint8_t* data = nullptr;
  int width = 0, height = 0, stride = 0;
};

struct Map {
  int width = 0, height = 0;
  std::vector<uint8_t> data; ///< width*height, rows packed
};

/// For codecs that are external programs (vtm); the others have no use for it.
struct ExternalPrograms {
  std::string program_dir;                   ///< empty: $GST_SEMANTIC_VTM_DIR (docs/vtm.md)
  std::chrono::milliseconds deadline{30000}; ///< for one call of a program; it is killed then
  /// Asked every few milliseconds while a program runs, on the thread that called the codec; true: kill it,
  /// the call is Failed. The way to break off a call from another thread. Must not throw; may be empty.
  std::function<bool()> cancelled;
};

struct EncoderSettings {
  std::string codec = "av1";
  int width = 128, height = 128;
  int quantiser = 62;    ///< av1: cq 0..63 (62 is the equivalent of VTM QP 50); vvc, vtm: QP 0..63
  bool live = false;     ///< false: every map a still of the highest efficiency; true: delta maps, real time
  int key_interval = 50; ///< live: 1..kMaxKeyInterval maps from key map to key map; deltas predict from the
                         ///< last key map only
  int speed = -1;        ///< codec's own; -1: its default. av1: cpu-used 0..6 (4 for stills, 6 live); vvc: 0
                         ///< (slower) to 4 (faster): 2 for stills, 3 live
  ExternalPrograms programs;
};

struct EncodedMap {
  bool key = true;
  Bytes payload; ///< frame type byte, then codec data without sequence header and temporal delimiter
};

/// Not thread-safe; one a stream.
class MapEncoder {
public:
  /// Failed with `error` (cause and remedy) when the codec is unknown or refuses the settings.
  static Status create(const EncoderSettings& settings, std::unique_ptr<MapEncoder>& out, std::string& error);
  virtual ~MapEncoder() = default;
  /// Failed for a map of another size than the settings', or when the codec fails; the next map is then a key
  /// map.
  virtual Status encode(const MapView& map, bool force_key, EncodedMap& out) = 0;
  /// The map that encode() gave last is not sent: the next one does not refer to it, and is a key map if it
  /// was.
  virtual void discard() {}
  /// May change between maps, clamped to the codec's range; takes effect at the next map.
  virtual void set_quantiser(int quantiser) = 0;
  /// For the stream header; fixed for the life of the encoder (available before the first map). av1: the same
  /// for one map size and speed whatever the quantiser and whether `live` or not, so a profile's id can stand
  /// for it. vvc, vtm: depends on the quantiser at creation too (vvc: and on the speed).
  virtual const Bytes& codec_header() const = 0;
  /// Cause and remedy of the last failed encode(); empty when the codec has no more to say than the status.
  virtual std::string last_error() const { return {}; }
};

/// Not thread-safe; one a stream. Hostile input gives Corrupt or TooLarge, never a crash.
class MapDecoder {
public:
  /// `codec`: a codec's name or what it writes (coded_format). "vvc" is decoded by the library where built
  /// with it, by VTM otherwise and where `programs` or $GST_SEMANTIC_VTM_DIR names its folder.
  static Status create(const std::string& codec, ByteView codec_header, std::unique_ptr<MapDecoder>& out,
                       std::string& error, const ExternalPrograms& programs = {});
  virtual ~MapDecoder() = default;
  /// A delta map whose key map is missing is Corrupt. After any failure decode goes on at the next key map or
  /// delta of a key map that arrived. `out` is unspecified after a failure.
  virtual Status decode(ByteView payload, Map& out) = 0;
  virtual void reset() = 0; ///< forget reference maps (flush, discontinuity)
  /// Cause and remedy of the last failed decode(); empty when the codec has no more to say than the status.
  virtual std::string last_error() const { return {}; }
};

/// Codecs usable here and now ("av1", "vvc" when built in, "vtm" when its programs are found).
std::vector<std::string> available_codecs();

/// Name in caps and stream headers of what a codec writes: "av1", or "vvc" for "vvc" and "vtm"; empty for an
/// unknown one.
std::string coded_format(const std::string& codec);

} // namespace gsem::maps
