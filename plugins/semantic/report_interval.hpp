// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

/// How often receivers report: docs/adaptation.md, "Reports". rtpsemanticdepay sets it, the estimator at the
/// other end waits for it. Thread-safety: pure functions.
namespace gsem {

inline constexpr double kFewBits = 10'000;   ///< bits a second; below, reports may take a twentieth of it
inline constexpr double kManyBits = 60'000;  ///< from here on reports come often: much is on the way
inline constexpr uint64_t kReportBytes = 72; ///< of a report on the wire, IP header included
inline constexpr uint64_t kReportedBytes = 20 * kReportBytes; ///< received bytes that are worth a report
inline constexpr uint64_t kOftenReported = 50'000'000, kUsuallyReported = 100'000'000; ///< ns
inline constexpr uint64_t kLeastReported = 8'000'000'000;                              ///< ns

/// Time between reports of a stream of so many bits a second, ns.
inline uint64_t report_interval(double rate) {
  if (rate >= kFewBits)
    return rate >= kManyBits ? kOftenReported : kUsuallyReported;
  return std::min(kLeastReported, uint64_t(double(kReportedBytes) * 8e9 / std::max(rate, 1.0)));
}

/// A receiver's view of that: at once more often when more comes, by and by less often when less does.
/// Not thread-safe.
class ReportPacing {
public:
  /// A packet of so many bytes on the wire came at `now`, ns. Gives the time between reports.
  uint64_t arrived(uint64_t bytes, uint64_t now) {
    const double step = started_ && now > last_ ? double(now - last_) : 0;
    started_ = true;
    last_ = now;
    quick_ = quick_ * std::exp(-step / kQuick) + double(bytes) * 8e9 / kQuick;
    slow_ = slow_ * std::exp(-step / kSlow) + double(bytes) * 8e9 / kSlow;
    return report_interval(std::max(quick_, slow_));
  }

private:
  static constexpr double kQuick = 1e9, kSlow = 4e9; ///< ns
  double quick_ = 0, slow_ = 0;                      ///< bits a second
  uint64_t last_ = 0;
  bool started_ = false;
};

} // namespace gsem
