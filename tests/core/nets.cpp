// SPDX-License-Identifier: LGPL-2.1-or-later
// The networks against plain loops written from the papers' formulas, with random weights; and, when
// GSEM_TRAINING_EXPORT names a folder of exported weights with its reference/ inputs and outputs, against
// PyTorch.
#include "models/nets/backbone.hpp"
#include "models/nets/captioner.hpp"
#include "models/nets/generator.hpp"
#include "models/nets/mac_counter.hpp"
#include "models/nets/signal_codec.hpp"
#include "models/nets/structure.hpp"
#include "models/nets/weights.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#undef CHECK // LibTorch may bring glog's
#include "tests/core/check.hpp"

using namespace gsem;
using namespace gsem::nets;

namespace {

/// Largest difference relative to the largest value.
double difference(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined() || a.sizes() != b.sizes())
    return 1e9;
  const Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  return ((x - y).abs().max() / y.abs().max().clamp_min(1e-12)).item<double>();
}

bool near(const Tensor& a, const Tensor& b, double tolerance = 1e-5) {
  const double d = difference(a, b);
  if (!(d < tolerance))
    std::fprintf(stderr, "  relative difference %g\n", d);
  return d < tolerance;
}

Tensor parameter(torch::nn::Module& m, const std::string& name) {
  const auto p = m.named_parameters();
  const Tensor* t = p.find(name);
  CHECK(t != nullptr);
  return t ? t->detach() : Tensor();
}

/// Convolution by its definition, zero padding (top, left, bottom, right).
Tensor convolve(const Tensor& x, const Tensor& w, const Tensor& b, int stride, int top, int bottom,
                int groups = 1) {
  const int n = int(x.size(1)), h = int(x.size(2)), wd = int(x.size(3)), out = int(w.size(0)),
            k = int(w.size(2));
  const int oh = (h + top + bottom - k) / stride + 1, ow = (wd + top + bottom - k) / stride + 1;
  const int in_group = n / groups, out_group = out / groups;
  Tensor y = torch::empty({1, out, oh, ow});
  const Tensor xc = x.contiguous(), wc = w.contiguous();
  const auto xa = xc.accessor<float, 4>(), wa = wc.accessor<float, 4>();
  const auto ba = b.accessor<float, 1>();
  auto ya = y.accessor<float, 4>();
  for (int o = 0; o < out; ++o)
    for (int i = 0; i < oh; ++i)
      for (int j = 0; j < ow; ++j) {
        double sum = ba[o];
        for (int c = 0; c < in_group; ++c)
          for (int u = 0; u < k; ++u)
            for (int v = 0; v < k; ++v) {
              const int py = i * stride + u - top, px = j * stride + v - top;
              if (py >= 0 && py < h && px >= 0 && px < wd)
                sum += double(xa[0][o / out_group * in_group + c][py][px]) * wa[o][c][u][v];
            }
        ya[0][o][i][j] = float(sum);
      }
  return y;
}

Tensor convolve(torch::nn::Module& m, const std::string& name, const Tensor& x, int stride = 1,
                int groups = 1) {
  const Tensor w = parameter(m, name + ".weight");
  const int pad = int(w.size(2)) / 2;
  return convolve(x, w, parameter(m, name + ".bias"), stride, pad, pad, groups);
}

Tensor scalar_leaky(const Tensor& x, double slope) {
  return torch::where(x > 0, x, x * slope);
}

Tensor scalar_depth_conv(torch::nn::Module& m, const std::string& p, const Tensor& x, bool ffn) {
  const int c = int(x.size(1));
  Tensor y = scalar_leaky(convolve(m, p + "a", x), 0.1);
  y = x + convolve(m, p + "b", convolve(m, p + "d", y, 1, c));
  return ffn ? y + convolve(m, p + "f.2", scalar_leaky(convolve(m, p + "f.0", y), 0.1)) : y;
}

