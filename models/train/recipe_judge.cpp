// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/judge_net.hpp"
#include "models/train/losses.hpp"

/// The embedding that judges painted pictures: like `text`, but its backbone (another one than the painter
/// ever saw) learns too, on random crops. Pictures of one class count as partly matching.
namespace gsem::train {
namespace {

/// A random square of 0.8 to 1 of each picture's side, mirrored half of the time.
Tensor random_crop(const Tensor& x) {
  const int64_t n = x.size(0);
  const Tensor size = 0.8 + 0.2 * torch::rand({n}), sign = torch::where(torch::rand({n}) < 0.5, -1.0, 1.0);
  const Tensor shift = (torch::rand({n, 2}) * 2 - 1) * (1 - size).unsqueeze(1);
  Tensor map = torch::zeros({n, 2, 3});
  map.select(1, 0).select(1, 0).copy_(size * sign);
  map.select(1, 1).select(1, 1).copy_(size);
  map.select(2, 2).copy_(shift);
  const Tensor grid = torch::affine_grid_generator(map, x.sizes(), false);
  constexpr int64_t kBilinear = 0, kReflection = 2;
  return torch::grid_sampler(x.contiguous(), grid, kBilinear, kReflection, false);
}

class JudgeRecipe : public Recipe {
public:
  int default_batch() const override { return 64; }
  int64_t default_steps() const override { return 650; }

  void prepare(Context& context) override {
    context_ = &context;
    const Vocabulary vocabulary = load_vocabulary(context);
    train_ = read(context, vocabulary, true);
    test_ = read(context, vocabulary, false);
    if (train_.tokens.size(0) < 2)
      throw std::runtime_error("no captioned training pictures");
    net_ = JudgeNet(vocabulary.size());
    load_network(*net_->backbone, role_file(context, "backbone-lite1"));
    make_channels_last(*net_);
    measure_features();
    TensorMap others{{"scale", scale_}}, backbone;
    for (const auto& p : net_->named_parameters())
      (p.key().rfind("backbone.", 0) == 0 ? backbone : others)[p.key()] = p.value();
    scale_.set_requires_grad(true);
    const AdamOptions options{0.9, 0.999, 1e-8, 1e-2};
    backbone_adam_ = std::make_unique<Adam>(backbone, options);
    adam_ = std::make_unique<Adam>(others, options);
  }

  Losses step(const StepInfo& info) override {
    net_->train();
    const Tensor b =
        torch::tensor(epoch_batch(train_.tokens.size(0), info.batch, context_->settings.seed, info.step));
    const Tensor sentence =
        net_->te(train_.tokens.select(1, info.random.below(kCaptions)).index_select(0, b)).sentence;
    const Tensor pictures = random_crop(to_unit(train_.pictures.index_select(0, b)));
    Tensor pooled;
    {
      Bf16Scope scope(context_->bf16);
      pooled = net_->pooled(pictures);
    }
    const Tensor loss = contrastive(net_->embed(pooled), sentence, scale_.exp(),
                                    class_targets(train_.labels.index_select(0, b)));
    adam_->zero_grad();
    backbone_adam_->zero_grad();
    loss.backward();
    const double rate =
        context_->rate(1e-3) * (std::min(1.0, double(info.step + 1) / 100) * (1 - info.progress) + 0.01);
    backbone_adam_->step(0.2 * rate, 5);
    adam_->step(rate);
    return {{"contrastive", loss.item<double>()}};
  }

  TensorMap state() override {
    TensorMap all = module_state(*net_, "net.");
    all["scale"] = scale_;
    all.merge(adam_->state("adam."));
    all.merge(backbone_adam_->state("adam-backbone."));
    return all;
  }
  torch::nn::Module& network() override { return *net_; }
  void start_from(const std::string& file) override { load_network(*net_, file); }

  std::string measure() override {
    const int64_t n = test_.tokens.size(0);
    if (n < 2)
      return {};
    torch::NoGradGuard no_grad;
    net_->eval();
    const double found =
        r_precision(net_->embed(pooled_of(test_.pictures)), net_->te(test_.tokens.select(1, 0)).sentence);
    char text[80];
    snprintf(text, sizeof text, "R-precision@100 %.3f on %lld test pictures", found, (long long)n);
    return text;
  }

private:
  struct Part {
    Tensor pictures, tokens, labels; ///< u8 [N,3,128,128], [N,10,20], [N]
  };

  static Part read(Context& context, const Vocabulary& vocabulary, bool train) {
    Part part;
    auto indices = captioned(context, train);
    part.pictures = load_squares(context.data, indices, 128, context.message);
    part.tokens = vocabulary.tokens(context.data, indices);
    std::vector<int64_t> labels;
    for (size_t i : indices)
      labels.push_back(context.data.entries[i].label);
    part.labels = torch::tensor(labels, torch::kInt64);
    return part;
  }

  Tensor pooled_of(const Tensor& pictures) {
    torch::NoGradGuard no_grad;
    Bf16Scope scope(context_->bf16);
    std::vector<Tensor> rows;
    for (int64_t i = 0; i < pictures.size(0); i += 64)
      rows.push_back(net_->pooled(to_unit(pictures.slice(0, i, i + 64))));
    return torch::cat(rows);
  }

  /// The features that the embedding's first layer expects; kept as they were before the backbone learned.
  void measure_features() {
    torch::NoGradGuard no_grad;
    net_->eval();
    const Tensor pooled = pooled_of(train_.pictures.slice(0, 0, 1024));
    net_->mu.copy_(pooled.mean(0));
    net_->sd.copy_(pooled.std(0).clamp_min(1e-3));
  }

  Context* context_ = nullptr;
  JudgeNet net_{nullptr};
  Tensor scale_ = torch::full({1}, 2.5);
  std::unique_ptr<Adam> adam_, backbone_adam_;
  Part train_, test_;
};

} // namespace

std::unique_ptr<Recipe> recipes::judge() {
  return std::make_unique<JudgeRecipe>();
}

} // namespace gsem::train
