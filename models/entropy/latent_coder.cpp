// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/latent_coder.hpp"

#include "models/entropy/hyper_decoder.hpp"
#include "models/entropy/latent_model.hpp"
#include "models/entropy/published_model.hpp"

#include <algorithm>
#include <cmath>

namespace gsem::entropy {

namespace {

/// Symbols between looks at whether a cut payload has run out.
constexpr size_t kOverrunCheck = 256;

std::vector<SymbolTable> ready(const std::vector<SymbolFrequencies>& bank) {
  return {bank.begin(), bank.end()};
}

/// What a signal.tbl of the narrow networks says.
class NarrowModel final : public LatentCoder::Impl {
public:
  NarrowModel(const SignalTable& table, uint64_t h)
      : decoder_(table), z_(ready(table.z)), z_index_(table.z_index), z_centre_(table.z_centre) {
    channels = table.channels;
    hyper_channels = table.hyper_channels;
    two_passes = true;
    z_min = kHyperMin;
    z_max = kHyperMax;
    y = ready(table.y);
    hash = h;
  }

  LatentShape shape(int width, int height) const override {
    LatentShape s;
    s.channels = channels;
    s.hyper_channels = hyper_channels;
    s.hyper_height = (height + 63) / 64;
    s.hyper_width = (width + 63) / 64;
    s.height = 4 * s.hyper_height;
    s.width = 4 * s.hyper_width;
    return s;
  }
  const SymbolTable& z_table(int quality, int channel, int& centre) const override {
    const size_t i = size_t(quality) * size_t(hyper_channels) + size_t(channel);
    centre = z_centre_[i];
    return z_[z_index_[i]];
  }
  std::unique_ptr<Features> run(const LatentShape& shape, const int16_t* z, int, int16_t* mean,
                                uint8_t* scale) const override {
    auto features = std::make_unique<Known>();
    features->all = decoder_.run(z, shape.hyper_height, shape.hyper_width, mean, scale, best_simd());
    return features;
  }
  void refine(const Features& features, const int16_t* symbols, int16_t* mean,
              uint8_t* scale) const override {
    decoder_.refine(*static_cast<const Known&>(features).all, symbols, mean, scale, best_simd());
  }

private:
  struct Known : Features {
    std::unique_ptr<HyperDecoder::Features> all;
  };

