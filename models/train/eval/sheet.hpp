// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/eval/evaluation.hpp"

namespace gsem::eval {

/// One picture at all layers. Pictures 8-bit BGR, the map grey.
struct SheetRow {
  cv::Mat source, map, words, shapes;
  std::vector<cv::Mat> all;
  PictureResult result;
};

/// Writes layers.png (a row a picture: source, map, layer 1, layers 1-2, all layers by quality, with bytes
/// and captions) into `folder`. The pictures are the data set's: do not publish them.
void write_sheet(const std::vector<SheetRow>& rows, const std::vector<int>& qualities,
                 const std::string& folder);

} // namespace gsem::eval
