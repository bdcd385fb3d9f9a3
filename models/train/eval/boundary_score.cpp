// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/boundary_score.hpp"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace gsem::eval {

namespace {

/// A largest matching that grows: found pixels come one by one, the strongest first, and what was matched
/// stays matched (augmenting paths; Kuhn 1955). Drawn pixels have places for as many as drew them.
class Matching {
public:
  Matching(const cv::Mat& places, double tolerance)
      : width_(places.cols), height_(places.rows), places_(places.begin<int>(), places.end<int>()),
        holders_(places_.size()), seen_by_(places_.size(), -1), reached_from_(places_.size(), -1),
        tried_(places_.size(), -1), came_from_(places_.size(), -1) {
    const int r = int(std::floor(tolerance));
    for (int dy = -r; dy <= r; dy++)
      for (int dx = -r; dx <= r; dx++)
        if (dx * dx + dy * dy <= tolerance * tolerance)
          near_.push_back({dx, dy});
    // The nearest first: shorter paths.
    std::sort(near_.begin(), near_.end(), [](const cv::Point& a, const cv::Point& b) {
      return a.x * a.x + a.y * a.y < b.x * b.x + b.y * b.y;
    });
  }

  /// One more place for the found pixel `from`; false when there is none even after moving others.
  bool add(int from) {
    round_++;
    queue_.assign(1, from);
    tried_[size_t(from)] = round_;
    came_from_[size_t(from)] = -1;
    std::vector<int> seen;
    for (size_t head = 0; head < queue_.size(); head++) {
      const int left = queue_[head];
      for (const auto& d : near_) {
        const int x = left % width_ + d.x, y = left / width_ + d.y;
        if (x < 0 || y < 0 || x >= width_ || y >= height_)
          continue;
        const size_t right = size_t(y * width_ + x);
        if (!places_[right] || seen_by_[right] == round_)
          continue;
        seen_by_[right] = round_;
        reached_from_[right] = left;
        seen.push_back(int(right));
        if (int(holders_[right].size()) < places_[right]) {
          settle(int(right));
          return true;
        }
        for (int holder : holders_[right])
          if (tried_[size_t(holder)] != round_) {
            tried_[size_t(holder)] = round_;
            came_from_[size_t(holder)] = int(right);
            queue_.push_back(holder);
          }
      }
    }
    // None of these places can ever be had again: those who hold them have nowhere else to go.
    for (int right : seen)
      places_[size_t(right)] = 0;
    return false;
  }

private:
  void settle(int right) {
    for (;;) {
      const int left = reached_from_[size_t(right)], before = came_from_[size_t(left)];
      holders_[size_t(right)].push_back(left);
      if (before < 0)
        return;
      auto& old = holders_[size_t(before)];
      old.erase(std::find(old.begin(), old.end(), left));
      right = before;
    }
  }

  int width_, height_, round_ = 0;
  std::vector<int> places_;
  std::vector<std::vector<int>> holders_;
  std::vector<int> seen_by_, reached_from_; ///< drawn pixels, by round
  std::vector<int> tried_, came_from_;      ///< found pixels, by round
  std::vector<cv::Point> near_;
  std::vector<int> queue_;
};

float at(const cv::Mat& m, double x, double y) {
  x = std::clamp(x, 0.0, double(m.cols - 1));
  y = std::clamp(y, 0.0, double(m.rows - 1));
  const int x0 = std::min(int(x), std::max(m.cols - 2, 0)), y0 = std::min(int(y), std::max(m.rows - 2, 0));
  const int x1 = std::min(x0 + 1, m.cols - 1), y1 = std::min(y0 + 1, m.rows - 1);
  const float a = float(x - x0), b = float(y - y0);
  return (m.at<float>(y0, x0) * (1 - a) + m.at<float>(y0, x1) * a) * (1 - b) +
         (m.at<float>(y1, x0) * (1 - a) + m.at<float>(y1, x1) * a) * b;
}

} // namespace

BoundaryCounts& BoundaryCounts::operator+=(const BoundaryCounts& more) {
  found += more.found;
  found_matched += more.found_matched;
  drawn += more.drawn;
  drawn_matched += more.drawn_matched;
  return *this;
}

double BoundaryCounts::f() const {
  const double p = precision(), r = recall();
  return p + r > 0 ? 2 * p * r / (p + r) : 0;
}

