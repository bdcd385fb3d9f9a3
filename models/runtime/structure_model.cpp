// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/structure.hpp"
#include "models/runtime/base_features.hpp"
#include "models/runtime/loading.hpp"
#include "models/runtime/reference_models.hpp"

namespace gsem::runtime {
namespace {

struct NarrowBase final : StructureModel::BaseFeatures {
  nets::StructureSynthesisImpl::BaseFeatures projected;
};

constexpr float kUnit = 1 / 127.5f; // byte * kUnit - 1 is in [-1,1]

class StructureNetworks final : NetworkSet,
                                public StructureModel,
                                public std::enable_shared_from_this<StructureNetworks> {
public:
  using NetworkSet::NetworkSet;

  bool load(bool edges, bool synthesis, std::string& error);

  Outcome edges(PictureView picture, Picture& map, const CallOptions& options) override;
  Outcome prepare_base(PictureView base, BasePtr& features, const CallOptions& options) override;
  Outcome synthesize(BasePtr base, PictureView map, PictureSpan out, const CallOptions& options) override;

private:
  BasePtr base_features(float* pixels);
  at::Tensor paint(const BasePtr& base, float* map);

  nets::EdgeNet edge_net_{nullptr};
  nets::StructureSynthesis synthesis_{nullptr};
  BasePtr blank_; ///< base features of "no base"
};

bool StructureNetworks::load(bool edges, bool synthesis, std::string& error) {
  const std::lock_guard lock(load_mutex_);
  const int work = profile_.work_side, side = profile_.map_side;
  if (work != 2 * side || work % 64) {
    error = "profile '" + profile_.name + "': map_side must be half of work_side, and that a multiple of 64";
    return false;
  }
  return run_load(error, [&] {
    if (edges && edge_net_.is_empty()) {
      auto net = make_network<nets::EdgeNet>();
      if (!load_network(profile_, "edges", *net, device_, error))
        return false;
      // The picture comes in and the map goes out in full precision.
      speed_up(*net, device_, float32_, {"c0", "o"});
      const c10::InferenceMode inference;
      net->forward(torch::zeros({1, 3, work, work}, device_).contiguous(at::MemoryFormat::ChannelsLast));
      edge_net_ = net;
    }
    if (synthesis && synthesis_.is_empty()) {
      auto net = make_network<nets::StructureSynthesis>();
      if (!load_network(profile_, "structure", *net, device_, error))
        return false;
      speed_up(*net, device_, float32_, {"f0.2"}); // the last one makes pixels
      net->prepare_for_inference();
      const c10::InferenceMode inference;
      synthesis_ = net;
      const auto pixels = samples({}, 3, Filter::Cubic, side, side, {1, side, side, 3, 0}, 1, 0);
      blank_ = base_features(pixels.get());
      paint(blank_, pixels.get());
    }
    return true;
  });
}

Outcome StructureNetworks::edges(PictureView picture, Picture& map, const CallOptions& options) {
  const int half = profile_.map_side, work = profile_.work_side;
  struct Data {
    std::shared_ptr<float> in;
    at::Tensor out;
  };
  const auto data = std::make_shared<Data>();
  data->in = samples(picture, 3, Filter::Cubic, work, work, {2, half, half, 12, 0}, kUnit, -1);
  const Outcome outcome =
      infer(*executor_, Priority::Structure, options, [this, self = shared_from_this(), data, half] {
        TORCH_CHECK(!edge_net_.is_empty(), "the edge network was not asked for");
        data->out = readable(edge_net_->forward_unshuffled(nhwc(data->in.get(), 12, half, half, device_)));
      });
  if (!outcome)
    return outcome;
  map.width = map.height = half;
  map.channels = 1;
  map.data.resize(size_t(half) * half);
  to_bytes(data->out.data_ptr<float>(), map.data.size(), map.data.data());
  return outcome;
}

StructureModel::BasePtr StructureNetworks::base_features(float* pixels) {
  const int quarter = profile_.map_side / 2;
  auto features = std::make_shared<NarrowBase>();
  features->projected =
      synthesis_->project(synthesis_->base_branch_unshuffled(nhwc(pixels, 12, quarter, quarter, device_)));
  return features;
}

Outcome StructureNetworks::prepare_base(PictureView base, BasePtr& features, const CallOptions& options) {
  const int side = profile_.map_side;
  struct Data {
    std::shared_ptr<float> in;
    BasePtr out;
  };
  const auto data = std::make_shared<Data>();
  data->in = samples(base, 3, Filter::Cubic, side, side, {2, side / 2, side / 2, 12, 0}, kUnit, -1);
  const Outcome outcome =
      infer(*executor_, Priority::Structure, options, [this, self = shared_from_this(), data] {
        TORCH_CHECK(!synthesis_.is_empty(), "the structure synthesis was not asked for");
        data->out = base_features(data->in.get());
      });
  if (outcome)
    features = data->out;
  return outcome;
}

at::Tensor StructureNetworks::paint(const BasePtr& base, float* map) {
  const int quarter = profile_.map_side / 2;
  return readable(synthesis_->decode_projected(static_cast<const NarrowBase&>(*base).projected,
                                               nhwc(map, 4, quarter, quarter, device_)));
}

Outcome StructureNetworks::synthesize(BasePtr base, PictureView map, PictureSpan out,
                                      const CallOptions& options) {
  const int side = profile_.map_side, work = profile_.work_side;
  struct Data {
    std::shared_ptr<float> in;
    at::Tensor out;
    BasePtr base;
  };
  const auto data = std::make_shared<Data>();
  data->base = std::move(base);
  data->in = samples(map, 1, Filter::Triangle, side, side, {2, side / 2, side / 2, 4, 0}, kUnit, -1);
  const Outcome outcome =
      infer(*executor_, Priority::Structure, options, [this, self = shared_from_this(), data] {
        TORCH_CHECK(!synthesis_.is_empty(), "the structure synthesis was not asked for");
        data->out = paint(data->base ? data->base : blank_, data->in.get());
      });
  if (!outcome)
    return outcome;
  show_square(data->out.data_ptr<float>(), {4, work / 4, work / 4, 48, 0}, out);
  return outcome;
}

} // namespace

std::shared_ptr<StructureModel> acquire_structure(const profile::Profile& profile,
                                                  const ModelOptions& options, bool edges, bool synthesis,
                                                  std::string& error) {
  if (profile.kind == kReferenceKind)
    return acquire_reference_structure(profile, options, edges, synthesis, error);
  return acquire<StructureNetworks>(profile, options, error,
                                    [&](StructureNetworks& m) { return m.load(edges, synthesis, error); });
}

} // namespace gsem::runtime
