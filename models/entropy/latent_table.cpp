// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/latent_table.hpp"

#include "models/entropy/signal_table.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace gsem::entropy {

namespace {

// Scales of y are spread logarithmically. At the smallest a zero costs 1e-4 bits; a smaller one would change
// nothing at 16 bits.
constexpr double kSmallestScale = 0.12, kLargestScale = 160;
// Bank of z: four scales an octave from 0.1, means in sixteenths.
constexpr int kZScales = 40, kZSteps = 4, kZFractions = 16;

double softplus(double x) {
  return x > 30 ? x : std::log1p(std::exp(x));
}

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x * std::sqrt(0.5));
}

double y_scale(double index) {
  return kSmallestScale * std::pow(kLargestScale / kSmallestScale, index / (kScales - 1));
}

/// Mass of the unit bins around 0, 1, -1, ... under Normal (mean, scale), in 1/2^16, every symbol at least 1.
SymbolFrequencies normal_table(double mean, double scale) {
  const int largest =
      std::clamp(int(std::ceil(4.3 * scale + std::abs(mean) - 0.5)), 1, int(kMaxSymbols) / 2 - 1);
  std::vector<double> p;
  double inside = 0;
  for (int i = 0; i <= 2 * largest; i++) {
    const int k = i % 2 ? (i + 1) / 2 : -i / 2;
    p.push_back(normal_cdf((k + 0.5 - mean) / scale) - normal_cdf((k - 0.5 - mean) / scale));
    inside += p.back();
  }
  p.push_back(std::max(0.0, 1 - inside));
  SymbolFrequencies table;
  const double spread = 65536.0 - double(p.size());
  int sum = 0;
  for (double v : p) {
    table.freq.push_back(uint16_t(1 + int(v * spread)));
    sum += table.freq.back();
  }
  *std::max_element(table.freq.begin(), table.freq.end()) += uint16_t(65536 - sum);
  return table;
}

bool sound(const ConvWeights& conv, int side) {
  const auto finite = [](float v) { return std::isfinite(v); };
  return conv.out > 0 && conv.in > 0 && conv.out <= 4 * kMaxHyperChannels && conv.in <= kMaxHyperChannels &&
         conv.side == side &&
         conv.weight.size() == size_t(conv.out) * size_t(conv.in) * size_t(side * side) &&
         conv.bias.size() == size_t(conv.out) &&
         std::all_of(conv.weight.begin(), conv.weight.end(), finite) &&
         std::all_of(conv.bias.begin(), conv.bias.end(), finite);
}

/// `count` outputs from `first`, multiplied by `gain`; input = 2^in_exponent x float, output = 2^out_exponent
/// x float. As many bits for the weights as 16-bit numbers and the 32-bit sums allow.
bool quantise(const ConvWeights& conv, int first, int count, double gain, int in_exponent, int out_exponent,
              int largest_input, IntConv& result) {
  result.in = conv.in;
  result.out = count;
  result.taps = conv.side * conv.side;
  const size_t row = size_t(conv.in) * size_t(result.taps);
  for (int weight_exponent = 24; weight_exponent >= -8; weight_exponent--) {
    result.shift = weight_exponent + in_exponent - out_exponent;
    if (result.shift < 1 || result.shift > 30)
      continue;
    const double scale = gain * std::exp2(weight_exponent);
    result.weight.assign(row * size_t(count), 0);
    result.bias.assign(size_t(count), 0);
    bool holds = true;
    for (int o = 0; o < count && holds; o++) {
      for (int c = 0; c < conv.in; c++) {
        for (int t = 0; t < result.taps; t++) {
          const double w =
              conv.weight[(size_t(first + o) * size_t(conv.in) + size_t(c)) * size_t(result.taps) +
                          size_t(t)] *
              scale;
          holds = holds && std::abs(w) < 32767;
          result.weight[size_t(o) * row + size_t(t) * size_t(conv.in) + size_t(c)] =
              int16_t(std::lround(std::clamp(w, -32767.0, 32767.0)));
        }
      }
      const double bias = conv.bias[size_t(first + o)] * scale * std::exp2(in_exponent);
      holds = holds && std::abs(bias) < 1e9;
      result.bias[size_t(o)] = int32_t(std::lround(std::clamp(bias, -1e9, 1e9)));
    }
    if (holds && check_conv(result, largest_input))
      return true;
  }
  return false;
}

