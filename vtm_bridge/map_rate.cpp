// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/map_rate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gsem::maps {
namespace {

constexpr double kNoLimit = std::numeric_limits<double>::infinity();
constexpr double kMinSlope = 0.03, kMaxSlope = 0.5;
/// Aimed below a limit, because a prediction misses; and how much room is worth another try.
constexpr double kAim = 0.9, kRoom = 0.7;
constexpr double kMemory = 5; ///< maps that a size is remembered for

double log_bytes(size_t bytes) {
  return std::log(double(std::max<size_t>(bytes, 1)));
}

} // namespace

void MapRateControl::set_limits(const RateLimits& limits) {
  const bool begins = limits.bitrate > 0 && limits_.bitrate == 0;
  limits_ = limits;
  limits_.coarsest = std::max(limits.coarsest, limits.finest);
  // Debts and savings are of the rate at which they were made.
  credit_ = begins ? 0 : std::clamp(credit_, -bucket(), bucket());
}

void MapRateControl::earn(int64_t elapsed) {
  if (elapsed <= 0)
    return;
  const double seconds = std::min(double(elapsed) * 1e-9, 10.0);
  period_ = period_ > 0 ? period_ + (seconds - period_) / 8 : seconds;
  credit_ = std::min(credit_ + seconds * limits_.bitrate / 8, bucket());
}

/// Whether the coarsest map fits into what the bucket may be overdrawn by; from a full one any map goes.
bool MapRateControl::offer(bool force_key, int64_t elapsed) {
  earn(elapsed);
  const Kind& kind = force_key ? keys_ : usual();
  const double least = kind.level ? std::exp(*kind.level - slope_ * limits_.coarsest) : 0;
  return limits_.bitrate == 0 || credit_ >= std::min(bucket(), least - bucket());
}

int MapRateControl::predict(const Kind& kind, double bytes) const {
  const double quantiser = (*kind.level - std::log(std::max(bytes, 1.0))) / slope_;
  return int(std::lround(std::clamp(quantiser, double(limits_.finest), double(limits_.coarsest))));
}

/// Without a bit rate the finest allowed. With one, what spends a frame's share and, within a second, what
/// was saved or overdrawn. Key maps take the quantiser of the deltas around them.
int MapRateControl::wanted_quantiser() const {
  if (limits_.bitrate == 0 || period_ <= 0 || !usual().level)
    return limits_.finest;
  const double share = limits_.bitrate / 8.0 * period_;
  const double spread = std::max(0.5 / period_, 2.0); // maps over which the difference goes
  return predict(usual(), std::max(share + credit_ / spread, share / 4));
}

void MapRateControl::learn(bool key, int quantiser, size_t bytes) {
  Kind& kind = kind_of(key);
  // The mean of the bytes, not of their logarithms: where small maps and large ones take turns, the large
  // ones are what is paid for.
  const double level = log_bytes(bytes) + slope_ * quantiser;
  kind.level = kind.level ? *kind.level + std::log1p((std::exp(level - *kind.level) - 1) / kMemory) : level;
}

void MapRateControl::learn_slope(int q0, size_t bytes0, int q1, size_t bytes1) {
  if (q0 == q1)
    return;
  const double slope = (log_bytes(bytes0) - log_bytes(bytes1)) / (q1 - q0);
  const double old = slope_;
  slope_ = std::clamp((slope_ + slope) / 2, kMinSlope, kMaxSlope);
  // The lines turn about where they were just seen.
  for (Kind* kind : {&keys_, &deltas_})
    if (kind->level)
      *kind->level += (slope_ - old) * q1;
}

Status MapRateControl::encode(MapEncoder& encoder, const MapView& map, bool force_key, EncodedMap& out,
                              bool& sent, int& encodes) {
  sent = false;
  const double hard = limits_.max_bytes > 0 ? double(limits_.max_bytes) : kNoLimit;
  const double soft = limits_.bitrate > 0 ? std::max(credit_ + bucket(), 1.0) : kNoLimit;
  const double limit = std::min(hard, soft);
  const int wanted = wanted_quantiser();
  int quantiser = wanted;
  if (limit < kNoLimit && kind_of(force_key).level)
    quantiser = std::max(wanted, predict(kind_of(force_key), kAim * limit));

  EncodedMap fits; // a coarser try that may be sent, while a finer one is made
  int fits_quantiser = 0;
  int last_quantiser = 0;
  size_t last_bytes = 0;
  for (encodes = 1;; encodes++) {
    encoder.set_quantiser(quantiser);
    if (Status status = encoder.encode(map, force_key, out); status != Status::Ok)
      return status;
    const size_t bytes = out.payload.size();
    if (encodes > 1)
      learn_slope(last_quantiser, last_bytes, quantiser, bytes);
    last_quantiser = quantiser;
    last_bytes = bytes;
    const bool good = double(bytes) <= limit;
    if (!good && !fits.payload.empty()) {
      out = std::move(fits); // nothing refers to either: the finer try never was
      quantiser = fits_quantiser;
      break;
    }
    if (encodes == kMaxEncodes || (!good && quantiser >= limits_.coarsest))
      break;
    int next = limits_.coarsest;
    if (!good && encodes + 1 < kMaxEncodes)
      next = std::max(quantiser + 1,
                      int(std::lround(quantiser + std::log(double(bytes) / (kAim * limit)) / slope_)));
    if (good) {
      // Finer only where the limit, not the quality, chose this one, and where this one stays good when
      // another is made after it: a key map of a live stream is what the encoder refers to from then on.
      const bool lasting = !live_ || !out.key;
      const int finer = std::max(
          wanted,
          int(std::lround(quantiser - std::log(kAim * limit / double(std::max<size_t>(bytes, 1))) / slope_)));
      if (!lasting || double(bytes) > kRoom * limit || finer >= quantiser)
        break;
      next = finer;
      fits = out;
      fits_quantiser = quantiser;
    }
    encoder.discard();
    quantiser = std::min(next, limits_.coarsest);
  }
  learn(out.key, quantiser, out.payload.size());
  if (double(out.payload.size()) > hard) {
    encoder.discard();
    return Status::Ok;
  }
  sent = true;
  if (limits_.bitrate > 0)
    credit_ -= double(out.payload.size());
  return Status::Ok;
}

} // namespace gsem::maps
