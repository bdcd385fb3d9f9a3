// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/edge_match.hpp"

#include <cmath>
#include <stdexcept>

namespace gsem::eval {

namespace {

/// `edges` (255 or 0) grown by a disc of `radius`.
cv::Mat grow(const cv::Mat& edges, double radius) {
  cv::Mat out = cv::Mat::zeros(edges.size(), CV_8U);
  const int r = int(std::floor(radius));
  for (int dy = -r; dy <= r; dy++)
    for (int dx = -r; dx <= r; dx++) {
      const int width = edges.cols - std::abs(dx), height = edges.rows - std::abs(dy);
      if (dx * dx + dy * dy > radius * radius || width <= 0 || height <= 0)
        continue;
      cv::Mat to = out(cv::Rect(std::max(dx, 0), std::max(dy, 0), width, height));
      cv::bitwise_or(to, edges(cv::Rect(std::max(-dx, 0), std::max(-dy, 0), width, height)), to);
    }
  return out;
}

double share(const cv::Mat& edges, const cv::Mat& near) {
  const int all = cv::countNonZero(edges);
  return all ? double(cv::countNonZero(edges & near)) / all : 0;
}

} // namespace

EdgeScore match_edges(const cv::Mat& found, const cv::Mat& wanted, double threshold, double tolerance) {
  if (found.empty() || found.type() != CV_8U || wanted.type() != CV_8U || found.size() != wanted.size())
    throw std::invalid_argument("edge maps to compare differ in size or kind");
  const cv::Mat a = found >= threshold * 255, b = wanted >= threshold * 255;
  if (!cv::countNonZero(a) && !cv::countNonZero(b))
    return {1, 1, 1};
  EdgeScore s{share(a, grow(b, tolerance)), share(b, grow(a, tolerance)), 0};
  if (s.precision + s.recall > 0)
    s.f = 2 * s.precision * s.recall / (s.precision + s.recall);
  return s;
}

} // namespace gsem::eval
