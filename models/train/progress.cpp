// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/progress.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace gsem::train {

std::string duration_text(double seconds) {
  char text[32];
  if (seconds < 100)
    snprintf(text, sizeof text, "%.0f s", seconds);
  else if (seconds < 6000)
    snprintf(text, sizeof text, "%.0f min", seconds / 60);
  else
    snprintf(text, sizeof text, "%.1f h", seconds / 3600);
  return text;
}

Progress::Progress(const std::string& csv, const Position& from, int64_t every)
    : terminal_(isatty(STDOUT_FILENO)), every_(std::max<int64_t>(1, every)), shown_pictures_(from.pictures),
      shown_seconds_(from.seconds), last_shown_(std::chrono::steady_clock::now()) {
  // A run that was killed has written rows that its checkpoint does not know; they will come again.
  std::string kept;
  {
    std::ifstream in(csv);
    std::string line;
    while (std::getline(in, line) && !in.eof())
      if (line.rfind("step,", 0) == 0 ||
          (line[0] >= '0' && line[0] <= '9' && std::atoll(line.c_str()) <= from.step))
        kept += line + "\n";
  }
  const std::string part = csv + ".part";
  std::ofstream(part) << kept;
  std::filesystem::rename(part, csv);
  header_ = !kept.empty();
  csv_ = std::fopen(csv.c_str(), "a");
  if (!csv_)
    throw std::runtime_error("cannot write " + csv);
}

Progress::~Progress() {
  if (count_ > 0)
    write_row(last_);
  if (open_line_)
    std::printf("\n");
  std::fflush(stdout);
  std::fclose(csv_);
}

void Progress::write_row(const Position& now) {
  if (!header_) {
    std::fprintf(csv_, "step,seconds,pictures");
    for (const auto& l : sums_)
      std::fprintf(csv_, ",%s", l.first.c_str());
    std::fprintf(csv_, "\n");
    header_ = true;
  }
  std::fprintf(csv_, "%lld,%.1f,%lld", (long long)now.step, now.seconds, (long long)now.pictures);
  for (const auto& l : sums_)
    std::fprintf(csv_, ",%.9g", l.second / double(count_));
  std::fprintf(csv_, "\n");
  std::fflush(csv_);
}

void Progress::step(const Position& now, const Losses& losses, double remaining) {
  if (sums_.empty())
    for (const auto& l : losses)
      sums_.push_back({l.first, 0.0});
  for (size_t i = 0; i < losses.size(); i++)
    sums_[i].second += losses[i].second;
  count_++;
  last_ = now;
  if (now.step % every_ == 0) {
    write_row(now);
    latest_ = sums_;
    for (auto& l : latest_)
      l.second /= double(count_);
    for (auto& l : sums_)
      l.second = 0;
    count_ = 0;
  }
  const auto passed = std::chrono::steady_clock::now() - last_shown_;
  if (passed >= (terminal_ ? std::chrono::seconds(1) : std::chrono::seconds(15))) {
    if (latest_.empty())
      latest_ = losses;
    show(now, remaining);
  }
}

void Progress::show(const Position& now, double remaining) {
  const double seconds = now.seconds - shown_seconds_;
  std::printf("%sstep %lld  %.1f pictures/s", terminal_ ? "\r\033[K" : "", (long long)now.step,
              seconds > 0 ? double(now.pictures - shown_pictures_) / seconds : 0.0);
  for (const auto& l : latest_)
    std::printf("  %s %.4g", l.first.c_str(), l.second);
  if (remaining >= 0)
    std::printf("  ETA %s", duration_text(remaining).c_str());
  if (!terminal_)
    std::printf("\n");
  std::fflush(stdout);
  open_line_ = terminal_;
  shown_pictures_ = now.pictures;
  shown_seconds_ = now.seconds;
  last_shown_ = std::chrono::steady_clock::now();
}

void Progress::say(const std::string& text) {
  if (open_line_)
    std::printf("\n");
  open_line_ = false;
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

} // namespace gsem::train
