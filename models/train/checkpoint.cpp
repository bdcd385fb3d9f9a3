// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/checkpoint.hpp"

#include "models/profile/safetensors.hpp"

#include <torch/torch.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace gsem::train {
namespace fs = std::filesystem;
namespace {

profile::DType stored_type(const at::Tensor& t) {
  switch (t.scalar_type()) {
  case torch::kFloat32:
    return profile::DType::F32;
  case torch::kFloat16:
    return profile::DType::F16;
  case torch::kBFloat16:
    return profile::DType::BF16;
  case torch::kInt64:
    return profile::DType::I64;
  case torch::kInt32:
    return profile::DType::I32;
  case torch::kUInt8:
    return profile::DType::U8;
  default:
    throw std::runtime_error(std::string("tensor type without a place in safetensors: ") +
                             c10::toString(t.scalar_type()));
  }
}

at::ScalarType torch_type(profile::DType type) {
  switch (type) {
  case profile::DType::F16:
    return torch::kFloat16;
  case profile::DType::BF16:
    return torch::kBFloat16;
  case profile::DType::I64:
    return torch::kInt64;
  case profile::DType::I32:
    return torch::kInt32;
  case profile::DType::I16:
    return torch::kInt16;
  case profile::DType::I8:
    return torch::kInt8;
  case profile::DType::U8:
    return torch::kUInt8;
  default:
    return torch::kFloat32;
  }
}

std::string shape_text(c10::IntArrayRef shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); i++)
    s += (i ? "," : "") + std::to_string(shape[i]);
  return s + "]";
}

void sync_path(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  fsync(fd);
  close(fd);
}

} // namespace

void save_tensors(const std::string& file, const TensorMap& tensors, const Metadata& metadata) {
  std::vector<profile::TensorToWrite> out;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor t = tensor.detach().contiguous();
    const auto* bytes = static_cast<const uint8_t*>(t.data_ptr());
    out.push_back({name, stored_type(t), t.sizes().vec(), Bytes(bytes, bytes + t.nbytes())});
  }
  // Written under another name first, so that the data are on the disk before the name is.
  const std::string part = file + ".part";
  std::string error;
  if (profile::write_safetensors(part, out, metadata, error) != Status::Ok)
    throw std::runtime_error(error.empty() ? "cannot write " + part : error);
  sync_path(part);
  fs::rename(part, file);
  const auto folder = fs::path(file).parent_path();
  sync_path(folder.empty() ? "." : folder.string());
}

TensorMap load_tensors(const std::string& file, Metadata* metadata) {
  std::shared_ptr<const profile::SafetensorsFile> in;
  std::string error;
  if (profile::SafetensorsFile::open(file, in, error) != Status::Ok)
    throw std::runtime_error(error.empty() ? "cannot read " + file : error);
  if (metadata)
    *metadata = in->metadata();
  TensorMap out;
  for (const auto& [name, view] : in->tensors()) {
    at::Tensor t = torch::empty(view.shape, torch_type(view.dtype));
    if (t.nbytes() != view.data.size())
      throw std::runtime_error(file + ": wrong size of " + name);
    memcpy(t.data_ptr(), view.data.data(), view.data.size());
    out[name] = t;
  }
  return out;
}

void assign(TensorMap& to, const TensorMap& from, const std::string& what) {
  std::string wrong;
  int count = 0;
  auto note = [&](const std::string& text) {
    if (count++ < 8)
      wrong += "\n  " + text;
  };
  for (const auto& [name, tensor] : to) {
    const auto at = from.find(name);
    if (at == from.end())
      note("missing: " + name);
    else if (at->second.sizes() != tensor.sizes())
      note(name + " is " + shape_text(at->second.sizes()) + ", not " + shape_text(tensor.sizes()));
  }
  for (const auto& [name, tensor] : from)
    if (!to.count(name))
      note("unknown: " + name);
  if (count)
    throw std::runtime_error(what + " does not fit this network (" + std::to_string(count) +
                             " tensors):" + wrong);
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : to)
    tensor.copy_(from.at(name));
}

Checkpoints::Checkpoints(std::string folder, std::string name)
    : folder_(std::move(folder)), name_(std::move(name)) {
  fs::create_directories(folder_);
}

std::string Checkpoints::path(int64_t step) const {
  return folder_ + "/" + name_ + ".step-" + std::to_string(step) + ".safetensors";
}

std::vector<int64_t> Checkpoints::steps() const {
  std::vector<int64_t> out;
  const std::string head = name_ + ".step-", tail = ".safetensors";
  for (const auto& e : fs::directory_iterator(folder_)) {
    const std::string f = e.path().filename().string();
    if (f.starts_with(head) && f.ends_with(tail) && f.size() > head.size() + tail.size()) {
      const std::string number = f.substr(head.size(), f.size() - head.size() - tail.size());
      if (std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
          number.size() < 18)
        out.push_back(std::stoll(number));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string Checkpoints::save(const TensorMap& state, const Position& position, const Metadata& run) {
  Metadata m = run;
  m["step"] = std::to_string(position.step);
  m["seconds"] = std::to_string(position.seconds);
  m["pictures"] = std::to_string(position.pictures);
  const std::string file = path(position.step);
  save_tensors(file, state, m);
  auto old = steps();
  for (size_t i = 0; i + 2 < old.size(); i++)
    fs::remove(path(old[i]));
  return file;
}

bool Checkpoints::resume(TensorMap state, Position& position, const Metadata& run, std::string& file,
                         const std::function<void(const std::string&)>& message) {
  auto all = steps();
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    file = path(*at);
    Metadata m;
    TensorMap tensors;
    try {
      tensors = load_tensors(file, &m);
      position = {std::stoll(m.at("step")), std::stod(m.at("seconds")), std::stoll(m.at("pictures"))};
    } catch (const std::exception& e) {
      message(std::string("checkpoint passed over: ") + e.what());
      continue;
    }
    for (const auto& [key, value] : run)
      if (m.count(key) && m[key] != value)
        throw std::runtime_error(file + " was made with " + key + " " + m[key] + ", this run asks for " +
                                 value + ": use another --out");
    assign(state, tensors, file);
    return true;
  }
  return false;
}

} // namespace gsem::train
