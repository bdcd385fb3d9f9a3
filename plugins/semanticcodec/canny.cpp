// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/canny.hpp"

#include <opencv2/imgproc.hpp>

namespace gsem::codec {

void detect_canny(const runtime::PictureView& picture, int side, maps::Map& map) {
  constexpr double kLow = 60, kHigh = 160, kSigma = 1.4;
  const cv::Mat rgb(picture.height, picture.width, CV_8UC3, const_cast<uint8_t*>(picture.data),
                    size_t(picture.stride));
  const cv::Size work(2 * side, 2 * side);
  bool shrinks = picture.width > work.width || picture.height > work.height;
  cv::Mat square, edges;
  cv::resize(rgb, square, work, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  cv::GaussianBlur(square, square, cv::Size(), kSigma);
  cv::Canny(square, edges, kLow,
            kHigh); // of the channel that changes most: edges between equally bright colours count
  cv::GaussianBlur(edges, edges, cv::Size(3, 3), 0);
  map.width = map.height = side;
  map.data.resize(size_t(side) * side);
  cv::Mat out(side, side, CV_8UC1, map.data.data());
  cv::resize(edges, out, out.size(), 0, 0, cv::INTER_AREA);
  out.convertTo(out, -1, 2.0); // one-pixel lines lose half their height on the way down
}

} // namespace gsem::codec
