// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>

namespace gsem::eval {

namespace {

/// The same draws with every standard library (std::uniform_int_distribution is not).
class Draws {
public:
  explicit Draws(uint64_t seed) : engine_(seed) {}
  size_t below(size_t n) { return size_t(engine_() % n); }

private:
  std::mt19937_64 engine_;
};

void shuffle(std::vector<size_t>& v, Draws& draws) {
  for (size_t i = v.size(); i > 1; i--)
    std::swap(v[i - 1], v[draws.below(i)]);
}

/// Row means [1,d], and the rows without them over sqrt(n-1): their product with themselves is the
/// covariance.
void centre(const cv::Mat& rows, cv::Mat& mean, cv::Mat& centred) {
  if (rows.rows < 2)
    throw std::invalid_argument("a distribution needs two samples at least");
  cv::Mat x;
  rows.convertTo(x, CV_64F);
  cv::reduce(x, mean, 0, cv::REDUCE_AVG);
  centred = (x - cv::repeat(mean, x.rows, 1)) / std::sqrt(double(x.rows - 1));
}

/// R of d rows with R'R = X'X.
cv::Mat square_root(const cv::Mat& x) {
  cv::Mat values, vectors;
  cv::eigen(x.t() * x, values, vectors);
  cv::sqrt(cv::max(values, 0), values);
  return cv::Mat::diag(values) * vectors;
}

double sum_of_squares(const cv::Mat& m) {
  const double norm = cv::norm(m, cv::NORM_L2);
  return norm * norm;
}

} // namespace

double mean(const std::vector<double>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
}

Interval paired_bootstrap(const std::vector<double>& differences, int rounds, uint64_t seed) {
  const std::vector<double> ones(differences.size(), 1);
  return ratio_bootstrap(differences, ones, rounds, seed);
}

Interval ratio_bootstrap(const std::vector<double>& a, const std::vector<double>& b, int rounds,
                         uint64_t seed) {
  const size_t n = a.size();
  if (b.size() != n)
    throw std::invalid_argument("pairs are not pairs");
  if (!n || mean(b) == 0)
    return {};
  Draws draws(seed);
  std::vector<double> ratios(static_cast<size_t>(rounds));
  for (double& r : ratios) {
    double over = 0, under = 0;
    for (size_t i = 0; i < n; i++) {
      const size_t k = draws.below(n);
      over += a[k];
      under += b[k];
    }
    r = under == 0 ? 0 : over / under;
  }
  std::sort(ratios.begin(), ratios.end());
  auto quantile = [&](double q) { return ratios[size_t(std::lround(q * double(ratios.size() - 1)))]; };
  return {mean(a) / mean(b), quantile(0.025), quantile(0.975)};
}

std::vector<size_t> derangement(size_t n, uint64_t seed) {
  Draws draws(seed);
  std::vector<size_t> order(n), out(n);
  std::iota(order.begin(), order.end(), size_t(0));
  shuffle(order, draws);
  for (size_t i = 0; i < n; i++)
    out[order[i]] = order[(i + 1) % n];
  return out;
}

std::vector<double> retrieval_hits(const cv::Mat& pictures, const cv::Mat& captions,
                                   const std::vector<std::string>& texts, size_t others, uint64_t seed) {
  const size_t n = texts.size();
  if (size_t(pictures.rows) != n || size_t(captions.rows) != n || pictures.type() != CV_32F)
    throw std::invalid_argument("R-precision: pictures and captions do not pair");
  const cv::Mat alike = pictures * captions.t();
  Draws draws(seed);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t(0));
  std::vector<double> hits;
  for (size_t i = 0; i < n; i++) {
    shuffle(order, draws);
    const float* row = alike.ptr<float>(int(i));
    size_t taken = 0;
    bool hit = true;
    for (size_t j : order) {
      if (texts[j] == texts[i])
        continue;
      if (taken++ == others)
        break;
      hit = hit && row[i] >= row[j];
    }
    hits.push_back(hit);
  }
  return hits;
}

double frechet_distance(const cv::Mat& a, const cv::Mat& b) {
  if (a.cols != b.cols)
    throw std::invalid_argument("features differ in width");
  cv::Mat mean_a, mean_b, ca, cb;
  centre(a, mean_a, ca);
  centre(b, mean_b, cb);
  // tr sqrt(A'A B'B) is the sum of the singular values of A B': no square root of a singular matrix.
  if (ca.cols < std::min(ca.rows, cb.rows)) {
    ca = square_root(ca);
    cb = square_root(cb);
  }
  cv::Mat singular;
  cv::SVD::compute(ca * cb.t(), singular, cv::SVD::NO_UV);
  const double root = cv::sum(singular)[0];
  return std::max(sum_of_squares(mean_a - mean_b) + sum_of_squares(ca) + sum_of_squares(cb) - 2 * root, 0.0);
}

} // namespace gsem::eval
