// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gsem::entropy {

inline constexpr uint8_t kNoHint = 127;         ///< hint codes are 0..126
inline constexpr size_t kMaxCaptionText = 4096; ///< bytes of UTF-8

/// Layer 1's payload, decoded.
struct Caption {
  std::string text;       ///< UTF-8, no NUL, at most kMaxCaptionText bytes
  uint8_t hint = kNoHint; ///< layout code
  uint8_t seed = 0;       ///< generator seed 0..63; 0 costs nothing
  bool operator==(const Caption&) const = default;
};

/// Words of a caption as the networks see them: lower case, [a-z0-9]+ runs.
std::vector<std::string> caption_words(std::string_view text);

/// Word trigram with back-off over integer tables, letter escape, UTF-8 fallback. Immutable after load:
/// thread-safe.
class CaptionCoder {
public:
  /// `table` = the bytes of a caption.tbl (copied). Corrupt, Unsupported, TooLarge as usual.
  static Status load(ByteView table, std::shared_ptr<const CaptionCoder>& out);
  ~CaptionCoder();

  /// Exact for any valid UTF-8 without NUL up to the limit; TooLarge over it, Corrupt when not UTF-8. Appends
  /// to `out`. First byte: hint and frame type; see docs/bitstream.md.
  Status encode(const Caption& caption, Bytes& out) const;
  Status decode(ByteView payload, Caption& caption) const;

  /// 64-bit hash of the tables: captions parse only with the same one.
  uint64_t parse_hash() const;
  /// The table's vocabulary, most frequent first, without special entries.
  const std::vector<std::string>& vocabulary() const;

private:
  struct Impl;
  explicit CaptionCoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace gsem::entropy
