// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/dataset.hpp"

#include <opencv2/core.hpp>

#include <functional>
#include <string>

namespace gsem::eval {

using Progress = std::function<void(const std::string&)>;

/// A picture of the data set as the elements get it: 8-bit BGR, `side` square; objects squashed, photos cut
/// to the square in their middle. False (and a message): broken.
bool load_object(const train::DataSet& data, size_t index, int side, const Progress& say, cv::Mat& bgr);
bool load_photo(const train::DataSet& data, size_t index, int side, const Progress& say, cv::Mat& bgr);

} // namespace gsem::eval