/// Out pixel (2y+dy, 2x+dx) of channel c comes from channel 4c + 2dy + dx.
Tensor scalar_shuffle2(const Tensor& x) {
  const int c = int(x.size(1)) / 4, h = int(x.size(2)), w = int(x.size(3));
  Tensor y = torch::empty({1, c, 2 * h, 2 * w});
  for (int k = 0; k < c; ++k)
    for (int i = 0; i < 2 * h; ++i)
      for (int j = 0; j < 2 * w; ++j)
        y[0][k][i][j] = x[0][4 * k + i % 2 * 2 + j % 2][i / 2][j / 2];
  return y;
}

Tensor random(at::IntArrayRef shape) {
  return channels_last(torch::randn(shape));
}

void blocks() {
  torch::NoGradGuard no_grad;
  for (int ffn : {0, 1, 2}) {
    DepthConv m(8, ffn);
    const Tensor x = random({1, 8, 5, 6});
    const Tensor before = x.clone();
    CHECK(near(m(x), scalar_depth_conv(*m, "", x, ffn > 0)));
    CHECK(torch::equal(x, before)); // in-place work must not reach the input
  }
  Up2 up(6, 5);
  const Tensor x = random({1, 6, 3, 4});
  CHECK(near(up(x), scalar_shuffle2(convolve(*up, "0", x))));
  up->prepare_for_inference();
  CHECK(near(up(x), scalar_shuffle2(convolve(*up, "0", x))));
  Conv strided(4, 6, 3, 2);
  const Tensor y = random({1, 4, 8, 8});
  CHECK(near(strided(y), convolve(y, strided->weight.detach(), strided->bias.detach(), 2, 1, 1)));
}

/// The same result with and without gradients: the in-place path against the plain one.
void inference_equals_training() {
  EdgeNet m;
  m->eval();
  const Tensor x = random({1, 3, 64, 64});
  const Tensor with = m(x);
  CHECK(with.requires_grad());
  c10::InferenceMode inference;
  CHECK(near(m(x), with.detach()));
  CHECK(with.size(2) == 32 && with.min().item<float>() >= 0 && with.max().item<float>() <= 1);
}

void backbone_padding() {
  torch::NoGradGuard no_grad;
  Backbone m;
  const Tensor x = random({1, 3, 32, 32});
  const auto f = m->forward(x);
  for (int i = 0; i < 4; ++i)
    CHECK(f[i].size(1) == BackboneImpl::kChannels[i] && f[i].size(2) == 8 >> i);
  // Stem and the first two blocks by hand: stride 2 pads bottom and right only.
  const auto six = [](const Tensor& t) { return t.clamp(0, 6); };
  const auto p = [&](const char* name) { return parameter(*m, name); };
  Tensor t = six(convolve(x, p("stem.weight"), p("stem.bias"), 2, 0, 1));
  t = six(convolve(*m, "blocks.0.depthwise", t, 1, 32));
  t = convolve(*m, "blocks.0.project", t);
  t = six(convolve(*m, "blocks.1.expand", t));
  t = six(convolve(t, p("blocks.1.depthwise.weight"), p("blocks.1.depthwise.bias"), 2, 0, 1, 96));
  const Tensor one = convolve(*m, "blocks.1.project", t);
  t = six(convolve(*m, "blocks.2.expand", one));
  t = six(convolve(*m, "blocks.2.depthwise", t, 1, 144));
  CHECK(near(f[0], one + convolve(*m, "blocks.2.project", t), 1e-4));
  const auto two = m->forward(x, 2);
  CHECK(two[1].defined() && !two[2].defined());
  int calls = 0;
  const auto stopped = m->forward(x, 4, [&] { return ++calls < 3; });
  CHECK(calls == 3 && !stopped[0].defined());
}

Tensor scalar_linear(torch::nn::Module& m, const std::string& name, const Tensor& x) {
  return (parameter(m, name + ".weight") * x.unsqueeze(0)).sum(1) + parameter(m, name + ".bias");
}

