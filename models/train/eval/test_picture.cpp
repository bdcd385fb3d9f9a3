// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/test_picture.hpp"

#include "models/train/picture_store.hpp"

#include <opencv2/imgproc.hpp>

namespace gsem::eval {

bool load_object(const train::DataSet& data, size_t index, int side, const Progress& say, cv::Mat& bgr) {
  cv::Mat rgb;
  if (!train::decode_picture(data.entries[index], rgb, say))
    return false;
  cv::cvtColor(train::squash(rgb, side), bgr, cv::COLOR_RGB2BGR);
  return true;
}

bool load_photo(const train::DataSet& data, size_t index, int side, const Progress& say, cv::Mat& bgr) {
  cv::Mat rgb;
  if (!train::decode_picture(data.entries[index], rgb, say))
    return false;
  // The middle at its own scale where the photo is large enough: shrinking would make it easy to code.
  const int left = (rgb.cols - side) / 2, top = (rgb.rows - side) / 2;
  const cv::Mat square =
      left >= 0 && top >= 0 ? rgb(cv::Rect(left, top, side, side)).clone() : train::centre_square(rgb, side);
  cv::cvtColor(square, bgr, cv::COLOR_RGB2BGR);
  return true;
}

} // namespace gsem::eval
