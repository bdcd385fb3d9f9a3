// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/runtime/loading.hpp"

#include "models/nets/weights.hpp"
#include "models/runtime/torch_threads.hpp"

#include <cmath>
#include <cstdlib>
#include <fstream>

namespace gsem::runtime {

bool parse_device(const std::string& name, at::Device& device, std::string& error) {
  if (name.empty() || name == "cpu") {
    device = at::Device(at::kCPU);
    return true;
  }
  if (name != "cuda") {
    error = "unknown device '" + name + "': use 'cpu' or 'cuda'";
    return false;
  }
  if (!cuda_available()) {
    error = "device=cuda: this LibTorch finds no CUDA device; use device=cpu, or build with -Dtorch_prefix= "
            "pointing "
            "to a CUDA build of LibTorch and check the driver with nvidia-smi";
    return false;
  }
  device = at::Device(at::kCUDA, 0);
  return true;
}

bool load_network(const profile::Profile& profile, const std::string& role, torch::nn::Module& net,
                  at::Device device, std::string& error, const std::string& prefix) {
  const auto entry = profile.files.find(role);
  if (entry == profile.files.end()) {
    error = "profile '" + profile.name + "' in " + profile.folder + " has no " + role + " network";
    return false;
  }
  if (profile::verify_file(profile, role, error) != Status::Ok)
    return false;
  std::shared_ptr<const profile::SafetensorsFile> file;
  if (profile::SafetensorsFile::open(entry->second, file, error) != Status::Ok)
    return false;
  std::string why;
  if (!nets::load_weights(net, *file, why, prefix)) {
    error = entry->second + ": " + why;
    return false;
  }
  net.eval();
  net.to(device);
  for (at::Tensor& p : net.parameters()) {
    p.set_requires_grad(false);
    if (p.dim() == 4)
      p.set_data(nets::channels_last(p));
  }
  return true;
}

/// Whether oneDNN has instructions for bfloat16: without them it is slower than 32 bits. Its own variable can
/// hold them back (another machine's speed, measured here).
static bool multiplies_bfloat16() {
#if defined(__x86_64__)
  for (const char* variable : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"})
    if (const char* most = std::getenv(variable))
      if (const std::string isa = most; isa != "ALL" && isa != "DEFAULT" &&
                                        isa.find("BF16") == std::string::npos &&
                                        isa.find("AMX") == std::string::npos)
        return false;
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

void speed_up(torch::nn::Module& net, at::Device device, bool float32, const std::vector<std::string>& keep) {
  if (!float32 && device.is_cpu() && at::hasMKLDNN() && multiplies_bfloat16())
    nets::use_bfloat16(net, keep);
}

std::string sharing_key(const profile::Profile& profile, const std::string& device) {
  std::string key = profile.folder + "\n" + profile.version + "\n" + device;
  for (const auto& [role, hash] : profile.hashes)
    key += "\n" + hash;
  return key;
}

bool check_kind(const profile::Profile& profile, std::string& error) {
  if (profile.kind == kNarrowKind || profile.kind == kReferenceKind)
    return true;
  error = "profile '" + profile.name + "' in " + profile.folder + " is of kind '" + profile.kind +
          "'; this build runs profiles of the kinds 'narrow' and 'reference'";
  return false;
}

bool NetworkSet::run_load(std::string& error, const std::function<bool()>& job) const {
  JobOptions o;
  o.priority = Priority::Background;
  bool good = false;
  std::string thrown;
  const JobResult result = executor_->run(
      o,
      [&] {
        const torch::NoGradGuard no_grad;
        good = job();
      },
      &thrown);
  if (result == JobResult::Done)
    return good;
  error = thrown;
  return false;
}

std::shared_ptr<float> NetworkSet::samples(PictureView picture, int channels, Filter filter, int width,
                                           int height, const BlockLayout& layout, float scale, float bias) {
  const size_t count = size_t(layout.pitch) * layout.blocks_x * layout.blocks_y;
  std::shared_ptr<float> out = buffers_.take(count);
  if (!picture.data) {
    std::fill_n(out.get(), count, 0.0f);
    return out;
  }
  std::vector<uint8_t> storage;
  unshuffle(fitted(picture, channels, filter, width, height, storage), channels, layout, scale, bias,
            out.get());
  return out;
}

int16_t to_symbol(float v) {
  return int16_t(std::lrint(std::fmin(std::fmax(v, -32768.0f), 32767.0f)));
}

bool read_vocabulary(const profile::Profile& profile, const std::string& role,
                     std::vector<std::string>& words, std::string& error) {
  const auto entry = profile.files.find(role);
  if (entry == profile.files.end()) {
    error = "profile '" + profile.name + "' in " + profile.folder + " has no " + role;
    return false;
  }
  if (profile::verify_file(profile, role, error) != Status::Ok)
    return false;
  std::ifstream file(entry->second);
  for (std::string line; std::getline(file, line);)
    words.push_back(line);
  return true;
}

Outcome infer(Executor& executor, Priority priority, const CallOptions& options, std::function<void()> job) {
  JobOptions o;
  o.priority = priority;
  o.deadline = options.deadline;
  o.cancel = options.cancel;
  Outcome outcome;
  outcome.result = executor.run(
      o,
      [job = std::move(job)] {
        const c10::InferenceMode inference;
        job();
      },
      &outcome.error);
  return outcome;
}

at::Tensor nhwc(float* data, int64_t channels, int64_t height, int64_t width, at::Device device) {
  return torch::from_blob(data, {1, channels, height, width},
                          {height * width * channels, 1, width * channels, channels})
      .to(device);
}

at::Tensor readable(const at::Tensor& t) {
  return nets::channels_last(t.to(at::kCPU, at::kFloat));
}

} // namespace gsem::runtime
