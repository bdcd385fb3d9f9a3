// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/judges.hpp"

#include "models/nets/structure.hpp"
#include "models/train/judge_net.hpp"
#include "models/train/teachers.hpp"

#include <opencv2/imgproc.hpp>
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
  explicit Impl(const std::string& words) : vocabulary(words) {}
  train::Vocabulary vocabulary;
  nets::Backbone backbone{nullptr};
  train::TextSide side{nullptr};
};

Embedding::Embedding(const profile::Profile& profile)
    : impl_(std::make_unique<Impl>(file_of(profile, "vocabulary"))),
      name_("EfficientNet-Lite0, ImageNet weights"),
      fingerprint_(train::fingerprint({}, {}, {file_of(profile, "backbone")})) {
  impl_->backbone = nets::Backbone();
  impl_->side = train::TextSide(impl_->vocabulary.size());
  load(*impl_->backbone, file_of(profile, "backbone"));
  load(*impl_->side, file_of(profile, "text"));
}

Embedding::Embedding(const std::string& judge)
    : impl_(std::make_unique<Impl>((std::filesystem::path(judge).parent_path() / "vocab.txt").string())),
      name_("the judge's EfficientNet-Lite1, fine-tuned"), fingerprint_(train::fingerprint({}, {}, {judge})) {
  train::JudgeNet net(impl_->vocabulary.size());
  load(*net, judge);
  impl_->backbone = net->backbone;
  impl_->side = train::TextSide(std::static_pointer_cast<train::TextSideImpl>(net.ptr()));
}

Embedding::~Embedding() = default;

cv::Mat Embedding::features(const cv::Mat& picture) const {
  return features(std::vector<cv::Mat>{picture});
}

cv::Mat Embedding::features(const std::vector<cv::Mat>& pictures) const {
  torch::NoGradGuard no_grad;
  constexpr size_t kTogether = 16;
  std::vector<Tensor> rows;
  for (size_t from = 0; from < pictures.size(); from += kTogether) {
    std::vector<Tensor> some;
    for (size_t i = from; i < std::min(from + kTogether, pictures.size()); i++)
      some.push_back(input(pictures[i], kFeatureSide));
    rows.push_back(
        impl_->backbone(torch::cat(some).contiguous(at::MemoryFormat::ChannelsLast), 4)[3].mean({2, 3}));
  }
  return to_mat(torch::cat(rows));
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
    fingerprint_ = train::fingerprint({}, {}, {file_of(profile, "edges")});
    return;
  }
  const std::string file = std::filesystem::is_directory(teacher) ? teacher + "/hed.safetensors" : teacher;
  impl_->hed = std::make_unique<train::Hed>(file);
  fingerprint_ = train::fingerprint({}, {}, {file});
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

cv::Mat EdgeJudge::probability(const cv::Mat& picture) const {
  torch::NoGradGuard no_grad;
  Tensor map = impl_->hed ? (*impl_->hed)(train::to_unit(train::to_u8(picture).flip(1)))
                          : impl_->own(input(picture, kEdgeSide));
  map = map.to(torch::kFloat32).contiguous();
  const cv::Mat found(int(map.size(2)), int(map.size(3)), CV_32F, map.data_ptr<float>());
  cv::Mat out;
  cv::resize(found, out, picture.size(), 0, 0, cv::INTER_LINEAR);
  return cv::max(out, 0);
}

void set_judge_threads(int threads) {
  at::init_num_threads();
  at::set_num_threads(threads);
}

} // namespace gsem::eval
