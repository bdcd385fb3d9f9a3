// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/structure.hpp"
#include "models/train/averaged_recipe.hpp"
#include "models/train/losses.hpp"
#include "models/train/stage_inputs.hpp"
#include "models/train/teachers.hpp"

#include <filesystem>

/// Soft edges from a published detector (HED, in --teachers) and, where there are any, human boundaries: 0.8
/// of the one, 0.2 of the other. Without the teacher from human boundaries alone.
namespace gsem::train {
namespace {

class EdgesRecipe : public AveragedRecipe<nets::EdgeNet> {
public:
  int default_batch() const override { return 16; }
  int64_t default_steps() const override { return 6000; }

  void prepare(Context& context) override {
    const std::string teacher = context.settings.teachers + "/hed.safetensors";
    taught_ = !context.settings.teachers.empty() && std::filesystem::exists(teacher);
    if (!taught_)
      context.message("no hed.safetensors in --teachers: learning from human boundaries alone");
    train_ = read(context, true, teacher);
    test_ = read(context, false, teacher);
    if (!train_.pictures.defined())
      throw std::runtime_error(taught_ ? "no training pictures"
                                       : "no pictures with human boundaries, and no teacher");
    // Pictures with human maps count twice.
    std::vector<int64_t> order;
    for (int64_t i = 0; i < train_.pictures.size(0); i++)
      order.insert(order.end(), train_.drawn[i].item<bool>() ? 2 : 1, i);
    order_ = torch::tensor(order, torch::kInt64);
    build(context, {0.9, 0.99}, [] { return nets::EdgeNet(); });
  }

  Losses step(const StepInfo& info) override {
    const Tensor i = order_.index_select(0, torch::randint(order_.size(0), {info.batch}, torch::kInt64));
    const Tensor mirrored = (torch::rand({info.batch}) < 0.5).view({-1, 1, 1, 1});
    auto turned = [&](const Tensor& v) { return torch::where(mirrored, v.flip(3), v); };
    Tensor x = turned(to_unit(train_.pictures.index_select(0, i)));
    x = x * (1 + 0.3 * (torch::rand({info.batch, 1, 1, 1}) - 0.5)) +
        0.2 * (torch::rand({info.batch, 1, 1, 1}) - 0.5);
    const Tensor target = turned(targets(train_, i));
    net_->train();
    Tensor logits;
    {
      Bf16Scope scope(context_->bf16);
      logits = net_(x.contiguous(at::MemoryFormat::ChannelsLast), true);
    }
    const EdgeTerms t = edge_terms(logits, target);
    adam_->zero_grad();
    (t.cross_entropy + t.l1 + t.gradient).backward();
    adam_->step(cosine_rate(context_->rate(2e-3), info.progress, info.step, 100, 0.4, 0.01), 5);
    update_average(*average_, *net_, average_beta(info.step, 10, 0.998));
    return {{"cross_entropy", t.cross_entropy.item<double>()},
            {"l1", t.l1.item<double>()},
            {"gradient", t.gradient.item<double>()}};
  }

  std::string measure() override {
    if (!test_.pictures.defined())
      return {};
    double l1 = 0, ours = 0, theirs = 0;
    const int64_t n = test_.pictures.size(0);
    for (int64_t i = 0; i < n; i++) {
      const Tensor y = average_(to_unit(test_.pictures.slice(0, i, i + 1))),
                   t = targets(test_, torch::full({1}, i, torch::kInt64));
      l1 += (y - t).abs().mean().item<double>() / double(n);
      ours += y.mean().item<double>() / double(n);
      theirs += t.mean().item<double>() / double(n);
    }
    char text[120];
    snprintf(text, sizeof text, "L1 %.4f, mean %.4f (target's %.4f) on %lld test views", l1, ours, theirs,
             (long long)n);
    return text;
  }

