// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/judges.hpp"

#include "models/nets/structure.hpp"
#include "models/train/eval/joint_embedding.hpp"
#include "models/train/judge_net.hpp"
#include "models/train/teachers.hpp"

#include <opencv2/imgproc.hpp>
#include <torch/torch.h>

#include <filesystem>

namespace gsem::eval {

namespace {

using torch::Tensor;

constexpr int kEdgeSide = 256;

/// 8-bit BGR -> float [1,3,side,side] in [-1,1], RGB.
Tensor input(const cv::Mat& picture, int side) {
  const cv::Mat square = train::squash(picture, side);
  return train::to_unit(train::to_u8(square).flip(1));
}

cv::Mat to_mat(const Tensor& rows) {
  const Tensor t = rows.to(torch::kFloat32).contiguous();
  return cv::Mat(int(t.size(0)), int(t.size(1)), CV_32F, t.data_ptr<float>()).clone();
}

void load(torch::nn::Module& module, const std::string& file) {
  train::load_network(module, file);
  train::make_channels_last(module);
  module.eval();
}

/// EfficientNet-Lite and its projection beside the text encoder.
class NarrowEmbedding final : public Embedding::Networks {
public:
  /// The profile's own.
  explicit NarrowEmbedding(const profile::Profile& profile)
      : vocabulary_(file_of(profile, "vocabulary")), side_(vocabulary_.size()) {
    backbone_ = nets::Backbone();
    load(*backbone_, file_of(profile, "backbone"));
    load(*side_, file_of(profile, "text"));
  }
  explicit NarrowEmbedding(const std::string& judge)
      : vocabulary_((std::filesystem::path(judge).parent_path() / "vocab.txt").string()) {
    train::JudgeNet net(vocabulary_.size());
    load(*net, judge);
    backbone_ = net->backbone;
    side_ = train::TextSide(std::static_pointer_cast<train::TextSideImpl>(net.ptr()));
  }

  int side() const override { return 128; }
  size_t width() const override { return 320; }
  /// At stride 32, mean over the picture: 320.
  Tensor features(const Tensor& pictures) override {
    return backbone_(pictures.contiguous(at::MemoryFormat::ChannelsLast), 4)[3].mean({2, 3});
  }
  Tensor pictures(const Tensor& features) override { return side_->embed(features); }
  Tensor captions(const std::vector<std::string>& texts) override {
    train::DataSet said;
    std::vector<size_t> all;
    for (const auto& text : texts) {
      all.push_back(said.entries.size());
      said.entries.emplace_back().captions = {text};
    }
    const Tensor tokens = vocabulary_.tokens(said, all).select(1, 0).contiguous();
    std::vector<Tensor> rows;
    for (int64_t i = 0; i < tokens.size(0); i += 64)
      rows.push_back(side_->te(tokens.slice(0, i, i + 64)).sentence);
    return torch::cat(rows);
  }

private:
  train::Vocabulary vocabulary_;
  nets::Backbone backbone_{nullptr};
  train::TextSide side_{nullptr};
};

bool published(const profile::Profile& profile) {
  return profile.kind == "reference";
}

} // namespace

Embedding::Embedding(const profile::Profile& profile)
    : name_(published(profile) ? "AttnGAN's DAMSM" : "EfficientNet-Lite0, ImageNet weights"),
      fingerprint_(
          train::fingerprint({}, {}, {file_of(profile, published(profile) ? "ranker" : "backbone")})) {
  if (published(profile))
    networks_ = published_embedding(profile);
  else
    networks_ = std::make_unique<NarrowEmbedding>(profile);
}

Embedding::Embedding(const std::string& judge)
    : networks_(std::make_unique<NarrowEmbedding>(judge)),
      name_("the judge's EfficientNet-Lite1, fine-tuned"), fingerprint_(train::fingerprint({}, {}, {judge})) {
}

Embedding::~Embedding() = default;

size_t Embedding::width() const {
  return networks_->width();
}

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
      some.push_back(input(pictures[i], networks_->side()));
    rows.push_back(networks_->features(torch::cat(some)));
  }
  return to_mat(torch::cat(rows));
}

cv::Mat Embedding::pictures(const cv::Mat& features) const {
  torch::NoGradGuard no_grad;
  return to_mat(networks_->pictures(
      torch::from_blob(features.data, {features.rows, features.cols}, torch::kFloat32).clone()));
}

cv::Mat Embedding::captions(const std::vector<std::string>& texts) const {
  torch::NoGradGuard no_grad;
  return to_mat(networks_->captions(texts));
}

struct EdgeJudge::Impl {
  std::unique_ptr<train::Hed> hed;
  nets::EdgeNet own{nullptr};
  std::unique_ptr<PublishedEdges> published;

  /// At a detector's own size: half the picture's for the profile's narrow network, all of it for the others.
  Tensor run(const Tensor& x) { return hed ? (*hed)(x) : published ? (*published)(x) : own(x); }
};

EdgeJudge::EdgeJudge(const profile::Profile& profile, const std::string& teacher)
    : impl_(std::make_unique<Impl>()) {
  if (teacher.empty()) {
    if (published(profile)) {
      impl_->published = std::make_unique<PublishedEdges>(profile);
    } else {
      impl_->own = nets::EdgeNet();
      load(*impl_->own, file_of(profile, "edges"));
    }
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
  Tensor map = impl_->run(input(picture, kEdgeSide));
  if (map.size(2) == kEdgeSide)
    map = torch::avg_pool2d(map, 2);
  map = (map * 255).round().clamp(0, 255).to(torch::kUInt8).contiguous();
  return cv::Mat(int(map.size(2)), int(map.size(3)), CV_8U, map.data_ptr()).clone();
}

cv::Mat EdgeJudge::probability(const cv::Mat& picture) const {
  torch::NoGradGuard no_grad;
  Tensor map =
      impl_->run(impl_->hed ? train::to_unit(train::to_u8(picture).flip(1)) : input(picture, kEdgeSide));
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
