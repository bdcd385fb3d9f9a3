// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/picture_quality.hpp"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

namespace gsem::eval {

namespace {

constexpr int kWindow = 11, kScales = 5;
constexpr double kSigma = 1.5, kBest = 100;
constexpr double kWeights[kScales] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
constexpr double kC1 = (0.01 * 255) * (0.01 * 255), kC2 = (0.03 * 255) * (0.03 * 255);

void check_pair(const cv::Mat& a, const cv::Mat& b) {
  if (a.empty() || a.size() != b.size() || a.type() != b.type() || a.depth() != CV_8U)
    throw std::invalid_argument("pictures to compare differ in size or kind");
}

/// Gaussian means at the positions where the whole window is inside.
cv::Mat window_mean(const cv::Mat& x) {
  static const cv::Mat kernel = cv::getGaussianKernel(kWindow, kSigma, CV_32F);
  cv::Mat out;
  cv::sepFilter2D(x, out, CV_32F, kernel, kernel, {-1, -1}, 0, cv::BORDER_REPLICATE);
  const int margin = kWindow / 2;
  return out(cv::Rect(margin, margin, x.cols - 2 * margin, x.rows - 2 * margin));
}

struct Similarity {
  double structure, full; ///< mean contrast-structure term; mean with the luminance term
};

Similarity compare(const cv::Mat& a, const cv::Mat& b) {
  const cv::Mat ma = window_mean(a), mb = window_mean(b);
  const cv::Mat aa = window_mean(a.mul(a)), bb = window_mean(b.mul(b)), ab = window_mean(a.mul(b));
  double structure = 0, full = 0;
  for (int y = 0; y < ma.rows; y++) {
    const float *pa = ma.ptr<float>(y), *pb = mb.ptr<float>(y), *paa = aa.ptr<float>(y),
                *pbb = bb.ptr<float>(y), *pab = ab.ptr<float>(y);
    for (int x = 0; x < ma.cols; x++) {
      const double u = pa[x], v = pb[x];
      const double cs = (2 * (pab[x] - u * v) + kC2) / (paa[x] - u * u + pbb[x] - v * v + kC2);
      structure += cs;
      full += cs * (2 * u * v + kC1) / (u * u + v * v + kC1);
    }
  }
  const double n = double(ma.total());
  return {structure / n, full / n};
}

double one_channel(cv::Mat a, cv::Mat b) {
  double product = 1;
  for (int scale = 0; scale < kScales; scale++) {
    const Similarity s = compare(a, b);
    // A negative term has no real power; it counts as nothing alike.
    const double term = scale + 1 < kScales ? s.structure : s.full;
    product *= std::pow(std::max(term, 0.0), kWeights[scale]);
    if (scale + 1 == kScales)
      break;
    const cv::Size half(a.cols / 2, a.rows / 2);
    const cv::Rect even(0, 0, half.width * 2, half.height * 2);
    cv::Mat smaller_a, smaller_b;
    cv::resize(a(even), smaller_a, half, 0, 0, cv::INTER_AREA);
    cv::resize(b(even), smaller_b, half, 0, 0, cv::INTER_AREA);
    a = smaller_a;
    b = smaller_b;
  }
  return product;
}

} // namespace

double mean_squared_error(const cv::Mat& a, const cv::Mat& b) {
  check_pair(a, b);
  const double norm = cv::norm(a, b, cv::NORM_L2);
  return norm * norm / (double(a.total()) * a.channels());
}

double psnr(const cv::Mat& a, const cv::Mat& b) {
  const double error = mean_squared_error(a, b);
  return error > 0 ? std::min(10 * std::log10(255 * 255 / error), kBest) : kBest;
}

double ms_ssim(const cv::Mat& a, const cv::Mat& b) {
  check_pair(a, b);
  if (std::min(a.cols, a.rows) < kWindow << (kScales - 1))
    throw std::invalid_argument("pictures are too small for five scales");
  std::vector<cv::Mat> planes_a, planes_b;
  cv::split(a, planes_a);
  cv::split(b, planes_b);
  double sum = 0;
  for (size_t c = 0; c < planes_a.size(); c++) {
    cv::Mat fa, fb;
    planes_a[c].convertTo(fa, CV_32F);
    planes_b[c].convertTo(fb, CV_32F);
    sum += one_channel(fa, fb);
  }
  return sum / double(planes_a.size());
}

double ms_ssim_decibels(double x) {
  return x < 1 ? std::min(-10 * std::log10(1 - x), kBest) : kBest;
}

} // namespace gsem::eval
