// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/boundaries.hpp"

#include "models/train/eval/judges.hpp"
#include "models/train/eval/text_format.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <sstream>

namespace gsem::eval {

namespace {

struct Photo {
  cv::Mat picture, drawn;
  int people = 1;
  double tolerance = 0;
};

/// A detector: counts at all of its thresholds for one photo.
struct Detector {
  std::string title, key; ///< key: changes with what it would find
  std::vector<std::string> thresholds;
  std::function<std::vector<BoundaryCounts>(const Photo&)> look;
};

std::vector<double> hundredths() {
  std::vector<double> out;
  for (int t = 1; t < 100; t++)
    out.push_back(t / 100.0);
  return out;
}

Detector network(const std::string& title, std::shared_ptr<EdgeJudge> judge) {
  Detector d{title, judge->fingerprint(), {}, {}};
  const auto thresholds = hundredths();
  for (double t : thresholds)
    d.thresholds.push_back(format("%.2f", t));
  d.look = [judge, thresholds](const Photo& p) {
    return match_boundaries(thin_ridges(judge->probability(p.picture)), p.drawn, p.people, p.tolerance,
                            thresholds);
  };
  return d;
}

/// Binary at each threshold: the detector's hysteresis makes no strength of its own.
Detector canny() {
  static const std::vector<double> highs{20, 30, 40, 55, 75, 100, 130, 170, 220, 280, 360, 460};
  Detector d{"Canny (OpenCV, sigma 2, lower threshold 0.4 of the upper)", "canny-sigma2", {}, {}};
  for (double h : highs)
    d.thresholds.push_back(format("%.0f", h));
  d.look = [](const Photo& p) {
    cv::Mat grey, edges, strength;
    cv::cvtColor(p.picture, grey, cv::COLOR_BGR2GRAY);
    cv::GaussianBlur(grey, grey, {}, 2);
    std::vector<BoundaryCounts> out;
    for (double high : highs) {
      cv::Canny(grey, edges, 0.4 * high, high, 3, true);
      edges.convertTo(strength, CV_32F, 1 / 255.0);
      out.push_back(match_boundaries(strength, p.drawn, p.people, p.tolerance, {0.5})[0]);
    }
    return out;
  };
  return d;
}

class Kept {
public:
  explicit Kept(std::string file) : file_(std::move(file)) {}

  bool find(const std::string& key, const Detector& detector, BoundaryRow& row) const {
    std::ifstream in(file_);
    std::string line, found;
    while (std::getline(in, line)) {
      std::istringstream fields(line);
      BoundaryScore s;
      size_t pictures = 0;
      if (fields >> found >> pictures >> s.ods >> s.ois >> s.precision >> s.recall >> s.threshold &&
          found == key && s.threshold < detector.thresholds.size()) {
        row = {detector.title, detector.thresholds[s.threshold], s, pictures};
        return true;
      }
    }
    return false;
  }
  void add(const std::string& key, const BoundaryRow& row) const {
    const auto& s = row.score;
    std::ofstream(file_, std::ios::app)
        << format("%s %zu %.6f %.6f %.6f %.6f %zu\n", key.c_str(), row.pictures, s.ods, s.ois, s.precision,
                  s.recall, s.threshold);
  }

private:
  std::string file_;
};

BoundaryRow judge(const Detector& detector, const train::DataSet& data, const std::vector<size_t>& photos,
                  const Progress& say) {
  std::vector<std::vector<BoundaryCounts>> counts;
  for (size_t i : photos) {
    const train::Entry& e = data.entries[i];
    Photo p;
    p.picture = cv::imread(e.file, cv::IMREAD_COLOR);
    const cv::Mat share = cv::imread(e.boundary_file, cv::IMREAD_GRAYSCALE);
    if (p.picture.empty() || share.size() != p.picture.size()) {
      say("skipped, photo or boundaries cannot be decoded: " + e.file);
      continue;
    }
    p.drawn = people_at(share, p.people);
    p.tolerance = kBoundaryTolerance * std::hypot(share.cols, share.rows);
    counts.push_back(detector.look(p));
  }
  BoundaryRow row{detector.title, {}, score_boundaries(counts), counts.size()};
  row.threshold = counts.empty() ? "" : detector.thresholds[row.score.threshold];
  say(detector.title + format(": ODS %.3f, OIS %.3f", row.score.ods, row.score.ois));
  return row;
}

} // namespace

std::vector<BoundaryRow> judge_boundaries(const profile::Profile& profile, const BoundarySettings& settings,
                                          const Progress& say) {
  std::vector<std::string> messages;
  const auto data = train::read_data({settings.data}, messages);
  const auto photos = data.select(train::Kind::Boundary, false);
  if (photos.empty())
    throw std::runtime_error(settings.data + ": no BSDS500 (train, val and test with NAME.jpg and NAME.png)");
  std::vector<Detector> detectors;
  detectors.push_back(network("the profile's edge network, 256x256, map of 128x128 grown",
                              std::make_shared<EdgeJudge>(profile, "")));
  if (!settings.teacher.empty()) {
    auto teacher = std::make_shared<EdgeJudge>(profile, settings.teacher);
    detectors.push_back(network(teacher->name() + ", full size", teacher));
  }
  detectors.push_back(canny());
  const Kept kept(settings.kept);
  std::vector<BoundaryRow> out;
  for (const auto& detector : detectors) {
    const std::string key = detector.key + "-" + std::to_string(photos.size());
    BoundaryRow row;
    if (!kept.find(key, detector, row)) {
      row = judge(detector, data, photos, say);
      kept.add(key, row);
    }
    out.push_back(row);
  }
  return out;
}

} // namespace gsem::eval
