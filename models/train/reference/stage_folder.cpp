// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/reference/stage_folder.hpp"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>

namespace gsem::train {
namespace fs = std::filesystem;
namespace {

constexpr int kSide = 256, kMapSide = 128;

/// Empty when it is missing or of another size.
cv::Mat read_png(const std::string& file, int flags, int side) {
  cv::Mat m = cv::imread(file, flags);
  if (m.rows != side || m.cols != side)
    return {};
  if (m.channels() == 3)
    cv::cvtColor(m, m, cv::COLOR_BGR2RGB);
  return m;
}

} // namespace

std::string stage_file(const std::string& folder, const char* what, const Entry& entry) {
  const fs::path name(entry.name);
  if (name.is_absolute() || name.empty() ||
      std::any_of(name.begin(), name.end(), [](const fs::path& part) { return part == ".."; }))
    throw std::runtime_error("the picture name \"" + entry.name + "\" leads out of its folder");
  return (fs::path(folder) / what / (entry.name + ".png")).string();
}

std::vector<size_t> stage_entries(const Context& context, bool train) {
  for (Kind kind : {Kind::Object, Kind::General})
    if (auto some = context.select(kind, train); !some.empty())
      return some;
  return {};
}

StagePictures read_stages(const Context& context, const char* lower, bool train) {
  const std::string& folder = context.settings.stages;
  if (folder.empty())
    throw std::runtime_error(context.settings.net +
                             " needs --stages, a folder with the lower layers' pictures");
  std::vector<at::Tensor> pictures, lowers, maps;
  cv::Mat rgb;
  size_t missing = 0;
  for (size_t i : stage_entries(context, train)) {
    const Entry& entry = context.data.entries[i];
    const cv::Mat below = read_png(stage_file(folder, lower, entry), cv::IMREAD_COLOR, kSide),
                  map = read_png(stage_file(folder, kMaps, entry), cv::IMREAD_GRAYSCALE, kMapSide);
    if (below.empty() || map.empty()) {
      missing++;
      continue;
    }
    if (!decode_picture(entry, rgb, context.message))
      continue;
    pictures.push_back(to_u8(squash(rgb, kSide)));
    lowers.push_back(to_u8(below));
    maps.push_back(to_u8(map));
  }
  if (missing)
    context.message(std::to_string(missing) + (train ? " training" : " test") + " pictures have no " +
                    std::string(lower) + " or map of 256 and 128 pixels in " + folder);
  StagePictures out;
  if (!pictures.empty())
    out = {torch::cat(pictures), torch::cat(lowers), torch::cat(maps)};
  return out;
}

void write_stage_sheet(const StagePictures& part, const std::function<at::Tensor(int64_t)>& show,
                       const std::string& file) {
  std::vector<std::vector<at::Tensor>> rows(3);
  for (int64_t i = 0; i < std::min<int64_t>(6, part.size()); i++) {
    rows[0].push_back(part.pictures[i]);
    rows[1].push_back(part.lower[i]);
    rows[2].push_back(from_unit(show(i).clamp(-1, 1))[0]);
  }
  write_sheet(rows, file);
}

} // namespace gsem::train