cv::Mat thin_ridges(const cv::Mat& strength) {
  if (strength.type() != CV_32F || strength.empty())
    throw std::invalid_argument("edge strengths have to be floats");
  cv::Mat smooth, wide, xx, xy, yy;
  cv::GaussianBlur(strength, smooth, {}, 1); // strengths that saturate have no ridge of their own
  cv::GaussianBlur(strength, wide, {}, 2);
  cv::Sobel(wide, xx, CV_32F, 2, 0, 5);
  cv::Sobel(wide, xy, CV_32F, 1, 1, 5);
  cv::Sobel(wide, yy, CV_32F, 0, 2, 5);
  cv::Mat out = cv::Mat::zeros(strength.size(), CV_32F);
  for (int y = 0; y < strength.rows; y++)
    for (int x = 0; x < strength.cols; x++) {
      const float value = smooth.at<float>(y, x);
      if (strength.at<float>(y, x) <= 0)
        continue;
      // Across the ridge is where the second derivative is the most negative: the Hessian's eigenvector.
      const double a = xx.at<float>(y, x), b = xy.at<float>(y, x), c = yy.at<float>(y, x);
      const double angle = 0.5 * std::atan2(2 * b, a - c) + CV_PI / 2;
      const double dx = std::cos(angle), dy = std::sin(angle);
      // One side may be equal, so that a ridge of two equal rows keeps one of them.
      if (value >= at(smooth, x + dx, y + dy) && value > at(smooth, x - dx, y - dy))
        out.at<float>(y, x) = strength.at<float>(y, x);
    }
  return out;
}

cv::Mat people_at(const cv::Mat& share, int& people) {
  if (share.type() != CV_8U)
    throw std::invalid_argument("shares of people have to be 8-bit");
  int least = 255;
  for (int y = 0; y < share.rows; y++)
    for (int x = 0; x < share.cols; x++)
      if (const int v = share.at<uint8_t>(y, x); v > 0)
        least = std::min(least, v);
  people = std::max(1, int(std::lround(255.0 / least)));
  cv::Mat out;
  share.convertTo(out, CV_32S, people / 255.0);
  return out;
}

std::vector<BoundaryCounts> match_boundaries(const cv::Mat& strength, const cv::Mat& drawn, int people,
                                             double tolerance, const std::vector<double>& thresholds) {
  if (strength.type() != CV_32F || drawn.type() != CV_32S || strength.size() != drawn.size() || people < 1)
    throw std::invalid_argument("boundaries to compare differ in size or kind");
  std::vector<std::pair<float, int>> pixels;
  for (int i = 0; i < int(strength.total()); i++)
    if (const float v = strength.at<float>(i / strength.cols, i % strength.cols); v > 0)
      pixels.emplace_back(-v, i);
  std::sort(pixels.begin(), pixels.end());
  // Found pixels that somebody drew, and people who see theirs found, are two questions with a matching each.
  const cv::Mat places = drawn.isContinuous() ? drawn : drawn.clone();
  Matching somebody(places, tolerance), everybody(places, tolerance);
  BoundaryCounts counts;
  counts.drawn = cv::sum(places)[0];
  std::vector<BoundaryCounts> out(thresholds.size());
  size_t next = 0;
  for (size_t t = thresholds.size(); t-- > 0;) {
    for (; next < pixels.size() && -pixels[next].first >= thresholds[t]; next++) {
      const int pixel = pixels[next].second;
      counts.found++;
      counts.found_matched += somebody.add(pixel);
      for (int person = 0; person < people && everybody.add(pixel); person++)
        counts.drawn_matched++;
    }
    out[t] = counts;
  }
  return out;
}

BoundaryScore score_boundaries(const std::vector<std::vector<BoundaryCounts>>& pictures) {
  BoundaryScore out;
  if (pictures.empty())
    return out;
  BoundaryCounts best_each;
  std::vector<BoundaryCounts> sums(pictures.front().size());
  for (const auto& picture : pictures) {
    if (picture.size() != sums.size())
      throw std::invalid_argument("pictures have different thresholds");
    for (size_t t = 0; t < sums.size(); t++)
      sums[t] += picture[t];
    best_each += *std::max_element(picture.begin(), picture.end(),
                                   [](const auto& a, const auto& b) { return a.f() < b.f(); });
  }
  out.ois = best_each.f();
  for (size_t t = 0; t < sums.size(); t++)
    if (sums[t].f() > out.ods)
      out = {sums[t].f(), out.ois, sums[t].precision(), sums[t].recall(), t};
  return out;
}

} // namespace gsem::eval
