// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/rate_curve.hpp"

#include <algorithm>
#include <cmath>

namespace gsem::eval {

namespace {

/// Akima's slopes: weighted towards the side where the curve bends less.
std::vector<double> slopes(const std::vector<double>& x, const std::vector<double>& y) {
  const size_t n = x.size();
  std::vector<double> m(n + 3); // m[i + 2]: slope of segment i; two made-up ones at each end
  for (size_t i = 0; i + 1 < n; i++)
    m[i + 2] = (y[i + 1] - y[i]) / (x[i + 1] - x[i]);
  if (n == 2)
    return {m[2], m[2]};
  m[1] = 2 * m[2] - m[3];
  m[0] = 2 * m[1] - m[2];
  m[n + 1] = 2 * m[n] - m[n - 1];
  m[n + 2] = 2 * m[n + 1] - m[n];
  std::vector<double> t(n);
  for (size_t i = 0; i < n; i++) {
    const double right = std::fabs(m[i + 3] - m[i + 2]), left = std::fabs(m[i + 1] - m[i]);
    t[i] = right + left > 1e-12 ? (right * m[i + 1] + left * m[i + 2]) / (right + left)
                                : (m[i + 1] + m[i + 2]) / 2;
  }
  return t;
}

std::vector<RatePoint> rising(std::vector<RatePoint> points) {
  std::sort(points.begin(), points.end(), [](const RatePoint& a, const RatePoint& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.quality > b.quality;
  });
  std::vector<RatePoint> out;
  for (const auto& p : points)
    if (p.bytes > 0 && (out.empty() || (p.quality > out.back().quality && p.bytes > out.back().bytes)))
      out.push_back(p);
  return out;
}

struct Axes {
  std::vector<double> x, y;
};

Axes axes(const std::vector<RatePoint>& points, bool over_quality) {
  Axes a;
  for (const auto& p : points) {
    a.x.push_back(over_quality ? p.quality : std::log(p.bytes));
    a.y.push_back(over_quality ? std::log(p.bytes) : p.quality);
  }
  return a;
}

std::optional<double> mean_difference(std::vector<RatePoint> anchor, std::vector<RatePoint> test,
                                      bool over_quality) {
  const Axes a = axes(rising(std::move(anchor)), over_quality),
             t = axes(rising(std::move(test)), over_quality);
  if (a.x.size() < 2 || t.x.size() < 2)
    return {};
  const double from = std::max(a.x.front(), t.x.front()), to = std::min(a.x.back(), t.x.back());
  if (to <= from)
    return {};
  return (akima_integral(t.x, t.y, from, to) - akima_integral(a.x, a.y, from, to)) / (to - from);
}

} // namespace

double akima_integral(const std::vector<double>& x, const std::vector<double>& y, double from, double to) {
  const std::vector<double> t = slopes(x, y);
  double sum = 0;
  for (size_t i = 0; i + 1 < x.size(); i++) {
    const double h = x[i + 1] - x[i], slope = (y[i + 1] - y[i]) / h;
    const double c2 = (3 * slope - 2 * t[i] - t[i + 1]) / h, c3 = (t[i] + t[i + 1] - 2 * slope) / (h * h);
    auto primitive = [&](double u) { return u * (y[i] + u * (t[i] / 2 + u * (c2 / 3 + u * c3 / 4))); };
    const double low = std::clamp(from, x[i], x[i + 1]), high = std::clamp(to, x[i], x[i + 1]);
    if (high > low)
      sum += primitive(high - x[i]) - primitive(low - x[i]);
  }
  return sum;
}

std::optional<double> bd_rate(std::vector<RatePoint> anchor, std::vector<RatePoint> test) {
  const auto mean = mean_difference(std::move(anchor), std::move(test), true);
  return mean ? std::optional((std::exp(*mean) - 1) * 100) : mean;
}

std::optional<double> bd_quality(std::vector<RatePoint> anchor, std::vector<RatePoint> test) {
  return mean_difference(std::move(anchor), std::move(test), false);
}

double quality_at(const std::vector<RatePoint>& curve, double bytes) {
  auto above = std::find_if(curve.begin(), curve.end(), [&](const RatePoint& p) { return p.bytes >= bytes; });
  if (curve.empty())
    return 0;
  if (above == curve.end())
    return curve.back().quality;
  if (above == curve.begin())
    return above->quality;
  const RatePoint &a = above[-1], &b = *above;
  const double part = std::log(bytes / a.bytes) / std::log(b.bytes / a.bytes);
  return a.quality + part * (b.quality - a.quality);
}

} // namespace gsem::eval
