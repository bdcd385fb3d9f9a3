// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstddef>
#include <cstdint>

namespace gsem::codec {

/// Chooses the quality of each picture so that the signal layer keeps to a bit rate. The logarithm of a
/// picture's bytes is taken to grow evenly with its quality; where it stands is learnt from the pictures
/// before, so a wrong slope only makes it slower. Not thread-safe.
class SignalRate {
public:
  void reset() { *this = SignalRate{}; }

  /// Quality 0..`best` for the next picture, `interval` ns after the one before (0: not known, as before).
  int quality(int best, uint64_t bits_a_second, uint64_t interval);
  /// It took `bytes`.
  void coded(int quality, size_t bytes);

private:
  double level_ = 0; ///< logarithm of the bytes at quality 0
  bool known_ = false;
  double excess_ = 0; ///< bytes over the rate so far
  double interval_ = 0.04;
};

} // namespace gsem::codec
