// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/losses.hpp"

#include <torch/torch.h>

namespace gsem::train {
namespace F = torch::nn::functional;
namespace {

at::Tensor neighbour_difference(const at::Tensor& a, const at::Tensor& b) {
  const auto d = a - b; // difference of differences = difference of a - b
  return (d.slice(3, 1) - d.slice(3, 0, -1)).abs().mean() + (d.slice(2, 1) - d.slice(2, 0, -1)).abs().mean();
}

} // namespace

at::Tensor ms_ssim(const at::Tensor& first, const at::Tensor& second, int levels) {
  static const double published[5] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};
  double total = 0;
  for (int i = 0; i < levels; i++)
    total += published[i];
  auto taps = torch::exp(-(torch::arange(11, torch::kFloat32) - 5).pow(2) / 4.5);
  taps = taps / taps.sum();
  const auto rows = taps.view({1, 1, 11, 1}), columns = taps.view({1, 1, 1, 11});
  // Planes in the batch: a one-channel convolution is much faster than a grouped one of 3.
  auto planes = [](const at::Tensor& x) {
    return x.to(torch::kFloat32).contiguous().flatten(0, 1).unsqueeze(1);
  };
  const int64_t batch = first.size(0), n = batch * first.size(1);
  auto a = planes(first), b = planes(second);
  at::Tensor result = torch::ones({batch});
  for (int i = 0; i < levels; i++) {
    const auto all = torch::conv2d(torch::conv2d(torch::cat({a, b, a * a, b * b, a * b}), rows), columns);
    const auto ma = all.narrow(0, 0, n), mb = all.narrow(0, n, n);
    const auto va = all.narrow(0, 2 * n, n) - ma * ma, vb = all.narrow(0, 3 * n, n) - mb * mb,
               cov = all.narrow(0, 4 * n, n) - ma * mb;
    auto v = (2 * cov + 0.0036) / (va + vb + 0.0036);
    if (i == levels - 1)
      v = v * (2 * ma * mb + 0.0004) / (ma * ma + mb * mb + 0.0004);
    const auto mean = v.view({batch, -1}).mean(1);
    result = result * mean.clamp_min(1e-4).pow(published[i] / total);
    if (i + 1 < levels) {
      a = torch::avg_pool2d(a, 2);
      b = torch::avg_pool2d(b, 2);
    }
  }
  return result;
}

at::Tensor hinge_real(const at::Tensor& score) {
  return torch::relu(1 - score);
}

at::Tensor hinge_fake(const at::Tensor& score) {
  return torch::relu(1 + score);
}

at::Tensor feature_distance(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  at::Tensor sum;
  for (size_t i = 0; i < a.size(); i++) {
    const auto x = a[i].to(torch::kFloat32), y = b[i].to(torch::kFloat32);
    const auto d = (x - y).abs().mean() / (y.abs().mean() + 1e-3);
    sum = i ? sum + d : d;
  }
  return sum;
}

EdgeTerms edge_terms(const at::Tensor& logits, const at::Tensor& target) {
  const auto shown = torch::sigmoid(logits), weight = 1 + 4 * target;
  EdgeTerms t;
  t.cross_entropy =
      (weight * torch::binary_cross_entropy_with_logits(logits, target, {}, {}, at::Reduction::None)).mean();
  t.l1 = (weight * (shown - target).abs()).mean();
  t.gradient = neighbour_difference(shown, target);
  return t;
}

at::Tensor contrastive(const at::Tensor& pictures, const at::Tensor& texts, const at::Tensor& scale,
                       const at::Tensor& soft) {
  const auto logits = scale * torch::mm(pictures, texts.t());
  return -(soft * logits.log_softmax(1)).sum(1).mean() - (soft * logits.t().log_softmax(1)).sum(1).mean();
}

at::Tensor caption_loss(const at::Tensor& logits, const at::Tensor& target, const at::Tensor& keep,
                        double smoothing) {
  const auto flat = keep.flatten().nonzero().squeeze(1);
  return F::cross_entropy(logits.flatten(0, 1).index_select(0, flat), target.flatten().index_select(0, flat),
                          F::CrossEntropyFuncOptions().label_smoothing(smoothing));
}

} // namespace gsem::train
