// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/tools/pack_weights.hpp"

#include "models/profile/half.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gsem::profile {
namespace {

constexpr float kLargestHalf = 65504.0f;

bool ends_with_scale(const std::string& name) {
  return name.ends_with(".scale");
}

bool is_float(DType dtype) {
  return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16;
}

Bytes float_bytes(const std::vector<float>& values) {
  Bytes bytes(values.size() * sizeof(float));
  if (!values.empty())
    std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

Bytes half_bytes(const std::vector<float>& values) {
  Bytes bytes;
  bytes.reserve(2 * values.size());
  for (float value : values) {
    const uint16_t half = float_to_half(value);
    bytes.push_back(static_cast<uint8_t>(half));
    bytes.push_back(static_cast<uint8_t>(half >> 8));
  }
  return bytes;
}

/// Symmetric, one scale a row of dimension 0, so that the row's largest magnitude becomes 127.
Bytes eight_bit_bytes(const std::vector<float>& values, size_t rows, std::vector<float>& scales) {
  const size_t width = values.size() / rows;
  Bytes bytes(values.size());
  scales.assign(rows, 0.0f);
  for (size_t row = 0; row < rows; row++) {
    const float* in = values.data() + row * width;
    float largest = 0;
    for (size_t i = 0; i < width; i++)
      largest = std::max(largest, std::fabs(in[i]));
    scales[row] = largest / 127.0f;
    for (size_t i = 0; i < width && largest > 0; i++) {
      const float level = std::nearbyint(in[i] / scales[row]);
      bytes[row * width + i] = static_cast<uint8_t>(static_cast<int8_t>(std::clamp(level, -127.0f, 127.0f)));
    }
  }
  return bytes;
}

double relative_error(const std::vector<float>& values, const TensorToWrite& packed,
                      const std::vector<float>& scales) {
  const size_t width = scales.empty() ? 1 : values.size() / scales.size();
  double difference = 0, power = 0;
  for (size_t i = 0; i < values.size(); i++) {
    float got = values[i];
    if (packed.dtype == DType::F16)
      half_to_float(packed.data.data() + 2 * i, &got, 1);
    else if (packed.dtype == DType::I8)
      got = static_cast<float>(static_cast<int8_t>(packed.data[i])) * scales[i / width];
    difference += std::pow(double(got) - double(values[i]), 2);
    power += std::pow(double(values[i]), 2);
  }
  return power > 0 ? std::sqrt(difference / power) : 0;
}

void pack_floats(const std::string& name, const std::vector<float>& values, const std::vector<int64_t>& shape,
                 const PackRules& rules, PackedWeights& out) {
  const bool fits_half =
      std::all_of(values.begin(), values.end(), [](float v) { return std::fabs(v) <= kLargestHalf; });
  TensorToWrite packed{name, DType::F32, shape, {}};
  std::vector<float> scales;
  if (rules.eight_bit && shape.size() >= 2 && values.size() >= rules.eight_bit_from) {
    packed.dtype = DType::I8;
    packed.data = eight_bit_bytes(values, static_cast<size_t>(shape[0]), scales);
    out.tensors.push_back({name + ".scale", DType::F32, {shape[0]}, float_bytes(scales)});
  } else if (fits_half && values.size() >= rules.half_from) {
    packed.dtype = DType::F16;
    packed.data = half_bytes(values);
  } else {
    packed.data = float_bytes(values);
  }
  if (const double error = relative_error(values, packed, scales); error > out.worst_error) {
    out.worst_error = error;
    out.worst_name = name;
  }
  out.tensors.push_back(std::move(packed));
}

} // namespace

Status pack_weights(const SafetensorsFile& file, const PackRules& rules, PackedWeights& out,
                    std::string& error) {
  out = {};
  for (const auto& [name, tensor] : file.tensors()) {
    const bool scaled = tensor.dtype == DType::I8 && file.tensors().contains(name + ".scale");
    if (ends_with_scale(name) && file.tensors().contains(name.substr(0, name.size() - 6)))
      continue; // belongs to a tensor that is 8-bit already and is packed anew
    if (!is_float(tensor.dtype) && !scaled) {
      out.tensors.push_back(
          {name, tensor.dtype, tensor.shape, Bytes(tensor.data.begin(), tensor.data.end())});
      continue;
    }
    std::vector<float> values;
    std::vector<int64_t> shape;
    if (!file.read_float(name, values, shape) ||
        !std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
      error = name + ": holds numbers that are not finite, or a scale of another shape";
      return Status::Failed;
    }
    pack_floats(name, values, shape, rules, out);
  }
  return Status::Ok;
}

} // namespace gsem::profile
