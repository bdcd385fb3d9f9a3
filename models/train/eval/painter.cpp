// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/painter.hpp"

#include <opencv2/imgproc.hpp>

#include <stdexcept>

namespace gsem::eval {

Painter::Painter(const profile::Profile& profile, int threads) {
  runtime::ModelOptions options;
  options.threads = threads;
  std::string error;
  model_ = runtime::acquire_semantic(profile, options, true, true, error);
  if (!model_)
    throw std::runtime_error(error);
}

entropy::Caption Painter::describe(const cv::Mat& picture) const {
  cv::Mat rgb;
  cv::cvtColor(picture, rgb, cv::COLOR_BGR2RGB);
  entropy::Caption caption;
  if (const auto done = model_->describe({rgb.data, rgb.cols, rgb.rows, int(rgb.step)}, caption, {}); !done)
    throw std::runtime_error("describing: " + done.error);
  return caption;
}

cv::Mat Painter::paint(const entropy::Caption& caption) const {
  runtime::Picture picture;
  if (const auto done = model_->paint(caption, picture, {}); !done)
    throw std::runtime_error("painting: " + done.error);
  cv::Mat bgr;
  cv::cvtColor(cv::Mat(picture.height, picture.width, CV_8UC3, picture.data.data()), bgr, cv::COLOR_RGB2BGR);
  return bgr;
}

} // namespace gsem::eval
