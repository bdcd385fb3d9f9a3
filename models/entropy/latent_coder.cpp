// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/latent_coder.hpp"

#include "models/entropy/hyper_decoder.hpp"
#include "models/entropy/range_coder.hpp"

#include <algorithm>
#include <cstdlib>

namespace gsem::entropy {

namespace {

/// A frequency table made ready for coding. Symbol index i stands for 0, 1, -1, 2, -2, ...; the last index
/// for what is further out.
class SymbolTable {
public:
  explicit SymbolTable(const SymbolFrequencies& table) : largest_(int(table.freq.size() - 2) / 2) {
    uint32_t sum = 0;
    for (uint16_t f : table.freq) {
      cum_.push_back(sum);
      sum += f;
    }
    cum_.push_back(sum);
    for (uint32_t v = 0, i = 0; v < kProbOne; v += kProbOne / kStarts) {
      while (cum_[i + 1] <= v)
        i++;
      start_[v / (kProbOne / kStarts)] = uint16_t(i);
    }
  }

  void encode(int value, RangeEncoder& coder) const {
    const int magnitude = std::abs(value);
    const size_t index = magnitude > largest_ ? escape() : size_t(2 * magnitude - (value > 0));
    coder.encode16(cum_[index], cum_[index + 1] - cum_[index]);
    if (magnitude > largest_) [[unlikely]]
      encode_far(value < 0, uint32_t(magnitude - largest_), coder);
  }

  /// False: no encoder writes this.
  bool decode(RangeDecoder& coder, int& value) const {
    if (coder.take_first16(cum_[1])) {
      value = 0;
      return true;
    }
    const uint32_t at = coder.peek16();
    size_t index = start_[at / (kProbOne / kStarts)];
    while (cum_[index + 1] <= at)
      index++;
    coder.take(cum_[index], cum_[index + 1] - cum_[index], kProbOne);
    value = index % 2 ? int(index + 1) / 2 : -int(index / 2);
    return index != escape() || decode_far(coder, value);
  }

private:
  static constexpr uint32_t kStarts = 256;
  size_t escape() const { return cum_.size() - 2; }

  /// Sign, then Exp-Golomb of order 0 (distance >= 1).
  static void encode_far(bool negative, uint32_t distance, RangeEncoder& coder) {
    const int bits = std::bit_width(distance);
    coder.encode_bits(negative, 1);
    for (int i = 1; i < bits; i++) // one by one, as the decoder reads them: the divisions differ otherwise
      coder.encode_bits(0, 1);
    coder.encode_bits(1, 1);
    coder.encode_bits(distance & ((1u << (bits - 1)) - 1), bits - 1);
  }
  bool decode_far(RangeDecoder& coder, int& value) const {
    const bool negative = coder.bits(1);
    int bits = 0;
    while (coder.bits(1) == 0)
      if (++bits > 15)
        return false;
    const int magnitude = largest_ + int(1u << bits | coder.bits(bits));
    value = negative ? -magnitude : magnitude;
    return value >= INT16_MIN && value <= INT16_MAX;
  }

  int largest_;
  std::vector<uint32_t> cum_;
  std::array<uint16_t, kStarts> start_{};
};

std::vector<SymbolTable> ready(const std::vector<SymbolFrequencies>& bank) {
  return {bank.begin(), bank.end()};
}

} // namespace

struct LatentCoder::Impl {
  Impl(const SignalTable& table, uint64_t h)
      : channels(table.channels), hyper_channels(table.hyper_channels), decoder(table), y(ready(table.y)),
        z(ready(table.z)), z_index(table.z_index), z_centre(table.z_centre), hash(h) {}

