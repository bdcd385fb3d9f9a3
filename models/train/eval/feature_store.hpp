// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/judges.hpp"

#include <array>
#include <functional>
#include <unordered_map>

namespace gsem::eval {

/// Features of pictures that do not change with our weights (sources, other codecs' pictures), kept in a
/// file. Not thread-safe.
class FeatureStore {
public:
  /// Reads `file` when it is there; a broken end is left out. std::runtime_error for networks wider than 320.
  FeatureStore(std::string file, std::vector<const Embedding*> networks);

  /// CV_32F [1,width()] for each network. `what` names how the picture shown was made of `source`; `shown`
  /// makes it (8-bit BGR) when its features are not known yet, and may fail with an empty matrix: so does
  /// this then.
  std::vector<cv::Mat> take(const std::string& what, const cv::Mat& source,
                            const std::function<cv::Mat()>& shown);

private:
  static constexpr size_t kMostWidth = 320;
  using Row = std::array<float, kMostWidth>; ///< zeros behind a narrower network's
  std::string file_;
  std::vector<const Embedding*> networks_;
  std::unordered_map<uint64_t, Row> known_;
};

} // namespace gsem::eval
