// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/tools/pack_signal.hpp"

#include "models/entropy/latent_coder.hpp"
#include "models/entropy/latent_table.hpp"
#include "models/profile/sha256.hpp"

#include <cstring>

namespace gsem::profile {
namespace {

bool read_convolution(const SafetensorsFile& file, const std::string& name, entropy::ConvWeights& out,
                      std::string& error) {
  std::vector<int64_t> shape, bias_shape;
  if (!file.read_float(name + ".weight", out.weight, shape) ||
      !file.read_float(name + ".bias", out.bias, bias_shape) || shape.size() != 4 || shape[2] != shape[3] ||
      bias_shape != std::vector<int64_t>{shape[0]}) {
    error = name + ": no convolution of this name";
    return false;
  }
  out.out = static_cast<int>(shape[0]);
  out.in = static_cast<int>(shape[1]);
  out.side = static_cast<int>(shape[2]);
  return true;
}

bool read_rows(const SafetensorsFile& file, const std::string& name, std::vector<float>& values, int& rows,
               std::string& error) {
  std::vector<int64_t> shape;
  if (!file.read_float(name, values, shape) || shape.size() != 2) {
    error = name + ": no table of this name";
    return false;
  }
  rows = static_cast<int>(shape[0]);
  return true;
}

/// Names and values of the analysis transform and its gains.
uint64_t hash_analysis(const SafetensorsFile& file) {
  Bytes text;
  for (const auto& [name, tensor] : file.tensors()) {
    if (!name.starts_with("e.") && name != "ge")
      continue;
    std::vector<float> values;
    std::vector<int64_t> shape;
    if (!file.read_float(name, values, shape))
      continue;
    text.insert(text.end(), name.begin(), name.end());
    text.push_back(0);
    const size_t begin = text.size();
    text.resize(begin + values.size() * sizeof(float));
    if (!values.empty())
      std::memcpy(text.data() + begin, values.data(), values.size() * sizeof(float));
  }
  const Digest digest = sha256(text);
  uint64_t hash = 0;
  for (size_t i = 0; i < 8; i++)
    hash = hash << 8 | digest[i];
  return hash;
}

} // namespace

Status make_signal_contract(const SafetensorsFile& signal, SignalContract& out, std::string& error) {
  entropy::HyperWeights weights;
  int mean_rows = 0;
  if (!read_convolution(signal, "hd.0.0", weights.up1, error) ||
      !read_convolution(signal, "hd.2.0", weights.up2, error) ||
      !read_convolution(signal, "hd.4", weights.out, error) ||
      !read_convolution(signal, "cx", weights.context, error) ||
      !read_convolution(signal, "ch", weights.features, error) ||
      !read_convolution(signal, "co", weights.more, error) ||
      !read_rows(signal, "zm", weights.z_mean, mean_rows, error) ||
      !read_rows(signal, "zs", weights.z_scale, weights.rows, error))
    return Status::Failed;
  if (Status status = entropy::build_signal_table(weights, out.table); status != Status::Ok) {
    error = std::string("hyper-decoder does not become a signal table: ") + status_name(status);
    return status;
  }
  std::shared_ptr<const entropy::LatentCoder> coder;
  if (Status status = entropy::LatentCoder::load(out.table, coder); status != Status::Ok) {
    error = std::string("the signal table just built does not load: ") + status_name(status);
    return status;
  }
  out.parse_hash = coder->parse_hash();
  out.latent_id = hash_analysis(signal);
  return Status::Ok;
}

} // namespace gsem::profile