  bool fits(const LatentShape& s) const {
    return s.channels == channels && s.hyper_channels == hyper_channels && s.hyper_height >= 1 &&
           s.hyper_width >= 1 && s.hyper_height <= kMaxHyperSide && s.hyper_width <= kMaxHyperSide &&
           s.height == 4 * s.hyper_height && s.width == 4 * s.hyper_width;
  }
  static size_t z_size(const LatentShape& s) {
    return size_t(s.hyper_channels) * size_t(s.hyper_height) * size_t(s.hyper_width);
  }
  static size_t y_size(const LatentShape& s) {
    return size_t(s.channels) * size_t(s.height) * size_t(s.width);
  }
  const SymbolTable& z_table(int quality, int channel, int& centre) const {
    const size_t i = size_t(quality) * size_t(hyper_channels) + size_t(channel);
    centre = z_centre[i];
    return z[z_index[i]];
  }

  static constexpr int kMaxHyperSide = 64; ///< pictures up to 4096 x 4096
  int channels, hyper_channels;
  HyperDecoder decoder;
  std::vector<SymbolTable> y, z;
  std::vector<uint16_t> z_index;
  std::vector<int8_t> z_centre;
  uint64_t hash;
};

LatentCoder::LatentCoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LatentCoder::~LatentCoder() = default;

Status LatentCoder::load(ByteView table, std::shared_ptr<const LatentCoder>& out) {
  SignalTable signal;
  uint64_t hash = 0;
  if (const Status status = SignalTable::read(table, signal, hash); status != Status::Ok)
    return status;
  out = std::shared_ptr<const LatentCoder>(new LatentCoder(std::make_unique<Impl>(signal, hash)));
  return Status::Ok;
}

LatentShape LatentCoder::shape(int width, int height) const {
  LatentShape s;
  const int largest = 64 * Impl::kMaxHyperSide;
  if (width < 1 || height < 1 || width > largest || height > largest)
    return s;
  s.channels = impl_->channels;
  s.hyper_channels = impl_->hyper_channels;
  s.hyper_height = (height + 63) / 64;
  s.hyper_width = (width + 63) / 64;
  s.height = 4 * s.hyper_height;
  s.width = 4 * s.hyper_width;
  return s;
}

void LatentCoder::predict(const LatentShape& shape, std::vector<int16_t>& z, std::vector<int16_t>& mean,
                          std::vector<uint8_t>& scale) const {
  if (!impl_->fits(shape)) {
    mean.clear();
    scale.clear();
    return;
  }
  z.resize(Impl::z_size(shape));
  for (int16_t& v : z)
    v = std::clamp<int16_t>(v, kHyperMin, kHyperMax);
  mean.resize(Impl::y_size(shape));
  scale.resize(Impl::y_size(shape));
  impl_->decoder.run(z.data(), shape.hyper_height, shape.hyper_width, mean.data(), scale.data(), best_simd());
}

Status LatentCoder::encode(const LatentShape& shape, const Latents& latents, Bytes& out) const {
  std::vector<int16_t> z = latents.z, mean;
  std::vector<uint8_t> scale;
  predict(shape, z, mean, scale);
  return encode(shape, latents, scale, out);
}

Status LatentCoder::encode(const LatentShape& shape, const Latents& latents,
                           const std::vector<uint8_t>& scale, Bytes& out) const {
  if (!impl_->fits(shape) || latents.quality < 0 || latents.quality >= kQualities ||
      latents.z.size() != Impl::z_size(shape) || latents.y.size() != Impl::y_size(shape) ||
      scale.size() != latents.y.size())
    return Status::Corrupt;
  if (std::any_of(latents.z.begin(), latents.z.end(), [](int v) { return v < kHyperMin || v > kHyperMax; }) ||
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
      if (!table.decode(coder, value) || value + centre < kHyperMin || value + centre > kHyperMax)
        return Status::Corrupt;
      latents.z[size_t(c) * z_area + i] = int16_t(value + centre);
    }
  }
  if (coder.overrun())
    return Status::Corrupt;
  std::vector<uint8_t> scale;
  predict(shape, latents.z, mean, scale);
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
