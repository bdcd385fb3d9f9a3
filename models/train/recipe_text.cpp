// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/frozen.hpp"
#include "models/train/losses.hpp"

#include <cmath>

/// Captions and pictures in one space: a text encoder and a projection of frozen, pooled picture features,
/// symmetric InfoNCE; pictures of one class count as partly matching.
namespace gsem::train {
namespace {

class TextRecipe : public Recipe {
public:
  int default_batch() const override { return 128; }
  int64_t default_steps() const override { return 1000; }

  void prepare(Context& context) override {
    context_ = &context;
    const Vocabulary vocabulary = load_vocabulary(context);
    train_ = read(context, vocabulary, true);
    test_ = read(context, vocabulary, false);
    if (train_.tokens.size(0) < 2)
      throw std::runtime_error("no captioned training pictures");
    net_ = TextSide(vocabulary.size());
    torch::NoGradGuard no_grad;
    net_->mu.copy_(train_.pooled.flatten(0, 1).mean(0));
    net_->sd.copy_(train_.pooled.flatten(0, 1).std(0).clamp_min(1e-4));
    TensorMap parameters{{"scale", scale_}};
    for (const auto& p : net_->named_parameters())
      parameters[p.key()] = p.value();
    scale_.set_requires_grad(true);
    adam_ = std::make_unique<Adam>(parameters, AdamOptions{0.9, 0.999, 1e-8, 1e-2});
  }

  Losses step(const StepInfo& info) override {
    net_->train();
    const Tensor b =
        torch::tensor(epoch_batch(train_.tokens.size(0), info.batch, context_->settings.seed, info.step));
    const int64_t n = b.size(0);
    const Tensor sentence =
        net_->te(train_.tokens.select(1, info.random.below(kCaptions)).index_select(0, b)).sentence;
    const Tensor seen = train_.pooled.select(1, info.random.below(2)).index_select(0, b);
    const Tensor picture = net_->embed(seen + 0.3 * torch::randn({n, 320}) * net_->sd);
    const Tensor loss =
        contrastive(picture, sentence, scale_.exp(), class_targets(train_.labels.index_select(0, b)));
    adam_->zero_grad();
    loss.backward();
    adam_->step(context_->rate(1e-3) * (1 - 0.98 * info.progress));
    return {{"contrastive", loss.item<double>()}};
  }

  TensorMap state() override {
    TensorMap all = module_state(*net_, "net.");
    all["scale"] = scale_;
    all.merge(adam_->state("adam."));
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
        r_precision(net_->embed(test_.pooled.select(1, 0)), net_->te(test_.tokens.select(1, 0)).sentence);
    char text[80];
    snprintf(text, sizeof text, "R-precision@100 %.3f on %lld test pictures", found, (long long)n);
    return text;
  }

private:
  struct Part {
    Tensor pooled, tokens, labels; ///< [N,2,320], [N,10,20], [N]
  };

  static Part read(Context& context, const Vocabulary& vocabulary, bool train) {
    Part part;
    auto indices = captioned(context, train);
    const std::string print = fingerprint(context.data, indices, {role_file(context, "backbone")});
    TensorMap t = cached(context, train ? "pooled-train" : "pooled-test", print, [&] {
      const Tensor pictures = load_squares(context.data, indices, 128, context.message);
      FrozenFeatures features(context);
      const Tensor pooled = indices.empty() ? torch::zeros({0, 2, 320})
                                            : each_with_mirror(pictures, context.bf16, [&](const Tensor& x) {
                                                return features(x)[3].to(torch::kFloat32).mean({2, 3});
                                              });
      return TensorMap{
          {"pooled", pooled},
          {"index", torch::tensor(std::vector<int64_t>(indices.begin(), indices.end()), torch::kInt64)}};
    });
    part.pooled = t.at("pooled");
    const Tensor index = t.at("index");
    indices.assign(index.data_ptr<int64_t>(), index.data_ptr<int64_t>() + index.numel());
    part.tokens = vocabulary.tokens(context.data, indices);
    std::vector<int64_t> labels;
    for (size_t i : indices)
      labels.push_back(context.data.entries[i].label);
    part.labels = torch::tensor(labels, torch::kInt64);
    return part;
  }

  Context* context_ = nullptr;
  TextSide net_{nullptr};
  Tensor scale_ = torch::full({1}, 2.5);
  std::unique_ptr<Adam> adam_;
  Part train_, test_;
};

} // namespace

std::unique_ptr<Recipe> recipes::text() {
  return std::make_unique<TextRecipe>();
}

} // namespace gsem::train
