// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <opencv2/core.hpp>

/// Fidelity of a picture against its source. Pictures are 8-bit with the same size and channels (1 or 3).
/// std::invalid_argument otherwise. Thread-safe.
namespace gsem::eval {

/// Mean squared error over all samples.
double mean_squared_error(const cv::Mat& a, const cv::Mat& b);

/// Decibels, peak 255, one mean squared error over all channels; 100 for identical pictures.
double psnr(const cv::Mat& a, const cv::Mat& b);

/// Multi-scale structural similarity, 0..1 (Wang, Simoncelli, Bovik, "Multiscale structural similarity for
/// image quality assessment", Asilomar 2003): five scales, 11x11 Gaussian window with sigma 1.5 without
/// borders, 2x2 means between scales, the mean of the channels' values. The short side must have 176 pixels.
double ms_ssim(const cv::Mat& a, const cv::Mat& b);

/// -10 log10(1 - x): spreads the values near 1; 100 for x = 1.
double ms_ssim_decibels(double x);

} // namespace gsem::eval
