// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/frozen.hpp"

/// Layout codes: stride-16 features pooled to 4x4 without each channel's mean, their first 48 principal
/// components, k-means. A step is one round of k-means. From --init only the centroids move on; a generator
/// that knows the old codes must be trained again.
namespace gsem::train {
namespace {

class HintRecipe : public Recipe {
public:
  int default_batch() const override { return 1; }
  int64_t default_steps() const override { return 60; }

  void prepare(Context& context) override {
    hint_->eval();
    auto indices = context.select(Kind::Object, true);
    if (indices.empty())
      indices = context.select(Kind::General, true);
    if (2 * int64_t(indices.size()) < kCodes)
      throw std::runtime_error("127 layout codes need at least 64 training pictures");
    pictures_ = load_squares(context.data, indices, 128, context.message);
    const std::string print = fingerprint(context.data, indices, {role_file(context, "backbone")});
    rows_ = cached(context, "layout-features", print, [&] {
              FrozenFeatures features(context);
              const Tensor f = each_with_mirror(pictures_, context.bf16, [&](const Tensor& x) {
                return torch::adaptive_avg_pool2d(features(x, 3)[2].to(torch::kFloat32), {4, 4})
                    .contiguous()
                    .flatten(1);
              });
              return TensorMap{{"features", f.flatten(0, 1)}};
            }).at("features");
  }

  Losses step(const StepInfo& info) override {
    torch::NoGradGuard no_grad;
    if (info.step == 0 && !started_)
      begin(info.random);
    const Tensor z = place(rows_), distance = torch::cdist(z, hint_->centroids), code = distance.argmin(1);
    const double error = std::get<0>(distance.min(1)).pow(2).mean().item<double>();
    int64_t empty = 0;
    for (int64_t k = 0; k < kCodes; k++) {
      const Tensor members = (code == k).nonzero().squeeze(1);
      if (members.size(0))
        hint_->centroids[k] = z.index_select(0, members).mean(0);
      else {
        hint_->centroids[k] = z[info.random.below(z.size(0))];
        empty++;
      }
    }
    return {{"distance", error}, {"empty", double(empty)}};
  }

  TensorMap state() override { return module_state(*hint_); }
  torch::nn::Module& network() override { return *hint_; }

  void start_from(const std::string& file) override {
    load_network(*hint_, file);
    started_ = true;
  }

  void sheet(const std::string& file) override {
    const Tensor code = torch::cdist(place(rows_), hint_->centroids).argmin(1).view({-1, 2}).select(1, 0);
    std::vector<std::vector<Tensor>> rows;
    for (int64_t k = 0; k < kCodes && rows.size() < 12; k++) {
      const Tensor members = (code == k).nonzero().squeeze(1);
      if (members.size(0) < 4)
        continue;
      rows.emplace_back();
      for (int64_t i = 0; i < std::min<int64_t>(8, members.size(0)); i++)
        rows.back().push_back(pictures_[members[i].item<int64_t>()]);
    }
    write_sheet(rows, file);
  }

private:
  static constexpr int64_t kCodes = 127, kComponents = 48;

  Tensor layout(const Tensor& rows) {
    const Tensor x = (rows - hint_->mu).view({-1, 112, 16});
    return (x - x.mean(2, true)).flatten(1);
  }
  Tensor place(const Tensor& rows) { return torch::mm(layout(rows), hint_->basis) / hint_->scale; }

  void begin(StepRandom& random) {
    hint_->mu.copy_(rows_.mean(0));
    const Tensor x = layout(rows_);
    const Tensor vectors = std::get<1>(torch::linalg_eigh(torch::mm(x.t(), x), "L")); // ascending
    hint_->basis.copy_(vectors.narrow(1, vectors.size(1) - kComponents, kComponents).flip(1));
    hint_->scale.fill_(torch::mm(x, hint_->basis).std());
    const Tensor z = place(rows_);
    std::vector<int64_t> order(size_t(z.size(0)));
    std::iota(order.begin(), order.end(), int64_t(0));
    for (int64_t k = 0; k < kCodes; k++) {
      std::swap(order[size_t(k)], order[size_t(k + random.below(z.size(0) - k))]);
      hint_->centroids[k] = z[order[size_t(k)]];
    }
  }

  nets::LayoutHint hint_;
  Tensor pictures_, rows_;
  bool started_ = false;
};

} // namespace

std::unique_ptr<Recipe> recipes::hint() {
  return std::make_unique<HintRecipe>();
}

} // namespace gsem::train
