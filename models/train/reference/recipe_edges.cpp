// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/structure.hpp"
#include "models/train/reference/published_recipe.hpp"
#include "models/train/stage_inputs.hpp"

#include <cmath>

/// RCF on human boundaries: class-balanced cross-entropy of the five side outputs and the fused one, pixels
/// that less than half of the people drew count neither way. Published: SGD at 1e-6 from ImageNet's VGG-16
/// (--init: torchvision's vgg16), rates of their own for each kind of layer; here Adam 1e-4 (0.9, 0.99),
/// decay 2e-4, for all, which also starts from nothing.
namespace gsem::train {
namespace nr = nets::reference;
namespace {

constexpr int64_t kSide = 256;

/// Bytes: boundary 1, none 0, left out 2.
Tensor label_of(const Tensor& share) {
  return torch::where(share >= 128, torch::ones_like(share),
                      torch::where(share > 0, torch::full_like(share, 2), torch::zeros_like(share)));
}

/// As published, without the 1/10 of its ten pictures a step.
Tensor balanced_cross_entropy(const Tensor& p, const Tensor& label) {
  const Tensor drawn = (label == 1).to(torch::kFloat32), plain = (label == 0).to(torch::kFloat32);
  const Tensor positive = drawn.sum({1, 2, 3}, true), negative = plain.sum({1, 2, 3}, true),
               all = (positive + negative).clamp_min(1);
  const Tensor weight = drawn * negative / all + 1.1 * plain * positive / all;
  // Not torch's, which throws for NaN: the trainer stops there by itself.
  const Tensor q = p.clamp(1e-7, 1 - 1e-7);
  return -(weight * (drawn * q.log() + (1 - drawn) * (1 - q).log())).sum() / p.size(0);
}

class ReferenceEdges : public PublishedRecipe<nr::Rcf> {
public:
  int default_batch() const override { return 10; }
  int64_t default_steps() const override { return 40000; }

  void prepare(Context& context) override {
    context_ = &context;
    train_ = read(context, true);
    test_ = read(context, false);
    if (!train_.pictures.defined())
      throw std::runtime_error("no pictures with human boundaries");
    net_ = nr::Rcf(nr::EdgeSizes::scaled(share()));
    if (!has_backbone())
      context.message("no VGG-16 in --init: RCF starts from nothing");
    start_weights();
    adam_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{net_.get()},
                                   AdamOptions{0.9, 0.99, 1e-8, 2e-4});
  }

  Losses step(const StepInfo& info) override {
    const auto rows =
        torch::tensor(epoch_batch(train_.pictures.size(0), info.batch, context_->settings.seed, info.step));
    net_->train();
    const auto maps = net_->forward(input(train_.pictures.index_select(0, rows)));
    const Tensor label = train_.labels.index_select(0, rows);
    Tensor total = torch::zeros({}), fused;
    for (const Tensor& map : maps)
      total = total + (fused = balanced_cross_entropy(map, label));
    adam_->zero_grad();
    total.backward();
    adam_->step(context_->rate(1e-4));
    const double pixels = double(kSide * kSide);
    return {{"all", total.item<double>() / pixels}, {"fused", fused.item<double>() / pixels}};
  }

  TensorMap state() override {
    TensorMap all = PublishedRecipe::state();
    all.merge(adam_->state("adam."));
    return all;
  }

  std::string measure() override {
    if (!test_.pictures.defined())
      return {};
    torch::NoGradGuard no_grad;
    net_->eval();
    const int64_t n = test_.pictures.size(0);
    double loss = 0, hit = 0, found = 0, drawn = 0;
    for (int64_t i = 0; i < n; i++) {
      const Tensor p = net_->forward(input(test_.pictures.slice(0, i, i + 1))).back(),
                   label = test_.labels.slice(0, i, i + 1);
      loss += balanced_cross_entropy(p, label).item<double>() / double(n * kSide * kSide);
      const Tensor is = (label == 1), says = (p >= 0.5).logical_and(label != 2);
      hit += is.logical_and(says).sum().item<double>();
      found += says.sum().item<double>();
      drawn += is.sum().item<double>();
    }
    const double f = found + drawn > 0 ? 2 * hit / (found + drawn) : 0;
    return "balanced cross-entropy a pixel " + figure("%.4f", loss) + ", F of pixels at 0.5 " +
           figure("%.3f", f) + " on " + std::to_string(n) + " test pictures";
  }

  void sheet(const std::string& file) override {
    const Part& part = test_.pictures.defined() ? test_ : train_;
    net_->eval();
    std::vector<std::vector<Tensor>> rows(3);
    for (int64_t i = 0; i < std::min<int64_t>(6, part.pictures.size(0)); i++) {
      rows[0].push_back(part.pictures[i]);
      rows[1].push_back((part.labels[i] * 127).to(torch::kUInt8));
      rows[2].push_back(
          (net_->forward(input(part.pictures.slice(0, i, i + 1))).back()[0] * 255).to(torch::kUInt8));
    }
    write_sheet(rows, file);
  }

private:
  struct Part {
    Tensor pictures, labels; ///< u8 [N,3,256,256], [N,1,256,256]; undefined: none
  };

  /// Whole pictures and their middles, with the people's maps at full size.
  static Part read(const Context& context, bool train) {
    std::vector<View> views;
    for (size_t entry : context.select(Kind::Boundary, train))
      if (!context.data.entries[entry].boundary_file.empty()) {
        views.push_back({entry});
        if (train)
          views.push_back({entry, false});
      }
    Part part;
    const Tensor pictures = load_views(context, views, kSide, &part.labels, kSide);
    if (views.empty())
      return {};
    part.pictures = pictures;
    part.labels = label_of(part.labels);
    return part;
  }

  /// u8 RGB -> blue, green, red minus their means.
  static Tensor input(const Tensor& pictures) {
    static const Tensor mean =
        torch::tensor({104.00698793f, 116.66876762f, 122.67891434f}).view({1, 3, 1, 1});
    return (pictures.flip(1).to(torch::kFloat32) - mean).contiguous(at::MemoryFormat::ChannelsLast);
  }

  void start_weights() {
    torch::NoGradGuard no_grad;
    for (auto& p : net_->named_parameters()) {
      const bool picture = p.key().starts_with("conv") && p.key().find("_down") == std::string::npos;
      if (p.key().ends_with(".bias"))
        p.value().zero_();
      else if (p.key() == "score_fuse.weight")
        p.value().fill_(0.2);
      else if (picture) // of those VGG-16 replaces; 0.01 would let the signal die in 13 layers
        p.value().normal_(0, std::sqrt(2.0 / double(p.value()[0].numel())));
      else
        p.value().normal_(0, 0.01);
    }
  }

  Part train_, test_;
  std::unique_ptr<Adam> adam_;
};

} // namespace

std::unique_ptr<Recipe> recipes::reference_edges() {
  return std::make_unique<ReferenceEdges>();
}

} // namespace gsem::train
