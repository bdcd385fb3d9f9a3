// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opencv2/core.hpp>

#include <vector>

/// Boundaries found against boundaries that people drew (Martin, Fowlkes, Malik, "Learning to detect natural
/// image boundaries using local brightness, color, and texture cues", PAMI 2004; Arbelaez et al., PAMI 2011).
/// The published benchmark matches each person's map one to one. Where only the number of people at each
/// pixel is known, a drawn pixel can be matched as often as people drew it, and a found one by as many people
/// as there are: never less than with their maps apart. Thread-safe.
namespace gsem::eval {

inline constexpr double kBoundaryTolerance = 0.0075; ///< of the picture's diagonal

/// What found and drawn boundaries have in common, summed over pictures.
struct BoundaryCounts {
  double found = 0, found_matched = 0; ///< pixels
  double drawn = 0, drawn_matched = 0; ///< people's pixels: one that k people drew counts k times
  BoundaryCounts& operator+=(const BoundaryCounts& more);
  double precision() const { return found > 0 ? found_matched / found : 0; }
  double recall() const { return drawn > 0 ? drawn_matched / drawn : 0; }
  double f() const;
};

/// Lines of one pixel: what is not the largest across its ridge becomes 0. `strength` CV_32F in [0,1].
cv::Mat thin_ridges(const cv::Mat& strength);

/// How many people drew each pixel, CV_32S, of their share (8-bit, 255 is all); `people` gets their number.
cv::Mat people_at(const cv::Mat& share, int& people);

/// Counts at each of `thresholds` (ascending, over 0): thinned `strength` from there on against `drawn`
/// (CV_32S, same size), matched one to one within `tolerance` pixels. std::invalid_argument on other
/// matrices.
std::vector<BoundaryCounts> match_boundaries(const cv::Mat& strength, const cv::Mat& drawn, int people,
                                             double tolerance, const std::vector<double>& thresholds);

/// Best F at one threshold for all pictures (ODS), and at each picture's own best (OIS).
struct BoundaryScore {
  double ods = 0, ois = 0, precision = 0, recall = 0; ///< precision and recall at ODS
  size_t threshold = 0;                               ///< index of ODS's
};
/// By picture, then by threshold.
BoundaryScore score_boundaries(const std::vector<std::vector<BoundaryCounts>>& pictures);

} // namespace gsem::eval