void captioner_step() {
  torch::NoGradGuard no_grad;
  Captioner m(11, 6, 4, 5);
  m->eval();
  const Tensor grid = torch::randn({1, 3, 6});
  auto state = m->start(grid);
  Tensor h = torch::tanh(scalar_linear(*m, "h0", grid[0].mean(0)));
  CHECK(near(state.hidden[0], h));
  const int64_t token = 7;
  const Tensor logits = m->step(torch::tensor({token}), state);
  std::vector<double> energy;
  double sum = 0;
  for (int i = 0; i < 3; ++i) {
    const Tensor e = torch::tanh(scalar_linear(*m, "k", grid[0][i]) + scalar_linear(*m, "q", h));
    energy.push_back(std::exp(scalar_linear(*m, "s", e).item<double>()));
    sum += energy.back();
  }
  Tensor context = torch::zeros({6});
  for (int i = 0; i < 3; ++i)
    context += grid[0][i] * (energy[i] / sum);
  // GRU (Cho et al. 2014, PyTorch's gate order r, z, n).
  const Tensor x = torch::cat({parameter(*m, "e.weight")[token], context});
  const Tensor gi = torch::mv(parameter(*m, "g.weight_ih"), x) + parameter(*m, "g.bias_ih");
  const Tensor gh = torch::mv(parameter(*m, "g.weight_hh"), h) + parameter(*m, "g.bias_hh");
  const auto part = [](const Tensor& t, int i) { return t.slice(0, 5 * i, 5 * i + 5); };
  const Tensor r = torch::sigmoid(part(gi, 0) + part(gh, 0)), z = torch::sigmoid(part(gi, 1) + part(gh, 1));
  const Tensor n = torch::tanh(part(gi, 2) + r * part(gh, 2));
  h = (1 - z) * n + z * h;
  CHECK(near(state.hidden[0], h));
  CHECK(near(logits[0], scalar_linear(*m, "o", torch::cat({h, context}))));
}

void text_padding() {
  torch::NoGradGuard no_grad;
  TextEncoder m(30);
  m->eval();
  const auto out = m(torch::tensor({{3, 4, 5, 0, 0}}));
  CHECK(out.words.size(1) == 5 && out.words[0][3].abs().max().item<float>() == 0);
  CHECK(std::abs(out.sentence.norm().item<double>() - 1) < 1e-5);
  CHECK(torch::equal(out.mask, torch::tensor({{1.f, 1.f, 1.f, 0.f, 0.f}})));
  CHECK(!torch::allclose(out.sentence, m(torch::tensor({{5, 4, 3, 0, 0}})).sentence, 1e-3,
                         1e-3)); // order counts
}

void attention() {
  torch::NoGradGuard no_grad;
  WordAttention m(4, 6, 3);
  parameter(*m, "gain").fill_(0.7);
  const Tensor x = random({1, 4, 2, 2}), words = torch::randn({1, 3, 6});
  const Tensor mask = torch::tensor({{1.f, 1.f, 0.f}}); // the third word is padding
  const Tensor query = convolve(*m, "q", x);
  Tensor expected = x.clone();
  for (int y = 0; y < 2; ++y)
    for (int c = 0; c < 2; ++c) {
      Tensor value = torch::zeros({4});
      double sum = 0, weight[2];
      for (int k = 0; k < 2; ++k) {
        const Tensor key = scalar_linear(*m, "k", words[0][k]);
        sum += weight[k] = std::exp((query[0].select(1, y).select(1, c) * key).sum().item<double>() / 8);
      }
      for (int k = 0; k < 2; ++k)
        value += scalar_linear(*m, "v", words[0][k]) * (weight[k] / sum);
      expected[0].select(1, y).select(1, c) += 0.7 * value;
    }
  CHECK(near(m(x, words, mask), expected));
}

