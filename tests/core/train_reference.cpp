// SPDX-License-Identifier: LGPL-2.1-or-later
// The recipes of the published networks, narrow, on a made-up data set: losses that fall, resumed runs that
// repeat the uninterrupted one exactly, exports that load, and the losses against plain definitions.
#include "models/nets/backbone.hpp"
#include "models/nets/reference/attngan.hpp"
#include "models/nets/reference/captioner.hpp"
#include "models/nets/reference/damsm.hpp"
#include "models/nets/reference/signal.hpp"
#include "models/nets/reference/structure.hpp"
#include "models/nets/weights.hpp"
#include "models/train/frozen.hpp"
#include "models/train/reference/matching.hpp"
#include "models/train/reference/perceptual_loss.hpp"
#include "models/train/reference/stage_folder.hpp"
#include "models/train/reference/weight_files.hpp"
#include "tests/core/train_runs.hpp"

#include <torch/torch.h>

using namespace gsem;
namespace fs = std::filesystem;
namespace nr = nets::reference;
using test_data::all_finite, test_data::read_log, test_data::run_and_repeat;
using torch::Tensor;

namespace {

constexpr double kWidth = 0.06;
constexpr int64_t kWords = 18; ///< of the made-up captions, with "<end>"

struct Bench {
  test_data::Folder folder;
  const std::string data, profile, stages;

  Bench()
      : data((folder.path / "data").string()), profile((folder.path / "profile").string()),
        stages((folder.path / "stages").string()) {
    fs::create_directories(profile);
    test_data::write_birds(folder.path / "data" / "birds", 16, 2);
    for (const char* split : {"train", "test"})
      for (int i = 0; i < 4; i++)
        test_data::write_boundary(folder.path / "data" / "edges" / split, i);
    torch::manual_seed(5);
    nets::Backbone backbone;
    torch::NoGradGuard no_grad;
    for (auto& p : backbone->named_parameters())
      if (p.value().dim() == 4)
        p.value().mul_(2);
    std::string error;
    CHECK(profile::write_safetensors(profile + "/backbone.safetensors", nets::export_weights(*backbone), {},
                                     error) == Status::Ok);
    write_stages();
  }

  /// Blurred pictures stand for what the layers below show.
  void write_stages() const {
    for (int i = 0; i < 18; i++) {
      train::Entry entry;
      entry.name = test_data::name(i);
      const cv::Mat picture = test_data::picture(i, 256);
      const auto write = [&](const char* what, const cv::Mat& m) {
        const std::string file = train::stage_file(stages, what, entry);
        fs::create_directories(fs::path(file).parent_path());
        cv::imwrite(file, m);
      };
      cv::Mat blurred, small, edges;
      cv::GaussianBlur(picture, blurred, {}, 12);
      write(train::kLayer1, blurred);
      cv::GaussianBlur(picture, blurred, {}, 4);
      write(train::kLayer2, blurred);
      cv::cvtColor(picture, small, cv::COLOR_BGR2GRAY);
      cv::resize(small, small, {128, 128});
      cv::Canny(small, edges, 50, 100);
      write(train::kMaps, edges);
    }
  }

