// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <algorithm>
#include <cstdint>

/// How rare receivers' reports may be before the estimator misses them: docs/adaptation.md, "Reports".
/// Thread-safety: pure functions.
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

} // namespace gsem
