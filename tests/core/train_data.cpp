// SPDX-License-Identifier: LGPL-2.1-or-later
// What the trainer reads and computes, against layouts written out here, closed forms and plain loops.
#include "tests/core/train_data.hpp"
#include "models/train/caption_reward.hpp"
#include "models/train/checkpoint.hpp"
#include "models/train/dataset.hpp"
#include "models/train/discriminator.hpp"
#include "models/train/losses.hpp"
#include "models/train/picture_store.hpp"
#include "tests/core/check.hpp"

#include <torch/torch.h>

#include <opencv2/imgcodecs.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>

using namespace gsem::train;
namespace fs = std::filesystem;

namespace {

bool near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
}

void write_text(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

void test_own_layout(const fs::path& root) {
  test_data::write_birds(root / "birds", 8, 4);
  fs::remove(root / "birds" / "crops" / (test_data::name(3) + ".jpg"));
  std::vector<std::string> notes;
  const DataSet d = read_data({(root / "birds").string()}, notes);
  CHECK(d.select(Kind::Object, true).size() == 7 && d.select(Kind::Object, false).size() == 4);
  CHECK(notes.size() == 1 && notes[0].find("1 pictures") != std::string::npos);
  const Entry& e = d.entries[d.select(Kind::Object, true)[0]];
  CHECK(e.name == test_data::name(0) && e.captions.size() == 10 && e.captions[0] == test_data::caption(0, 0));
  CHECK(std::is_sorted(d.labels.begin(), d.labels.end()) && d.labels[size_t(e.label)] == "000.Class");
  bool refused = false;
  try {
    read_data({(root / "nowhere").string()}, notes);
  } catch (const std::runtime_error& error) {
    refused = std::string(error.what()).find("nowhere") != std::string::npos;
  }
  CHECK(refused);
}

/// CUB as published inside AttnGAN's folder; the split lists are not CUB's own split.
void test_cub_layout(const fs::path& root) {
  const fs::path cub = root / "CUB_200_2011";
  const char* names[4] = {"001.Owl/Owl_1", "001.Owl/Owl_2", "002.Tit/Tit_1", "002.Tit/Tit_2"};
  std::string images, labels, split, boxes;
  for (int i = 0; i < 4; i++) {
    const std::string n = std::to_string(i + 1);
    images += n + " " + names[i] + ".jpg\n";
    labels += n + (i < 2 ? " 1\n" : " 2\n");
    split += n + (i % 2 ? " 1\n" : " 0\n");
    boxes += n + " 10.0 20.0 30.0 40.0\n";
    write_text(root / "text" / (std::string(names[i]) + ".txt"), "a first \"caption\nthe second\r\n\n");
    cv::Mat picture(80, 100, CV_8UC3, cv::Scalar(0, 0, 0));
    picture(cv::Rect(10, 20, 30, 40)) = cv::Scalar(0, 0, 255); // red, in BGR
    fs::create_directories((cub / "images" / names[i]).parent_path());
    cv::imwrite((cub / "images" / (std::string(names[i]) + ".jpg")).string(), picture,
                {cv::IMWRITE_JPEG_QUALITY, 100});
  }
  write_text(cub / "images.txt", images);
  write_text(cub / "image_class_labels.txt", labels);
  write_text(cub / "train_test_split.txt", split);
  write_text(cub / "bounding_boxes.txt", boxes);
  std::vector<std::string> notes;
  DataSet d = read_data({root.string()}, notes);
  CHECK(d.select(Kind::Object, true).size() == 2 && d.select(Kind::Scene, false).size() == 2 &&
        notes.empty());
  CHECK(d.labels == (std::vector<std::string>{"001.Owl", "002.Tit"}));
  const Entry& e = d.entries[d.select(Kind::Object, true)[0]];
  CHECK(e.captions == (std::vector<std::string>{"a first \"caption", "the second"}));
  cv::Mat rgb;
  CHECK(decode_picture(e, rgb, [](const std::string&) {}) && rgb.cols == 30 && rgb.rows == 40);
  CHECK(rgb.at<cv::Vec3b>(20, 15)[0] > 230 && rgb.at<cv::Vec3b>(20, 15)[2] < 30);

  // AttnGAN's pickles win over CUB's split; three names of four are listed.
  write_text(root / "train" / "filenames.pickle", "(lp0\nS'001.Owl/Owl_1'\np1\naS'002.Tit/Tit_1'\np2\na.");
  write_text(root / "test" / "filenames.txt", "001.Owl/Owl_2\n");
  d = read_data({root.string()}, notes);
  const auto train = d.select(Kind::Object, true), test = d.select(Kind::Object, false);
  CHECK(train.size() == 2 && d.entries[train[0]].name == names[0] && d.entries[train[1]].name == names[2]);
  CHECK(test.size() == 1 && d.entries[test[0]].name == names[1]);
  CHECK(notes.size() == 1 && notes[0].find("1 pictures are in no split list") != std::string::npos);
}

void test_pickles(const fs::path& root) {
  const std::vector<std::string> wanted{"001.Owl/Owl_1", "002.Tit/Tit_2", "003.Gull/Gull_3"};
  // pickle.dumps of CPython 3.11, protocols 0, 2 and 4; Python 2's protocol 2 has U strings.
  const std::string pickles[] = {
      std::string("(lp0\nV001.Owl/Owl_1\np1\naV002.Tit/Tit_2\np2\naV003.Gull/Gull_3\np3\na."),
      std::string("\x80\x02]q\x00(X\x0d\x00\x00\x00"
                  "001.Owl/Owl_1q\x01X\x0d\x00\x00\x00"
                  "002.Tit/Tit_2q\x02X\x0f\x00\x00\x00"
                  "003.Gull/Gull_3q\x03"
                  "e.",
                  70),
      std::string("\x80\x04\x95\x37\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x0d"
                  "001.Owl/Owl_1\x94\x8c\x0d"
                  "002.Tit/Tit_2\x94\x8c\x0f"
                  "003.Gull/Gull_3\x94"
                  "e.",
                  66),
      std::string("\x80\x02]q\x00(U\x0d"
                  "001.Owl/Owl_1q\x01U\x0d"
                  "002.Tit/Tit_2q\x02U\x0f"
                  "003.Gull/Gull_3q\x03"
                  "e.",
                  61),
  };
  const std::string file = (root / "names.pickle").string();
  auto read = [&](const std::string& bytes) -> std::vector<std::string> {
    write_text(file, bytes);
    try {
      return read_pickled_strings(file);
    } catch (const std::runtime_error&) {
      return {"refused"};
    }
  };
  for (const auto& p : pickles) {
    CHECK(read(p) == wanted);
    for (size_t cut = 0; cut < p.size(); cut++) // ends early everywhere
      CHECK(read(p.substr(0, cut)) == std::vector<std::string>{"refused"});
  }
  CHECK(read("cos\nsystem\n(S'true'\ntR.") == std::vector<std::string>{"refused"});
}

void test_other_folders(const fs::path& root) {
  for (int i = 0; i < 30; i++) {
    fs::create_directories(root / "photos" / "a");
    cv::imwrite((root / "photos" / "a" / (std::to_string(100 + i) + ".png")).string(),
                cv::Mat(20 + i, 30, CV_8UC3, cv::Scalar(i, 0, 0)));
  }
  for (const char* split : {"train", "val", "test"}) {
    fs::create_directories(root / "edges" / split);
    cv::imwrite((root / "edges" / split / "1.jpg").string(), cv::Mat(40, 40, CV_8UC3, cv::Scalar(1, 2, 3)));
    cv::imwrite((root / "edges" / split / "1.png").string(), cv::Mat(40, 40, CV_8UC1, cv::Scalar(9)));
  }
  std::vector<std::string> notes;
  const DataSet d = read_data({root.string()}, notes);
  CHECK(d.select(Kind::General, true).size() == 29 && d.select(Kind::General, false).size() == 1);
  CHECK(d.select(Kind::Boundary, true).size() == 2 && d.select(Kind::Boundary, false).size() == 1);
}

void test_broken_pictures(const fs::path& root) {
  test_data::write_birds(root, 4, 0);
  write_text(root / "crops" / (test_data::name(1) + ".jpg"), "this is no picture");
  const fs::path cut = root / "crops" / (test_data::name(2) + ".jpg");
  fs::resize_file(cut, 40); // a JPEG that ends in its header
  std::vector<std::string> notes, said;
  const DataSet d = read_data({root.string()}, notes);
  auto message = [&](const std::string& text) { said.push_back(text); };
  auto indices = d.select(Kind::Object, true);
  const auto squares = load_squares(d, indices, 32, message);
  CHECK(squares.size(0) == 2 && indices == (std::vector<size_t>{0, 3}) && said.size() == 2);
  CHECK(said.size() == 2 && said[0].find(test_data::name(1)) != std::string::npos);
  said.clear();
  CropPool pool(d, {{d.select(Kind::Object, true), 1}}, 1 << 20, message);
  StepRandom random(1, 0);
  CHECK(pool.crops(20, 32, 1, 2, random).size(0) == 20);
  CHECK(said.size() == 2); // once each, however often they are drawn
}

void test_order() {
  std::vector<int64_t> seen(10, 0);
  for (int64_t step = 0; step < 5; step++) // 5 steps of 4 = two epochs of 10
    for (int64_t i : epoch_batch(10, 4, 7, step))
      seen[size_t(i)]++;
  CHECK(std::all_of(seen.begin(), seen.end(), [](int64_t n) { return n == 2; }));
  CHECK(epoch_batch(10, 4, 7, 3) == epoch_batch(10, 4, 7, 3) &&
        epoch_batch(10, 10, 7, 0) != epoch_batch(10, 10, 8, 0));
}

void test_losses() {
  torch::manual_seed(1);
  const auto x = torch::rand({2, 3, 176, 176}) * 2 - 1;
  CHECK(near(ms_ssim(x, x).min().item<double>(), 1, 1e-5));
  // Flat pictures: no structure at any scale, so only the last scale's luminance term is left.
  const double a = 0.5, b = -0.25, c1 = 0.0004;
  const double luminance = (2 * a * b + c1) / (a * a + b * b + c1);
  const double positive = (2 * 0.5 * 0.25 + c1) / (0.25 + 0.0625 + c1);
  auto flat = [](double v) { return torch::full({1, 3, 176, 176}, v); };
  CHECK(near(ms_ssim(flat(0.5), flat(0.25)).item<double>(), std::pow(positive, 0.1333 / 1.0001), 1e-3));
  CHECK(luminance < 0 && ms_ssim(flat(a), flat(b)).item<double>() < 0.4); // clamped, not NaN
  const auto noisy = x + 0.2 * torch::randn(x.sizes()), noisier = x + 0.6 * torch::randn(x.sizes());
  CHECK(ms_ssim(x, noisy).min().item<double>() > ms_ssim(x, noisier).max().item<double>());

  // Edge terms on two pixels: logits 0 (0.5 shown) against 1 and 0.
  const EdgeTerms t =
      edge_terms(torch::zeros({1, 1, 2, 2}), torch::tensor({1.f, 0.f, 1.f, 0.f}).view({1, 1, 2, 2}));
  CHECK(near(t.cross_entropy.item<double>(), (5 + 1) * std::log(2) / 2, 1e-6));
  CHECK(near(t.l1.item<double>(), (5 + 1) * 0.5 / 2, 1e-6) && near(t.gradient.item<double>(), 1, 1e-6));

  // InfoNCE of orthogonal pairs at scale s: each direction -log(e^s / (e^s + 1)).
  const auto e = torch::eye(2);
  CHECK(near(contrastive(e, e, torch::full({1}, 3.0), e).item<double>(), 2 * std::log1p(std::exp(-3)), 1e-5));

  const auto logits = torch::randn({1, 3, 5});
  const auto target = torch::tensor({int64_t(1), int64_t(4), int64_t(2)}).view({1, 3}),
             keep = torch::tensor({1, 0, 1}).view({1, 3}) > 0;
  const auto lp = logits.log_softmax(2);
  CHECK(near(caption_loss(logits, target, keep, 0).item<double>(),
             -(lp[0][0][1].item<double>() + lp[0][2][2].item<double>()) / 2, 1e-5));
}

/// Adam's formulas in double, a parameter of channels-last memory, a gradient that is not.
void test_adam() {
  torch::manual_seed(2);
  auto p = torch::randn({4, 3, 2, 2}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  auto want = p.detach().to(torch::kFloat64), m = torch::zeros_like(want), v = torch::zeros_like(want);
  Adam adam(TensorMap{{"p", p}}, {0.9, 0.99, 1e-8, 0.1});
  for (int t = 1; t <= 5; t++) {
    adam.zero_grad();
    const auto g = torch::randn({4, 3, 2, 2});
    p.mutable_grad() = g;
    const double norm = adam.step(0.01, 1.0);
    CHECK(near(norm, g.norm().item<double>(), 1e-5));
    const auto clipped = g.to(torch::kFloat64) * std::min(1.0, 1 / norm);
    m = 0.9 * m + 0.1 * clipped;
    v = 0.99 * v + 0.01 * clipped * clipped;
    want = want * (1 - 0.01 * 0.1) -
           0.01 * (m / (1 - std::pow(0.9, t))) / ((v / (1 - std::pow(0.99, t))).sqrt() + 1e-8);
  }
  CHECK((p.detach() - want).abs().max().item<double>() < 1e-5);
  const auto before = p.detach().clone();
  adam.zero_grad();
  p.mutable_grad() = torch::full({4, 3, 2, 2}, NAN);
  bool thrown = false;
  try {
    adam.step(0.01);
  } catch (const NotFinite&) {
    thrown = true;
  }
  CHECK(thrown && torch::equal(before, p.detach()));
  CHECK(cosine_rate(1, 0, 0, 10, 0.5, 0) == 0.1 && cosine_rate(1, 0.5, 99, 10, 0.5, 0.2) == 1 &&
        near(cosine_rate(1, 1, 99, 10, 0.5, 0.2), 0.2, 1e-12));
}

/// The weight that is used has largest singular value 1 (full SVD).
void test_spectral_norm() {
  torch::manual_seed(3);
  SpectralConv conv(5, 7, 3, 1, 1);
  conv->train();
  for (int i = 0; i < 50; i++)
    conv(torch::zeros({1, 5, 4, 4}));
  torch::NoGradGuard no_grad;
  const double sigma = torch::linalg_svdvals(conv->original.flatten(1)).max().item<double>();
  conv->eval();
  conv->bias.zero_();
  const auto x = torch::randn({1, 5, 6, 6});
  const auto plain = torch::conv2d(x, conv->original, {}, 1, 1) / sigma;
  CHECK((conv(x) - plain).abs().max().item<double>() < 1e-4);
}

void test_caption_reward() {
  const std::vector<std::string> names{"", "", "a", "red", "head", "white", "belly", "blue", "wing", "with"};
  const auto word = [&](int64_t t) -> const std::string& { return names[size_t(t)]; };
  const std::vector<Tokens> people(3, {2, 3, 4, 9, 5, 6}); // "a red head with white belly"
  const CaptionReward reward({people, {{2, 7, 8}}, {{2, 7, 4}}}, word);
  CHECK(near(reward(1, {2, 7, 8}).cider, 10 * 3 / 4.0, 1e-9)); // its only reference, word for word: no 4-gram
  CHECK(reward(0, {7, 8}).cider == 0);
  CHECK(near(reward(0, {2, 3, 4}).colour, 0.5, 1e-9) && near(reward(0, {2, 3, 4}).pair, 0.5, 1e-9));
  CHECK(near(reward(0, people[0]).colour, 1, 1e-9) && near(reward(0, people[0]).pair, 1, 1e-9));
  CHECK(near(reward(0, {7, 8}).colour, -0.3, 1e-9) && near(reward(0, {7, 8}).pair, -0.22, 1e-9));
  CHECK(near(reward(0, {3, 4, 3, 3, 3}).colour, 0.5 - 0.4, 1e-9)); // four times red
  CHECK(near(reward(0, {3, 6}).pair, -0.22, 1e-9));                // a red belly: nobody said that
}

void test_checkpoints(const fs::path& root) {
  auto w = torch::tensor({1.f, 2.f});
  const TensorMap state{{"w", w}, {"n", torch::zeros({1}, torch::kInt64)}};
  Checkpoints c(root.string(), "net");
  const Metadata run{{"seed", "1"}};
  for (int64_t step : {5, 10, 100}) {
    w.fill_(float(step));
    c.save(state, {step, double(step), step * 3}, run);
  }
  CHECK(c.steps() == (std::vector<int64_t>{10, 100}));
  std::vector<std::string> said;
  auto message = [&](const std::string& text) { said.push_back(text); };
  Position at;
  std::string file;
  w.zero_();
  CHECK(c.resume(state, at, run, file, message) && at.step == 100 && at.pictures == 300 &&
        w[0].item<float>() == 100);
  fs::resize_file(c.path(100), fs::file_size(c.path(100)) - 1);
  CHECK(c.resume(state, at, run, file, message) && at.step == 10 && w[1].item<float>() == 10 &&
        said.size() == 1);
  auto refused = [&](const TensorMap& s, const Metadata& m) {
    try {
      c.resume(s, at, m, file, message);
    } catch (const std::runtime_error&) {
      return true;
    }
    return false;
  };
  CHECK(refused(state, {{"seed", "2"}}));
  w.fill_(7);
  CHECK(refused({{"w", w}}, run) && refused({{"w", torch::zeros({3})}, {"n", state.at("n")}}, run) &&
        w[0].item<float>() == 7);
}

} // namespace

int main() {
  const test_data::Folder folder;
  test_own_layout(folder.path / "own");
  test_cub_layout(folder.path / "cub");
  test_pickles(folder.path);
  test_other_folders(folder.path / "other");
  test_broken_pictures(folder.path / "broken");
  test_order();
  test_losses();
  test_adam();
  test_spectral_norm();
  test_caption_reward();
  test_checkpoints(folder.path / "checkpoints");
  return check::result();
}
