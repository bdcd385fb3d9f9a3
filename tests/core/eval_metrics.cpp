// SPDX-License-Identifier: LGPL-2.1-or-later
// The evaluation's measures against independent truths: values of pytorch-msssim 1.0 and bjontegaard 1.3,
// SciPy's Akima interpolator, closed forms, and properties.
#include "models/train/eval/edge_match.hpp"
#include "models/train/eval/picture_quality.hpp"
#include "models/train/eval/rate_curve.hpp"
#include "models/train/eval/statistics.hpp"
#include "models/train/eval/svg_plot.hpp"
#include "tests/core/check.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <stdexcept>

using namespace gsem::eval;

namespace {

bool near(double a, double b, double tolerance) {
  return std::fabs(a - b) <= tolerance;
}

bool refuses(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

/// 0: texture; 1: the same darkened, with less contrast and a pattern over it; 2: with faint noise.
cv::Mat texture(int kind) {
  cv::Mat out(256, 192, CV_8UC3);
  for (int y = 0; y < out.rows; y++)
    for (int x = 0; x < out.cols; x++)
      for (int c = 0; c < 3; c++) {
        int v = (x * (3 + c) + y * (5 - c) + ((x / 16 + y / 16) % 2) * 60 + (x * y * (c + 1)) / 50) % 256;
        if (kind == 1)
          v = v / 2 + 40 + (x * 7 + y * 13) % 17;
        if (kind == 2)
          v += (x * 7 + y * 13 + c) % 9 - 4;
        out.at<cv::Vec3b>(y, x)[c] = uint8_t(std::clamp(v, 0, 255));
      }
  return out;
}

void picture_quality() {
  const cv::Mat a = texture(0), b = texture(1), c = texture(2);
  CHECK(near(ms_ssim(a, b), 0.806893724360, 1e-5));
  CHECK(near(ms_ssim(a, c), 0.999739343418, 1e-5));
  CHECK(near(psnr(a, b), 16.041104355001, 1e-6));
  CHECK(near(psnr(a, c), 39.934626218988, 1e-6));
  CHECK(psnr(a, a) == 100 && near(ms_ssim(a, a), 1, 1e-9));
  CHECK(ms_ssim(a, b) == ms_ssim(b, a));
  CHECK(near(ms_ssim_decibels(0.99), 20, 1e-9) && ms_ssim_decibels(1) == 100);
  const cv::Mat black(16, 16, CV_8U, cv::Scalar(0)), white(16, 16, CV_8U, cv::Scalar(255));
  CHECK(near(psnr(black, white), 0, 1e-9));
  CHECK(refuses([&] { psnr(a, black); }) && refuses([&] { ms_ssim(black, white); }));
}

void edges() {
  cv::Mat line(64, 64, CV_8U, cv::Scalar(0)), away2 = line.clone(), away3 = line.clone(), both = line.clone();
  const cv::Mat none = line.clone();
  line.col(20).setTo(255);
  away2.col(22).setTo(255);
  away3.col(23).setTo(255);
  both.col(20).setTo(255);
  both.col(50).setTo(255);
  CHECK(match_edges(line, line, 0.5, 0).f == 1);
  CHECK(match_edges(line, away2, 0.5, 2).f == 1);
  CHECK(match_edges(line, away2, 0.5, 1).f == 0);
  CHECK(match_edges(line, away3, 0.5, 2).f == 0);
  const EdgeScore half = match_edges(both, line, 0.5, 2), missed = match_edges(line, both, 0.5, 2);
  CHECK(half.precision == 0.5 && half.recall == 1 && near(half.f, 2.0 / 3, 1e-12));
  CHECK(missed.precision == 1 && missed.recall == 0.5);
  CHECK(match_edges(none, none, 0.5, 2).f == 1 && match_edges(none, line, 0.5, 2).f == 0);
  cv::Mat faint = line / 255 * 127;
  CHECK(match_edges(faint, line, 0.5, 2).f == 0 && match_edges(faint, line, 0.49, 2).f == 1);
  // The tolerance is a disc, not a square: (2,2) is further than 2 away, also at the border.
  cv::Mat point(8, 8, CV_8U, cv::Scalar(0)), diagonal = point.clone();
  point.at<uint8_t>(0, 0) = diagonal.at<uint8_t>(2, 2) = 255;
  CHECK(match_edges(point, diagonal, 0.5, 2).f == 0 && match_edges(point, diagonal, 0.5, 3).f == 1);
  CHECK(refuses([&] { match_edges(point, line, 0.5, 2); }));
}

void rate_curves() {
  const std::vector<RatePoint> a{{686.76, 40.28}, {309.58, 37.18}, {157.11, 34.24}, {85.95, 31.42}},
      b{{893.34, 40.39}, {407.8, 37.21}, {204.93, 34.17}, {112.75, 31.24}};
  CHECK(near(*bd_rate(a, b), 31.38398898434, 1e-6) && near(*bd_quality(a, b), -1.18365897007, 1e-6));
  const std::vector<RatePoint> c{{9487.76, 40.037}, {4593.60, 38.615}, {2486.44, 36.845}, {1358.24, 34.851}},
      d{{9787.80, 40.121}, {4469.00, 38.651}, {2451.52, 36.970}, {1356.24, 34.987}};
  CHECK(near(*bd_rate(c, d), -4.425245156997, 1e-6) && near(*bd_quality(c, d), 0.119409270285, 1e-6));
  // Twice the bytes at every quality is +100 %, and the way back -50 %.
  std::vector<RatePoint> twice = a;
  for (auto& p : twice)
    p.bytes *= 2;
  CHECK(near(*bd_rate(a, twice), 100, 1e-9) && near(*bd_rate(twice, a), -50, 1e-9));
  std::vector<RatePoint> worse = a;
  worse.push_back({1000, 30}); // more bytes for less: no codec would be run so
  CHECK(near(*bd_rate(a, worse), 0, 1e-9));
  CHECK(!bd_rate(a, {{100, 10}, {200, 20}}) && !bd_rate(a, {{100, 35}}));
  CHECK(near(akima_integral({0, 1, 2.5, 3, 4, 6}, {0, 1, 0.5, 2, 2, 5}, 0.5, 5.5), 8.4844562054624, 1e-9));
  const std::vector<RatePoint> line{{100, 20}, {400, 30}};
  CHECK(near(quality_at(line, 200), 25, 1e-9) && quality_at(line, 50) == 20 && quality_at(line, 900) == 30);
}

/// Rows with exactly this mean and (unbiased) covariance R'R: signed multiples of R's rows.
cv::Mat samples(const cv::Mat& mean, const cv::Mat& r) {
  const int n = 2 * r.rows;
  cv::Mat out;
  for (int i = 0; i < r.rows; i++)
    for (double sign : {1.0, -1.0}) {
      const cv::Mat row = mean + r.row(i) * (sign * std::sqrt((n - 1) / 2.0));
      out.push_back(row);
    }
  return out;
}

void frechet() {
  const cv::Mat zero = (cv::Mat_<double>(1, 2) << 0, 0), moved = (cv::Mat_<double>(1, 2) << 3, -4);
  const cv::Mat unit = cv::Mat::eye(2, 2, CV_64F);
  const cv::Mat r = (cv::Mat_<double>(2, 2) << 2, 1, 0, 0.5), s = (cv::Mat_<double>(2, 2) << 1, -1, 0.5, 3);
  CHECK(near(frechet_distance(samples(zero, unit), samples(moved, unit)), 25, 1e-9));
  CHECK(near(frechet_distance(samples(zero, unit), samples(zero, unit * 3)), 2 * 4, 1e-9));
  // 2x2: tr sqrt(M) = sqrt(tr M + 2 sqrt(det M)), and these covariances do not commute.
  const cv::Mat p = r.t() * r, q = s.t() * s, m = p * q;
  const double root = std::sqrt(cv::trace(m)[0] + 2 * std::sqrt(cv::determinant(m)));
  const double wanted = 25 + cv::trace(p)[0] + cv::trace(q)[0] - 2 * root;
  CHECK(near(frechet_distance(samples(zero, r), samples(moved, s)), wanted, 1e-8));
  // More features than samples: the same Gaussians in a plane of a wider space.
  cv::Mat wide_a = cv::Mat::zeros(4, 12, CV_64F), wide_b = wide_a.clone();
  samples(zero, r).copyTo(wide_a.colRange(5, 7));
  samples(moved, s).copyTo(wide_b.colRange(5, 7));
  CHECK(near(frechet_distance(wide_a, wide_b), wanted, 1e-8));
  CHECK(refuses([&] { frechet_distance(wide_a, samples(zero, r)); }));
}

void bootstrap() {
  const Interval same = paired_bootstrap(std::vector<double>(50, 0.25));
  CHECK(same.mean == 0.25 && same.low == 0.25 && same.high == 0.25 && same.excludes_zero());
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0.5, 2);
  std::vector<double> x(400);
  for (double& v : x)
    v = normal(random);
  // The interval of a mean of many normal values is the textbook's: 1.96 standard errors each way.
  double square = 0;
  const double middle = mean(x);
  for (double v : x)
    square += (v - middle) * (v - middle);
  const double error = std::sqrt(square / 399 / 400);
  const Interval i = paired_bootstrap(x);
  CHECK(near(i.mean, middle, 1e-12));
  CHECK(near(i.low, middle - 1.96 * error, 0.1 * error) && near(i.high, middle + 1.96 * error, 0.1 * error));
  std::vector<double> balanced;
  for (int k = 0; k < 100; k++)
    balanced.push_back(k % 2 ? 1 : -1);
  CHECK(!paired_bootstrap(balanced).excludes_zero());

  std::vector<double> third;
  for (double v : x)
    third.push_back(v / 3);
  const Interval share = ratio_bootstrap(third, x); // pairs are drawn together: no spread
  CHECK(near(share.mean, 1.0 / 3, 1e-12) && near(share.low, share.high, 1e-12));
  // Two independent shares of ones: the delta method's interval of their ratio.
  std::vector<double> a, b;
  std::bernoulli_distribution some(0.3), more(0.6);
  for (int k = 0; k < 2000; k++) {
    a.push_back(some(random));
    b.push_back(more(random));
  }
  const Interval ratio = ratio_bootstrap(a, b);
  const double pa = mean(a), pb = mean(b),
               spread = pa / pb * std::sqrt((1 - pa) / (2000 * pa) + (1 - pb) / (2000 * pb));
  CHECK(near(ratio.mean, pa / pb, 1e-12) && near(ratio.high - ratio.low, 2 * 1.96 * spread, 0.5 * spread));
  CHECK(ratio_bootstrap(a, std::vector<double>(a.size(), 0.0)).mean == 0);
}

void shuffling() {
  for (size_t n : {2u, 3u, 50u}) {
    std::vector<size_t> p = derangement(n, 7), sorted = p;
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 0; i < n; i++)
      CHECK(p[i] != i && sorted[i] == i);
  }
}

