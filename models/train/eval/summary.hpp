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

/// Ours ("layers", from layer 1 up; "signal"; "words-signal": caption and signal), then the reference codecs;
/// over the pictures that all of
/// `same` measured, so that curves compare.
std::vector<MeanCurve> mean_curves(const Evaluation& e, const std::vector<int>& qualities,
                                   const std::vector<std::string>& same = {});

/// A reference codec at our bytes, picture by picture.
struct Matched {
  std::string codec;
  int quality = 0, pictures = 0;
  bool alone = false; ///< our signal layer without the layers below
  double our_bytes = 0, their_bytes = 0, our_psnr = 0, their_psnr = 0, our_ms_ssim = 0, their_ms_ssim = 0;
  Interval psnr, ms_ssim; ///< ours less theirs
};
std::vector<Matched> match_codecs(const Evaluation& e, const std::vector<int>& qualities);

/// BD-rates of ours against one codec, over the pictures that it measured; whole files count.
struct DeltaRates {
  std::string codec;
  std::optional<double> layers_psnr, layers_ms_ssim, alone_psnr, alone_ms_ssim; ///< per cent
  std::optional<double> payload_psnr, payload_ms_ssim; ///< signal payload against the codec's payload
};
std::vector<DeltaRates> delta_rates(const Evaluation& e, const std::vector<int>& qualities);

/// The signal layer alone on the photos against each codec that measured them.
std::vector<DeltaRates> photo_rates(const Evaluation& e, const std::vector<int>& qualities);

/// What the layers below bring to the signal layer: BD-rate against the signal layer alone, payloads, per
/// cent.
struct SidesGain {
  std::string with;                                    ///< what was there besides
  double below = 0;                                    ///< mean payload of that
  std::optional<double> signal_psnr, signal_ms_ssim;   ///< signal bytes only
  std::optional<double> counted_psnr, counted_ms_ssim; ///< with the bytes below
};
std::vector<SidesGain> sides_gain(const Evaluation& e, const std::vector<int>& qualities);

} // namespace gsem::eval
