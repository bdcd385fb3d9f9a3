// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/profile.hpp"
#include "models/train/eval/judges.hpp"

#include <torch/torch.h>

namespace gsem::eval {

/// The networks behind an Embedding.
struct Embedding::Networks {
  virtual ~Networks() = default;
  virtual int side() const = 0;     ///< pictures are squashed to
  virtual size_t width() const = 0; ///< F
  /// Of pictures [n,3,side,side], RGB in [-1,1]: [n,F].
  virtual torch::Tensor features(const torch::Tensor& pictures) = 0;
  /// Of features [n,F]: unit vectors [n,E].
  virtual torch::Tensor pictures(const torch::Tensor& features) = 0;
  /// Unit vectors [n,E].
  virtual torch::Tensor captions(const std::vector<std::string>& texts) = 0;
};

/// File of a role; std::runtime_error where the profile has none.
std::string file_of(const profile::Profile& profile, const std::string& role);

/// Of a profile of kind "reference": AttnGAN's DAMSM (roles ranker, text, vocabulary).
std::unique_ptr<Embedding::Networks> published_embedding(const profile::Profile& profile);

/// RCF (role edges) as the structure layer runs it: pictures [1,3,h,w], RGB in [-1,1] -> [1,1,h,w].
class PublishedEdges {
public:
  explicit PublishedEdges(const profile::Profile& profile);
  ~PublishedEdges();
  torch::Tensor operator()(const torch::Tensor& picture) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace gsem::eval
