// SPDX-License-Identifier: LGPL-2.1-or-later
// Every recipe for a few steps on a made-up data set: finite losses, an export that loads, and a resumed run
// that repeats the uninterrupted one exactly. Frozen networks have random weights; what a recipe exports
// feeds the next.
#include "models/nets/backbone.hpp"
#include "models/nets/captioner.hpp"
#include "models/nets/generator.hpp"
#include "models/nets/signal_codec.hpp"
#include "models/nets/structure.hpp"
#include "models/nets/weights.hpp"
#include "models/train/judge_net.hpp"
#include "models/train/teachers.hpp"
#include "models/train/trainer.hpp"
#include "tests/core/check.hpp"
#include "tests/core/train_data.hpp"
#include "tests/core/train_runs.hpp"

#include <torch/torch.h>

#include <cmath>
#include <cstdlib>

using namespace gsem;
using test_data::all_finite, test_data::read_log, test_data::run_and_repeat;
namespace fs = std::filesystem;

namespace {

struct Bench {
  test_data::Folder folder;
  std::string data, profile;

  Bench() : data((folder.path / "data").string()), profile((folder.path / "profile").string()) {
    fs::create_directories(profile);
    test_data::write_birds(folder.path / "data" / "birds", 64, 4);
    test_data::write_vocabulary(folder.path / "profile" / "vocab.txt");
    for (const char* split : {"train", "test"})
      for (int i = 0; i < 4; i++)
        test_data::write_boundary(folder.path / "data" / "edges" / split, i);
    for (int i = 0; i < 4; i++) {
      fs::create_directories(folder.path / "data" / "photos");
      cv::imwrite((folder.path / "data" / "photos" / (std::to_string(i) + ".png")).string(),
                  test_data::picture(i + 7, 150));
    }
    torch::manual_seed(5);
    nets::Backbone backbone;
    torch::NoGradGuard no_grad;
    for (auto& p : backbone->named_parameters()) // default initialisation lets signals die out
      if (p.value().dim() == 4)
        p.value().mul_(2);
    write(*backbone, "backbone");
    nets::Backbone deeper(nets::BackboneSize::Lite1);
    for (auto& p : deeper->named_parameters())
      if (p.value().dim() == 4)
        p.value().mul_(2);
    write(*deeper, "backbone-lite1");
  }

  void write(torch::nn::Module& module, const std::string& role) const {
    std::string error;
    CHECK(profile::write_safetensors(profile + "/" + role + ".safetensors", nets::export_weights(module), {},
                                     error) == Status::Ok);
  }

