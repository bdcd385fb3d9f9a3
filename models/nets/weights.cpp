// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/nets/weights.hpp"

#include <cstring>
#include <set>
#include <stdexcept>

namespace gsem::nets {
namespace {

bool counts_batches(const std::string& name) {
  const std::string tail = "num_batches_tracked";
  return name.size() >= tail.size() && name.compare(name.size() - tail.size(), tail.size(), tail) == 0;
}

std::string shape_text(at::IntArrayRef shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    s += (i ? "," : "") + std::to_string(shape[i]);
  return s + "]";
}

/// A tensor over the mapped file; undefined for a type that weights do not have.
Tensor view(const profile::TensorView& v) {
  at::ScalarType type;
  switch (v.dtype) {
  case profile::DType::F32:
    type = at::kFloat;
    break;
  case profile::DType::F16:
    type = at::kHalf;
    break;
  case profile::DType::BF16:
    type = at::kBFloat16;
    break;
  case profile::DType::I8:
    type = at::kChar;
    break;
  default:
    return {};
  }
  // The data of a mapped file may start at any byte; kernels want aligned elements.
  if (reinterpret_cast<uintptr_t>(v.data.data()) % profile::dtype_size(v.dtype) != 0) {
    Tensor copy = torch::empty(v.shape, type);
    std::memcpy(copy.data_ptr(), v.data.data(), v.data.size());
    return copy;
  }
  return torch::from_blob(const_cast<uint8_t*>(v.data.data()), v.shape, type);
}

using Named = std::vector<std::pair<std::string, Tensor>>;

Named named_tensors(torch::nn::Module& module) {
  Named all;
  for (const auto& p : module.named_parameters())
    all.emplace_back(p.key(), p.value());
  for (const auto& b : module.named_buffers())
    if (!counts_batches(b.key()))
      all.emplace_back(b.key(), b.value());
  return all;
}

/// Why tensor `name` of the file cannot fill `target`; empty when it did.
std::string fill(Tensor target, const profile::SafetensorsFile& file, const std::string& name) {
  const auto& tensors = file.tensors();
  const auto found = tensors.find(name);
  if (found == tensors.end())
    return "missing " + name;
  const profile::TensorView& v = found->second;
  if (at::IntArrayRef(v.shape) != target.sizes())
    return name + " has shape " + shape_text(v.shape) + ", wanted " + shape_text(target.sizes());
  const Tensor source = view(v);
  if (!source.defined())
    return name + " is of a type that weights do not have";
  target.copy_(source);
  if (v.dtype != profile::DType::I8)
    return {};
  const auto scale = tensors.find(name + ".scale");
  if (scale == tensors.end())
    return "missing " + name + ".scale";
  const Tensor factors = view(scale->second);
  if (!factors.defined() || v.shape.empty() || factors.numel() != v.shape[0])
    return name + ".scale does not fit";
  std::vector<int64_t> rows(v.shape.size(), 1);
  rows[0] = v.shape[0];
  target.mul_(factors.to(target.scalar_type()).view(rows));
  return {};
}

} // namespace

bool load_weights(torch::nn::Module& module, const profile::SafetensorsFile& file, std::string& error,
                  const std::string& prefix) {
  torch::NoGradGuard no_grad;
  std::set<std::string> wanted;
  std::string faults;
  int count = 0;
  const auto fault = [&](const std::string& text) {
    if (count++ < 12)
      faults += (faults.empty() ? "" : "; ") + text;
  };
  for (auto& [name, target] : named_tensors(module)) {
    wanted.insert(prefix + name);
    if (const std::string why = fill(target, file, prefix + name); !why.empty())
      fault(why);
  }
  for (const auto& [name, v] : file.tensors()) {
    const bool ours = name.compare(0, prefix.size(), prefix) == 0;
    const size_t dot = name.rfind(".scale");
    const bool scale =
        dot != std::string::npos && dot + 6 == name.size() && wanted.count(name.substr(0, dot));
    if (ours && !scale && !wanted.count(name) && !counts_batches(name))
      fault("extra " + name);
  }
  if (count > 12)
    faults += "; and " + std::to_string(count - 12) + " more";
  if (count)
    error = "the weights do not fit the network: " + faults;
  return count == 0;
}

std::vector<profile::TensorToWrite> export_weights(torch::nn::Module& module, const std::string& prefix) {
  torch::NoGradGuard no_grad;
  std::vector<profile::TensorToWrite> out;
  for (auto& [name, value] : named_tensors(module)) {
    Tensor t = value.detach().to(at::kCPU, at::kFloat).contiguous();
    const bool half = t.numel() > 256 && name.find("running") == std::string::npos;
    if (!at::isfinite(t).all().item<bool>() || (half && t.abs().max().item<float>() > 6e4f))
      throw std::runtime_error(prefix + name + " is not finite or does not fit 16 bits");
    if (half)
      t = t.to(at::kHalf);
    const auto* bytes = static_cast<const uint8_t*>(t.data_ptr());
    out.push_back({prefix + name, half ? profile::DType::F16 : profile::DType::F32, t.sizes().vec(),
                   Bytes(bytes, bytes + t.nbytes())});
  }
  return out;
}

} // namespace gsem::nets
