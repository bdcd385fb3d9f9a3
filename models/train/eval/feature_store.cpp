// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/feature_store.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace gsem::eval {

namespace {

struct Hash {
  uint64_t value = 0xcbf29ce484222325u; // FNV-1a
  void add(const void* data, size_t size) {
    const auto* p = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < size; i++)
      value = (value ^ p[i]) * 0x100000001b3u;
  }
};

} // namespace

FeatureStore::FeatureStore(std::string file, std::vector<const Embedding*> networks)
    : file_(std::move(file)), networks_(std::move(networks)) {
  for (const Embedding* network : networks_)
    if (network->width() > kMostWidth)
      throw std::runtime_error(network->name() + " has more features than are kept");
  std::ifstream in(file_, std::ios::binary);
  uint64_t key = 0;
  Row row;
  while (in.read(reinterpret_cast<char*>(&key), sizeof key) &&
         in.read(reinterpret_cast<char*>(row.data()), sizeof row))
    known_[key] = row;
  in.close();
  // What a killed run left of a record would shift all that is added.
  constexpr size_t kRecord = sizeof key + sizeof row;
  std::error_code none;
  if (const auto size = std::filesystem::file_size(file_, none); !none && size % kRecord)
    std::filesystem::resize_file(file_, size - size % kRecord);
}

std::vector<cv::Mat> FeatureStore::take(const std::string& what, const cv::Mat& source,
                                        const std::function<cv::Mat()>& shown) {
  Hash picture;
  for (int y = 0; y < source.rows; y++)
    picture.add(source.ptr(y), size_t(source.cols) * source.elemSize());
  std::vector<cv::Mat> out;
  cv::Mat made;
  for (const Embedding* network : networks_) {
    Hash hash = picture;
    hash.add(what.data(), what.size());
    hash.add(network->fingerprint().data(), network->fingerprint().size());
    auto at = known_.find(hash.value);
    if (at == known_.end()) {
      if (made.empty())
        made = shown();
      if (made.empty())
        return {};
      const cv::Mat features = network->features(made);
      Row row{};
      std::copy_n(features.ptr<float>(), network->width(), row.begin());
      at = known_.emplace(hash.value, row).first;
      std::ofstream more(file_, std::ios::binary | std::ios::app);
      more.write(reinterpret_cast<const char*>(&hash.value), sizeof hash.value);
      more.write(reinterpret_cast<const char*>(row.data()), sizeof row);
    }
    out.push_back(cv::Mat(1, int(network->width()), CV_32F, at->second.data()).clone());
  }
  return out;
}

} // namespace gsem::eval