  train::Settings settings(const std::string& net) const {
    train::Settings s;
    s.net = net;
    s.data = {data};
    s.profile = profile;
    s.stages = stages;
    s.out = (folder.path / ("out-" + net)).string();
    s.export_file = (folder.path / (net + ".safetensors")).string();
    s.width = kWidth;
    s.steps = 4;
    s.batch = 4;
    s.seed = 3;
    s.log_steps = 1;
    s.checkpoint_steps = 2;
    return s;
  }
};

/// The mean of `column` over the first and the last rows of a log.
std::pair<double, double> ends(const std::string& file, const std::string& column, size_t rows) {
  std::vector<double> values;
  std::ifstream in(file);
  std::string line, cell;
  std::getline(in, line);
  std::istringstream head(line);
  int at = 0;
  while (std::getline(head, cell, ',') && cell != column)
    at++;
  while (std::getline(in, line)) {
    std::istringstream cells(line);
    for (int i = 0; i <= at; i++)
      std::getline(cells, cell, ',');
    values.push_back(std::strtod(cell.c_str(), nullptr));
  }
  CHECK(values.size() >= 2 * rows);
  double first = 0, last = 0;
  for (size_t i = 0; i < rows && values.size() >= 2 * rows; i++) {
    first += values[i] / double(rows);
    last += values[values.size() - 1 - i] / double(rows);
  }
  return {first, last};
}

/// A few pictures again and again: the loss must fall to `share` of what it was.
void check_falls(const Bench& bench, const std::string& net, const std::string& column, int64_t steps,
                 double rate, double share) {
  train::Settings s = bench.settings(net);
  s.out += "-few";
  s.export_file.clear();
  s.checkpoint_steps = 0;
  s.limit = s.batch = net == "reference-structure" ? 2 : 4;
  s.steps = steps;
  s.rate = rate;
  CHECK(train::train(s) == train::Ending::Finished);
  const auto [first, last] = ends(s.out + "/" + net + ".csv", column, 3);
  std::fprintf(stderr, "%s: %s %g -> %g\n", net.c_str(), column.c_str(), first, last);
  CHECK(last < share * first);
}

template <class Net>
void check_export(const std::string& file, Net net) {
  std::shared_ptr<const profile::SafetensorsFile> in;
  std::string error;
  CHECK(profile::SafetensorsFile::open(file, in, error) == Status::Ok);
  CHECK(in && nets::load_weights(*net, *in, error));
  if (!error.empty())
    std::fprintf(stderr, "  %s\n", error.c_str());
}

void recipes(const Bench& bench) {
  auto s = bench.settings("reference-captioner");
  run_and_repeat(s);
  check_export(s.export_file, nr::Captioner(nr::CaptionerSizes::scaled(kWidth, kWords)));
  CHECK(fs::exists(s.out + "/vocab.txt") && fs::exists(s.out + "/captions.txt"));

  s = bench.settings("reference-damsm");
  s.export_file = bench.profile; // both networks
  run_and_repeat(s);
  auto text = nr::TextEncoderSizes::scaled(kWidth, kWords);
  auto ranker = nr::RankerSizes::scaled(kWidth);
  ranker.width = text.width;
  check_export(bench.profile + "/text.safetensors", nr::TextEncoder(text));
  check_export(bench.profile + "/ranker.safetensors", nr::Ranker(ranker));

  s = bench.settings("reference-attngan");
  run_and_repeat(s);
  check_export(s.export_file, nr::Painter(nr::PainterSizes::scaled(kWidth, text.width)));

  run_and_repeat(s = bench.settings("reference-edges"));
  check_export(s.export_file, nr::Rcf(nr::EdgeSizes::scaled(kWidth)));
  run_and_repeat(s = bench.settings("reference-structure"));
  check_export(s.export_file, nr::Structure(nr::StructureSizes::scaled(kWidth)));
  // Without DISTS' weights the log says what was used instead.
  CHECK(read_log(s.out + "/reference-structure.csv")[0].find("dists_on_lite0") != std::string::npos);
  run_and_repeat(s = bench.settings("reference-signal"));
  check_export(s.export_file, nr::Signal(nr::SignalSizes::scaled(kWidth)));

  // A run goes on only with its own width and rate.
  for (int which = 0; which < 2; which++) {
    auto other = s;
    (which ? other.width : other.checkpoint_seconds) = 0.1;
    other.lambda = which ? 1 : 3;
    bool refused = false;
    try {
      train::train(other);
    } catch (const std::exception& e) {
      refused = std::string(e.what()).find(which ? "width" : "lambda") != std::string::npos;
    }
    CHECK(refused);
  }
}

void falling(const Bench& bench) {
  check_falls(bench, "reference-captioner", "words", 30, 1e-2, 0.7);
  check_falls(bench, "reference-damsm", "words", 30, 0, 0.85);
  check_falls(bench, "reference-attngan", "critic64", 20, 0, 0.93);
  check_falls(bench, "reference-edges", "fused", 30, 1e-3, 0.9);
  check_falls(bench, "reference-structure", "l1", 16, 5e-3, 0.8);
  check_falls(bench, "reference-signal", "mse", 30, 3e-3, 0.7);
}

/// A learning rate that blows up stops the run.
void not_a_number(const Bench& bench) {
  for (const char* net : {"reference-edges", "reference-signal", "reference-structure"}) {
    auto s = bench.settings(net);
    s.out += "-nan";
    s.export_file.clear();
    s.steps = 20;
    s.rate = 1e30;
    CHECK(train::train(s) == train::Ending::NotFinite);
  }
}

double cosine(const double* a, const double* b, int n) {
  double ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < n; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

/// Equations 7 to 12 of AttnGAN in plain loops.
void matching() {
  constexpr int n = 3, w = 4, places = 6, longest = 5;
  torch::manual_seed(2);
  const Tensor regions = torch::randn({n, w, 2, 3}), pictures = torch::randn({n, w}),
               words = torch::randn({n, w, longest}), sentences = torch::randn({n, w}),
               lengths = torch::tensor({5, 2, 4}, torch::kInt64);
  const auto r = regions.flatten(2).to(torch::kDouble).contiguous();
  const auto q = words.to(torch::kDouble).contiguous();
  const auto ra = r.accessor<double, 3>(), qa = q.accessor<double, 3>();
  for (const bool alike : {false, true}) {
    // The first two are of one class: neither is wrong for the other.
    const Tensor labels = alike ? torch::tensor({7, 7, 8}, torch::kInt64) : torch::arange(3);
    double score[n][n], global[n][n];
    for (int p = 0; p < n; p++)
      for (int c = 0; c < n; c++) {
        const auto count = int(lengths[c].item<int64_t>());
        double share[places][longest], sum = 0;
        for (int j = 0; j < places; j++) {
          double total = 0;
          for (int i = 0; i < count; i++) {
            double s = 0;
            for (int d = 0; d < w; d++)
              s += ra[p][d][j] * qa[c][d][i];
            total += share[j][i] = std::exp(s);
          }
          for (int i = 0; i < count; i++)
            share[j][i] /= total;
        }
        for (int i = 0; i < count; i++) {
          double total = 0, seen[w] = {}, word[w];
          for (int j = 0; j < places; j++)
            total += std::exp(4 * share[j][i]);
          for (int d = 0; d < w; d++) {
            for (int j = 0; j < places; j++)
              seen[d] += std::exp(4 * share[j][i]) / total * ra[p][d][j];
            word[d] = qa[c][d][i];
          }
          sum += std::exp(5 * cosine(word, seen, w));
        }
        score[p][c] = 10 * std::log(sum);
        double a[w], b[w];
        for (int d = 0; d < w; d++) {
          a[d] = pictures[p][d].item<double>();
          b[d] = sentences[c][d].item<double>();
        }
        global[p][c] = 10 * cosine(a, b, w);
      }
    const auto wanted = [&](double(&s)[n][n]) {
      double loss = 0;
      for (int i = 0; i < n; i++) {
        double row = 0, column = 0;
        for (int j = 0; j < n; j++)
          if (i == j || !(alike && i < 2 && j < 2)) {
            row += std::exp(s[i][j]);
            column += std::exp(s[j][i]);
          }
        loss += (std::log(row) + std::log(column) - 2 * s[i][i]) / n;
      }
      return loss;
    };
    const auto got = train::matching_loss(regions, pictures, words, sentences, lengths, labels);
    CHECK(std::abs(got.words.item<double>() - wanted(score)) < 1e-3);
    CHECK(std::abs(got.sentence.item<double>() - wanted(global)) < 1e-3);
  }
}

/// A caption in a padded batch is read as it is alone.
void padded_captions() {
  nr::TextEncoder text(nr::TextEncoderSizes{30, 6, 8});
  text->eval();
  const Tensor tokens = torch::tensor({{3, 4, 5, 0, 0}, {6, 7, 8, 9, 10}, {11, 0, 0, 0, 0}}, torch::kInt64),
               lengths = torch::tensor({3, 5, 1}, torch::kInt64);
  const auto all = text->forward(tokens, lengths);
  for (int64_t i = 0; i < 3; i++) {
    const int64_t n = lengths[i].item<int64_t>();
    const auto one = text->forward(tokens[i].slice(0, 0, n).unsqueeze(0));
    CHECK(torch::allclose(all.words[i].slice(1, 0, n), one.words[0], 1e-5, 1e-6));
    CHECK(all.words[i].slice(1, n).abs().sum().item<double>() == 0);
    CHECK(torch::allclose(all.sentence[i], one.sentence[0], 1e-5, 1e-6));
  }
}

/// Below the bound a gradient passes only if it pulls up.
void bound_passes_up() {
  for (const double pull : {1.0, -1.0}) {
    const Tensor x = torch::tensor({0.5, 2.0}).requires_grad_(true);
    (nr::lower_bound(x, 1).sum() * pull).backward();
    CHECK(x.grad()[0].item<double>() == (pull < 0 ? -1 : 0) && x.grad()[1].item<double>() == pull);
  }
}

/// Quantiles go to where the prior has its median and tails, and nothing else moves them.
void quantiles() {
  torch::manual_seed(8);
  nr::Signal net(nr::SignalSizes{2, 4});
  train::TensorMap only;
  for (const auto& p : net->named_parameters())
    if (p.key() == "entropy_bottleneck.quantiles")
      only[p.key()] = p.value();
  train::Adam adam(only, {});
  const double before = net->quantile_loss().item<double>();
  for (int i = 0; i < 1500; i++) {
    adam.zero_grad();
    net->quantile_loss().backward();
    adam.step(i < 1000 ? 0.3 : 0.02);
  }
  for (const auto& p : net->named_parameters())
    CHECK(p.key() == "entropy_bottleneck.quantiles" || !p.value().grad().defined());
  CHECK(net->quantile_loss().item<double>() < 0.2 * before);
  // Half of the prior is below the median: the likelihoods of what is below and above add up to it.
  torch::NoGradGuard no_grad;
  const Tensor steps = torch::arange(0, 200).to(torch::kFloat32) + 0.5;
  const Tensor above = net->medians().view({1, 2, 1, 1}) + steps.view({1, 1, 1, -1});
  const Tensor mass = net->z_likelihood(above).sum({0, 2, 3});
  CHECK((mass - 0.5).abs().max().item<double>() < 0.01);
}

/// DISTS' formula in plain loops, on features that are the picture and its half.
void dists_formula() {
  torch::manual_seed(4);
  const Tensor a = torch::rand({2, 3, 6, 8}) * 2 - 1, b = torch::rand({2, 3, 6, 8}) * 2 - 1;
  const Tensor alpha = torch::rand({6}), beta = torch::rand({6});
  const auto features = [](const Tensor& x) { return std::vector<Tensor>{x, torch::avg_pool2d(x, 2)}; };
  const train::Dists dists(features, alpha, beta);
  CHECK(dists(a, a).abs().max().item<double>() < 1e-6);
  const double total = (alpha.sum() + beta.sum()).item<double>();
  for (int64_t i = 0; i < 2; i++) {
    double like = 0;
    int64_t k = 0;
    const auto fa = features(a), fb = features(b);
    for (size_t map = 0; map < 2; map++)
      for (int64_t c = 0; c < 3; c++, k++) {
        const Tensor x = fa[map][i][c].flatten().to(torch::kDouble),
                     y = fb[map][i][c].flatten().to(torch::kDouble);
        double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
        const int64_t n = x.numel();
        for (int64_t j = 0; j < n; j++) {
          const double u = x[j].item<double>(), v = y[j].item<double>();
          mx += u / double(n);
          my += v / double(n);
          xx += u * u / double(n);
          yy += v * v / double(n);
          xy += u * v / double(n);
        }
        like += alpha[k].item<double>() / total * (2 * mx * my + 1e-6) / (mx * mx + my * my + 1e-6) +
                beta[k].item<double>() / total * (2 * (xy - mx * my) + 1e-6) /
                    (xx - mx * mx + yy - my * my + 1e-6);
      }
    CHECK(std::abs(dists(a, b)[i].item<double>() - (1 - like)) < 1e-4);
  }
}

/// Files of VGG-16 with DISTS' and LPIPS' weights: what they make, and what is refused.
void perceptual_files(const Bench& bench) {
  torch::manual_seed(6);
  const int64_t widths[5] = {64, 128, 256, 512, 512};
  train::TensorMap vgg, dists, lpips;
  int64_t in = 3;
  for (size_t s = 0; s < 5; s++) {
    for (int index : train::kVggLayers[s]) {
      const std::string name = "features." + std::to_string(index);
      vgg[name + ".weight"] = torch::randn({widths[s], in, 3, 3}) * std::sqrt(2.0 / double(9 * in));
      vgg[name + ".bias"] = torch::zeros({widths[s]});
      in = widths[s];
    }
    lpips["lin" + std::to_string(s) + ".model.1.weight"] = torch::rand({1, widths[s], 1, 1});
  }
  dists["alpha"] = torch::rand({1, 1475, 1, 1});
  dists["beta"] = torch::rand({1, 1475, 1, 1});
  const auto file = [&](const char* name) { return (bench.folder.path / name).string(); };
  train::save_tensors(file("vgg.safetensors"), vgg, {});
  train::save_tensors(file("dists.safetensors"), dists, {});
  train::save_tensors(file("lpips.safetensors"), lpips, {});
  const auto made =
      train::load_perceptual({file("vgg.safetensors"), file("dists.safetensors"), file("lpips.safetensors")});
  CHECK(made.dists && made.lpips && made.lpips_name == "LPIPS (VGG-16)");
  const Tensor x = torch::rand({1, 3, 48, 48}) * 2 - 1, noise = torch::randn_like(x);
  for (int which = 0; which < 2; which++) {
    const auto distance = [&](const Tensor& y) {
      return (which ? (*made.lpips)(x, y) : (*made.dists)(x, y)).item<double>();
    };
    CHECK(std::abs(distance(x)) < 1e-5);
    CHECK(distance(x + 0.3 * noise) > distance(x + 0.1 * noise) && distance(x + 0.1 * noise) > 1e-4);
  }
  Tensor y = x.clone().requires_grad_(true);
  (*made.dists)(y, (x * 0.5)).sum().backward();
  CHECK(y.grad().abs().sum().item<double>() > 0);

  const auto refused = [](const std::vector<std::string>& files) {
    try {
      train::load_perceptual(files);
    } catch (const std::exception& e) {
      return std::string(e.what()).find("--perceptual-weights") != std::string::npos;
    }
    return false;
  };
  CHECK(refused({file("dists.safetensors")})); // no VGG-16
  CHECK(refused({file("vgg.safetensors")}));   // nothing to weigh it by
  vgg["features.5.weight"] = torch::zeros({128, 64, 5, 5});
  train::save_tensors(file("vgg.safetensors"), vgg, {});
  CHECK(refused({file("vgg.safetensors"), file("dists.safetensors")})); // not VGG-16
  CHECK(train::load_perceptual({}).dists == std::nullopt);
}

/// torchvision's names of a pretrained part become ours; only that part is filled.
void backbones() {
  const Tensor t = torch::ones({2});
  const auto vgg = train::backbone_weights(
      {{"features.0.weight", t}, {"features.28.weight", t}, {"classifier.0.weight", t}});
  CHECK(vgg.size() == 2 && vgg.count("conv1_1.weight") && vgg.count("conv5_3.weight"));
  const auto resnet = train::backbone_weights({{"layer1.0.conv1.weight", t},
                                               {"conv1.weight", t},
                                               {"bn1.running_mean", t},
                                               {"layer4.2.bn3.bias", t},
                                               {"fc.weight", t}});
  CHECK(resnet.size() == 4 && resnet.count("encoder.resnet.0.weight") &&
        resnet.count("encoder.resnet.1.running_mean") && resnet.count("encoder.resnet.4.0.conv1.weight") &&
        resnet.count("encoder.resnet.7.2.bn3.bias"));
  CHECK(train::backbone_weights({{"h_s.0.weight", t}}).empty());
}

/// Names of pictures come from data folders.
void stage_names() {
  train::Entry entry;
  entry.name = "a/b";
  CHECK(train::stage_file("out", train::kMaps, entry) == "out/maps/a/b.png");
  for (const char* name : {"../b", "a/../../b", "/b", ""}) {
    entry.name = name;
    bool refused = false;
    try {
      train::stage_file("out", train::kMaps, entry);
    } catch (const std::exception&) {
      refused = true;
    }
    CHECK(refused);
  }
}

} // namespace

int main() {
  const Bench bench;
  matching();
  padded_captions();
  bound_passes_up();
  quantiles();
  dists_formula();
  perceptual_files(bench);
  backbones();
  stage_names();
  not_a_number(bench);
  recipes(bench);
  falling(bench);
  return check::result();
}