/// Parameters of z at a quality, between the trained rows.
struct ZPrior {
  double mean, scale;
};
ZPrior z_prior(const HyperWeights& w, int quality, int channel) {
  const double at = double(quality) * (w.rows - 1) / (kQualities - 1);
  const int row = std::min(int(at), std::max(w.rows - 2, 0)), next = std::min(row + 1, w.rows - 1);
  const double t = at - row;
  const auto mixed = [&](const std::vector<float>& v) {
    const size_t channels = size_t(w.up1.in);
    return (1 - t) * v[size_t(row) * channels + size_t(channel)] +
           t * v[size_t(next) * channels + size_t(channel)];
  };
  return {mixed(w.z_mean), softplus(3 * mixed(w.z_scale)) + 0.1};
}

/// Largest activations of the inner layers over samples of z from its prior: chooses how activations are
/// scaled.
class ActivationProbe {
public:
  explicit ActivationProbe(const HyperWeights& w) : w_(w) {
    std::mt19937 random(1);
    for (int quality = 0; quality < kQualities; quality += 7)
      for (int sample = 0; sample < 64; sample++)
        probe(quality, random);
  }
  double first = 0, second = 0, features = 0;

private:
  void probe(int quality, std::mt19937& random) {
    std::vector<double> z;
    for (int c = 0; c < w_.up1.in; c++) {
      const ZPrior p = z_prior(w_, quality, c);
      double noise =
          -6; // sum of twelve uniform numbers: near enough to normal, and the same on every machine
      for (int i = 0; i < 12; i++)
        noise += double(random()) / 4294967296.0;
      z.push_back(std::clamp(std::round(p.mean + noise * p.scale), double(kHyperMin), double(kHyperMax)) / 4);
    }
    for (int place = 0; place < 4; place++) {
      const std::vector<double> a = layer(w_.up1, z, place, 4, first);
      for (int inner = 0; inner < 4; inner++)
        layer(w_.features, layer(w_.up2, a, inner, 4, second), 0, 1, features);
    }
  }
  static std::vector<double> layer(const ConvWeights& conv, const std::vector<double>& in, int place,
                                   int step, double& largest) {
    std::vector<double> out;
    for (int o = place; o < conv.out; o += step) {
      double sum = conv.bias[size_t(o)];
      for (int c = 0; c < conv.in; c++)
        sum += conv.weight[size_t(o) * size_t(conv.in) + size_t(c)] * in[size_t(c)];
      largest = std::max(largest, std::abs(sum));
      out.push_back(sum > 0 ? sum : 0.1 * sum);
    }
    return out;
  }
  const HyperWeights& w_;
};

/// Largest exponent with which activations twice the probe's still fit.
int activation_exponent(double largest) {
  return std::clamp(int(std::floor(std::log2(kActivationMax / std::max(2 * largest, 1e-3)))), -4, 14);
}

/// What the context layer sees at positions of a parity, as a 1x1 convolution of [tap][half of the channels].
ConvWeights context_of(const ConvWeights& conv, int parity) {
  constexpr int kTap[kContextTaps] = {4, 1, 3, 5, 7}; // of the 3x3: here, above, left, right, below
  const int half = conv.in / 2;
  ConvWeights out{conv.out, kContextTaps * half, 1, {}, conv.bias};
  for (int o = 0; o < conv.out; o++)
    for (int tap = 0; tap < kContextTaps; tap++)
      for (int c = 0; c < half; c++) {
        const int channel = (tap == 0 ? parity : 1 - parity) * half + c;
        out.weight.push_back(conv.weight[size_t((o * conv.in + channel) * 9 + kTap[tap])]);
      }
  return out;
}

/// Largest of the context's hidden activations to expect: the features' part as probed, the symbols' as six
/// standard deviations of a sum over symbols of ten steps' size. What is larger is cut, which costs bits
/// only.
double hidden_range(const HyperWeights& w, double features) {
  double largest = 0;
  for (int parity = 0; parity < 2; parity++) {
    const ConvWeights conv = context_of(w.context, parity);
    for (int o = 0; o < conv.out; o++) {
      double energy = 0;
      for (int i = 0; i < conv.in; i++)
        energy += std::pow(conv.weight[size_t(o * conv.in + i)], 2);
      largest = std::max(largest, 6 * std::sqrt(energy) * 10 / 4);
    }
  }
  return std::max(largest, features);
}

