// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// Widths of the published networks. The defaults are the published ones; `read` finds those of any
/// checkpoint in its tensors' shapes, so that a narrower network (for tests, or somebody's own) loads as
/// well. No torch.
namespace gsem::nets::reference {

/// A published width times `share` (of 0..1, 1: as published), a multiple of `step`.
inline int64_t scaled_width(int64_t published, double share, int64_t step = 1) {
  return std::max(step, int64_t(double(published) * share / double(step) + 0.5) * step);
}

using Shapes = std::map<std::string, std::vector<int64_t>>;

struct CaptionerSizes {
  int64_t stem = 64; ///< ResNet's first channels; stages have 1, 2, 4, 8 times as many
  std::array<int64_t, 4> blocks{3, 8, 36, 3}; ///< ResNet-152
  int64_t embedding = 256, hidden = 512, words = 5450;
  /// Fewer blocks a stage too.
  static CaptionerSizes scaled(double share, int64_t words);
  /// Names as the profile has them: "encoder." and "decoder." before those of the two checkpoints.
  bool read(const Shapes& shapes, std::string& error);
};

struct TextEncoderSizes {
  int64_t words = 5450, embedding = 300, width = 256; ///< width: both directions together
  static TextEncoderSizes scaled(double share, int64_t words);
  bool read(const Shapes& shapes, std::string& error);
};

struct PainterSizes {
  int64_t features = 32, text = 256, condition = 100, noise = 100, residuals = 2;
  /// `text`: the text encoder's width.
  static PainterSizes scaled(double share, int64_t text);
  bool read(const Shapes& shapes, std::string& error);
};

struct RankerSizes {
  int64_t stem = 32; ///< Inception v3's first channels; all others in proportion
  int64_t width = 256;
  static RankerSizes scaled(double share);
  bool read(const Shapes& shapes, std::string& error);
};

struct EdgeSizes {
  int64_t stem = 64, side = 21;
  static EdgeSizes scaled(double share);
  bool read(const Shapes& shapes, std::string& error);
};

struct StructureSizes {
  int64_t width = 64;
  static StructureSizes scaled(double share);
  bool read(const Shapes& shapes, std::string& error);
};

struct SignalSizes {
  int64_t width = 128, latents = 192; ///< N and M
  static SignalSizes scaled(double share);
  bool read(const Shapes& shapes, std::string& error);
};

} // namespace gsem::nets::reference