  void sheet(const std::string& file) override {
    const Part& part = test_.pictures.defined() ? test_ : train_;
    std::vector<std::vector<Tensor>> rows(3);
    for (int64_t i = 0; i < std::min<int64_t>(10, part.pictures.size(0)); i++) {
      const Tensor x = to_unit(part.pictures.slice(0, i, i + 1));
      rows[0].push_back(from_unit(torch::avg_pool2d(x, 2))[0]);
      rows[1].push_back((targets(part, torch::full({1}, i, torch::kInt64))[0] * 255).to(torch::kUInt8));
      rows[2].push_back((average_(x)[0] * 255).to(torch::kUInt8));
    }
    write_sheet(rows, file);
  }

private:
  struct Part {
    Tensor pictures, taught, human,
        drawn; ///< u8 [N,3,256,256], u8 [N,1,128,128] twice, bool [N]; undefined when there are none
  };

  void add(const Context& context, Kind kind, bool train, size_t most, int random_squares, bool whole,
           bool centre, std::vector<View>& views) const {
    auto all = context.select(kind, train);
    const size_t n = std::min(all.size(), most);
    for (size_t k = 0; k < n; k++) {
      const size_t entry = all[k * all.size() / n];
      StepRandom random(context.settings.seed, int64_t(entry), 0x54);
      if (centre)
        views.push_back({entry, false});
      if (whole)
        views.push_back({entry});
      for (int i = 0; i < random_squares; i++)
        views.push_back({entry, false, random.uniform(), random.uniform(), random.uniform(0.7, 1)});
    }
  }

  Part read(const Context& context, bool train, const std::string& teacher) const {
    std::vector<View> views;
    add(context, Kind::Boundary, train, SIZE_MAX, train ? 2 : 0, true, true, views);
    if (train && taught_) {
      add(context, Kind::General, true, SIZE_MAX, 1, true, false, views);
      add(context, Kind::Scene, true, 700, 0, true, false, views);
      add(context, Kind::Object, true, 900, 0, true, false, views);
    }
    Part part;
    const Tensor pictures = load_views(context, views, 256, &part.human);
    if (views.empty())
      return {};
    part.pictures = pictures;
    std::vector<uint8_t> drawn;
    for (const View& v : views)
      drawn.push_back(!context.data.entries[v.entry].boundary_file.empty());
    part.drawn = torch::tensor(drawn, torch::kUInt8).to(torch::kBool);
    if (taught_) {
      std::unique_ptr<Hed> hed; // 59 MB: only when something is not in the cache
      part.taught = in_parts(context, train ? "hed-train" : "hed-test", views, {teacher},
                             [&](int64_t from, int64_t to, StepRandom&) {
                               if (!hed)
                                 hed = std::make_unique<Hed>(teacher);
                               std::vector<Tensor> maps;
                               for (int64_t i = from; i < to; i += 4) {
                                 Bf16Scope scope(context.bf16);
                                 const Tensor map =
                                     (*hed)(to_unit(pictures.slice(0, i, std::min(to, i + 4))));
                                 maps.push_back((torch::avg_pool2d(map, 2) * 255).round().to(torch::kUInt8));
                               }
                               return TensorMap{{"maps", torch::cat(maps)}};
                             })
                        .at("maps");
    }
    return part;
  }

  Tensor targets(const Part& part, const Tensor& i) const {
    const Tensor human = (part.human.index_select(0, i).to(torch::kFloat32) / 255).pow(0.7);
    if (!taught_)
      return human;
    const Tensor taught = part.taught.index_select(0, i).to(torch::kFloat32) / 255;
    return torch::where(part.drawn.index_select(0, i).view({-1, 1, 1, 1}), 0.8 * taught + 0.2 * human,
                        taught);
  }

  bool taught_ = false;
  Part train_, test_;
  Tensor order_;
};

} // namespace

std::unique_ptr<Recipe> recipes::edges() {
  return std::make_unique<EdgesRecipe>();
}

} // namespace gsem::train