void retrieval() {
  const int n = 200;
  const cv::Mat own = cv::Mat::eye(n, n, CV_32F), equal(n, n, CV_32F, cv::Scalar(0.1));
  std::vector<std::string> texts;
  for (int i = 0; i < n; i++)
    texts.push_back("caption " + std::to_string(i));
  auto r_precision = [](auto&&... what) { return mean(retrieval_hits(what...)); };
  CHECK(r_precision(own, own, texts) == 1);
  cv::Mat next(n, n, CV_32F, cv::Scalar(0));
  for (int i = 0; i < n; i++)
    next.at<float>(i, (i + 1) % n) = 1;
  // Its own caption scores as low as any; it loses only where the neighbour's is among the 99 drawn.
  CHECK(near(r_precision(next, own, texts), 0.5, 0.12));
  CHECK(r_precision(next, own, texts, 1000) == 0);
  cv::Mat noise(n, 64, CV_32F), other(n, 64, CV_32F);
  cv::theRNG().state = 5;
  cv::randn(noise, 0, 1);
  cv::randn(other, 0, 1);
  CHECK(r_precision(noise, other, texts) < 0.05);
  // Equal texts are no distractors.
  CHECK(r_precision(next, own, std::vector<std::string>(size_t(n), "one"), 1000) == 1);
}

void plot() {
  Plot p{"a < b", "bytes", "dB", {{"one", {{10, 20}, {100, 30}}}, {"two", {{0, 1}, {NAN, 2}}, false}}};
  const std::string svg = p.draw();
  CHECK(svg.find("<svg ") == 0 && svg.find("</svg>") != std::string::npos);
  CHECK(svg.find("a &lt; b") != std::string::npos && svg.find("nan") == std::string::npos);
  CHECK(Plot{}.draw().find("inf") == std::string::npos);
}

} // namespace

int main() {
  picture_quality();
  edges();
  rate_curves();
  frechet();
  bootstrap();
  shuffling();
  retrieval();
  plot();
  return check::result();
}
