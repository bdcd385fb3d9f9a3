// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/structure.hpp"
#include "models/runtime/base_features.hpp"
#include "models/runtime/loading.hpp"
#include "models/runtime/pixels.hpp"
#include "models/runtime/reference_models.hpp"

namespace gsem::runtime {
namespace {

struct NarrowBase final : StructureModel::BaseFeatures {
  nets::StructureSynthesisImpl::BaseFeatures projected;
};

constexpr float kUnit = 1 / 127.5f; // byte * kUnit - 1 is in [-1,1]

class StructureNetworks final : public StructureModel,
                                public std::enable_shared_from_this<StructureNetworks> {
public:
  StructureNetworks(const profile::Profile& profile, at::Device device, bool float32)
      : profile_(profile), device_(device), float32_(float32), executor_(Executor::get()) {}

  bool load(bool edges, bool synthesis, std::string& error);

  Outcome edges(PictureView picture, Picture& map, const CallOptions& options) override;
  Outcome prepare_base(PictureView base, BasePtr& features, const CallOptions& options) override;
  Outcome synthesize(BasePtr base, PictureView map, PictureSpan out, const CallOptions& options) override;

private:
  BasePtr base_features(float* pixels);
  at::Tensor paint(const BasePtr& base, float* map);

  const profile::Profile profile_;
  const at::Device device_;
  const bool float32_;
  const std::shared_ptr<Executor> executor_;
  BufferPool buffers_;
  std::mutex load_mutex_;
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
  bool good = true;
  const auto job = [&, self = shared_from_this()] {
    if (good && edges && edge_net_.is_empty()) {
      auto net = make_network<nets::EdgeNet>();
      if ((good = load_network(profile_, "edges", *net, device_, error))) {
        // The picture comes in and the map goes out in full precision.
        speed_up(*net, device_, float32_, {"c0", "o"});
        const c10::InferenceMode inference;
        net->forward(torch::zeros({1, 3, work, work}, device_).contiguous(at::MemoryFormat::ChannelsLast));
        edge_net_ = net;
      }
    }
    if (good && synthesis && synthesis_.is_empty()) {
      auto net = make_network<nets::StructureSynthesis>();
      if ((good = load_network(profile_, "structure", *net, device_, error))) {
        speed_up(*net, device_, float32_, {"f0.2"}); // the last one makes pixels
        net->prepare_for_inference();
        const c10::InferenceMode inference;
        synthesis_ = net;
        const auto pixels = buffers_.take(size_t(3) * side * side);
        std::fill_n(pixels.get(), size_t(3) * side * side, 0.0f);
        blank_ = base_features(pixels.get());
        paint(blank_, pixels.get());
      }
    }
  };
  const Outcome outcome = run_load(*executor_, job);
  if (!outcome)
    error = outcome.error;
  return good && outcome;
}

Outcome StructureNetworks::edges(PictureView picture, Picture& map, const CallOptions& options) {
  const int half = profile_.map_side, work = profile_.work_side;
  struct Data {
    std::shared_ptr<float> in;
    at::Tensor out;
  };
  const auto data = std::make_shared<Data>();
  data->in = buffers_.take(size_t(3) * work * work);
  std::vector<uint8_t> storage;
  unshuffle(fitted(picture, 3, Filter::Cubic, work, work, storage), 3, {2, half, half, 12, 0}, kUnit, -1,
            data->in.get());
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
  data->in = buffers_.take(size_t(3) * side * side);
  std::vector<uint8_t> storage;
  unshuffle(fitted(base, 3, Filter::Cubic, side, side, storage), 3, {2, side / 2, side / 2, 12, 0}, kUnit, -1,
            data->in.get());
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
  data->in = buffers_.take(size_t(side) * side);
  std::vector<uint8_t> storage;
  unshuffle(fitted(map, 1, Filter::Triangle, side, side, storage), 1, {2, side / 2, side / 2, 4, 0}, kUnit,
            -1, data->in.get());
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
