// SPDX-License-Identifier: LGPL-2.1-or-later
// What gst-semantic-import allocates for a checkpoint that is as it should be: RCF at its published widths,
// 59 MB, imported under a limit of the process's data.
#include "models/import/tools/reference_profile.hpp"
#include "tests/core/check.hpp"
#include "tests/core/checkpoint_files.hpp"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace gsem;
namespace fs = std::filesystem;

namespace {

constexpr size_t kMegabyte = size_t(1) << 20;

std::vector<checkpoint_files::TensorSpec> rcf_tensors(int64_t& count) {
  std::vector<checkpoint_files::TensorSpec> out;
  count = 0;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    checkpoint_files::TensorSpec t;
    t.name = name;
    t.shape = shape;
    t.stride.assign(shape.size(), 1);
    for (size_t d = shape.size() - 1; d-- > 0;)
      t.stride[d] = t.stride[d + 1] * shape[d + 1];
    t.offset = count;
    count += t.stride[0] * shape[0];
    out.push_back(t);
  };
  const auto layer = [&](const std::string& name, int64_t outputs, int64_t inputs, int64_t side) {
    add(name + ".weight", {outputs, inputs, side, side});
    add(name + ".bias", {outputs});
  };
  const int64_t widths[5] = {64, 128, 256, 512, 512}, layers[5] = {2, 2, 3, 3, 3};
  int64_t in = 3;
  for (int s = 0; s < 5; s++) {
    for (int i = 1; i <= layers[s]; i++) {
      const std::string name = "conv" + std::to_string(s + 1) + "_" + std::to_string(i);
      layer(name, widths[s], in, 3);
      layer(name + "_down", 21, widths[s], 1);
      in = widths[s];
    }
    layer("score_dsn" + std::to_string(s + 1), 1, 21, 1);
  }
  layer("score_fuse", 1, 5, 1);
  for (auto& t : out)
    t.count = count;
  return out;
}

/// Bytes of private writable memory that this process has.
size_t data_size() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmData:"))
      return size_t(std::stoull(line.substr(7))) * 1024;
  return 0;
}

bool import_file(const std::string& file, const std::string& folder) {
  std::string error;
  std::shared_ptr<const checkpoint::Checkpoint> checkpoint;
  checkpoint::NetworkTensors tensors;
  std::map<std::string, std::string> others;
  if (checkpoint::Checkpoint::open(file, checkpoint, error) != Status::Ok)
    return false;
  checkpoint::collect_tensors(checkpoint, "", tensors, others);
  checkpoint.reset();
  checkpoint::ReferenceProfile profile(folder, {});
  const bool good = profile.add_network("edges", std::move(tensors), error);
  if (!good)
    std::fprintf(stderr, "%s\n", error.c_str());
  return good;
}

/// 0: imported. In a child, whose memory is all its own.
int import_within(const std::string& file, const std::string& folder, size_t allowance) {
  const pid_t child = fork();
  if (child == 0) {
    const size_t most = data_size() + allowance;
    const rlimit limit{most, most};
    if (setrlimit(RLIMIT_DATA, &limit) != 0)
      _exit(3);
    int result = 2;
    try {
      result = import_file(file, folder) ? 0 : 1;
    } catch (const std::exception&) { // std::bad_alloc among others
    }
    _exit(result);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

int main() {
  mallopt(M_MMAP_THRESHOLD, 1 << 17); // what is freed goes back: the child cannot live on it
  const fs::path folder = fs::temp_directory_path() / ("gsem-import-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const std::string file = (folder / "rcf.pth").string(), out = (folder / "out").string();
  {
    int64_t count = 0;
    std::vector<std::pair<std::string, std::string>> entries;
    for (const auto& t : rcf_tensors(count))
      entries.emplace_back("module." + t.name, checkpoint_files::tensor(t));
    const Bytes bytes = checkpoint_files::zip_checkpoint(checkpoint_files::dict(entries),
                                                         std::vector<float>(size_t(count), 0.5f));
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  }
  const size_t size = fs::file_size(file);
  CHECK(size > 55 * kMegabyte);
  CHECK(import_within(file, out, size + 64 * kMegabyte) == 0);
  CHECK(fs::exists(out + "/edges.safetensors") && fs::file_size(out + "/edges.safetensors") > 55 * kMegabyte);
  CHECK(import_within(file, out, 8 * kMegabyte) != 0); // the limit is one
  fs::remove_all(folder);
  return check::result();
}
