// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/published_model.hpp"

#include "models/entropy/latent_model.hpp"
#include "models/entropy/published_table.hpp"

#include <algorithm>

namespace gsem::entropy {
namespace {

constexpr int kLane = 8; ///< outputs side by side

/// A layer with its outputs in groups of kLane, weights as floats (16 bits fit exactly).
class Layer {
public:
  explicit Layer(const PublishedLayer& source)
      : in_(source.in), out_(source.out), side_(source.side), groups_((source.out + kLane - 1) / kLane),
        bias_(size_t(groups_ * kLane)), shift_(size_t(groups_ * kLane)) {
    const int taps = side_ * side_;
    weight_.assign(size_t(groups_) * size_t(taps) * size_t(in_) * kLane, 0.0f);
    for (int tap = 0; tap < taps; tap++)
      for (int i = 0; i < in_; i++)
        for (int o = 0; o < out_; o++)
          weight_[(size_t(o / kLane * taps + tap) * size_t(in_) + size_t(i)) * kLane + size_t(o % kLane)] =
              source.weight[(size_t(tap) * size_t(in_) + size_t(i)) * size_t(out_) + size_t(o)];
    std::copy(source.bias.begin(), source.bias.end(), bias_.begin());
    std::copy(source.shift.begin(), source.shift.end(), shift_.begin());
  }

  int channels() const { return groups_ * kLane; }

  /// Planes have channels innermost, `pitch` numbers a pixel.
  std::vector<double> run(const std::vector<double>& x, int pitch, int height, int width) const {
    const int factor = side_ == 5 ? 2 : 1, rows = height * factor, columns = width * factor;
    std::vector<double> y(size_t(rows) * size_t(columns) * size_t(channels()));
    for (int row = 0; row < rows; row++)
      for (int column = 0; column < columns; column++)
        for (int group = 0; group < groups_; group++)
          pixel(x, pitch, height, width, row, column, group,
                y.data() + (size_t(row) * size_t(columns) + size_t(column)) * size_t(channels()) +
                    size_t(group * kLane));
    return y;
  }

private:
  /// Input position that a tap meets at an output position; false: none.
  bool meets(int at, int tap, int size, int& from) const {
    from = side_ == 5 ? at + 2 - tap : at + tap - 1;
    if (side_ == 5 && (from & 1))
      return false;
    from = side_ == 5 ? from >> 1 : from;
    return from >= 0 && from < size;
  }
  void pixel(const std::vector<double>& x, int pitch, int height, int width, int row, int column, int group,
             double* out) const {
    double sum[kLane] = {};
    for (int r = 0; r < side_; r++) {
      int from_row, from_column;
      if (!meets(row, r, height, from_row))
        continue;
      for (int c = 0; c < side_; c++) {
        if (!meets(column, c, width, from_column))
          continue;
        const double* input =
            x.data() + (size_t(from_row) * size_t(width) + size_t(from_column)) * size_t(pitch);
        const float* weight =
            weight_.data() + size_t(group * side_ * side_ + r * side_ + c) * size_t(in_) * kLane;
        for (int i = 0; i < in_; i++, weight += kLane)
          for (int o = 0; o < kLane; o++)
            sum[o] += double(weight[o]) * input[i];
      }
    }
    for (int o = 0; o < kLane; o++) {
      const auto at = size_t(group * kLane + o);
      const int64_t value = (int64_t(sum[o]) + bias_[at]) >> shift_[at];
      out[o] = double(std::clamp<int64_t>(value, 0, int64_t(kPublishedLargest)));
    }
  }

  int in_, out_, side_, groups_;
  std::vector<float> weight_; ///< [group][tap][in][kLane]
  std::vector<int64_t> bias_;
  std::vector<uint8_t> shift_;
};

struct Rate {
  Layer up1, up2, last;
  std::vector<int32_t> median; ///< 14 binary places
  std::vector<SymbolTable> z;
};

class PublishedModel final : public LatentCoder::Impl {
public:
  PublishedModel(const PublishedTable& table, uint64_t h) : thresholds_(table.thresholds) {
    channels = table.channels;
    hyper_channels = table.hyper_channels;
    z_min = kPublishedZMin;
    z_max = kPublishedZMax;
    y = {table.y.begin(), table.y.end()};
    hash = h;
    for (const PublishedRate& rate : table.rates)
      rates_.push_back({Layer(rate.up1), Layer(rate.up2), Layer(rate.last), rate.median,
                        std::vector<SymbolTable>(rate.z.begin(), rate.z.end())});
  }

  LatentShape shape(int, int) const override {
    LatentShape s;
    s.channels = channels;
    s.hyper_channels = hyper_channels;
    s.height = s.width = kPublishedSide / 16;
    s.hyper_height = s.hyper_width = kPublishedSide / 64;
    return s;
  }
  const SymbolTable& z_table(int quality, int channel, int& centre) const override {
    centre = 0;
    return rate(quality).z[size_t(channel)];
  }
  std::unique_ptr<Features> run(const LatentShape& s, const int16_t* z, int quality, int16_t* mean,
                                uint8_t* scale) const override;

private:
  const Rate& rate(int quality) const { return rates_[published_rate(quality, rates_.size())]; }

  std::vector<Rate> rates_;
  std::vector<int32_t> thresholds_;
};

std::unique_ptr<LatentCoder::Impl::Features> PublishedModel::run(const LatentShape& s, const int16_t* z,
                                                                 int quality, int16_t* mean,
                                                                 uint8_t* scale) const {
  const Rate& r = rate(quality);
  const int h = s.hyper_height, w = s.hyper_width;
  const size_t z_area = size_t(h) * size_t(w), y_area = 16 * z_area;
  std::vector<double> x(z_area * size_t(hyper_channels));
  for (int c = 0; c < hyper_channels; c++)
    for (size_t i = 0; i < z_area; i++)
      x[i * size_t(hyper_channels) + size_t(c)] = std::clamp<double>(
          double(z[size_t(c) * z_area + i]) * (1 << kPublishedPlaces) + r.median[size_t(c)],
          -kPublishedLargest, kPublishedLargest);
  x = r.up1.run(x, hyper_channels, h, w);
  x = r.up2.run(x, r.up1.channels(), 2 * h, 2 * w);
  x = r.last.run(x, r.up2.channels(), 4 * h, 4 * w);
  const auto pitch = size_t(r.last.channels());
  for (int c = 0; c < channels; c++)
    for (size_t i = 0; i < y_area; i++) {
      const auto value = int32_t(x[i * pitch + size_t(c)]);
      // As CompressAI: the smallest table that is not below the scale.
      scale[size_t(c) * y_area + i] =
          uint8_t(std::lower_bound(thresholds_.begin(), thresholds_.end(), value) - thresholds_.begin());
    }
  std::fill_n(mean, size_t(channels) * y_area, int16_t(0));
  return nullptr;
}

} // namespace

bool is_published_table(ByteView table) {
  return table.size() >= 4 && std::equal(table.begin(), table.begin() + 4, kPublishedMagic);
}

Status load_published_model(ByteView bytes, std::unique_ptr<LatentCoder::Impl>& out) {
  PublishedTable table;
  uint64_t hash = 0;
  if (const Status status = PublishedTable::read(bytes, table, hash); status != Status::Ok)
    return status;
  out = std::make_unique<PublishedModel>(table, hash);
  return Status::Ok;
}

} // namespace gsem::entropy
