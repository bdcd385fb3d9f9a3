// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/judges.hpp"

#include "models/nets/structure.hpp"
#include "models/train/frozen.hpp"
#include "models/train/teachers.hpp"

#include <torch/torch.h>

#include <filesystem>

namespace gsem::eval {

namespace {

using torch::Tensor;

constexpr int kFeatureSide = 128, kEdgeSide = 256;

/// 8-bit BGR -> float [1,3,side,side] in [-1,1], RGB.
Tensor input(const cv::Mat& picture, int side) {
  const cv::Mat square = train::squash(picture, side);
  return train::to_unit(train::to_u8(square).flip(1));
}

cv::Mat to_mat(const Tensor& rows) {
  const Tensor t = rows.to(torch::kFloat32).contiguous();
  return cv::Mat(int(t.size(0)), int(t.size(1)), CV_32F, t.data_ptr<float>()).clone();
}

std::string file_of(const profile::Profile& profile, const std::string& role) {
  const auto at = profile.files.find(role);
  if (at == profile.files.end())
    throw std::runtime_error("profile " + profile.name + " has no " + role + " network");
  return at->second;
}

void load(torch::nn::Module& module, const std::string& file) {
  train::load_network(module, file);
  train::make_channels_last(module);
  module.eval();
}

} // namespace

struct Embedding::Impl {
  explicit Impl(const profile::Profile& profile) : vocabulary(file_of(profile, "vocabulary")) {
    side = train::TextSide(vocabulary.size());
    load(*backbone, file_of(profile, "backbone"));
    load(*side, file_of(profile, "text"));
  }
  train::Vocabulary vocabulary;
  nets::Backbone backbone;
  train::TextSide side{nullptr};
};

Embedding::Embedding(const profile::Profile& profile) : impl_(std::make_unique<Impl>(profile)) {}
Embedding::~Embedding() = default;

cv::Mat Embedding::features(const cv::Mat& picture) const {
  torch::NoGradGuard no_grad;
  const Tensor x = input(picture, kFeatureSide).contiguous(at::MemoryFormat::ChannelsLast);
  return to_mat(impl_->backbone(x, 4)[3].mean({2, 3}));
}

cv::Mat Embedding::pictures(const cv::Mat& features) const {
  torch::NoGradGuard no_grad;
  return to_mat(impl_->side->embed(
      torch::from_blob(features.data, {features.rows, features.cols}, torch::kFloat32).clone()));
}

cv::Mat Embedding::captions(const std::vector<std::string>& texts) const {
  torch::NoGradGuard no_grad;
  train::DataSet said;
  std::vector<size_t> all;
  for (const auto& text : texts) {
    all.push_back(said.entries.size());
    said.entries.emplace_back().captions = {text};
  }
  const Tensor tokens = impl_->vocabulary.tokens(said, all).select(1, 0).contiguous();
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < tokens.size(0); i += 64)
    rows.push_back(impl_->side->te(tokens.slice(0, i, i + 64)).sentence);
  return to_mat(torch::cat(rows));
}

struct EdgeJudge::Impl {
  std::unique_ptr<train::Hed> hed;
  nets::EdgeNet own{nullptr};
};

EdgeJudge::EdgeJudge(const profile::Profile& profile, const std::string& teacher)
    : impl_(std::make_unique<Impl>()) {
  if (teacher.empty()) {
    impl_->own = nets::EdgeNet();
    load(*impl_->own, file_of(profile, "edges"));
    name_ = "the profile's own edge network (no published detector was given)";
    return;
  }
  const bool folder = std::filesystem::is_directory(teacher);
  impl_->hed = std::make_unique<train::Hed>(folder ? teacher + "/hed.safetensors" : teacher);
  name_ = "HED (Xie, Tu, ICCV 2015; published weights)";
}
EdgeJudge::~EdgeJudge() = default;

cv::Mat EdgeJudge::find(const cv::Mat& picture) const {
  torch::NoGradGuard no_grad;
  const Tensor x = input(picture, kEdgeSide);
  // Our network gives half the side by itself.
  Tensor map = impl_->hed ? torch::avg_pool2d((*impl_->hed)(x), 2) : impl_->own(x);
  map = (map * 255).round().clamp(0, 255).to(torch::kUInt8).contiguous();
  return cv::Mat(int(map.size(2)), int(map.size(3)), CV_8U, map.data_ptr()).clone();
}

void set_judge_threads(int threads) {
  at::init_num_threads();
  at::set_num_threads(threads);
}

} // namespace gsem::eval
