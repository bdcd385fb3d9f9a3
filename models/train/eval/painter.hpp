// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/runtime/models.hpp"

#include <opencv2/core.hpp>

namespace gsem::eval {

/// Layer 1's networks without a pipeline, for measures that change what the elements would not. Pictures are
/// 8-bit BGR. Errors are std::runtime_error. Not thread-safe.
class Painter {
public:
  Painter(const profile::Profile& profile, int threads);

  entropy::Caption describe(const cv::Mat& picture) const;
  /// 256x256.
  cv::Mat paint(const entropy::Caption& caption) const;

private:
  std::shared_ptr<runtime::SemanticModel> model_;
};

} // namespace gsem::eval
