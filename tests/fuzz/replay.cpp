// SPDX-License-Identifier: LGPL-2.1-or-later
// Stands in for libFuzzer: runs a fuzz target over its seed files and over deterministic mutations of them.
// A seed file is hex text (easy to read and review); '#' begins a comment.
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutationsPerSeed = 20000;

std::vector<uint8_t> read_seed(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<uint8_t> seed;
  std::string line;
  while (std::getline(in, line)) {
    std::string digits;
    for (char c : line.substr(0, line.find('#')))
      if (isxdigit(static_cast<unsigned char>(c)))
        digits += c;
    for (size_t i = 0; i + 1 < digits.size(); i += 2)
      seed.push_back(uint8_t(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return seed;
}

void mutate(std::vector<uint8_t>& data, std::mt19937& random) {
  auto below = [&](size_t n) { return n ? random() % n : 0; };
  for (unsigned edits = 1 + random() % 4; edits; edits--) {
    size_t at = below(data.size());
    switch (random() % 6) {
    case 0:
      if (!data.empty())
        data[at] ^= uint8_t(1u << (random() % 8));
      break;
    case 1:
      if (!data.empty())
        data[at] = uint8_t(random());
      break;
    case 2:
      data.resize(below(data.size() + 1));
      break;
    case 3:
      data.insert(data.begin() + long(at), uint8_t(random()));
      break;
    case 4:
      if (!data.empty())
        data.erase(data.begin() + long(at));
      break;
    default:
      if (!data.empty())
        data[at] = random() % 2 ? 0xFF : 0;
      break;
    }
  }
}

} // namespace

int main(int argc, char** argv) {
  size_t seeds = 0;
  std::mt19937 random(1);
  for (int i = 1; i < argc; i++)
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::vector<uint8_t> seed = read_seed(entry.path());
      LLVMFuzzerTestOneInput(seed.data(), seed.size());
      for (int k = 0; k < kMutationsPerSeed; k++) {
        std::vector<uint8_t> data = seed;
        mutate(data, random);
        // A heap copy of the exact size lets the address sanitiser see every read past the end.
        std::vector<uint8_t> exact(data.begin(), data.end());
        LLVMFuzzerTestOneInput(exact.data(), exact.size());
      }
      seeds++;
    }
  LLVMFuzzerTestOneInput(nullptr, 0);
  printf("%zu seeds, %d mutations each\n", seeds, kMutationsPerSeed);
  return seeds ? 0 : 1;
}
