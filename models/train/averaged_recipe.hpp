// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/frozen.hpp"

namespace gsem::train {

/// A recipe of one network with a running average (the one that is exported) and Adam.
template <class Net>
class AveragedRecipe : public Recipe {
public:
  torch::nn::Module& network() override { return *average_; }

  TensorMap state() override {
    TensorMap all = module_state(*net_, "net.");
    all.merge(module_state(*average_, "average."));
    all.merge(adam_->state("adam."));
    return all;
  }

  void start_from(const std::string& file) override {
    load_network(*average_, file);
    copy_module(*net_, *average_);
  }

protected:
  /// `make` builds a network; called twice.
  template <class Make>
  void build(Context& context, const AdamOptions& options, Make make) {
    context_ = &context;
    net_ = make();
    average_ = make();
    make_channels_last(*net_);
    make_channels_last(*average_);
    copy_module(*average_, *net_);
    set_requires_grad(*average_, false);
    average_->eval();
    adam_ = std::make_unique<Adam>(std::vector<const torch::nn::Module*>{net_.get()}, options);
  }

  Net net_{nullptr}, average_{nullptr};
  std::unique_ptr<Adam> adam_;
  Context* context_ = nullptr;
};

/// Moves faster at first: 1 - 1/(steps/lead + 1), at most `most`.
inline double average_beta(int64_t step, double lead, double most) {
  return std::min(most, double(step + 1) / (double(step + 1) + lead));
}

} // namespace gsem::train