bool quantise_context(const HyperWeights& w, int features_in, double features, SignalTable& table) {
  const int hidden = activation_exponent(hidden_range(w, features)), symbol = 2, half = table.channels / 2;
  if (!quantise(w.features, 0, w.features.out, 1, features_in, hidden, -kActivationMin, table.features))
    return false;
  for (int parity = 0; parity < 2; parity++) {
    const int coded = parity == 0 ? half : 0; // the half of the second pass
    const auto p = size_t(parity);
    if (!quantise(context_of(w.context, parity), 0, w.context.out, 1, symbol, hidden, kContextLargest,
                  table.context[p]) ||
        !quantise(w.more, coded, half, 4, hidden, kMeanShift, -kActivationMin, table.more_mean[p]) ||
        !quantise(w.more, table.channels + coded, half, 1, hidden, kMeanShift, -kActivationMin,
                  table.more_scale[p]))
      return false;
  }
  return true;
}

bool quantise_network(const HyperWeights& w, SignalTable& table) {
  const ActivationProbe probe(w);
  const int a1 = activation_exponent(probe.first), a2 = activation_exponent(probe.second);
  const int outer = 6; // mean and scale outputs in 1/64
  static_assert(outer == kMeanShift);
  return quantise(w.up1, 0, w.up1.out, 1, 2, a1, -kHyperMin, table.up1) &&
         quantise(w.up2, 0, w.up2.out, 1, a1, a2, -kActivationMin, table.up2) &&
         quantise(w.out, 0, table.channels, 4, a2, outer, -kActivationMin, table.mean) &&
         quantise(w.out, table.channels, table.channels, 1, a2, outer, -kActivationMin, table.scale) &&
         quantise_context(w, a2, probe.features, table);
}

void make_scales(SignalTable& table) {
  for (int i = 0; i < kScales; i++)
    table.y.push_back(normal_table(0, y_scale(i)));
  for (int i = 0; i + 1 < kScales; i++) {
    // Where the float network's scale passes the middle between two tables: softplus and the rest, inverted.
    const double scale = y_scale(i + 0.5), s = (std::log(std::expm1((scale - 0.08) / 2)) + 1) / 2;
    table.thresholds.push_back(int16_t(std::clamp(std::lround(s * 64), -32768l, 32767l)));
  }
}

void make_z_tables(const HyperWeights& w, SignalTable& table) {
  std::map<std::pair<int, int>, uint16_t> bank;
  for (int quality = 0; quality < kQualities; quality++) {
    for (int c = 0; c < table.hyper_channels; c++) {
      const ZPrior prior = z_prior(w, quality, c);
      const double mean = std::clamp(prior.mean, double(kHyperMin), double(kHyperMax));
      const int centre = int(std::lround(mean));
      const int fraction = int(std::lround((mean - centre) * kZFractions));
      const int scale = std::clamp(int(std::lround(std::log2(prior.scale / 0.1) * kZSteps)), 0, kZScales - 1);
      const auto [it, fresh] = bank.try_emplace({scale, fraction}, uint16_t(table.z.size()));
      if (fresh)
        table.z.push_back(
            normal_table(double(fraction) / kZFractions, 0.1 * std::exp2(double(scale) / kZSteps)));
      table.z_index.push_back(it->second);
      table.z_centre.push_back(int8_t(centre));
    }
  }
}

} // namespace

Status build_signal_table(const HyperWeights& w, Bytes& out) {
  const auto finite = [](float v) { return std::isfinite(v); };
  if (!sound(w.up1, 1) || !sound(w.up2, 1) || !sound(w.out, 3) || w.up1.out % 4 || w.up2.out % 4 ||
      w.out.out % 4 || w.up2.in != w.up1.out / 4 || w.out.in != w.up2.out / 4 || w.rows < 1)
    return Status::Corrupt;
  if (!sound(w.context, 3) || !sound(w.features, 1) || !sound(w.more, 1) || w.context.in != w.out.out / 2 ||
      w.features.in != w.out.in || w.features.out != w.context.out || w.more.in != w.context.out ||
      w.more.out != w.out.out)
    return Status::Corrupt;
  const size_t z_numbers = size_t(w.rows) * size_t(w.up1.in);
  if (w.z_mean.size() != z_numbers || w.z_scale.size() != z_numbers ||
      !std::all_of(w.z_mean.begin(), w.z_mean.end(), finite) ||
      !std::all_of(w.z_scale.begin(), w.z_scale.end(), finite))
    return Status::Corrupt;
  SignalTable table;
  table.hyper_channels = w.up1.in;
  table.channels = w.out.out / 2;
  if (!quantise_network(w, table))
    return Status::Corrupt;
  make_scales(table);
  make_z_tables(w, table);
  if (const Status status = table.check(); status != Status::Ok)
    return status;
  table.write(out);
  return Status::Ok;
}

} // namespace gsem::entropy
