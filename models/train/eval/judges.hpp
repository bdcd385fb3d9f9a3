// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/profile.hpp"

#include <opencv2/core.hpp>

#include <memory>
#include <string>
#include <vector>

/// Networks that judge pictures, behind OpenCV matrices. No torch in this header. Not thread-safe; errors are
/// std::runtime_error.
namespace gsem::eval {

/// A joint embedding of pictures and captions, and its picture features. Pictures are 8-bit BGR, any size;
/// they are squashed to 128x128 (DAMSM: 256x256).
class Embedding {
public:
  /// The profile's own, which the painter learned from: roles backbone, text, vocabulary; of a profile of
  /// kind "reference" AttnGAN's DAMSM (ranker, text, vocabulary).
  explicit Embedding(const profile::Profile& profile);
  /// The judge's (recipe `judge`), which no training used: judge.safetensors, with vocab.txt beside it.
  explicit Embedding(const std::string& judge);
  ~Embedding();

  /// "EfficientNet-Lite0, ImageNet weights": what features() are of.
  const std::string& name() const { return name_; }
  /// Hash over the weights: features are kept by it.
  const std::string& fingerprint() const { return fingerprint_; }
  /// Of a picture's features: 320, DAMSM's as many as it has.
  size_t width() const;
  /// Of the backbone at stride 32, mean over the picture; DAMSM's global ones: CV_32F [1,width()].
  cv::Mat features(const cv::Mat& picture) const;
  /// A row a picture.
  cv::Mat features(const std::vector<cv::Mat>& pictures) const;
  /// Of features [n,F]: unit vectors [n,E].
  cv::Mat pictures(const cv::Mat& features) const;
  /// Unit vectors [n,E].
  cv::Mat captions(const std::vector<std::string>& texts) const;

  struct Networks;

private:
  std::unique_ptr<Networks> networks_;
  std::string name_, fingerprint_;
};

/// Finds edges in pictures to judge them by.
class EdgeJudge {
public:
  /// `teacher`: HED as safetensors, or a folder with hed.safetensors; empty: the profile's own edge network.
  EdgeJudge(const profile::Profile& profile, const std::string& teacher);
  ~EdgeJudge();

  /// "HED (Xie, Tu 2015)": for the tables.
  const std::string& name() const { return name_; }
  /// Edge probability of an 8-bit BGR picture at 256x256, averaged to 128x128, 8-bit.
  cv::Mat find(const cv::Mat& picture) const;
  /// The same as CV_32F in [0,1] at the picture's own size: HED looks at it as it is, the profile's network
  /// at 256x256, as the structure layer does.
  cv::Mat probability(const cv::Mat& picture) const;
  /// Hash over the weights.
  const std::string& fingerprint() const { return fingerprint_; }

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string name_, fingerprint_;
};

/// CPU threads of all judges. To be called from the thread that uses them.
void set_judge_threads(int threads);

} // namespace gsem::eval