void generator_block() {
  torch::NoGradGuard no_grad;
  GeneratorBlock m(6, 5, 7, true);
  m->eval();
  for (const char* f : {"f1", "f2"}) {
    const std::string n = std::string(f) + ".n.";
    for (auto& b : m->named_buffers())
      if (b.key() == n + "running_mean")
        b.value().normal_();
      else if (b.key() == n + "running_var")
        b.value().uniform_(0.5, 2);
  }
  parameter(*m, "ns").fill_(0.3);
  const Tensor x = random({1, 6, 3, 3}), style = torch::randn({1, 7}), noise = torch::randn({1, 1, 6, 6});
  // As the recipe has it: double first, then everything; batch norm by its formula.
  const Tensor big = x.repeat_interleave(2, 2).repeat_interleave(2, 3);
  const auto film = [&](const std::string& name, const Tensor& t) {
    const Tensor ab = scalar_linear(*m, name + ".l", style[0]).view({2, 5, 1, 1});
    Tensor mean, var;
    for (auto& b : m->named_buffers()) {
      if (b.key() == name + ".n.running_mean")
        mean = b.value().view({5, 1, 1});
      if (b.key() == name + ".n.running_var")
        var = b.value().view({5, 1, 1});
    }
    return (t - mean) / (var + 1e-5).sqrt() * (1 + ab[0]) + ab[1];
  };
  Tensor h = scalar_leaky(film("f1", convolve(*m, "c1", big)), 0.2) + 0.3 * noise;
  const Tensor expected = scalar_leaky(film("f2", convolve(*m, "c2", h)) + convolve(*m, "sk", big), 0.2);
  CHECK(near(m(x, style, noise), expected));
  m->fold_batch_norm();
  CHECK(near(m(x, style, noise), expected));
}

void generator_stops() {
  torch::NoGradGuard no_grad;
  Generator m;
  m->eval();
  const Tensor z = torch::randn({1, 64}), words = torch::randn({1, 20, 128}),
               sentence = torch::randn({1, 128});
  const Tensor mask = torch::ones({1, 20}), hint = torch::tensor({int64_t(126)});
  const Tensor y = m(z, words, sentence, mask, hint);
  CHECK(y.size(2) == 128 && y.abs().max().item<float>() <= 1);
  CHECK(torch::equal(y, m(z, words, sentence, mask, hint))); // no hidden noise in eval mode
  int calls = 0;
  CHECK(!m->forward(z, words, sentence, mask, hint, {}, [&] { return ++calls < 2; }).defined());
  CHECK(calls == 2);
}

void upscale_adds_detail() {
  torch::NoGradGuard no_grad;
  Upscale m(8);
  parameter(*m, "o.weight").zero_();
  parameter(*m, "o.bias").zero_();
  const Tensor x = channels_last(torch::full({1, 3, 8, 8}, 0.25f));
  CHECK(near(m(x), torch::full({1, 3, 16, 16}, 0.25f))); // without detail: the doubled picture
  parameter(*m, "o.bias").fill_(5);
  CHECK(m(x).max().item<float>() == 1 && m(x, false).max().item<float>() > 5);
}

void structure_base_once() {
  torch::NoGradGuard no_grad;
  StructureSynthesis m;
  m->eval();
  const Tensor base = random({1, 3, 128, 128}).tanh(), map = random({1, 1, 128, 128}).tanh();
  const Tensor whole = m(base, map);
  CHECK(whole.size(2) == 256 && whole.abs().max().item<float>() <= 1);
  const auto features = m->base_branch(base);
  const Tensor first = m->decode(features, channels_last(torch::pixel_unshuffle(map, 2)));
  const Tensor second = m->decode(features, channels_last(torch::pixel_unshuffle(map, 2)));
  CHECK(near(torch::pixel_shuffle(first, 4), whole));
  CHECK(torch::equal(first, second)); // the cached features are not worked on in place
  m->prepare_for_inference();
  const auto projected = m->project(features);
  const Tensor unshuffled = channels_last(torch::pixel_unshuffle(map, 2));
  const Tensor fast = m->decode_projected(projected, unshuffled);
  CHECK(near(fast, first));
  CHECK(torch::equal(fast, m->decode_projected(projected, unshuffled)));
}

