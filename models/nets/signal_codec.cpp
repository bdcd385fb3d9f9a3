// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/signal_codec.hpp"

namespace gsem::nets {
namespace {

/// max(x, bound) whose gradient still pulls values up from below the bound.
struct LowerBound : torch::autograd::Function<LowerBound> {
  static Tensor forward(torch::autograd::AutogradContext* ctx, Tensor x, double bound) {
    ctx->save_for_backward({x});
    ctx->saved_data["bound"] = bound;
    return x.clamp_min(bound);
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* ctx,
                                               torch::autograd::tensor_list gradient) {
    const Tensor x = ctx->get_saved_variables()[0];
    const double bound = ctx->saved_data["bound"].toDouble();
    return {gradient[0] * ((x >= bound) | (gradient[0] < 0)), Tensor()};
  }
};

Tensor straight_through_round(const Tensor& v) {
  return v + (v.round() - v).detach();
}

/// Flat indices of the positions whose row + column is of the parity.
Tensor positions(int64_t height, int64_t width, int64_t parity) {
  const Tensor sum = torch::arange(height).unsqueeze(1) + torch::arange(width).unsqueeze(0);
  return (sum.remainder(2) == parity).flatten().nonzero().squeeze(1);
}

constexpr int64_t kHalf = SignalCodecImpl::kLatents / 2;

/// The halves of the channels that the first pass codes at positions of the parity (in their own place) and
/// around them.
template <typename Cut>
Tensor known_around(int64_t parity, const Cut& cut) {
  std::vector<Tensor> parts;
  for (const auto& [row, column] : {std::pair{1, 1}, {0, 1}, {1, 0}, {1, 2}, {2, 1}}) {
    const bool own = row == 1 && column == 1;
    parts.push_back(cut(row, column, (own ? parity : 1 - parity) * kHalf));
  }
  return torch::cat(parts, 1);
}

} // namespace

Tensor likelihood_bits(const Tensor& v, const Tensor& mean, const Tensor& scale) {
  const Tensor s = LowerBound::apply(scale, 0.08), d = (v - mean).abs();
  const auto cdf = [](const Tensor& a) { return 0.5 * torch::erfc(a * -0.70710678118654752); };
  return -torch::log2(LowerBound::apply(cdf((0.5 - d) / s) - cdf((-0.5 - d) / s), 1e-9));
}

SignalCodecImpl::SignalCodecImpl() {
  constexpr int a = 96, b = 128, m = kLatents, h = kHyper, s = 32;
  const auto stack = [this](const char* name) { return register_module(name, Stack()); };
  Stack e = stack("e"), he = stack("he"), hd = stack("hd"), d = stack("d");
  e1_ = e->add(1, Conv(48, a, 1));
  e2_ = e->add(2, DepthConv(a));
  e3_ = e->add(3, Conv(a, b, 2, 2, 0));
  e4_ = e->add(4, DepthConv(b, 1));
  e5_ = e->add(5, DepthConv(b, 1));
  e6_ = e->add(6, Conv(b, m, 3, 2));
  he0_ = he->add(0, Conv(m, h, 3));
  he2_ = he->add(2, Conv(h, h, 3, 2));
  he4_ = he->add(4, Conv(h, h, 3, 2));
  hd0_ = hd->add(0, Up2(h, h));
  hd2_ = hd->add(2, Up2(h, h));
  hd4_ = hd->add(4, Conv(h, 2 * m, 3));
  d0_ = d->add(0, Conv(m, b, 3));
  d1_ = d->add(1, DepthConv(b, 2));
  d2_ = d->add(2, DepthConv(b, 2));
  d3_ = d->add(3, Up2(b, b));
  d4_ = d->add(4, DepthConv(b, 1));
  d5_ = d->add(5, DepthConv(b, 1));
  d6_ = d->add(6, Up2(b, a));
  d7_ = d->add(7, DepthConv(a));
  d8_ = d->add(8, DepthConv(a));
  d9_ = d->add(9, Conv(a, 48, 1));
  Stack sa = stack("sa"), sb = stack("sb"), sc = stack("sc");
  sa0_ = sa->add(0, Conv(kSideChannels, s, 1));
  sa1_ = sa->add(1, DepthConv(s));
  sb0_ = sb->add(0, Conv(s, s, 3, 2));
  sb1_ = sb->add(1, DepthConv(s));
  sc0_ = sc->add(0, Conv(s, s, 3, 2));
  sc1_ = sc->add(1, DepthConv(s));
  m4_ = register_module("m4", Conv(s, a, 1));
  m8_ = register_module("m8", Conv(s, b, 1));
  m16_ = register_module("m16", Conv(s, b, 1));
  if (!SkipInitialisation::active()) {
    // Training starts with the sides ignored.
    torch::NoGradGuard no_grad;
    for (Conv merge : {m4_, m8_, m16_}) {
      merge->weight.zero_();
      merge->bias.zero_();
    }
  }
  cx_ = register_module("cx", Conv(m, h, 3));
  ch_ = register_module("ch", Conv(h, h, 1));
  co_ = register_module("co", Conv(h, 2 * m, 1));
  if (!SkipInitialisation::active()) {
    // Training starts with the second pass predicted as the first.
    torch::NoGradGuard no_grad;
    co_->weight.zero_();
    co_->bias.zero_();
  }
  const Tensor gains = torch::linspace(-1.4, 1.4, kRows).unsqueeze(1).repeat({1, m});
  ge_ = register_parameter("ge", gains.clone());
  gd_ = register_parameter("gd", -gains);
  zs_ = register_parameter("zs", torch::full({kRows, h}, 0.5));
  zm_ = register_parameter("zm", torch::zeros({kRows, h}));
  qe_ = register_parameter("qe", torch::zeros({kRows, h}));
}

Tensor SignalCodecImpl::at(const Tensor& table, const Tensor& q) {
  const Tensor i = q.clamp(0, kRows - 1).floor().to(at::kLong).clamp_max(kRows - 2);
  const Tensor f = (q - i).unsqueeze(1);
  return (table.index_select(0, i) * (1 - f) + table.index_select(0, i + 1) * f).unsqueeze(2).unsqueeze(3);
}

SignalCodecImpl::Latents SignalCodecImpl::analyse(const Tensor& x, const Tensor& q) {
  return analyse_unshuffled(torch::pixel_unshuffle(x, 4), q);
}

SignalCodecImpl::Latents SignalCodecImpl::analyse_unshuffled(const Tensor& x, const Tensor& q) {
  Tensor y = e6_(e5_(e4_(e3_(e2_(e1_(x))))));
  y = y.to(at::kFloat) * 8 * at(ge_, q).exp();
  Tensor z = leaky(he0_(channels_last(y) / 4), 0.1);
  z = he4_(leaky(he2_(z), 0.1));
  return {y, z.to(at::kFloat) * 4 + at(qe_, q)};
}

SignalCodecImpl::Prior SignalCodecImpl::hyper(const Tensor& z) {
  const Tensor features = leaky(hd2_(leaky(hd0_(channels_last(z) / 4), 0.1)), 0.1);
  const auto parts = hd4_(features).to(at::kFloat).chunk(2, 1);
  return {parts[0] * 4, parts[1], features};
}

SignalCodecImpl::Prior SignalCodecImpl::refine(const Prior& prior, const Tensor& symbols) {
  const int64_t b = symbols.size(0), height = symbols.size(2), width = symbols.size(3);
  const Tensor around = torch::constant_pad_nd(symbols / 4, {1, 1, 1, 1}, 0);
  const Tensor base = ch_(prior.features).to(at::kFloat).flatten(2);
  Tensor more = torch::zeros({b, 2 * kLatents, height * width}, symbols.options());
  for (int64_t parity = 0; parity < 2; parity++) {
    const Tensor at = positions(height, width, parity);
    const Tensor known =
        known_around(
            parity,
            [&](int64_t row, int64_t column, int64_t channel) {
              return around.narrow(1, channel, kHalf).narrow(2, row, height).narrow(3, column, width);
            })
            .flatten(2)
            .index_select(2, at);
    const Tensor weight = known_around(parity, [&](int64_t row, int64_t column, int64_t channel) {
      return cx_->weight.narrow(1, channel, kHalf).select(3, column).select(2, row);
    });
    const Tensor hidden = torch::leaky_relu(
        torch::matmul(weight, known) + cx_->bias.unsqueeze(1) + base.index_select(2, at), 0.1);
    const int64_t coded = (1 - parity) * kHalf; // the half of the second pass
    const Tensor rows =
        torch::cat({torch::arange(coded, coded + kHalf), torch::arange(coded, coded + kHalf) + kLatents});
    const Tensor out = torch::matmul(co_->weight.flatten(1).index_select(0, rows), hidden) +
                       co_->bias.index_select(0, rows).unsqueeze(1);
    more.index_put_({torch::indexing::Slice(), rows.unsqueeze(1), at.unsqueeze(0)}, out);
  }
  const auto parts = more.view({b, 2 * kLatents, height, width}).chunk(2, 1);
  return {prior.mean + parts[0] * 4, prior.raw + parts[1], prior.features};
}

Tensor SignalCodecImpl::scale_of(const Tensor& raw) {
  return torch::softplus(raw * 2 - 1) * 2 + 0.08;
}

Tensor SignalCodecImpl::side(const Tensor& base, const Tensor& map, const Tensor& flags) {
  const Tensor planes = flags.to(base.scalar_type())
                            .unsqueeze(2)
                            .unsqueeze(3)
                            .expand({-1, -1, base.size(2) / 4, base.size(3) / 4});
  return channels_last(
      torch::cat({torch::pixel_unshuffle(base, 4), torch::pixel_unshuffle(map, 2), planes}, 1));
}

Tensor SignalCodecImpl::synthesise_unshuffled(const Tensor& y_hat, const Tensor& q, const Tensor& side) {
  const Tensor y = channels_last(y_hat * at(gd_, q).exp() / 8);
  const Tensor given =
      side.defined() ? side
                     : channels_last(torch::zeros({y.size(0), kSideChannels, y.size(2) * 4, y.size(3) * 4},
                                                  y.options()));
  const Tensor a = sa1_(sa0_(given)), b = sb1_(sb0_(a)), c = sc1_(sc0_(b));
  Tensor x = sum(d0_(y), m16_(c));
  x = sum(d3_(d2_(d1_(x))), m8_(b));
  x = sum(d6_(d5_(d4_(x))), m4_(a));
  return d9_(d8_(d7_(x))).to(at::kFloat);
}

Tensor SignalCodecImpl::synthesise(const Tensor& y_hat, const Tensor& q, const Tensor& side) {
  return torch::pixel_shuffle(synthesise_unshuffled(y_hat, q, side), 4);
}

void SignalCodecImpl::prepare_for_inference() {
  for (Up2 up : {hd0_, hd2_, d3_, d6_})
    up->prepare_for_inference();
}

SignalCodecImpl::Output SignalCodecImpl::forward(const Tensor& x, const Tensor& q, const Tensor& side) {
  const auto noisy = [this](const Tensor& v) {
    return is_training() ? v + torch::rand_like(v) - 0.5 : v.round();
  };
  const auto [y, z] = analyse(x, q);
  const Tensor z_bits = likelihood_bits(noisy(z), at(zm_, q), torch::softplus(at(zs_, q) * 3) + 0.1);
  const Prior first = hyper(straight_through_round(z));
  const auto [mean, raw, features] = refine(first, straight_through_round(y - first.mean));
  const Tensor y_bits = likelihood_bits(noisy(y - mean), torch::zeros({1}, y.options()), scale_of(raw));
  Output out;
  out.picture = synthesise(straight_through_round(y - mean) + mean, q, side);
  out.bits_per_pixel = (y_bits.sum({1, 2, 3}) + z_bits.sum({1, 2, 3})) / double(x.size(2) * x.size(3));
  out.penalty = torch::relu(z.abs() - 56).mean() + torch::relu(mean.abs() - 240).mean();
  return out;
}

} // namespace gsem::nets
