// SPDX-License-Identifier: LGPL-2.1-or-later
// What judges a profile of the published networks: their own embedding and their own edge detector.
#include "models/entropy/caption_coder.hpp"
#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/damsm.hpp"
#include "models/nets/reference/structure.hpp"
#include "models/train/checkpoint.hpp"
#include "models/train/eval/joint_embedding.hpp"
#include "models/train/frozen.hpp"

#include <fstream>
#include <unordered_map>

namespace gsem::eval {

namespace {

using torch::Tensor;

/// A published network, as wide as its file.
template <class Net, class Sizes>
Net load_published(const profile::Profile& profile, const std::string& role, Sizes& sizes) {
  const std::string file = file_of(profile, role);
  nets::reference::Shapes shapes;
  for (const auto& [name, tensor] : train::load_tensors(file))
    shapes[name] = tensor.sizes().vec();
  std::string error;
  if (!sizes.read(shapes, error))
    throw std::runtime_error(file + ": " + error);
  Net net(sizes);
  train::load_network(*net, file);
  net->eval();
  return net;
}

Tensor unit(const Tensor& rows) {
  return rows / rows.norm(2, {1}, true).clamp_min(1e-8);
}

class Damsm final : public Embedding::Networks {
public:
  explicit Damsm(const profile::Profile& profile) {
    nets::reference::TextEncoderSizes text;
    text_ = load_published<nets::reference::TextEncoder>(profile, "text", text);
    ranker_ = load_published<nets::reference::Ranker>(profile, "ranker", sizes_);
    if (text.width != sizes_.width)
      throw std::runtime_error("profile " + profile.name + ": text encoder and ranker do not fit each other");
    std::ifstream in(file_of(profile, "vocabulary"));
    for (std::string word; std::getline(in, word);)
      numbers_.emplace(word, int64_t(numbers_.size()));
  }
  int side() const override { return 256; }
  size_t width() const override { return size_t(sizes_.width); }
  Tensor features(const Tensor& pictures) override { return ranker_->forward(pictures).picture; }
  Tensor pictures(const Tensor& features) override { return unit(features); }
  Tensor captions(const std::vector<std::string>& texts) override {
    std::vector<Tensor> rows;
    for (const auto& text : texts)
      rows.push_back(unit(text_->forward(tokens(text)).sentence));
    return torch::cat(rows);
  }

private:
  static constexpr size_t kMostWords = 25;

  /// As the painter reads them.
  Tensor tokens(const std::string& text) const {
    std::vector<int64_t> out;
    for (const auto& word : entropy::caption_words(text))
      if (const auto at = numbers_.find(word); at != numbers_.end() && out.size() < kMostWords)
        out.push_back(at->second);
    if (out.empty())
      out.push_back(0);
    return torch::tensor(out, torch::kInt64).unsqueeze(0);
  }

  nets::reference::RankerSizes sizes_;
  nets::reference::TextEncoder text_{nullptr};
  nets::reference::Ranker ranker_{nullptr};
  std::unordered_map<std::string, int64_t> numbers_;
};

} // namespace

std::string file_of(const profile::Profile& profile, const std::string& role) {
  const auto at = profile.files.find(role);
  if (at == profile.files.end())
    throw std::runtime_error("profile " + profile.name + " has no " + role + " network");
  return at->second;
}

std::unique_ptr<Embedding::Networks> published_embedding(const profile::Profile& profile) {
  return std::make_unique<Damsm>(profile);
}

struct PublishedEdges::Impl {
  nets::reference::EdgeSizes sizes;
  nets::reference::Rcf net{nullptr};
  Tensor mean = torch::tensor({104.00698793f, 116.66876762f, 122.67891434f}).view({1, 3, 1, 1}); ///< BGR
};

PublishedEdges::PublishedEdges(const profile::Profile& profile) : impl_(std::make_unique<Impl>()) {
  impl_->net = load_published<nets::reference::Rcf>(profile, "edges", impl_->sizes);
}
PublishedEdges::~PublishedEdges() = default;

Tensor PublishedEdges::operator()(const Tensor& picture) const {
  return impl_->net->forward((picture.flip(1) + 1) * 127.5 - impl_->mean).back();
}

} // namespace gsem::eval
