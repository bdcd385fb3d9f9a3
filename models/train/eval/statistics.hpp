// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opencv2/core.hpp>

#include <cstdint>
#include <string>
#include <vector>

/// What the tables say about a set of pictures. Deterministic. Thread-safe.
namespace gsem::eval {

double mean(const std::vector<double>& values);

struct Interval {
  double mean = 0, low = 0, high = 0;
  bool excludes_zero() const { return low > 0 || high < 0; }
};

/// Mean of paired differences (or of any values) with its 95 % percentile interval over `rounds` bootstrap
/// samples of the pairs (Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).
Interval paired_bootstrap(const std::vector<double>& differences, int rounds = 10000, uint64_t seed = 1);

/// mean(a) / mean(b) with its interval over the same pairs; zeros where the mean of b is 0.
Interval ratio_bootstrap(const std::vector<double>& a, const std::vector<double>& b, int rounds = 10000,
                         uint64_t seed = 1);

/// A permutation of 0..n-1 without a fixed point: every picture gets another one's partner (n >= 2).
std::vector<size_t> derangement(size_t n, uint64_t seed);

/// Rows are unit vectors, CV_32F [n,d]. 1 for each picture whose own caption is at least as near (cosine) as
/// every one of `others` captions drawn from those with another text, else 0; the mean is R-precision, and
/// 1/(1+others) is chance. With fewer other texts all of them are taken (Xu et al., "AttnGAN", CVPR 2018).
std::vector<double> retrieval_hits(const cv::Mat& pictures, const cv::Mat& captions,
                                   const std::vector<std::string>& texts, size_t others = 99,
                                   uint64_t seed = 1);

/// Frechet distance of the Gaussians fitted to two sets of features, rows of [n,d], n >= 2 (Dowson, Landau,
/// "The Frechet distance between multivariate normal distributions", 1982; unbiased covariances). Depends on
/// n: compare only equal n.
double frechet_distance(const cv::Mat& a, const cv::Mat& b);

} // namespace gsem::eval
