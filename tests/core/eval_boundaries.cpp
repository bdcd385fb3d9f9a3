// SPDX-License-Identifier: LGPL-2.1-or-later
// Boundary scores against a maximum flow that is computed apart at every threshold, and on lines whose score
// can be told.
#include "models/train/eval/boundary_score.hpp"
#include "tests/core/check.hpp"

#include <opencv2/imgproc.hpp>

#include <cmath>
#include <functional>
#include <random>
#include <vector>

using namespace gsem::eval;

namespace {

bool near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance;
}

/// Largest matching of `lefts` units onto `rights` units that are at most `tolerance` apart, from nothing.
int largest_matching(const std::vector<cv::Point>& lefts, const std::vector<cv::Point>& rights,
                     double tolerance) {
  std::vector<int> holder(rights.size(), -1);
  std::vector<char> seen;
  std::function<bool(int)> place = [&](int left) {
    for (size_t r = 0; r < rights.size(); r++) {
      const cv::Point d = lefts[size_t(left)] - rights[r];
      if (seen[r] || d.x * d.x + d.y * d.y > tolerance * tolerance)
        continue;
      seen[r] = 1;
      if (holder[r] < 0 || place(holder[r])) {
        holder[r] = left;
        return true;
      }
    }
    return false;
  };
  int matched = 0;
  for (size_t left = 0; left < lefts.size(); left++) {
    seen.assign(rights.size(), 0);
    matched += place(int(left));
  }
  return matched;
}

std::vector<cv::Point> units(const cv::Mat& counts) {
  std::vector<cv::Point> out;
  for (int y = 0; y < counts.rows; y++)
    for (int x = 0; x < counts.cols; x++)
      for (int k = 0; k < counts.at<int>(y, x); k++)
        out.emplace_back(x, y);
  return out;
}

void against_matching_from_nothing() {
  std::mt19937 random(11);
  const std::vector<double> thresholds{0.2, 0.5, 0.8};
  for (int round = 0; round < 40; round++) {
    const int people = 1 + int(random() % 4);
    const double tolerance = 1 + double(random() % 20) / 10;
    cv::Mat strength = cv::Mat::zeros(12, 14, CV_32F), drawn = cv::Mat::zeros(12, 14, CV_32S);
    for (int i = 0; i < 40; i++) {
      strength.at<float>(int(random() % 12), int(random() % 14)) = float(random() % 100) / 100;
      drawn.at<int>(int(random() % 12), int(random() % 14)) = int(random() % unsigned(people + 1));
    }
    const auto counts = match_boundaries(strength, drawn, people, tolerance, thresholds);
    const auto places = units(drawn);
    for (size_t t = 0; t < thresholds.size(); t++) {
      cv::Mat found;
      cv::Mat(strength >= thresholds[t]).convertTo(found, CV_32S, 1 / 255.0);
      const auto pixels = units(found), everybody = units(cv::Mat(found * people));
      CHECK(counts[t].found == double(pixels.size()) && counts[t].drawn == double(places.size()));
      CHECK(counts[t].found_matched == largest_matching(pixels, places, tolerance));
      CHECK(counts[t].drawn_matched == largest_matching(everybody, places, tolerance));
    }
  }
}

cv::Mat column(int at, float value, int width = 1) {
  cv::Mat m = cv::Mat::zeros(40, 60, CV_32F);
  m(cv::Rect(at, 0, width, 40)) = value;
  return m;
}

void lines() {
  int people = 0;
  cv::Mat share = cv::Mat::zeros(40, 60, CV_8U);
  share.col(30) = 102; // two of five
  share.at<uint8_t>(39, 0) = 51;
  const cv::Mat drawn = people_at(share, people);
  CHECK(people == 5 && drawn.at<int>(7, 30) == 2 && drawn.at<int>(39, 0) == 1);
  auto at = [&](const cv::Mat& found) { return match_boundaries(found, drawn, 5, 3, {0.5})[0]; };
  const auto beside = at(column(33, 0.9f)), away = at(column(34, 0.9f)), faint = at(column(30, 0.4f)),
             thick = at(column(29, 0.9f, 4));
  CHECK(beside.precision() == 1 && near(beside.recall(), 80.0 / 81, 1e-12));
  CHECK(away.f() == 0 && faint.found == 0 && faint.f() == 0);
  CHECK(near(thick.precision(), 0.5, 1e-12)); // 160 pixels for 80 places

  // Two pictures that want different thresholds: OIS is over ODS.
  const std::vector<double> thresholds{0.3, 0.6};
  const cv::Mat low = cv::max(column(30, 0.5f), column(5, 0.1f)),
                high = cv::max(column(30, 0.9f), column(5, 0.5f));
  const auto score = score_boundaries(
      {match_boundaries(low, drawn, 5, 3, thresholds), match_boundaries(high, drawn, 5, 3, thresholds)});
  CHECK(score.ois > 0.98 && score.ods < score.ois && score.threshold == 0);
  CHECK(near(score.precision, 80.0 / 120, 1e-12));
}

void thinning() {
  // A slanted soft ridge: what is left is on its crest, and a line of one pixel.
  cv::Mat ridge(80, 80, CV_32F);
  const double nx = std::cos(0.4), ny = std::sin(0.4);
  auto off = [&](int x, int y) { return (x - 40) * nx + (y - 40) * ny; };
  for (int y = 0; y < 80; y++)
    for (int x = 0; x < 80; x++)
      ridge.at<float>(y, x) = float(std::exp(-off(x, y) * off(x, y) / 18));
  const cv::Mat thin = thin_ridges(ridge);
  int left = 0;
  for (int y = 10; y < 70; y++)
    for (int x = 10; x < 70; x++)
      if (thin.at<float>(y, x) > 0.05f) {
        left++;
        CHECK(std::abs(off(x, y)) < 1);
        CHECK(thin.at<float>(y, x) == ridge.at<float>(y, x));
      }
  CHECK(left >= 58 && left <= 75); // 60 rows of a line that steep
  // Two equal rows keep one.
  cv::Mat flat = cv::Mat::zeros(20, 20, CV_32F);
  flat(cv::Rect(0, 9, 20, 2)) = 1;
  const cv::Mat one = thin_ridges(flat);
  for (int x = 4; x < 16; x++)
    CHECK(cv::countNonZero(one.col(x)) == 1);
}

} // namespace

int main() {
  against_matching_from_nothing();
  lines();
  thinning();
  return check::result();
}
