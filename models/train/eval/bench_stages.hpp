// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/profile.hpp"

#include <functional>
#include <string>
#include <vector>

/// What each stage of the chain costs. Errors are std::runtime_error.
namespace gsem::eval {

struct Stage {
  std::string name;
  std::string when;         ///< "frame", "caption", "base": how often it runs
  bool sender = false;      ///< else the receiver's
  double gmac = 0;          ///< of the networks, counted while they ran; 0: no network
  std::vector<double> wall; ///< median milliseconds, by thread count
  std::function<void()> run;
};

/// The stages of `profile` on one 256x256 picture, in the chain's order, timed with each of `threads`. The
/// thread counts take turns within each round, so that what else runs on the machine hits all of them alike.
/// `rounds` at least 1.
std::vector<Stage> time_stages(const profile::Profile& profile, const std::vector<int>& threads, int rounds);

} // namespace gsem::eval
