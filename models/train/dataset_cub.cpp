// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/dataset.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

namespace gsem::train {
namespace fs = std::filesystem;

namespace {

/// Lines "NUMBER REST" of the CUB tables.
std::map<int, std::string> read_table(const fs::path& file) {
  std::map<int, std::string> out;
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    int number;
    std::string rest;
    if (words >> number && std::getline(words >> std::ws, rest))
      out[number] = rest;
  }
  return out;
}

std::vector<std::string> read_lines(const fs::path& file) {
  std::vector<std::string> out;
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())))
      line.pop_back();
    if (!line.empty())
      out.push_back(line);
  }
  return out;
}

/// "001.Black_footed_Albatross/NAME" without extension, from the split folder beside the data; empty when
/// there is none.
std::vector<std::string> split_list(const fs::path& outer, const char* split) {
  for (const auto& at : {outer / split, outer / "birds" / split}) {
    if (fs::exists(at / "filenames.txt"))
      return read_lines(at / "filenames.txt");
    if (fs::exists(at / "filenames.pickle"))
      return read_pickled_strings((at / "filenames.pickle").string());
  }
  return {};
}

fs::path caption_file(const fs::path& outer, const fs::path& cub, const std::string& name) {
  for (const auto& root :
       {outer / "text", outer / "text_c10", cub / "text", cub / "text_c10", outer / "birds" / "text"})
    if (fs::exists(root / (name + ".txt")))
      return root / (name + ".txt");
  return {};
}

class Unpickler {
public:
  explicit Unpickler(std::string data) : data_(std::move(data)) {}

  std::vector<std::string> run() {
    for (;;) {
      const uint8_t op = byte();
      switch (op) {
      case 0x80: // PROTO
        byte();
        break;
      case 0x95: // FRAME
        take(8);
        break;
      case '(':
      case ']':
      case 'l':
      case 'a':
      case 'e':
        break;  // marks and list building: the order of the strings says it all
      case 'p': // PUT
        line();
        note();
        break;
      case 'q': // BINPUT
        byte();
        note();
        break;
      case 'r': // LONG_BINPUT
        take(4);
        note();
        break;
      case 0x94: // MEMOIZE
        note();
        break;
      case 'S':
        push(unquote(line()));
        break;
      case 'V':
        push(line());
        break;
      case 'U':  // SHORT_BINSTRING
      case 0x8c: // SHORT_BINUNICODE
        push(take(byte()));
        break;
      case 'T': // BINSTRING
      case 'X': // BINUNICODE
        push(take(size32()));
        break;
      case '.':
        return out_;
      default:
        throw std::runtime_error("not a pickled list of strings");
      }
    }
  }

private:
  uint8_t byte() {
    if (at_ >= data_.size())
      throw std::runtime_error("pickle ends early");
    return uint8_t(data_[at_++]);
  }
  std::string take(size_t n) {
    if (n > data_.size() - at_)
      throw std::runtime_error("pickle ends early");
    at_ += n;
    return data_.substr(at_ - n, n);
  }
  size_t size32() {
    size_t n = 0;
    for (int i = 0; i < 4; i++)
      n |= size_t(byte()) << (8 * i);
    return n;
  }
  std::string line() {
    const size_t end = data_.find('\n', at_);
    if (end == std::string::npos)
      throw std::runtime_error("pickle ends early");
    std::string s = data_.substr(at_, end - at_);
    at_ = end + 1;
    return s;
  }
  static std::string unquote(const std::string& s) {
    if (s.size() < 2 || (s[0] != '\'' && s[0] != '"') || s.back() != s[0])
      throw std::runtime_error("string without quotes in the pickle");
    std::string out;
    for (size_t i = 1; i + 1 < s.size(); i++) {
      if (s[i] == '\\' && i + 2 < s.size())
        i++;
      out += s[i];
    }
    return out;
  }
  void push(std::string s) { out_.push_back(std::move(s)); }
  // Lists of file names have no repeats, so nothing is ever fetched from the memo (GET is refused above).
  void note() {}

  std::string data_;
  size_t at_ = 0;
  std::vector<std::string> out_;
};

} // namespace

std::vector<std::string> read_pickled_strings(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    throw std::runtime_error("cannot read " + file);
  try {
    return Unpickler(std::string(std::istreambuf_iterator<char>(in), {})).run();
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(file + ": " + e.what());
  }
}

void detail::read_cub(const std::string& cub_folder, const std::string& outer_folder, DataSet& data,
                      std::vector<std::string>& messages) {
  const fs::path cub = cub_folder, outer = outer_folder;
  const auto images = read_table(cub / "images.txt"), boxes = read_table(cub / "bounding_boxes.txt"),
             published = read_table(cub / "train_test_split.txt");
  std::unordered_map<std::string, bool> listed; // name without extension -> train
  for (const char* split : {"test", "train"})
    for (const auto& name : split_list(outer, split))
      listed[name] = !strcmp(split, "train");
  size_t missing = 0, unlisted = 0, silent = 0;
  for (const auto& [number, path] : images) {
    Entry e;
    e.name = fs::path(path).replace_extension().string();
    e.file = (cub / "images" / path).string();
    e.kind = Kind::Object;
    if (!fs::exists(e.file)) {
      missing++;
      continue;
    }
    if (!listed.empty()) {
      const auto at = listed.find(e.name);
      if (at == listed.end()) {
        unlisted++;
        continue;
      }
      e.train = at->second;
    } else if (const auto at = published.find(number); at != published.end()) {
      e.train = at->second == "1";
    }
    if (const auto at = boxes.find(number); at != boxes.end()) {
      std::istringstream numbers(at->second);
      for (double& v : e.box)
        numbers >> v;
    }
    const std::string label = fs::path(path).parent_path().string();
    const auto known = std::find(data.labels.begin(), data.labels.end(), label);
    e.label = int(known - data.labels.begin());
    if (known == data.labels.end())
      data.labels.push_back(label);
    const auto text = caption_file(outer, cub, e.name);
    if (!text.empty())
      e.captions = read_lines(text);
    silent += e.captions.empty();
    Entry scene = e;
    scene.kind = Kind::Scene;
    scene.box = {};
    data.entries.push_back(std::move(e));
    data.entries.push_back(std::move(scene));
  }
  for (const auto& [count, what] : {std::pair(missing, "pictures of images.txt are not there"),
                                    std::pair(unlisted, "pictures are in no split list and are left out"),
                                    std::pair(silent, "pictures have no captions")})
    if (count)
      messages.push_back(cub_folder + ": " + std::to_string(count) + " " + what);
}

} // namespace gsem::train