void signal_gains_and_likelihood() {
  torch::NoGradGuard no_grad;
  const Tensor table = torch::arange(16).to(at::kFloat).view({8, 2}); // row r: 2r, 2r+1
  const Tensor at = SignalCodecImpl::at(table, torch::tensor({0.f, 2.25f, 7.f}));
  CHECK(near(at.flatten(), torch::tensor({0.f, 1.f, 4.5f, 5.5f, 14.f, 15.f})));
  CHECK(SignalCodecImpl::position(0) == 0 && SignalCodecImpl::position(63) == 7);
  // Probabilities of all integers sum to one; the middle one is erf's.
  const Tensor v = torch::arange(-40, 41).to(at::kFloat);
  const Tensor bits = likelihood_bits(v, torch::full({1}, 0.3f), torch::full({1}, 1.7f));
  CHECK(std::abs(torch::exp2(-bits).sum().item<double>() - 1) < 1e-4);
  const auto cdf = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  const double p = cdf((0.5 - 0.3) / 1.7) - cdf((-0.5 - 0.3) / 1.7);
  CHECK(std::abs(bits[40].item<double>() + std::log2(p)) < 1e-3);
}

void signal_training_gradients() {
  torch::manual_seed(3);
  SignalCodec m;
  const Tensor x = channels_last(torch::rand({1, 3, 64, 64}) * 2 - 1), q = torch::tensor({3.5f});
  const auto out = m(x, q);
  CHECK(out.picture.sizes() == x.sizes() && out.bits_per_pixel.size(0) == 1);
  CHECK(out.bits_per_pixel.item<float>() > 0);
  ((out.picture - x).pow(2).mean() + out.bits_per_pixel.mean() + out.penalty).backward();
  int without = 0;
  for (const auto& p : m->named_parameters())
    without += !p.value().grad().defined() || !torch::isfinite(p.value().grad()).all().item<bool>();
  CHECK(without == 0);
  // The sides start neutral: their merges are zero.
  m->eval();
  torch::NoGradGuard no_grad;
  const Tensor y = random({1, 192, 4, 4});
  const Tensor side =
      SignalCodecImpl::side(torch::rand({1, 3, 64, 64}), torch::rand({1, 1, 32, 32}), torch::ones({1, 2}));
  CHECK(side.size(1) == SignalCodecImpl::kSideChannels && side[0][53].min().item<float>() == 1);
  const Tensor picture = m->synthesise(y, q);
  CHECK(near(m->synthesise(y, q, side), picture));
  m->prepare_for_inference();
  CHECK(near(m->synthesise(y, q), picture));
}

void counts_macs() {
  torch::NoGradGuard no_grad;
  DepthConv d(16, 2);
  Linear l(10, 20);
  Conv s(4, 6, 3, 2);
  const Tensor x = random({1, 16, 8, 8});
  MacCounter counter;
  d(x);
  CHECK(counter.macs() == 64 * (2 * 16 * 16 + 9 * 16 + 2 * 2 * 16 * 16));
  l(torch::randn({3, 10}));
  s(random({1, 4, 8, 8}));
  const int64_t once = 64 * (2 * 16 * 16 + 9 * 16 + 2 * 2 * 16 * 16) + 3 * 200 + 16 * 6 * 4 * 9;
  CHECK(counter.macs() == once);
  c10::InferenceMode inference; // other kernels, the same count
  d(x);
  l(torch::randn({3, 10}));
  s(random({1, 4, 8, 8}));
  CHECK(counter.macs() == 2 * once);
}

