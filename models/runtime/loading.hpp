// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/nets/layers.hpp"
#include "models/profile/profile.hpp"
#include "models/runtime/models.hpp"
#include "models/runtime/pixels.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

/// Getting networks from a profile into memory, once a process.
namespace gsem::runtime {

/// "cpu" or "cuda"; otherwise, or without a usable CUDA device, false and `error` with the remedy.
bool parse_device(const std::string& name, at::Device& device, std::string& error);

/// Fills `net` from the file of `role` after checking its hash, and makes it ready for inference: eval mode,
/// no gradients, weights channels-last on `device`. `error` names the file.
bool load_network(const profile::Profile& profile, const std::string& role, torch::nn::Module& net,
                  at::Device device, std::string& error, const std::string& prefix = {});

/// Builds a network whose weights come from a file: without random initialisation.
template <typename Holder, typename... Args>
Holder make_network(Args&&... args) {
  const nets::SkipInitialisation skip;
  return Holder(std::forward<Args>(args)...);
}

/// Convolutions in bfloat16 (except `keep`, see nets::use_bfloat16) where that is faster and not declined.
void speed_up(torch::nn::Module& net, at::Device device, bool float32, const std::vector<std::string>& keep);

/// What distinguishes two copies of a profile's networks in memory.
std::string sharing_key(const profile::Profile& profile, const std::string& device);

/// The live object of `key`, or a new one from `make`. Freed with its last user.
template <typename Model, typename Make>
std::shared_ptr<Model> shared_instance(const std::string& key, Make make) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Model>> live;
  const std::lock_guard lock(mutex);
  std::weak_ptr<Model>& slot = live[key];
  std::shared_ptr<Model> model = slot.lock();
  if (!model)
    slot = model = make();
  return model;
}

/// The kinds of profile that this build knows.
inline constexpr const char* kNarrowKind = "narrow";
inline constexpr const char* kReferenceKind = "reference";
bool check_kind(const profile::Profile& profile, std::string& error);

/// The common part of acquire_*: checks the profile's kind and the device, finds or makes the shared object,
/// lets `load` add what it lacks. No exception leaves it.
template <typename Model, typename Load>
std::shared_ptr<Model> acquire(const profile::Profile& profile, const ModelOptions& options,
                               std::string& error, Load load) {
  try {
    at::Device device(at::kCPU);
    if (!check_kind(profile, error) || !parse_device(options.device, device, error))
      return nullptr;
    auto model =
        shared_instance<Model>(sharing_key(profile, device.str() + (options.float32 ? " float32" : "")),
                               [&] { return std::make_shared<Model>(profile, device, options.float32); });
    Executor::get()->set_threads(options.threads);
    return load(*model) ? model : nullptr;
  } catch (const std::exception& e) {
    error = e.what();
    return nullptr;
  }
}

/// What the networks of every layer and kind have.
struct NetworkSet {
  NetworkSet(const profile::Profile& profile, at::Device device, bool float32)
      : profile_(profile), device_(device), float32_(float32), executor_(Executor::get()) {}

  /// Runs `job` on the executor, gradients off, so that the networks keep ordinary tensors. False with
  /// `error` when the job says so (and has set it) or throws.
  bool run_load(std::string& error, const std::function<bool()>& job) const;
  /// `picture` at `width` x `height` as samples byte * scale + bias, laid out as `layout` says; without a
  /// picture zeros.
  std::shared_ptr<float> samples(PictureView picture, int channels, Filter filter, int width, int height,
                                 const BlockLayout& layout, float scale, float bias);

  const profile::Profile profile_;
  const at::Device device_;
  const bool float32_;
  const std::shared_ptr<Executor> executor_;
  BufferPool buffers_;
  std::mutex load_mutex_;
};

/// Rounded to the nearest, cut off at 16 bits.
int16_t to_symbol(float v);

/// Lines of a word list, verified. `role` "vocabulary" or another.
bool read_vocabulary(const profile::Profile& profile, const std::string& role,
                     std::vector<std::string>& words, std::string& error);

/// Runs `job` under InferenceMode on the executor.
Outcome infer(Executor& executor, Priority priority, const CallOptions& options, std::function<void()> job);

/// A channels-last tensor [1,channels,height,width] over `data`, which must outlive it, on `device`.
at::Tensor nhwc(float* data, int64_t channels, int64_t height, int64_t width, at::Device device);
/// On the CPU with channels innermost, so that data_ptr can be read as NHWC.
at::Tensor readable(const at::Tensor& t);

} // namespace gsem::runtime
