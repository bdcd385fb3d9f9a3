// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/reference/layers.hpp"
#include "models/train/frozen.hpp"
#include "models/train/reference/weight_files.hpp"

namespace gsem::train {

/// Training of a published network as it was published: 32-bit floats, constant rates, no running average
/// (AttnGAN's generator has one).
template <class Net>
class PublishedRecipe : public Recipe {
public:
  bool bfloat16() const override { return false; }
  torch::nn::Module& network() override { return *net_; }
  TensorMap state() override { return module_state(*net_, "net."); }

  void start_from(const std::string& file) override {
    const TensorMap tensors = read_weight_file(file), backbone = backbone_weights(tensors);
    if (!backbone.empty())
      fill_module(*net_, backbone, file);
    else
      load_network(*net_, file);
  }

protected:
  double share() const { return context_->settings.width; }
  /// Is one of --init the pretrained part that the published network keeps?
  bool has_backbone() const {
    for (const auto& file : context_->settings.init)
      if (!backbone_weights(read_weight_file(file)).empty())
        return true;
    return false;
  }

  Net net_{nullptr};
  Context* context_ = nullptr;
};

/// "0.123": for measured figures.
inline std::string figure(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

} // namespace gsem::train
