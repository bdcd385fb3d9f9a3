// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/picture_store.hpp"

#include <torch/torch.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace gsem::train {

bool decode_picture(const Entry& entry, cv::Mat& rgb, const Messages& message) {
  cv::Mat bgr;
  try {
    bgr = cv::imread(entry.file, cv::IMREAD_COLOR);
  } catch (const cv::Exception&) { // absurd sizes in a header end here
  }
  if (bgr.empty()) {
    message("skipped, cannot be decoded: " + entry.file);
    return false;
  }
  if (entry.box[2] > 0) {
    const cv::Rect box(int(entry.box[0]), int(entry.box[1]), int(std::lround(entry.box[2])),
                       int(std::lround(entry.box[3])));
    const cv::Rect inside = box & cv::Rect(0, 0, bgr.cols, bgr.rows);
    if (inside.width < 8 || inside.height < 8) {
      message("skipped, its bounding box is outside: " + entry.file);
      return false;
    }
    bgr = bgr(inside);
  }
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return true;
}

cv::Mat squash(const cv::Mat& picture, int side) {
  cv::Mat out;
  const bool shrink = picture.cols > side || picture.rows > side;
  cv::resize(picture, out, {side, side}, 0, 0, shrink ? cv::INTER_AREA : cv::INTER_CUBIC);
  return out;
}

cv::Mat cut_square(const cv::Mat& picture, double x, double y, double width, int side) {
  const int w = std::clamp(int(std::lround(width)), 1, std::min(picture.cols, picture.rows));
  const int l = std::clamp(int(x), 0, picture.cols - w), t = std::clamp(int(y), 0, picture.rows - w);
  const cv::Mat part = picture(cv::Rect(l, t, w, w));
  return w == side ? part.clone() : squash(part, side);
}

cv::Mat centre_square(const cv::Mat& picture, int side) {
  const int w = std::min(picture.cols, picture.rows);
  return cut_square(picture, (picture.cols - w) / 2, (picture.rows - w) / 2, w, side);
}

at::Tensor to_u8(const cv::Mat& picture) {
  const cv::Mat packed = picture.isContinuous() ? picture : picture.clone();
  return torch::from_blob(packed.data, {1, packed.rows, packed.cols, packed.channels()}, torch::kUInt8)
      .permute({0, 3, 1, 2})
      .clone(at::MemoryFormat::ChannelsLast);
}

at::Tensor to_unit(const at::Tensor& u8) {
  return u8.to(torch::kFloat32, false, false, at::MemoryFormat::ChannelsLast).mul_(1 / 127.5).sub_(1);
}

at::Tensor from_unit(const at::Tensor& picture) {
  return picture.detach().to(torch::kFloat32).clamp(-1, 1).add(1).mul(127.5).round().to(torch::kUInt8);
}

at::Tensor load_squares(const DataSet& data, std::vector<size_t>& indices, int side,
                        const Messages& message) {
  at::Tensor all = torch::empty({int64_t(indices.size()), side, side, 3}, torch::kUInt8);
  std::vector<size_t> good;
  cv::Mat rgb;
  for (size_t i : indices) {
    if (!decode_picture(data.entries[i], rgb, message))
      continue;
    const cv::Mat square = squash(rgb, side);
    memcpy(all[int64_t(good.size())].data_ptr(), square.data, size_t(side) * side * 3);
    good.push_back(i);
  }
  indices = good;
  return all.narrow(0, 0, int64_t(good.size())).permute({0, 3, 1, 2});
}

CropPool::CropPool(const DataSet& data, std::vector<std::pair<std::vector<size_t>, double>> groups,
                   size_t limit, Messages message)
    : data_(data), limit_(limit), message_(std::move(message)) {
  double total = 0;
  for (auto& g : groups)
    if (!g.first.empty()) {
      total += g.second;
      groups_.push_back(std::move(g));
    }
  if (groups_.empty())
    throw std::runtime_error("no pictures to take crops from");
  for (auto& g : groups_)
    g.second /= total;
}

size_t CropPool::size() const {
  size_t n = 0;
  for (const auto& g : groups_)
    n += g.first.size();
  return n;
}

const cv::Mat* CropPool::picture(size_t index) {
  if (const auto at = kept_.find(index); at != kept_.end())
    return &at->second;
  if (broken_.count(index))
    return nullptr;
  cv::Mat rgb;
  if (!decode_picture(data_.entries[index], rgb, message_)) {
    broken_[index] = true;
    if (broken_.size() == size())
      throw std::runtime_error("none of the training pictures can be decoded");
    return nullptr;
  }
  const size_t bytes = rgb.total() * rgb.elemSize();
  if (used_ + bytes <= limit_) {
    used_ += bytes;
    return &(kept_[index] = rgb);
  }
  passing_ = rgb;
  return &passing_;
}

at::Tensor CropPool::crops(int n, int side, double low, double high, StepRandom& random) {
  at::Tensor out = torch::empty({n, side, side, 3}, torch::kUInt8);
  for (int i = 0; i < n;) {
    double pick = random.uniform();
    size_t g = 0;
    while (g + 1 < groups_.size() && pick >= groups_[g].second)
      pick -= groups_[g++].second;
    const auto& members = groups_[g].first;
    const cv::Mat* p = picture(members[size_t(random.below(int64_t(members.size())))]);
    if (!p)
      continue;
    const double most = std::min(p->cols, p->rows) / double(side);
    double scale = std::min(std::max(most, 0.8), low * std::pow(high / low, random.uniform()));
    scale = std::min(scale, most);
    if (std::abs(scale - 1) < 0.04 && most >= 1)
      scale = 1;
    const double width = side * scale;
    cv::Mat square = cut_square(*p, random.uniform() * (p->cols - width),
                                random.uniform() * (p->rows - width), width, side);
    if (random.chance(0.5))
      cv::flip(square, square, 1);
    memcpy(out[i++].data_ptr(), square.data, size_t(side) * side * 3);
  }
  return out.permute({0, 3, 1, 2});
}

void write_sheet(const std::vector<std::vector<at::Tensor>>& rows, const std::string& file) {
  std::vector<cv::Mat> lines;
  int width = 0;
  for (const auto& row : rows) {
    std::vector<cv::Mat> cells;
    for (const at::Tensor& cell : row) {
      const at::Tensor packed =
          (cell.size(0) == 1 ? cell.expand({3, -1, -1}) : cell).permute({1, 2, 0}).contiguous();
      cv::Mat bgr;
      cv::cvtColor(cv::Mat(int(packed.size(0)), int(packed.size(1)), CV_8UC3, packed.data_ptr()), bgr,
                   cv::COLOR_RGB2BGR);
      cells.push_back(bgr);
    }
    if (cells.empty())
      continue;
    cv::Mat line;
    cv::hconcat(cells, line);
    width = std::max(width, line.cols);
    lines.push_back(line);
  }
  if (lines.empty())
    return;
  for (cv::Mat& line : lines)
    cv::copyMakeBorder(line, line, 0, 0, 0, width - line.cols, cv::BORDER_CONSTANT);
  cv::Mat page;
  cv::vconcat(lines, page);
  const std::string part = file + ".part.png";
  if (cv::imwrite(part, page))
    std::rename(part.c_str(), file.c_str());
}

} // namespace gsem::train
