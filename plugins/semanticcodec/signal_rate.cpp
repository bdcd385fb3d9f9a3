// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/signal_rate.hpp"

#include <algorithm>
#include <cmath>

namespace gsem::codec {

namespace {

constexpr double kSlope = 0.055; ///< of the logarithm of the bytes; 0.076 to 0.036 measured (docs/results.md)
constexpr double kFirstBytes = 200; ///< of a picture at quality 0
constexpr double kLearning = 0.5;
constexpr double kRepay = 0.2;         ///< of the excess is taken off each picture
constexpr double kLongestInterval = 1; ///< s
constexpr double kMostExcess = 0.5;    ///< s of the rate

} // namespace

int SignalRate::quality(int best, uint64_t bits_a_second, uint64_t interval) {
  if (interval > 0)
    interval_ = std::min(double(interval) / 1e9, kLongestInterval);
  const double bytes_a_second = double(bits_a_second) / 8;
  const double most = bytes_a_second * kMostExcess;
  excess_ = std::clamp(excess_ - bytes_a_second * interval_, -most, most);
  const double wanted = std::max(bytes_a_second * interval_ - kRepay * excess_, 1.0);
  const double level = known_ ? level_ : std::log(kFirstBytes);
  return int(std::clamp((std::log(wanted) - level) / kSlope, 0.0, double(best)));
}

void SignalRate::coded(int quality, size_t bytes) {
  const double level = std::log(double(std::max<size_t>(bytes, 1))) - kSlope * quality;
  level_ = known_ ? level_ + kLearning * (level - level_) : level;
  known_ = true;
  excess_ += double(bytes);
}

} // namespace gsem::codec
