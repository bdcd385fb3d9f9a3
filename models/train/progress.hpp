// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/checkpoint.hpp"

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace gsem::train {

/// Named loss values of a step, in the order of the log's columns (always the same names).
using Losses = std::vector<std::pair<std::string, double>>;

/// "74 s", "12 min", "3.5 h"
std::string duration_text(double seconds);

/// The progress line on standard output and the CSV log. Columns: step, seconds, pictures, then the losses,
/// averaged over `every` steps.
class Progress {
public:
  /// Rows of an earlier run after `from` are cut off, so that the log fits the checkpoint that was resumed.
  Progress(const std::string& csv, const Position& from, int64_t every);
  /// Writes the row of the last, incomplete average.
  ~Progress();
  /// After each step. `remaining`: seconds still to go as far as is known, < 0: not known.
  void step(const Position& now, const Losses& losses, double remaining);
  /// A message on a line of its own.
  void say(const std::string& text);

private:
  void write_row(const Position& now);
  void show(const Position& now, double remaining);
  std::FILE* csv_ = nullptr;
  bool header_ = false, terminal_ = false, open_line_ = false;
  int64_t every_, count_ = 0, shown_pictures_ = 0;
  double shown_seconds_ = 0;
  Losses sums_, latest_;
  Position last_;
  std::chrono::steady_clock::time_point last_shown_;
};

} // namespace gsem::train
