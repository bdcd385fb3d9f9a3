// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/dataset.hpp"
#include "models/train/random.hpp"

#include <ATen/core/Tensor.h>
#include <opencv2/core.hpp>

#include <functional>

/// Decoding, resizing and keeping pictures. Pictures are 8-bit RGB; batches are float [B,3,H,W] in [-1,1],
/// channels-last. A picture that cannot be decoded is left out with one message. Not thread-safe.
namespace gsem::train {

using Messages = std::function<void(const std::string&)>;

/// RGB, cut to entry.box; false (and one message) when the file is missing or broken.
bool decode_picture(const Entry& entry, cv::Mat& rgb, const Messages& message);

/// Stretched to a square: area averages when shrinking, bicubic when growing.
cv::Mat squash(const cv::Mat& picture, int side);
/// Square part at (x, y) of width `width` pixels, resized to `side`.
cv::Mat cut_square(const cv::Mat& picture, double x, double y, double width, int side);
/// The largest square in the middle.
cv::Mat centre_square(const cv::Mat& picture, int side);

/// u8 [1,3,H,W] (channels-last memory) of an RGB or grey picture; copies.
at::Tensor to_u8(const cv::Mat& picture);
/// float [B,3,H,W] in [-1,1], channels-last, of u8.
at::Tensor to_unit(const at::Tensor& u8);

/// Every entry squashed to `side`: u8 [N,3,side,side]. Broken entries are taken out of `indices`.
at::Tensor load_squares(const DataSet& data, std::vector<size_t>& indices, int side, const Messages& message);

/// Pictures at their own size for random crops; decoded at first use and kept while they fit into `limit`
/// bytes, else decoded again.
class CropPool {
public:
  /// `groups`: indices and the share of crops to be taken from each; empty groups are left out.
  CropPool(const DataSet& data, std::vector<std::pair<std::vector<size_t>, double>> groups, size_t limit,
           Messages message);

  /// u8 [n,3,side,side]: crops of pictures scaled down by low..high as far as their size allows (up when they
  /// are too small), half of them mirrored.
  at::Tensor crops(int n, int side, double low, double high, StepRandom& random);
  size_t size() const;

private:
  const cv::Mat* picture(size_t index);
  const DataSet& data_;
  std::vector<std::pair<std::vector<size_t>, double>> groups_;
  std::map<size_t, cv::Mat> kept_;
  std::map<size_t, bool> broken_;
  cv::Mat passing_;
  size_t limit_, used_ = 0;
  Messages message_;
};

/// A picture log: rows of u8 [3,H,W] or [1,H,W] pictures of one height, as one PNG; written beside and
/// renamed.
void write_sheet(const std::vector<std::vector<at::Tensor>>& rows, const std::string& file);
/// u8 of a float picture in [-1,1], any shape.
at::Tensor from_unit(const at::Tensor& picture);

} // namespace gsem::train
