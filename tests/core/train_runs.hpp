// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/train/trainer.hpp"
#include "tests/core/check.hpp"
#include "tests/core/train_data.hpp"

#include <cmath>
#include <cstdlib>
#include <sstream>

/// Short runs of the trainer and their logs.
namespace test_data {

/// Rows of a CSV log without the seconds column.
inline std::vector<std::string> read_log(const std::string& file) {
  std::ifstream in(file);
  std::vector<std::string> rows;
  std::string line;
  while (std::getline(in, line)) {
    const size_t a = line.find(','), b = line.find(',', a + 1);
    rows.push_back(line.substr(0, a) + line.substr(b));
  }
  return rows;
}

inline bool all_finite(const std::vector<std::string>& rows) {
  for (size_t i = 1; i < rows.size(); i++) {
    std::istringstream cells(rows[i]);
    std::string cell;
    while (std::getline(cells, cell, ','))
      if (!std::isfinite(std::strtod(cell.c_str(), nullptr)))
        return false;
  }
  return rows.size() > 1;
}

/// Trains, checks the log, then goes back to the checkpoint of step 2 and repeats.
inline void run_and_repeat(const gsem::train::Settings& s) {
  using namespace gsem;
  std::fprintf(stderr, "== %s\n", s.net.c_str());
  CHECK(train::train(s) == train::Ending::Finished);
  const std::string log = s.out + "/" + s.net + ".csv", last = s.out + "/" + s.net + ".step-4.safetensors";
  const auto rows = read_log(log);
  CHECK(rows.size() == 5 && all_finite(rows));
  CHECK(fs::exists(last) && fs::exists(s.export_file));
  fs::remove(last);
  CHECK(train::train(s) == train::Ending::Finished);
  const auto again = read_log(log);
  CHECK(again == rows);
  for (size_t i = 0; i < rows.size() && i < again.size(); i++)
    if (again[i] != rows[i])
      std::fprintf(stderr, "  %s\n  %s\n", rows[i].c_str(), again[i].c_str());
}

/// A picture and its "human" boundaries.
inline void write_boundary(const fs::path& folder, int i) {
  fs::create_directories(folder);
  const cv::Mat picture = test_data::picture(i, 150);
  cv::Mat grey, edge;
  cv::cvtColor(picture, grey, cv::COLOR_BGR2GRAY);
  cv::Canny(grey, edge, 50, 100);
  cv::imwrite((folder / (std::to_string(i) + ".jpg")).string(), picture);
  cv::imwrite((folder / (std::to_string(i) + ".png")).string(), edge);
}

} // namespace test_data
