// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/entropy/tools/caption_files.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace gsem::entropy {

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw std::runtime_error(path + ": cannot be read");
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw std::runtime_error(path + ": cannot be read");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r')
      line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

static std::vector<std::string> columns(const std::string& line) {
  std::vector<std::string> fields(1);
  for (char c : line) {
    if (c == '\t')
      fields.emplace_back();
    else
      fields.back().push_back(c);
  }
  return fields;
}

std::set<std::string> read_names(const std::string& path) {
  std::set<std::string> names;
  for (const std::string& line : read_lines(path))
    names.insert(line.substr(0, line.find('\t')));
  return names;
}

std::vector<std::string> read_captions(const std::string& path, const std::set<std::string>* only,
                                       const std::set<std::string>* exclude) {
  const std::vector<std::string> lines = read_lines(path);
  std::vector<std::string> captions;
  if (!path.ends_with(".tsv")) {
    std::copy_if(lines.begin(), lines.end(), std::back_inserter(captions),
                 [](auto& l) { return !l.empty(); });
    return captions;
  }
  const std::vector<std::string> header = lines.empty() ? std::vector<std::string>() : columns(lines.front());
  const auto column = [&](const char* name) {
    return size_t(std::find(header.begin(), header.end(), name) - header.begin());
  };
  const size_t caption = column("caption"), name = column("name");
  if (caption == header.size())
    throw std::runtime_error(path + ": no column named caption");
  if ((only || exclude) && name == header.size())
    throw std::runtime_error(path + ": no column named name to select by");
  for (size_t i = 1; i < lines.size(); i++) {
    const std::vector<std::string> fields = columns(lines[i]);
    if (fields.size() != header.size())
      continue;
    if ((only && !only->contains(fields[name])) || (exclude && exclude->contains(fields[name])))
      continue;
    captions.push_back(fields[caption]);
  }
  return captions;
}

} // namespace gsem::entropy