  HyperDecoder decoder_;
  std::vector<SymbolTable> z_;
  std::vector<uint16_t> z_index_;
  std::vector<int8_t> z_centre_;
};

} // namespace

bool LatentCoder::Impl::fits(const LatentShape& s) const {
  return s.channels == channels && s.hyper_channels == hyper_channels && s.hyper_height >= 1 &&
         s.hyper_width >= 1 && s.hyper_height <= kMaxHyperSide && s.hyper_width <= kMaxHyperSide &&
         s.height == 4 * s.hyper_height && s.width == 4 * s.hyper_width;
}

LatentCoder::LatentCoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LatentCoder::~LatentCoder() = default;

Status LatentCoder::load(ByteView table, std::shared_ptr<const LatentCoder>& out) {
  if (is_published_table(table)) {
    std::unique_ptr<Impl> model;
    const Status status = load_published_model(table, model);
    if (status == Status::Ok)
      out = std::shared_ptr<const LatentCoder>(new LatentCoder(std::move(model)));
    return status;
  }
  SignalTable signal;
  uint64_t hash = 0;
  if (const Status status = SignalTable::read(table, signal, hash); status != Status::Ok)
    return status;
  out = std::shared_ptr<const LatentCoder>(new LatentCoder(std::make_unique<NarrowModel>(signal, hash)));
  return Status::Ok;
}

LatentShape LatentCoder::shape(int width, int height) const {
  const int largest = 64 * Impl::kMaxHyperSide;
  return width < 1 || height < 1 || width > largest || height > largest ? LatentShape()
                                                                        : impl_->shape(width, height);
}

/// Fills mean and scale. code(index) makes, writes or reads that y's symbol in `latents.y` and is called in
/// the order of the payload, once its prediction stands; false ends everything as Corrupt.
template <typename Code>
Status LatentCoder::predict(const LatentShape& shape, Latents& latents, Code&& code) const {
  latents.mean.resize(Impl::y_size(shape));
  latents.scale.resize(Impl::y_size(shape));
  int16_t* mean = latents.mean.data();
  uint8_t* scale = latents.scale.data();
  const auto features = impl_->run(shape, latents.z.data(), latents.quality, mean, scale);
  if (!Impl::for_pass(shape, impl_->two_passes, 0, code))
    return Status::Corrupt;
  if (!impl_->two_passes)
    return Status::Ok;
  impl_->refine(*features, latents.y.data(), mean, scale);
  return Impl::for_pass(shape, true, 1, code) ? Status::Ok : Status::Corrupt;
}

Status LatentCoder::quantise(const LatentShape& shape, const float* y, Latents& latents) const {
  if (!impl_->fits(shape) || latents.quality < 0 || latents.quality >= kQualities ||
      latents.z.size() != Impl::z_size(shape))
    return Status::Corrupt;
  for (int16_t& v : latents.z)
    v = std::clamp(v, impl_->z_min, impl_->z_max);
  latents.y.resize(Impl::y_size(shape));
  constexpr float kStep = 1.0f / (1 << kMeanShift);
  return predict(shape, latents, [&](size_t i) {
    latents.y[i] =
        int16_t(std::lrint(std::fmin(std::fmax(y[i] - latents.mean[i] * kStep, -32768.0f), 32767.0f)));
    return true;
  });
}

bool LatentCoder::codable(const LatentShape& shape, const Latents& latents) const {
  if (!impl_->fits(shape) || latents.quality < 0 || latents.quality >= kQualities ||
      latents.z.size() != Impl::z_size(shape) || latents.y.size() != Impl::y_size(shape) ||
      (!latents.scale.empty() && latents.scale.size() != latents.y.size()))
    return false;
  return std::all_of(latents.z.begin(), latents.z.end(),
                     [&](int v) { return v >= impl_->z_min && v <= impl_->z_max; }) &&
         std::all_of(latents.scale.begin(), latents.scale.end(), [](int s) { return s < kScales; });
}

Status LatentCoder::encode(const LatentShape& shape, const Latents& latents, Bytes& out) const {
  if (!codable(shape, latents))
    return Status::Corrupt;
  if (latents.scale.empty() && !latents.y.empty()) {
    Latents predicted = latents;
    predict(shape, predicted, [](size_t) { return true; });
    return encode(shape, predicted, out);
  }
  RangeEncoder coder(out);
  const size_t area = size_t(shape.hyper_height) * size_t(shape.hyper_width);
  for (int c = 0; c < shape.hyper_channels; c++) {
    int centre;
    const SymbolTable& table = impl_->z_table(latents.quality, c, centre);
    for (size_t i = 0; i < area; i++)
      table.encode(latents.z[size_t(c) * area + i] - centre, coder);
  }
  for (int pass = 0; pass < (impl_->two_passes ? 2 : 1); pass++)
    Impl::for_pass(shape, impl_->two_passes, pass, [&](size_t i) {
      impl_->y[latents.scale[i]].encode(latents.y[i], coder);
      return true;
    });
  coder.finish();
  return Status::Ok;
}

Status LatentCoder::decode(const LatentShape& shape, ByteView data, Latents& latents) const {
  if (!impl_->fits(shape) || latents.quality < 0 || latents.quality >= kQualities)
    return Status::Corrupt;
  RangeDecoder coder(data);
  latents.z.resize(Impl::z_size(shape));
  const size_t z_area = size_t(shape.hyper_height) * size_t(shape.hyper_width);
  for (int c = 0; c < shape.hyper_channels; c++) {
    int centre;
    const SymbolTable& table = impl_->z_table(latents.quality, c, centre);
    for (size_t i = 0; i < z_area; i++) {
      int value;
      if (!table.decode(coder, value) || value + centre < impl_->z_min || value + centre > impl_->z_max)
        return Status::Corrupt;
      latents.z[size_t(c) * z_area + i] = int16_t(value + centre);
    }
  }
  if (coder.overrun())
    return Status::Corrupt;
  latents.y.resize(Impl::y_size(shape));
  size_t coded = 0;
  const Status status = predict(shape, latents, [&](size_t i) {
    int value;
    if (!impl_->y[latents.scale[i]].decode(coder, value))
      return false;
    latents.y[i] = int16_t(value);
    return ++coded % kOverrunCheck != 0 || !coder.overrun();
  });
  return status == Status::Ok && coder.overrun() ? Status::Corrupt : status;
}

uint64_t LatentCoder::parse_hash() const {
  return impl_->hash;
}

} // namespace gsem::entropy
