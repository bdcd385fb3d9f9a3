// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/reference_codec.hpp"

#include <map>

namespace gsem::eval {

/// What a codec made of a picture at one setting.
struct Measured {
  int setting = 0;
  size_t file = 0, payload = 0;
  double psnr = 0, ms_ssim = 0;
};

/// Results of the reference codecs by picture, kept in a text file: they do not change with our weights.
/// Not thread-safe.
class ReferenceResults {
public:
  /// Reads `file` when it is there; lines that are not understood are left out.
  explicit ReferenceResults(std::string file);

  /// All settings of `codec`, by ascending bytes; what is not in the file is run and added to it. `source`:
  /// 8-bit BGR. Settings at which the codec fails are left out.
  std::vector<Measured> measure(const ReferenceCodec& codec, const cv::Mat& source);

private:
  std::string file_;
  std::map<std::string, Measured> known_; ///< by "codec setting hash-of-picture"
};

} // namespace gsem::eval
