// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/sheet.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include <filesystem>
#include <stdexcept>

namespace gsem::eval {

namespace {

constexpr int kGap = 8, kText = 40;

void write(cv::Mat& sheet, const std::string& text, int x, int y) {
  cv::putText(sheet, text, {x, y}, cv::FONT_HERSHEY_SIMPLEX, 0.42, cv::Scalar::all(0), 1, cv::LINE_AA);
}

void draw_row(cv::Mat& sheet, const SheetRow& row, const std::vector<int>& qualities, int y) {
  int x = kGap;
  auto cell = [&](const cv::Mat& picture, const std::string& text) {
    cv::Mat shown;
    cv::resize(picture, shown, {kSide, kSide}, 0, 0, cv::INTER_LINEAR);
    if (shown.channels() == 1)
      cv::cvtColor(shown, shown, cv::COLOR_GRAY2BGR);
    shown.copyTo(sheet(cv::Rect(x, y, kSide, kSide)));
    write(sheet, text, x, y + kSide + 14);
    x += kSide + kGap;
  };
  const PictureResult& r = row.result;
  auto bytes = [](size_t n) { return std::to_string(n) + " bytes"; };
  cell(row.source, "source");
  cell(row.map, "map: " + bytes(r.structure_bytes) + " payload");
  cell(row.words, "layer 1: " + bytes(r.words_file));
  cell(row.shapes, "layers 1-2: " + bytes(r.shapes_file));
  for (size_t q = 0; q < row.all.size(); q++)
    cell(row.all[q], "quality " + std::to_string(qualities[q]) + ": " + bytes(r.all[q].file));
  write(sheet, r.caption, kGap, y + kSide + 32);
}

} // namespace

void write_sheet(const std::vector<SheetRow>& rows, const std::vector<int>& qualities,
                 const std::string& folder) {
  if (rows.empty())
    return;
  const int columns = 4 + int(qualities.size()), height = kSide + kText;
  cv::Mat sheet(kGap + int(rows.size()) * height, kGap + columns * (kSide + kGap), CV_8UC3,
                cv::Scalar::all(255));
  for (size_t i = 0; i < rows.size(); i++)
    draw_row(sheet, rows[i], qualities, kGap + int(i) * height);
  std::filesystem::create_directories(folder);
  if (!cv::imwrite(folder + "/layers.png", sheet))
    throw std::runtime_error("cannot write into " + folder);
}

} // namespace gsem::eval
