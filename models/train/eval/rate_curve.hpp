// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <optional>
#include <vector>

/// Comparing codecs by their rate-quality curves. Thread-safe.
namespace gsem::eval {

struct RatePoint {
  double bytes = 0;   ///< over 0
  double quality = 0; ///< decibels, or any scale that grows with quality
};

/// Bjontegaard's delta rate: by how many per cent `test` needs more bytes than `anchor` for the same quality
/// (negative: fewer), the mean over the common range of qualities of log rate, interpolated piecewise by
/// Akima's cubics (G. Bjontegaard, VCEG-M33, 2001; ITU-T HSTP-VID-WPOM, 2020). Points in any order; of points
/// that are worse at more bytes only the best stay. Nothing when fewer than two points or no common range
/// remain.
std::optional<double> bd_rate(std::vector<RatePoint> anchor, std::vector<RatePoint> test);

/// By how much `test` is better than `anchor` at the same rate, in the quality's unit: the mean over the
/// common range of log rates.
std::optional<double> bd_quality(std::vector<RatePoint> anchor, std::vector<RatePoint> test);

/// Value of Akima's piecewise cubic through (x[i], y[i]) integrated from `from` to `to`; x ascending, two
/// points at least, the range inside (H. Akima, J. ACM 17, 1970).
double akima_integral(const std::vector<double>& x, const std::vector<double>& y, double from, double to);

/// Quality at `bytes`, linear in log rate between neighbouring points (sorted by bytes). Below the first
/// point the first point's quality, above the last the last's.
double quality_at(const std::vector<RatePoint>& curve, double bytes);

} // namespace gsem::eval
