// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/evaluation.hpp"

namespace gsem::eval {

/// A point of a rate-quality curve: means over pictures.
struct MeanPoint {
  int setting = 0;
  double file = 0, payload = 0, psnr = 0, ms_ssim = 0;
  int pictures = 0;
};

struct MeanCurve {
  std::string name, title;
  std::vector<MeanPoint> points;
};

/// Ours ("layers", from layer 1 up; "signal alone"), then the reference codecs.
std::vector<MeanCurve> mean_curves(const Evaluation& e, const std::vector<int>& qualities);

/// A reference codec at our bytes, picture by picture.
struct Matched {
  std::string codec;
  int quality = 0, pictures = 0;
  bool alone = false; ///< our signal layer without the layers below
  double our_bytes = 0, their_bytes = 0, our_psnr = 0, their_psnr = 0, our_ms_ssim = 0, their_ms_ssim = 0;
  Interval psnr, ms_ssim; ///< ours less theirs
};
std::vector<Matched> match_codecs(const Evaluation& e, const std::vector<int>& qualities);

/// BD-rate of `test` against `anchor` over PSNR, or MS-SSIM in decibels; the mean points' files count.
std::optional<double> curve_bd_rate(const MeanCurve& anchor, const MeanCurve& test, bool ms_ssim);

} // namespace gsem::eval
