// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opencv2/core.hpp>

namespace gsem::eval {

/// Agreement of two edge maps.
struct EdgeScore {
  double precision = 0; ///< share of found edge pixels that have a wanted one within the tolerance
  double recall = 0;    ///< share of wanted edge pixels that have a found one within the tolerance
  double f = 0;         ///< harmonic mean; 1 when both maps are empty, 0 when one is
};

/// Maps are 8-bit, one channel, the same size; a pixel is an edge from `threshold` (of 1) on; `tolerance` in
/// pixels, Euclidean. Every pixel counts, without thinning and without one-to-one matching, so soft maps with
/// lines of any width compare. std::invalid_argument on other maps. Thread-safe.
EdgeScore match_edges(const cv::Mat& found, const cv::Mat& wanted, double threshold, double tolerance);

} // namespace gsem::eval
