// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opencv2/core.hpp>

#include <string>
#include <vector>

namespace gsem::eval {

/// Quality measures that come as programs of libjxl: butteraugli_main, and ssimulacra2 or ssimulacra_main.
struct PerceptualTool {
  std::string name;    ///< "butteraugli (3-norm)"
  std::string program; ///< full path
  bool better_high = false;
};

/// Those that are installed.
std::vector<PerceptualTool> perceptual_tools();

/// 8-bit BGR pictures of the same size. False when the program fails.
bool judge(const PerceptualTool& tool, const cv::Mat& source, const cv::Mat& shown, double& value);

} // namespace gsem::eval
