// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/tools/published_weights.hpp"

namespace gsem::checkpoint {

bool read_published_weights(const profile::SafetensorsFile& file, const std::string& prefix,
                            entropy::PublishedWeights& out, std::string& error) {
  std::vector<int64_t> shape;
  const auto read = [&](const std::string& name, std::vector<float>& values) {
    if (file.read_float(prefix + name, values, shape))
      return true;
    error = "no tensor " + prefix + name;
    return false;
  };
  if (!read("h_s.4.weight", out.last) || shape.size() != 4)
    return false;
  out.channels = int(shape[0]);
  out.hyper_channels = int(shape[1]);
  const std::string prior = "entropy_bottleneck.";
  bool good = read("h_s.4.bias", out.last_bias) && read("h_s.0.weight", out.up1) &&
              read("h_s.0.bias", out.up1_bias) && read("h_s.2.weight", out.up2) &&
              read("h_s.2.bias", out.up2_bias) && read(prior + "quantiles", out.quantiles);
  for (int i = 0; i < 5; i++) {
    const std::string k = std::to_string(i);
    good = good && read(prior + "_matrix" + k, out.matrix[i]) && read(prior + "_bias" + k, out.bias[i]) &&
           (i == 4 || read(prior + "_factor" + k, out.factor[i]));
  }
  return good;
}

} // namespace gsem::checkpoint
