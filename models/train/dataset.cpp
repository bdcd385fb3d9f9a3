// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/dataset.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <unordered_map>

namespace gsem::train {
namespace fs = std::filesystem;

namespace {

std::vector<std::string> split_tabs(const std::string& line) {
  std::vector<std::string> out;
  size_t from = 0, to;
  while ((to = line.find('\t', from)) != std::string::npos) {
    out.push_back(line.substr(from, to - from));
    from = to + 1;
  }
  out.push_back(line.substr(from));
  return out;
}

/// Rows of a tab-separated file as column name -> value. Quotes mean nothing: captions have unbalanced ones.
template <class F>
void each_row(const fs::path& file, F&& row) {
  std::ifstream in(file);
  if (!in)
    throw std::runtime_error("cannot read " + file.string());
  std::string line;
  std::getline(in, line);
  const auto names = split_tabs(line);
  std::map<std::string, std::string> values;
  while (std::getline(in, line)) {
    if (!line.empty() && line.back() == '\r')
      line.pop_back();
    const auto fields = split_tabs(line);
    values.clear();
    for (size_t i = 0; i < names.size() && i < fields.size(); i++)
      values[names[i]] = fields[i];
    row(values);
  }
}

bool is_picture(const fs::path& file) {
  auto e = file.extension().string();
  std::transform(e.begin(), e.end(), e.begin(), [](unsigned char c) { return std::tolower(c); });
  return e == ".jpg" || e == ".jpeg" || e == ".png" || e == ".webp" || e == ".bmp" || e == ".ppm";
}

void read_boundaries(const fs::path& folder, DataSet& data) {
  for (const char* split : {"train", "val", "test"}) {
    if (!fs::is_directory(folder / split))
      continue;
    for (const auto& file : detail::picture_files((folder / split).string())) {
      fs::path map = fs::path(file).replace_extension(".png");
      if (fs::path(file).extension() == ".png" || !fs::exists(map))
        continue;
      Entry e;
      e.name = fs::path(file).stem().string();
      e.file = file;
      e.kind = Kind::Boundary;
      e.train = std::string(split) != "test";
      e.boundary_file = map.string();
      data.entries.push_back(std::move(e));
    }
  }
}

void read_general(const fs::path& folder, DataSet& data) {
  const auto files = detail::picture_files(folder.string());
  const size_t kept = files.size() / 25;
  for (size_t i = 0; i < files.size(); i++) {
    Entry e;
    e.name = fs::relative(files[i], folder).string();
    e.file = files[i];
    e.train = i + kept < files.size();
    data.entries.push_back(std::move(e));
  }
}

bool has_boundaries(const fs::path& folder) {
  if (!fs::is_directory(folder / "train"))
    return false;
  for (const auto& e : fs::directory_iterator(folder / "train"))
    if (e.path().extension() == ".jpg" && fs::exists(fs::path(e.path()).replace_extension(".png")))
      return true;
  return false;
}

void read_folder(const fs::path& folder, DataSet& data, std::vector<std::string>& messages) {
  if (!fs::is_directory(folder))
    throw std::runtime_error("no such data folder: " + folder.string());
  const size_t before = data.entries.size();
  if (fs::exists(folder / "index.tsv")) {
    detail::read_index(folder.string(), data, messages);
  } else if (fs::exists(folder / "CUB_200_2011" / "images.txt")) {
    detail::read_cub((folder / "CUB_200_2011").string(), folder.string(), data, messages);
  } else if (fs::exists(folder / "images.txt")) {
    detail::read_cub(folder.string(), folder.string(), data, messages);
  } else if (has_boundaries(folder)) {
    read_boundaries(folder, data);
  } else {
    bool known = false;
    for (const char* part : {"birds", "photos", "edges"})
      if (fs::is_directory(folder / part)) {
        read_folder(folder / part, data, messages);
        known = true;
      }
    if (!known)
      read_general(folder, data);
  }
  if (data.entries.size() == before)
    throw std::runtime_error("no pictures in " + folder.string());
}

} // namespace

std::vector<std::string> detail::picture_files(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& e :
       fs::recursive_directory_iterator(folder, fs::directory_options::skip_permission_denied))
    if (e.is_regular_file() && is_picture(e.path()))
      out.push_back(e.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

void detail::read_index(const std::string& folder, DataSet& data, std::vector<std::string>& messages) {
  const fs::path root = folder;
  std::unordered_map<std::string, std::vector<std::string>> captions;
  if (fs::exists(root / "captions.tsv"))
    each_row(root / "captions.tsv", [&](auto& r) { captions[r["name"]].push_back(r["caption"]); });
  size_t missing = 0;
  each_row(root / "index.tsv", [&](auto& r) {
    Entry e;
    e.name = r["name"];
    e.train = r["split"] == "train";
    e.captions = captions[e.name];
    auto label = std::find(data.labels.begin(), data.labels.end(), r["class"]);
    e.label = int(label - data.labels.begin());
    if (label == data.labels.end())
      data.labels.push_back(r["class"]);
    Entry scene = e;
    e.kind = Kind::Object;
    e.file = (root / "crops" / (e.name + ".jpg")).string();
    if (fs::exists(e.file))
      data.entries.push_back(e);
    else
      missing++;
    if (!r["photo"].empty()) {
      scene.kind = Kind::Scene;
      scene.file = (root / r["photo"]).string();
      if (fs::exists(scene.file))
        data.entries.push_back(std::move(scene));
      else
        missing++;
    }
  });
  if (missing)
    messages.push_back(folder + ": " + std::to_string(missing) + " pictures of index.tsv are not there");
}

std::vector<size_t> DataSet::select(Kind kind, bool train) const {
  std::vector<size_t> out;
  for (size_t i = 0; i < entries.size(); i++)
    if (entries[i].kind == kind && entries[i].train == train)
      out.push_back(i);
  return out;
}

DataSet read_data(const std::vector<std::string>& folders, std::vector<std::string>& messages) {
  DataSet data;
  for (const auto& f : folders)
    read_folder(f, data, messages);
  // Class numbers in name order, whatever the order of the files.
  std::vector<std::string> sorted = data.labels;
  std::sort(sorted.begin(), sorted.end());
  for (auto& e : data.entries)
    if (e.label >= 0)
      e.label = int(std::lower_bound(sorted.begin(), sorted.end(), data.labels[e.label]) - sorted.begin());
  data.labels = std::move(sorted);
  return data;
}

} // namespace gsem::train
