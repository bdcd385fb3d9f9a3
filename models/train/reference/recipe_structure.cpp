// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/structure.hpp"
#include "models/train/reference/critics.hpp"
#include "models/train/reference/perceptual_loss.hpp"
#include "models/train/reference/published_recipe.hpp"
#include "models/train/reference/stage_folder.hpp"

/// SCMC's layer 2: 10 L1 + 10 DISTS + a non-saturating adversarial loss; Adam 1e-4 for network and
/// discriminator, batch 16, 500 epochs. Layer 1's pictures and decoded maps come from --stages.
namespace gsem::train {
namespace nr = nets::reference;
namespace {

constexpr double kL1 = 10, kPerceptual = 10;

class ReferenceStructure : public PublishedRecipe<nr::Structure> {
public:
  int default_batch() const override { return 16; }
  int64_t default_steps() const override { return 276500; }

  void prepare(Context& context) override {
    context_ = &context;
    train_ = read_stages(context, kLayer1, true);
    test_ = read_stages(context, kLayer1, false);
    if (train_.size() == 0)
      throw std::runtime_error("no training pictures");
    perceptual_ = perceptual_loss(context);
    net_ = nr::Structure(nr::StructureSizes::scaled(share()));
    critic_ = PatchCritic(nr::scaled_width(64, share()));
    adam_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{net_.get()}, AdamOptions{});
    critic_adam_ =
        std::make_unique<Adam>(std::vector<const torch::nn::Module*>{critic_.get()}, AdamOptions{});
  }

  Losses step(const StepInfo& info) override {
    const auto rows =
        torch::tensor(epoch_batch(train_.size(), info.batch, context_->settings.seed, info.step));
    const Tensor x = to_unit(train_.pictures.index_select(0, rows));
    net_->train();
    critic_->train();
    const Tensor y = show(to_unit(train_.lower.index_select(0, rows)), train_.maps.index_select(0, rows));
    const Tensor l1 = (y - x).abs().mean(), unlike = (*perceptual_.loss)(y, x).mean();
    set_requires_grad(*critic_, false);
    const Tensor fooled = taken_for(critic_(torch::cat({x, y})).chunk(2)[1], true);
    adam_->zero_grad();
    (kL1 * l1 + kPerceptual * unlike + fooled).backward();
    adam_->step(context_->rate(1e-4));
    set_requires_grad(*critic_, true);
    const auto scores = critic_(torch::cat({x, y.detach()})).chunk(2);
    const Tensor judged = taken_for(scores[0], true) + taken_for(scores[1], false);
    critic_adam_->zero_grad();
    judged.backward();
    critic_adam_->step(context_->rate(1e-4));
    return {{"l1", l1.item<double>()},
            {perceptual_.column, unlike.item<double>()},
            {"fooled", fooled.item<double>()},
            {"judged", judged.item<double>()}};
  }

  TensorMap state() override {
    TensorMap all = PublishedRecipe::state();
    all.merge(adam_->state("adam."));
    all.merge(module_state(*critic_, "critic."));
    all.merge(critic_adam_->state("critic-adam."));
    return all;
  }

  std::string measure() override {
    const int64_t n = test_.size();
    if (n == 0)
      return {};
    torch::NoGradGuard no_grad;
    net_->eval();
    double l1 = 0, unlike = 0, lpips = 0;
    for (int64_t i = 0; i < n; i++) {
      const Tensor x = to_unit(test_.pictures.slice(0, i, i + 1)), y = shown(test_, i);
      l1 += (y - x).abs().mean().item<double>() / double(n);
      unlike += (*perceptual_.loss)(y, x).item<double>() / double(n);
      if (perceptual_.given.lpips)
        lpips += (*perceptual_.given.lpips)(y, x).item<double>() / double(n);
    }
    std::string text = "L1 " + figure("%.3f", l1) + ", " + perceptual_.name + " " + figure("%.4f", unlike);
    if (perceptual_.given.lpips)
      text += ", " + perceptual_.given.lpips_name + " " + figure("%.4f", lpips);
    return text + ", on " + std::to_string(n) + " test pictures";
  }

  void sheet(const std::string& file) override {
    const StagePictures& part = test_.size() ? test_ : train_;
    net_->eval();
    write_stage_sheet(
        part, [&](int64_t i) { return shown(part, i); }, file);
  }

private:
  Tensor show(const Tensor& base, const Tensor& maps) {
    return net_->decode(net_->base_branch(base), maps.to(torch::kFloat32) / 255);
  }
  Tensor shown(const StagePictures& part, int64_t i) {
    return show(to_unit(part.lower.slice(0, i, i + 1)), part.maps.slice(0, i, i + 1));
  }

  StagePictures train_, test_;
  PerceptualLoss perceptual_;
  PatchCritic critic_{nullptr};
  std::unique_ptr<Adam> adam_, critic_adam_;
};

} // namespace

std::unique_ptr<Recipe> recipes::reference_structure() {
  return std::make_unique<ReferenceStructure>();
}

} // namespace gsem::train
