// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/latent_coder.hpp"

#include "models/entropy/hyper_decoder.hpp"
#include "models/entropy/latent_model.hpp"
#include "models/entropy/published_model.hpp"

#include <algorithm>

namespace gsem::entropy {

namespace {

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
  void run(const LatentShape& shape, const int16_t* z, int, int16_t* mean, uint8_t* scale) const override {
    decoder_.run(z, shape.hyper_height, shape.hyper_width, mean, scale, best_simd());
  }

private:
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

void LatentCoder::predict(const LatentShape& shape, std::vector<int16_t>& z, std::vector<int16_t>& mean,
                          std::vector<uint8_t>& scale, int quality) const {
  if (!impl_->fits(shape) || quality < 0 || quality >= kQualities) {
    mean.clear();
    scale.clear();
    return;
  }
  z.resize(Impl::z_size(shape));
  for (int16_t& v : z)
    v = std::clamp(v, impl_->z_min, impl_->z_max);
  mean.resize(Impl::y_size(shape));
  scale.resize(Impl::y_size(shape));
  impl_->run(shape, z.data(), quality, mean.data(), scale.data());
}

Status LatentCoder::encode(const LatentShape& shape, const Latents& latents, Bytes& out) const {
  std::vector<int16_t> z = latents.z, mean;
  std::vector<uint8_t> scale;
  predict(shape, z, mean, scale, latents.quality);
  return encode(shape, latents, scale, out);
}

Status LatentCoder::encode(const LatentShape& shape, const Latents& latents,
                           const std::vector<uint8_t>& scale, Bytes& out) const {
  if (!impl_->fits(shape) || latents.quality < 0 || latents.quality >= kQualities ||
      latents.z.size() != Impl::z_size(shape) || latents.y.size() != Impl::y_size(shape) ||
      scale.size() != latents.y.size())
    return Status::Corrupt;
  const int z_min = impl_->z_min, z_max = impl_->z_max;
  if (std::any_of(latents.z.begin(), latents.z.end(), [=](int v) { return v < z_min || v > z_max; }) ||
      std::any_of(scale.begin(), scale.end(), [](int s) { return s >= kScales; }))
    return Status::Corrupt;
  RangeEncoder coder(out);
  const size_t area = size_t(shape.hyper_height) * size_t(shape.hyper_width);
  for (int c = 0; c < shape.hyper_channels; c++) {
    int centre;
    const SymbolTable& table = impl_->z_table(latents.quality, c, centre);
    for (size_t i = 0; i < area; i++)
      table.encode(latents.z[size_t(c) * area + i] - centre, coder);
  }
  for (size_t i = 0; i < latents.y.size(); i++)
    impl_->y[scale[i]].encode(latents.y[i], coder);
  coder.finish();
  return Status::Ok;
}

Status LatentCoder::decode(const LatentShape& shape, ByteView data, Latents& latents,
                           std::vector<int16_t>& mean) const {
  if (!impl_->fits(shape) || latents.quality < 0 || latents.quality >= kQualities)
    return Status::Corrupt;
  RangeDecoder coder(data);
  latents.z.resize(Impl::z_size(shape));
  const size_t z_area = size_t(shape.hyper_height) * size_t(shape.hyper_width), y_area = 16 * z_area;
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
  std::vector<uint8_t> scale;
  predict(shape, latents.z, mean, scale, latents.quality);
  latents.y.resize(Impl::y_size(shape));
  for (size_t i = 0; i < latents.y.size();) {
    for (const size_t end = i + y_area; i < end; i++) {
      int value;
      if (!impl_->y[scale[i]].decode(coder, value))
        return Status::Corrupt;
      latents.y[i] = int16_t(value);
    }
    if (coder.overrun())
      return Status::Corrupt;
  }
  return Status::Ok;
}

uint64_t LatentCoder::parse_hash() const {
  return impl_->hash;
}

} // namespace gsem::entropy