/// Round trip through a file, then every way in which a file can fail to fit.
void weights() {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("gsem-nets-" + std::to_string(getpid()))).string();
  DepthConv a(20, 1), b(20, 1);
  std::string error;
  std::shared_ptr<const profile::SafetensorsFile> file;
  auto tensors = export_weights(*a, "x.");
  const auto reload = [&](torch::nn::Module& m, const std::string& prefix) {
    CHECK(profile::write_safetensors(path, tensors, {}, error) == Status::Ok);
    CHECK(profile::SafetensorsFile::open(path, file, error) == Status::Ok);
    error.clear();
    return load_weights(m, *file, error, prefix);
  };
  CHECK(reload(*b, "x."));
  CHECK(near(parameter(*b, "a.weight"), parameter(*a, "a.weight"), 1e-3)); // F16
  CHECK(torch::equal(parameter(*b, "a.bias"), parameter(*a, "a.bias")));   // F32
  CHECK(!reload(*b, "") && error.find("missing a.weight") != std::string::npos);
  CHECK(error.find("extra x.a.weight") != std::string::npos);
  // 8 bits with a scale a row.
  for (auto& t : tensors)
    if (t.name == "x.b.weight") {
      t.dtype = profile::DType::I8;
      t.data.assign(400, 0);
      for (int r = 0; r < 20; ++r)
        t.data[size_t(r) * 20] = uint8_t(-r);
    }
  CHECK(!reload(*b, "x.") && error.find("missing x.b.weight.scale") != std::string::npos);
  const std::vector<float> scales(20, 0.5f);
  const auto* bytes = reinterpret_cast<const uint8_t*>(scales.data());
  tensors.push_back({"x.b.weight.scale", profile::DType::F32, {20}, Bytes(bytes, bytes + 80)});
  CHECK(reload(*b, "x."));
  CHECK(parameter(*b, "b.weight")[6][0].item<float>() == -3);
  DepthConv other(21, 1);
  CHECK(!reload(*other, "x.") &&
        error.find("x.a.weight has shape [20,20,1,1], wanted [21,21,1,1]") != std::string::npos);
  {
    torch::NoGradGuard no_grad;
    parameter(*a, "a.weight")[0][0] = NAN;
  }
  bool threw = false;
  try {
    export_weights(*a);
  } catch (const std::runtime_error&) {
    threw = true;
  }
  CHECK(threw);
  std::filesystem::remove(path);
}

/// Parity with PyTorch on the training export's own inputs and outputs.
struct Export {
  std::string folder;

  std::shared_ptr<const profile::SafetensorsFile> open(const std::string& name) const {
    std::shared_ptr<const profile::SafetensorsFile> file;
    std::string error;
    if (profile::SafetensorsFile::open(folder + "/" + name + ".safetensors", file, error) != Status::Ok)
      std::fprintf(stderr, "%s\n", error.c_str());
    CHECK(file != nullptr);
    return file;
  }

  template <typename Holder>
  Holder load(Holder net, const std::string& name, const std::string& prefix = {}) const {
    std::string error;
    const auto file = open(name);
    const bool good = file && load_weights(*net, *file, error, prefix);
    if (!good)
      std::fprintf(stderr, "%s: %s\n", name.c_str(), error.c_str());
    CHECK(good);
    net->eval();
    return net;
  }
};

struct Reference {
  std::shared_ptr<const profile::SafetensorsFile> file;
  Tensor operator()(const std::string& name) const {
    const auto found = file->tensors().find(name);
    CHECK(found != file->tensors().end());
    if (found == file->tensors().end())
      return torch::zeros({1});
    const auto& v = found->second;
    const auto type = v.dtype == profile::DType::I32 ? at::kInt : at::kFloat;
    Tensor t = torch::empty(v.shape, type);
    std::memcpy(t.data_ptr(), v.data.data(), v.data.size());
    return type == at::kInt ? t.to(at::kLong) : t.dim() == 4 ? channels_last(t) : t;
  }
};

