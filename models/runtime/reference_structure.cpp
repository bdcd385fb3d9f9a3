// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/reference/structure.hpp"
#include "models/profile/safetensors.hpp"
#include "models/runtime/base_features.hpp"
#include "models/runtime/loading.hpp"
#include "models/runtime/reference_models.hpp"

namespace gsem::runtime {

bool check_reference_profile(const profile::Profile& profile, std::string& error) {
  if (profile.work_side == kReferenceSide && profile.map_side == kReferenceSide / 2)
    return true;
  error = "profile '" + profile.name + "': work_side must be 256 and map_side 128";
  return false;
}

bool read_shapes(const profile::Profile& profile, const std::string& role, nets::reference::Shapes& shapes,
                 std::string& error) {
  const auto entry = profile.files.find(role);
  if (entry == profile.files.end()) {
    error = "profile '" + profile.name + "' in " + profile.folder + " has no " + role + " network";
    return false;
  }
  std::shared_ptr<const profile::SafetensorsFile> file;
  if (profile::SafetensorsFile::open(entry->second, file, error) != Status::Ok)
    return false;
  for (const auto& [name, tensor] : file->tensors())
    shapes[name] = tensor.shape;
  return true;
}

namespace {

constexpr int kSide = kReferenceSide, kMapSide = kReferenceSide / 2;
constexpr float kUnit = 1 / 127.5f; ///< byte * kUnit - 1 is in [-1,1]
constexpr float kBlueGreenRed[3] = {104.00698793f, 116.66876762f, 122.67891434f}; ///< RCF's means

struct PublishedBase final : StructureModel::BaseFeatures {
  nets::reference::StructureImpl::BaseFeatures features;
};

class ReferenceStructure final : NetworkSet,
                                 public StructureModel,
                                 public std::enable_shared_from_this<ReferenceStructure> {
public:
  using NetworkSet::NetworkSet;

  bool load(bool edges, bool synthesis, std::string& error);

  Outcome edges(PictureView picture, Picture& map, const CallOptions& options) override;
  Outcome prepare_base(PictureView base, BasePtr& features, const CallOptions& options) override;
  Outcome synthesize(BasePtr base, PictureView map, PictureSpan out, const CallOptions& options) override;

private:
  BasePtr features_of(const at::Tensor& base) {
    auto made = std::make_shared<PublishedBase>();
    made->features = synthesis_->base_branch(base);
    return made;
  }

  nets::reference::Rcf detector_{nullptr};
  nets::reference::Structure synthesis_{nullptr};
  BasePtr blank_;
};

bool ReferenceStructure::load(bool edges, bool synthesis, std::string& error) {
  const std::lock_guard lock(load_mutex_);
  if (!check_reference_profile(profile_, error))
    return false;
  return run_load(error, [&] {
    if (edges && detector_.is_empty()) {
      nets::reference::EdgeSizes sizes;
      if (!load_sized(profile_, "edges", device_, sizes, detector_, error))
        return false;
    }
    if (synthesis && synthesis_.is_empty()) {
      nets::reference::StructureSizes sizes;
      if (!load_sized(profile_, "structure", device_, sizes, synthesis_, error))
        return false;
      const c10::InferenceMode inference;
      blank_ =
          features_of(torch::zeros({1, 3, kSide, kSide}, device_).contiguous(at::MemoryFormat::ChannelsLast));
    }
    return true;
  });
}

Outcome ReferenceStructure::edges(PictureView picture, Picture& map, const CallOptions& options) {
  struct Data {
    std::shared_ptr<float> in;
    at::Tensor out;
  };
  const auto data = std::make_shared<Data>();
  data->in = buffers_.take(size_t(3) * kSide * kSide);
  std::vector<uint8_t> storage;
  const PictureView square = fitted(picture, 3, Filter::Cubic, kSide, kSide, storage);
  float* to = data->in.get();
  for (int y = 0; y < kSide; ++y) {
    const uint8_t* from = square.data + size_t(y) * square.stride;
    for (int x = 0; x < kSide; ++x, from += 3)
      for (int c = 0; c < 3; ++c)
        *to++ = float(from[2 - c]) - kBlueGreenRed[c];
  }
  const Outcome outcome =
      infer(*executor_, Priority::Structure, options, [this, self = shared_from_this(), data] {
        TORCH_CHECK(!detector_.is_empty(), "the edge detector was not asked for");
        data->out = readable(detector_->forward(nhwc(data->in.get(), 3, kSide, kSide, device_)).back());
      });
  if (!outcome)
    return outcome;
  // As published: an 8-bit picture of 1 - p, cut off, inverted again; then half the size.
  const float* p = data->out.data_ptr<float>();
  const auto level = [p](int x, int y) { return 255 - int(255 * (1 - p[y * kSide + x])); };
  map.width = map.height = kMapSide;
  map.channels = 1;
  map.data.resize(size_t(kMapSide) * kMapSide);
  for (int y = 0; y < kMapSide; ++y)
    for (int x = 0; x < kMapSide; ++x)
      map.data[size_t(y) * kMapSide + x] =
          uint8_t((level(2 * x, 2 * y) + level(2 * x + 1, 2 * y) + level(2 * x, 2 * y + 1) +
                   level(2 * x + 1, 2 * y + 1) + 2) /
                  4);
  return outcome;
}

Outcome ReferenceStructure::prepare_base(PictureView base, BasePtr& features, const CallOptions& options) {
  struct Data {
    std::shared_ptr<float> in;
    BasePtr out;
  };
  const auto data = std::make_shared<Data>();
  data->in = samples(base, 3, Filter::Cubic, kSide, kSide, {1, kSide, kSide, 3, 0}, kUnit, -1);
  const Outcome outcome =
      infer(*executor_, Priority::Structure, options, [this, self = shared_from_this(), data] {
        TORCH_CHECK(!synthesis_.is_empty(), "the structure synthesis was not asked for");
        data->out = features_of(nhwc(data->in.get(), 3, kSide, kSide, device_));
      });
  if (outcome)
    features = data->out;
  return outcome;
}

Outcome ReferenceStructure::synthesize(BasePtr base, PictureView map, PictureSpan out,
                                       const CallOptions& options) {
  struct Data {
    std::shared_ptr<float> in;
    at::Tensor out;
    BasePtr base;
  };
  const auto data = std::make_shared<Data>();
  data->base = std::move(base);
  data->in =
      samples(map, 1, Filter::Triangle, kMapSide, kMapSide, {1, kMapSide, kMapSide, 1, 0}, 1 / 255.0f, 0);
  const Outcome outcome =
      infer(*executor_, Priority::Structure, options, [this, self = shared_from_this(), data] {
        TORCH_CHECK(!synthesis_.is_empty(), "the structure synthesis was not asked for");
        const BasePtr& used = data->base ? data->base : blank_;
        data->out = readable(synthesis_->decode(static_cast<const PublishedBase&>(*used).features,
                                                nhwc(data->in.get(), 1, kMapSide, kMapSide, device_)));
      });
  if (!outcome)
    return outcome;
  show_square(data->out.data_ptr<float>(), {1, kSide, kSide, 3, 0}, out);
  return outcome;
}

} // namespace

std::shared_ptr<StructureModel> acquire_reference_structure(const profile::Profile& profile,
                                                            const ModelOptions& options, bool edges,
                                                            bool synthesis, std::string& error) {
  return acquire<ReferenceStructure>(profile, options, error,
                                     [&](ReferenceStructure& m) { return m.load(edges, synthesis, error); });
}

} // namespace gsem::runtime
