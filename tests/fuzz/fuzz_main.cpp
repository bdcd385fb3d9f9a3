// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/fuzz/fuzz_target.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

/// Replays a fuzz target without libFuzzer: its seeds, the regression inputs in a folder (*.hex, text) and a
/// fixed set of mutations of each, the same on every machine.
///
///   fuzz_x [CORPUS [MUTATIONS]]      replay
///   fuzz_x --write-seeds FOLDER      seeds as files, to start libFuzzer from
namespace {

using gsem::Bytes;

/// Inputs end at a page that cannot be touched, so that reading past the end faults in plain builds too.
class GuardedPage {
public:
  explicit GuardedPage(size_t capacity) : page_(size_t(sysconf(_SC_PAGESIZE))) {
    capacity_ = (std::max<size_t>(capacity, 1) + page_ - 1) / page_ * page_;
    void* memory =
        mmap(nullptr, capacity_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(static_cast<char*>(memory) + capacity_, page_, PROT_NONE) != 0) {
      std::perror("guard page");
      std::exit(1);
    }
    memory_ = static_cast<uint8_t*>(memory);
  }
  ~GuardedPage() { munmap(memory_, capacity_ + page_); }
  GuardedPage(const GuardedPage&) = delete;
  GuardedPage& operator=(const GuardedPage&) = delete;

  void run(const Bytes& input) {
    uint8_t* start = memory_ + capacity_ - input.size();
    std::copy(input.begin(), input.end(), start);
    LLVMFuzzerTestOneInput(start, input.size());
  }

private:
  size_t page_, capacity_ = 0;
  uint8_t* memory_ = nullptr;
};

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers everywhere, unlike the standard distributions.
struct Random {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  size_t below(size_t n) { return n ? size_t(next() % n) : 0; }
};

constexpr size_t kGrowth = 64; ///< bytes that mutations may add

void mutate_once(Bytes& input, size_t limit, const Bytes& other, Random& random) {
  static constexpr uint8_t kEdges[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x10};
  const size_t at = random.below(input.size());
  switch (random.below(8)) {
  case 0: // one bit
    if (!input.empty())
      input[at] ^= uint8_t(1u << random.below(8));
    break;
  case 1: // one byte
    if (!input.empty())
      input[at] = uint8_t(random.next());
    break;
  case 2: // a value at an edge
    if (!input.empty())
      input[at] = kEdges[random.below(std::size(kEdges))];
    break;
  case 3: // cut
    input.resize(at);
    break;
  case 4: { // take out
    const size_t count = std::min(input.size() - at, 1 + random.below(8));
    input.erase(input.begin() + ptrdiff_t(at), input.begin() + ptrdiff_t(at + count));
    break;
  }
  case 5: // put in
    if (input.size() + 4 <= limit) {
      const uint32_t bits = uint32_t(random.next());
      uint8_t bytes[4];
      std::memcpy(bytes, &bits, 4);
      input.insert(input.begin() + ptrdiff_t(at), bytes, bytes + 1 + random.below(4));
    }
    break;
  case 6: // copy within
    if (input.size() > 1) {
      const size_t from = random.below(input.size());
      const size_t count = std::min(1 + random.below(16), input.size() - std::max(at, from));
      std::memmove(input.data() + at, input.data() + from, count);
    }
    break;
  default: // cross with another seed
    if (!other.empty() && !input.empty()) {
      const size_t from = random.below(other.size());
      const size_t count = std::min({1 + random.below(32), other.size() - from, input.size() - at});
      std::copy_n(other.begin() + ptrdiff_t(from), count, input.begin() + ptrdiff_t(at));
    }
  }
}

Bytes read_hex(const std::filesystem::path& path) {
  std::ifstream file(path);
  Bytes bytes;
  std::string line;
  while (std::getline(file, line)) {
    line.resize(std::min(line.find('#'), line.size()));
    std::erase_if(line, [](unsigned char c) { return std::isspace(c) != 0; });
    for (size_t i = 0; i + 1 < line.size(); i += 2)
      bytes.push_back(uint8_t(std::stoul(line.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

int write_seeds(const std::string& folder) {
  std::filesystem::create_directories(folder);
  size_t number = 0;
  for (const Bytes& seed : fuzz_seeds()) {
    std::ofstream file(std::filesystem::path(folder) / ("seed" + std::to_string(number++)), std::ios::binary);
    file.write(reinterpret_cast<const char*>(seed.data()), std::streamsize(seed.size()));
    if (!file) {
      std::fprintf(stderr, "cannot write into %s\n", folder.c_str());
      return 1;
    }
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--write-seeds") == 0)
    return write_seeds(argv[2]);
  std::vector<Bytes> inputs = fuzz_seeds();
  if (argc > 1 && std::filesystem::is_directory(argv[1])) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
      if (entry.path().extension() == ".hex")
        paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths)
      inputs.push_back(read_hex(path));
  }
  const unsigned long mutations = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 20000;

  size_t longest = 0;
  for (const Bytes& input : inputs)
    longest = std::max(longest, input.size());
  GuardedPage page(longest + kGrowth);
  page.run({});
  Random random{1};
  Bytes mutant;
  for (size_t i = 0; i < inputs.size(); ++i) {
    page.run(inputs[i]);
    for (unsigned long n = 0; n < mutations; ++n) {
      mutant = inputs[i];
      for (size_t steps = 1 + random.below(4); steps > 0; --steps)
        mutate_once(mutant, longest + kGrowth, inputs[random.below(inputs.size())], random);
      page.run(mutant);
    }
  }
  std::printf("%zu inputs, %lu mutations of each\n", inputs.size(), mutations);
  return inputs.empty() ? 1 : 0;
}
