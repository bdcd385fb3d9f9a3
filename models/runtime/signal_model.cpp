// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/signal_codec.hpp"
#include "models/runtime/loading.hpp"
#include "models/runtime/reference_models.hpp"

namespace gsem::runtime {
namespace {

using Codec = nets::SignalCodecImpl;
constexpr int kLatents = Codec::kLatents, kHyper = Codec::kHyper, kSides = Codec::kSideChannels;
constexpr float kUnit = 1 / 127.5f; // byte * kUnit - 1 is in [-1,1]

class SignalNetworks final : NetworkSet,
                             public SignalModel,
                             public std::enable_shared_from_this<SignalNetworks> {
public:
  using NetworkSet::NetworkSet;

  bool load(bool analysis, bool synthesis, std::string& error);

  const entropy::LatentCoder& coder() const override { return *profile_.latent_coder; }
  Outcome analyze(PictureView picture, int quality, entropy::Latents& latents,
                  const CallOptions& options) override;
  Outcome synthesize(const entropy::Latents& latents, PictureView base, PictureView map, PictureSpan out,
                     const CallOptions& options) override;

private:
  at::Tensor position(int quality) const {
    return torch::full({1}, Codec::position(quality), torch::dtype(at::kFloat).device(device_));
  }
  std::shared_ptr<float> sides(PictureView base, PictureView map, int width, int height,
                               const entropy::LatentShape& shape);

  nets::SignalCodec codec_{nullptr};
};

bool SignalNetworks::load(bool analysis, bool synthesis, std::string& error) {
  const std::lock_guard lock(load_mutex_);
  if (!profile_.latent_coder) {
    error = "profile '" + profile_.name + "' in " + profile_.folder + " has no signal table";
    return false;
  }
  const entropy::LatentShape shape = profile_.latent_coder->shape(256, 256);
  if (shape.channels != kLatents || shape.hyper_channels != kHyper || shape.height != 16 ||
      shape.hyper_height != 4) {
    error =
        "profile '" + profile_.name + "': the signal table is for other latents than the signal network's";
    return false;
  }
  return run_load(error, [&] {
    if (codec_.is_empty()) {
      auto net = make_network<nets::SignalCodec>();
      if (!load_network(profile_, "signal", *net, device_, error))
        return false;
      // Latents of the high qualities are hundreds of steps large: what makes them and what reads them stays
      // precise, and so do pixels.
      speed_up(*net, device_, float32_, {"e.1", "e.6", "he.", "hd.", "d.0", "d.9"});
      net->prepare_for_inference();
      codec_ = net;
    }
    const c10::InferenceMode inference;
    const auto zeros = [this](int channels, int side) {
      return torch::zeros({1, channels, side, side}, device_).contiguous(at::MemoryFormat::ChannelsLast);
    };
    if (analysis)
      codec_->analyse_unshuffled(zeros(48, 64), position(32));
    if (synthesis && Executor::yield())
      codec_->synthesise_unshuffled(zeros(kLatents, 16), position(32), zeros(kSides, 64));
    return true;
  });
}

Outcome SignalNetworks::analyze(PictureView picture, int quality, entropy::Latents& latents,
                                const CallOptions& options) {
  const entropy::LatentCoder& coder = *profile_.latent_coder;
  const entropy::LatentShape shape = coder.shape(picture.width, picture.height);
  const int rows = shape.height * 4, columns = shape.width * 4;
  struct Data {
    std::shared_ptr<float> in;
    at::Tensor y, z;
  };
  const auto data = std::make_shared<Data>();
  data->in = buffers_.take(size_t(48) * rows * columns);
  unshuffle(picture, 3, {4, columns, rows, 48, 0}, kUnit, -1, data->in.get());
  const Outcome outcome = infer(*executor_, Priority::Frame, options, [=, this, self = shared_from_this()] {
    const auto [y, z] =
        codec_->analyse_unshuffled(nhwc(data->in.get(), 48, rows, columns, device_), position(quality));
    data->y = y.to(at::kCPU).contiguous();
    data->z = z.to(at::kCPU).contiguous();
  });
  if (!outcome)
    return outcome;
  latents.quality = quality;
  latents.z.resize(size_t(data->z.numel()));
  const float* z = data->z.data_ptr<float>();
  for (size_t i = 0; i < latents.z.size(); ++i)
    latents.z[i] = to_symbol(z[i]);
  if (coder.quantise(shape, data->y.data_ptr<float>(), latents) != Status::Ok)
    return {JobResult::Failed, "the signal table is for other latents than the signal network's"};
  return outcome;
}

std::shared_ptr<float> SignalNetworks::sides(PictureView base, PictureView map, int width, int height,
                                             const entropy::LatentShape& shape) {
  const int rows = shape.height * 4, columns = shape.width * 4;
  const size_t count = size_t(kSides) * rows * columns;
  std::shared_ptr<float> side = buffers_.take(count);
  if (!base.data || !map.data)
    std::fill_n(side.get(), count, 0.0f);
  std::vector<uint8_t> storage;
  if (base.data)
    unshuffle(fitted(base, 3, Filter::Triangle, width, height, storage), 3, {4, columns, rows, kSides, 0},
              kUnit, -1, side.get());
  if (map.data)
    unshuffle(fitted(map, 1, Filter::Triangle, (width + 1) / 2, (height + 1) / 2, storage), 1,
              {2, columns, rows, kSides, 48}, 1 / 255.0f, 0, side.get());
  float* flags = side.get() + 52;
  for (size_t i = 0; i < size_t(rows) * columns; ++i, flags += kSides) {
    flags[0] = base.data ? 1 : 0;
    flags[1] = map.data ? 1 : 0;
  }
  return side;
}

Outcome SignalNetworks::synthesize(const entropy::Latents& latents, PictureView base, PictureView map,
                                   PictureSpan out, const CallOptions& options) {
  const entropy::LatentShape shape = profile_.latent_coder->shape(out.width, out.height);
  const size_t area = size_t(shape.height) * shape.width;
  if (latents.y.size() != area * kLatents || latents.mean.size() != latents.y.size())
    return {JobResult::Failed, "the latents are of a picture of another size"};
  struct Data {
    std::shared_ptr<float> y, side;
    at::Tensor out;
  };
  const auto data = std::make_shared<Data>();
  data->y = buffers_.take(latents.y.size());
  constexpr float kStep = 1.0f / (1 << entropy::kMeanShift);
  for (int c = 0; c < kLatents; ++c) {
    float* y = data->y.get() + c;
    const size_t plane = c * area;
    for (size_t i = 0; i < area; ++i)
      y[i * kLatents] = latents.y[plane + i] + latents.mean[plane + i] * kStep;
  }
  data->side = sides(base, map, out.width, out.height, shape);
  const int quality = latents.quality;
  const Outcome outcome = infer(*executor_, Priority::Frame, options, [=, this, self = shared_from_this()] {
    data->out = readable(codec_->synthesise_unshuffled(
        nhwc(data->y.get(), kLatents, shape.height, shape.width, device_), position(quality),
        nhwc(data->side.get(), kSides, shape.height * 4, shape.width * 4, device_)));
  });
  if (!outcome)
    return outcome;
  shuffle_to_rgb(data->out.data_ptr<float>(), {4, shape.width * 4, shape.height * 4, 48, 0}, out);
  return outcome;
}

} // namespace

std::shared_ptr<SignalModel> acquire_signal(const profile::Profile& profile, const ModelOptions& options,
                                            bool analysis, bool synthesis, std::string& error) {
  if (profile.kind == kReferenceKind)
    return acquire_reference_signal(profile, options, analysis, synthesis, error);
  return acquire<SignalNetworks>(profile, options, error,
                                 [&](SignalNetworks& m) { return m.load(analysis, synthesis, error); });
}

} // namespace gsem::runtime
