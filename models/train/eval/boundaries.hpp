// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/profile.hpp"
#include "models/train/eval/boundary_score.hpp"
#include "models/train/eval/test_picture.hpp"

namespace gsem::eval {

/// A detector on BSDS500's test photos.
struct BoundaryRow {
  std::string detector;
  std::string threshold; ///< ODS's, in the detector's own unit
  BoundaryScore score;
  size_t pictures = 0;
};

struct BoundarySettings {
  std::string data;    ///< BSDS500: train, val, test
  std::string teacher; ///< HED; empty: left out
  std::string kept;    ///< results by detector and pictures are kept in this file
};

/// The profile's edge network as the structure layer runs it (256x256, its map grown to the photo), HED at
/// the photo's own size, and Canny's detector at its best threshold. std::runtime_error with a reason.
std::vector<BoundaryRow> judge_boundaries(const profile::Profile& profile, const BoundarySettings& settings,
                                          const Progress& say);

} // namespace gsem::eval