void parity(const std::string& folder) {
  c10::InferenceMode inference;
  constexpr double kClose = 1e-4;
  const Export e{folder};
  const auto reference = [&](const char* name) {
    return Reference{e.open(std::string("reference/") + name)};
  };
  {
    const auto r = reference("backbone");
    auto m = e.load(Backbone(), "backbone");
    for (const char* size : {"128", "224"}) {
      const auto f = m->forward(r(std::string("in.x") + size));
      for (int i = 0; i < 4; ++i)
        CHECK(near(f[i], r(std::string("out.f") + size + "_s" + std::to_string(4 << i)), kClose));
    }
    const auto h = reference("hint");
    auto hint = e.load(LayoutHint(), "hint");
    const Tensor features = m->forward(h("in.x128"), 3)[2];
    CHECK(near(hint->project(features), h("out.projected"), 1e-3));
    CHECK(torch::equal(hint(features), h("out.code")));
  }
  {
    const auto r = reference("captioner");
    auto m = e.load(Captioner(), "captioner");
    CHECK(near(m(r("in.grid"), r("in.tokens")), r("out.logits"), kClose));
    const auto t = reference("text");
    auto text = e.load(TextEncoder(), "text", "te.");
    const auto out = text(t("in.tokens"));
    CHECK(near(out.words, t("out.words"), kClose) && near(out.sentence, t("out.sentence"), kClose));
  }
  {
    const auto r = reference("generator");
    auto m = e.load(Generator(), "generator");
    const auto paint = [&] {
      return m(r("in.z"), r("in.words"), r("in.sentence"), r("in.mask"), r("in.hint"));
    };
    CHECK(near(paint(), r("out.y"), kClose));
    m->fold_batch_norm();
    CHECK(near(paint(), r("out.y"), kClose));
    const auto u = reference("upscale");
    CHECK(near(e.load(Upscale(), "upscale")->forward(u("in.x")), u("out.y"), kClose));
  }
  {
    const auto r = reference("edges");
    CHECK(near(e.load(EdgeNet(), "edges")->forward(r("in.x")), r("out.map"), kClose));
    const auto s = reference("structure");
    auto m = e.load(StructureSynthesis(), "structure");
    CHECK(near(m(s("in.base"), s("in.edge")), s("out.y"), kClose));
    CHECK(near(m(torch::zeros_like(s("in.base")), s("in.edge")), s("out.y_blank"), kClose));
    m->prepare_for_inference();
    const auto projected = m->project(m->base_branch(s("in.base")));
    const Tensor fast =
        m->decode_projected(projected, channels_last(torch::pixel_unshuffle(s("in.edge"), 2)));
    CHECK(near(torch::pixel_shuffle(fast, 4), s("out.y"), kClose));
  }
  {
    const auto r = reference("signal");
    auto m = e.load(SignalCodec(), "signal");
    const auto [y, z] = m->analyse(r("in.x"), r("in.q"));
    CHECK(near(y, r("out.y"), kClose) && near(z, r("out.z"), kClose));
    const auto prior = m->refine(m->hyper(r("out.z_hat")), r("out.symbols"));
    CHECK(near(prior.mean, r("out.mean"), kClose));
    CHECK(near(SignalCodecImpl::scale_of(prior.raw), r("out.scale"), kClose));
    const Tensor side = SignalCodecImpl::side(r("in.base"), r("in.map"), r("in.flags"));
    CHECK(near(side, r("out.side"), kClose));
    CHECK(near(m->synthesise(r("out.y_hat"), r("in.q"), side), r("out.recon"), kClose));
    CHECK(near(m->synthesise(r("out.y_hat"), r("in.q")), r("out.recon_no_sides"), kClose));
    CHECK(near(m(r("in.x"), r("in.q")).bits_per_pixel, r("out.bpp"), 1e-3));
  }
}

} // namespace

int main() {
  torch::manual_seed(1);
  torch::set_num_threads(1);
  blocks();
  inference_equals_training();
  backbone_padding();
  captioner_step();
  text_padding();
  attention();
  generator_block();
  generator_stops();
  upscale_adds_detail();
  structure_base_once();
  signal_gains_and_likelihood();
  signal_training_gradients();
  counts_macs();
  weights();
  if (const char* folder = std::getenv("GSEM_TRAINING_EXPORT"))
    parity(folder);
  else
    std::printf("GSEM_TRAINING_EXPORT is not set: no comparison with PyTorch\n");
  return check::result();
}
