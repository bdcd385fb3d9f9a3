// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/published_model.hpp"
#include "models/nets/reference/signal.hpp"
#include "models/runtime/loading.hpp"
#include "models/runtime/reference_models.hpp"

namespace gsem::runtime {
namespace {

constexpr int kSide = kReferenceSide, kMapSide = kReferenceSide / 2;
constexpr float kUnit = 1 / 127.5f;

std::vector<int16_t> to_symbols(const at::Tensor& t) {
  const at::Tensor values = t.to(at::kCPU).contiguous();
  const float* v = values.data_ptr<float>();
  std::vector<int16_t> symbols(size_t(values.numel()));
  for (size_t i = 0; i < symbols.size(); ++i)
    symbols[i] = to_symbol(v[i]);
  return symbols;
}

class ReferenceSignal final : NetworkSet,
                              public SignalModel,
                              public std::enable_shared_from_this<ReferenceSignal> {
public:
  using NetworkSet::NetworkSet;

  bool load(std::string& error);

  const entropy::LatentCoder& coder() const override { return *profile_.latent_coder; }
  Outcome analyze(PictureView picture, int quality, entropy::Latents& latents,
                  const CallOptions& options) override;
  Outcome synthesize(const entropy::Latents& latents, PictureView base, PictureView map, PictureSpan out,
                     const CallOptions& options) override;

private:
  bool load_rate(const std::string& role, std::string& error);
  nets::reference::Signal& network(int quality) {
    return networks_[entropy::published_rate(quality, networks_.size())];
  }

  std::vector<nets::reference::Signal> networks_; ///< one a rate
};

bool ReferenceSignal::load_rate(const std::string& role, std::string& error) {
  nets::reference::SignalSizes sizes;
  nets::reference::Signal net{nullptr};
  if (!load_sized(profile_, role, device_, sizes, net, error))
    return false;
  const entropy::LatentShape coded = profile_.latent_coder->shape(kSide, kSide);
  if (coded.channels != sizes.latents || coded.hyper_channels != sizes.width || coded.height != kSide / 16) {
    error = "profile '" + profile_.name + "': the signal table is for other latents than the " + role +
            " network's";
    return false;
  }
  networks_.push_back(net);
  return true;
}

bool ReferenceSignal::load(std::string& error) {
  const std::lock_guard lock(load_mutex_);
  if (!networks_.empty())
    return true;
  if (!check_reference_profile(profile_, error))
    return false;
  if (!profile_.latent_coder) {
    error = "profile '" + profile_.name + "' in " + profile_.folder + " has no signal table";
    return false;
  }
  const bool good = run_load(error, [&] {
    int rate = 0;
    do
      if (!load_rate("signal-" + std::to_string(rate++), error))
        return false;
    while (Executor::yield() && profile_.files.count("signal-" + std::to_string(rate)));
    return true;
  });
  if (!good)
    networks_.clear();
  return good;
}

Outcome ReferenceSignal::analyze(PictureView picture, int quality, entropy::Latents& latents,
                                 const CallOptions& options) {
  struct Data {
    std::shared_ptr<float> in;
    std::vector<int16_t> y, z;
  };
  const auto data = std::make_shared<Data>();
  data->in = samples(picture, 3, Filter::Cubic, kSide, kSide, {1, kSide, kSide, 3, 0}, kUnit, -1);
  const Outcome outcome = infer(*executor_, Priority::Frame, options, [=, this, self = shared_from_this()] {
    nets::reference::Signal& net = network(quality);
    const at::Tensor y = net->analyse(nhwc(data->in.get(), 3, kSide, kSide, device_));
    data->z = to_symbols(net->hyper_analyse(y) - net->medians());
    data->y = to_symbols(y);
  });
  if (!outcome)
    return outcome;
  latents.quality = quality;
  latents.z = std::move(data->z);
  latents.y = std::move(data->y);
  for (int16_t& v : latents.z)
    v = std::clamp<int16_t>(v, entropy::kPublishedZMin, entropy::kPublishedZMax);
  return outcome;
}

Outcome ReferenceSignal::synthesize(const entropy::Latents& latents, PictureView base, PictureView map,
                                    PictureSpan out, const CallOptions& options) {
  const entropy::LatentShape shape = profile_.latent_coder->shape(kSide, kSide);
  const size_t area = size_t(shape.height) * shape.width;
  if (latents.y.size() != area * shape.channels)
    return {JobResult::Failed, "the latents are of a picture of another size"};
  struct Data {
    std::shared_ptr<float> y, base, map;
    at::Tensor out;
  };
  const auto data = std::make_shared<Data>();
  data->y = buffers_.take(latents.y.size());
  for (int c = 0; c < shape.channels; ++c)
    for (size_t i = 0; i < area; ++i)
      data->y.get()[i * size_t(shape.channels) + size_t(c)] = latents.y[size_t(c) * area + i];
  data->base = samples(base, 3, Filter::Cubic, kSide, kSide, {1, kSide, kSide, 3, 0}, kUnit, -1);
  data->map =
      samples(map, 1, Filter::Triangle, kMapSide, kMapSide, {1, kMapSide, kMapSide, 1, 0}, 1 / 255.0f, 0);
  const int quality = latents.quality;
  const Outcome outcome = infer(*executor_, Priority::Frame, options, [=, this, self = shared_from_this()] {
    nets::reference::Signal& net = network(quality);
    const auto sides = net->sides(nhwc(data->base.get(), 3, kSide, kSide, device_),
                                  nhwc(data->map.get(), 1, kMapSide, kMapSide, device_));
    data->out = readable(
        net->synthesise(nhwc(data->y.get(), shape.channels, shape.height, shape.width, device_), sides));
  });
  if (!outcome)
    return outcome;
  show_square(data->out.data_ptr<float>(), {1, kSide, kSide, 3, 0}, out);
  return outcome;
}

} // namespace

std::shared_ptr<SignalModel> acquire_reference_signal(const profile::Profile& profile,
                                                      const ModelOptions& options, bool, bool,
                                                      std::string& error) {
  return acquire<ReferenceSignal>(profile, options, error, [&](ReferenceSignal& m) { return m.load(error); });
}

} // namespace gsem::runtime
