// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/reference/matching.hpp"

#include <torch/torch.h>

#include <limits>

namespace gsem::train {
namespace {

using torch::Tensor;

constexpr double kGamma1 = 4, kGamma2 = 5, kGamma3 = 10, kSmall = 1e-8;

Tensor cosine(const Tensor& a, const Tensor& b, int64_t dimension) {
  return (a * b).sum(dimension) / (a.norm(2, {dimension}) * b.norm(2, {dimension})).clamp_min(kSmall);
}

/// How well each picture [B] has one caption's words [W,L].
Tensor fit(const Tensor& regions, const Tensor& words) {
  const Tensor context = regions.flatten(2); // [B,W,R]
  const Tensor query = words.unsqueeze(0).expand({context.size(0), -1, -1});
  Tensor attention = torch::bmm(context.transpose(1, 2), query).softmax(2); // over words
  attention = (attention.transpose(1, 2) * kGamma1).softmax(2);             // [B,L,R], over regions
  const Tensor seen = torch::bmm(context, attention.transpose(1, 2));       // [B,W,L]
  return (cosine(query, seen, 1) * kGamma2).exp().sum(1).log();
}

Tensor both_ways(const Tensor& scores, const Tensor& same) {
  const Tensor s = scores.masked_fill(same, -std::numeric_limits<double>::infinity());
  const Tensor own = torch::arange(s.size(0));
  return torch::cross_entropy_loss(s, own) + torch::cross_entropy_loss(s.t(), own);
}

} // namespace

Matching matching_loss(const at::Tensor& regions, const at::Tensor& pictures, const at::Tensor& words,
                       const at::Tensor& sentences, const at::Tensor& lengths, const at::Tensor& labels) {
  const int64_t n = pictures.size(0);
  const Tensor same =
      (labels.unsqueeze(1) == labels.unsqueeze(0)).logical_and(torch::eye(n, torch::kBool).logical_not());
  const auto length = lengths.accessor<int64_t, 1>();
  std::vector<Tensor> columns;
  for (int64_t i = 0; i < n; i++)
    columns.push_back(fit(regions, words[i].slice(1, 0, length[i])));
  const Tensor global = torch::mm(pictures, sentences.t()) /
                        torch::outer(pictures.norm(2, {1}), sentences.norm(2, {1})).clamp_min(kSmall);
  return {both_ways(torch::stack(columns, 1) * kGamma3, same), both_ways(global * kGamma3, same)};
}

} // namespace gsem::train