  train::Settings settings(const std::string& net) const {
    train::Settings s;
    s.net = net;
    s.data = {data};
    s.profile = profile;
    s.out = (folder.path / ("out-" + net)).string();
    s.export_file = profile + "/" + net + ".safetensors";
    s.steps = 4;
    s.batch = 4;
    s.seed = 3;
    s.log_steps = 1;
    s.checkpoint_steps = 2;
    s.limit = 8;
    // Both arithmetics have to work; bfloat16 only where it is in hardware.
    s.bf16 = net == "text" || net == "upscale" || net == "signal" ? "off" : "auto";
    return s;
  }
};

template <class Net>
void check_export(const std::string& file, Net net) {
  std::shared_ptr<const profile::SafetensorsFile> in;
  std::string error;
  CHECK(profile::SafetensorsFile::open(file, in, error) == Status::Ok);
  if (in)
    CHECK(nets::load_weights(*net, *in, error));
  if (!error.empty())
    std::fprintf(stderr, "  %s\n", error.c_str());
}

void all_recipes(Bench& bench) {
  auto s = bench.settings("hint");
  s.limit = 0;
  run_and_repeat(s);
  check_export(s.export_file, nets::LayoutHint());

  run_and_repeat(s = bench.settings("text"));
  check_export(s.export_file, train::TextSide(19));

  run_and_repeat(s = bench.settings("judge"));
  check_export(s.export_file, train::JudgeNet(19));

  run_and_repeat(s = bench.settings("captioner"));
  check_export(s.export_file, nets::Captioner(19));
  s.reward = true;
  s.init = {s.export_file};
  s.out += "-reward";
  run_and_repeat(s);

  run_and_repeat(s = bench.settings("generator"));
  check_export(s.export_file, nets::Generator());
  run_and_repeat(s = bench.settings("upscale"));
  check_export(s.export_file, nets::Upscale());
  run_and_repeat(s = bench.settings("edges"));
  check_export(s.export_file, nets::EdgeNet());
  run_and_repeat(s = bench.settings("structure"));
  check_export(s.export_file, nets::StructureSynthesis());
  run_and_repeat(s = bench.settings("signal"));
  check_export(s.export_file, nets::SignalCodec());
  s.sides = true;
  s.bf16 = "auto";
  s.init = {s.export_file};
  s.out += "-sides";
  run_and_repeat(s);
}

/// A learning rate that blows up: the run stops, says where, and the checkpoint it names is sound.
void not_a_number(Bench& bench) {
  auto s = bench.settings("upscale");
  s.out += "-nan";
  s.export_file.clear();
  s.checkpoint_steps = 1;
  s.steps = 2;
  CHECK(train::train(s) == train::Ending::Finished);
  s.steps = 20;
  s.rate = 1e30;
  CHECK(train::train(s) == train::Ending::NotFinite);
  int bad = 0;
  for (const auto& e : fs::directory_iterator(s.out))
    bad += e.path().extension() == ".bad";
  CHECK(bad == 1);
  s.rate = 0;
  s.steps = 6;
  CHECK(train::train(s) == train::Ending::Finished && all_finite(read_log(s.out + "/upscale.csv")));
}

void refusals(Bench& bench) {
  auto message = [](const train::Settings& s) -> std::string {
    try {
      train::train(s);
    } catch (const std::exception& e) {
      return e.what();
    }
    return {};
  };
  auto s = bench.settings("upscale");
  s.seed = 99; // another seed cannot go on where seed 3 stopped
  CHECK(message(s).find("seed") != std::string::npos);
  s = bench.settings("upscale");
  s.out += "-fresh";
  s.profile = bench.folder.path.string();
  CHECK(message(s).find("backbone") != std::string::npos);
  s.profile = bench.profile;
  s.init = {bench.profile + "/edges.safetensors"};
  CHECK(message(s).find("edges.safetensors") != std::string::npos);
}

/// HED on a small picture against plain loops over its definition.
void teacher(const Bench& bench) {
  torch::manual_seed(9);
  const int64_t widths[6] = {3, 64, 128, 256, 512, 512}, layers[6] = {0, 2, 2, 3, 3, 3};
  train::TensorMap w;
  for (int b = 1; b <= 5; b++) {
    for (int i = 0; i < layers[b]; i++) {
      const int64_t in = i ? widths[b] : widths[b - 1];
      const std::string name = "block" + std::to_string(b) + "." + std::to_string(i);
      w[name + ".weight"] = torch::randn({widths[b], in, 3, 3}) * std::sqrt(2.0 / double(9 * in));
      w[name + ".bias"] = torch::randn({widths[b]}) * 0.1;
    }
    w["side" + std::to_string(b) + ".weight"] = torch::randn({1, widths[b], 1, 1}) / double(widths[b]) * 0.1;
    w["side" + std::to_string(b) + ".bias"] = torch::randn({1});
  }
  w["fuse.weight"] = torch::full({1, 5, 1, 1}, 0.2);
  w["fuse.bias"] = torch::zeros({1});
  const std::string file = bench.profile + "/hed.safetensors";
  train::save_tensors(file, w, {});
  const torch::Tensor x = torch::rand({1, 3, 10, 14}) * 2 - 1; // not a multiple of 16: pooling rounds up
  const torch::Tensor y = train::Hed(file)(x);

  using Plane = std::vector<std::vector<double>>; // [channel][row * width + column]
  int64_t h = 10, wd = 14;
  Plane p(3, std::vector<double>(size_t(h * wd)));
  const double mean[3] = {103.939, 116.779, 123.68};
  for (int c = 0; c < 3; c++)
    for (int64_t i = 0; i < h * wd; i++)
      p[size_t(c)][size_t(i)] = (x[0][2 - c].flatten()[i].item<double>() + 1) * 127.5 - mean[c];
  std::vector<double> sum(140, 0.0);
  for (int b = 1; b <= 5; b++) {
    if (b > 1) {
      const int64_t h2 = (h + 1) / 2, w2 = (wd + 1) / 2;
      for (auto& plane : p) {
        std::vector<double> small(size_t(h2 * w2), -1e300);
        for (int64_t r = 0; r < h; r++)
          for (int64_t c = 0; c < wd; c++)
            small[size_t(r / 2 * w2 + c / 2)] =
                std::max(small[size_t(r / 2 * w2 + c / 2)], plane[size_t(r * wd + c)]);
        plane = small;
      }
      h = h2;
      wd = w2;
    }
    for (int i = 0; i < layers[b]; i++) {
      const std::string name = "block" + std::to_string(b) + "." + std::to_string(i);
      const torch::Tensor k = w[name + ".weight"], bias = w[name + ".bias"];
      const auto a = k.accessor<float, 4>();
      Plane out(size_t(widths[b]), std::vector<double>(size_t(h * wd)));
      for (size_t o = 0; o < out.size(); o++)
        for (int64_t r = 0; r < h; r++)
          for (int64_t c = 0; c < wd; c++) {
            double v = bias[int64_t(o)].item<double>();
            for (size_t in = 0; in < p.size(); in++)
              for (int64_t dy = -1; dy <= 1; dy++)
                for (int64_t dx = -1; dx <= 1; dx++)
                  if (r + dy >= 0 && r + dy < h && c + dx >= 0 && c + dx < wd)
                    v += a[int64_t(o)][int64_t(in)][dy + 1][dx + 1] * p[in][size_t((r + dy) * wd + c + dx)];
            out[o][size_t(r * wd + c)] = std::max(0.0, v);
          }
      p = out;
    }
    // Side output, stretched to the picture with half-pixel centres.
    const torch::Tensor k = w["side" + std::to_string(b) + ".weight"].flatten();
    std::vector<double> side(size_t(h * wd), w["side" + std::to_string(b) + ".bias"].item<double>());
    for (size_t c = 0; c < p.size(); c++)
      for (size_t i = 0; i < side.size(); i++)
        side[i] += k[int64_t(c)].item<double>() * p[c][i];
    for (int64_t r = 0; r < 10; r++)
      for (int64_t c = 0; c < 14; c++) {
        const double fy = std::max(0.0, (double(r) + 0.5) * double(h) / 10 - 0.5),
                     fx = std::max(0.0, (double(c) + 0.5) * double(wd) / 14 - 0.5);
        const auto y0 = int64_t(fy), x0 = int64_t(fx), y1 = std::min(y0 + 1, h - 1),
                   x1 = std::min(x0 + 1, wd - 1);
        const double ty = fy - double(y0), tx = fx - double(x0);
        sum[size_t(r * 14 + c)] +=
            0.2 * ((1 - ty) * ((1 - tx) * side[size_t(y0 * wd + x0)] + tx * side[size_t(y0 * wd + x1)]) +
                   ty * ((1 - tx) * side[size_t(y1 * wd + x0)] + tx * side[size_t(y1 * wd + x1)]));
      }
  }
  double worst = 0;
  for (int64_t i = 0; i < 140; i++)
    worst = std::max(worst, std::abs(y.flatten()[i].item<double>() - 1 / (1 + std::exp(-sum[size_t(i)]))));
  if (worst > 1e-3)
    std::fprintf(stderr, "  HED differs by %g\n", worst);
  CHECK(worst < 1e-3);
}

} // namespace

int main() {
  Bench bench;
  all_recipes(bench);
  not_a_number(bench);
  refusals(bench);
  teacher(bench);
  return check::result();
}
