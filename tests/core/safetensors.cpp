// SPDX-License-Identifier: LGPL-2.1-or-later
// Weight files: written and read back, 8-bit and 16-bit values against arithmetic, and every rule of the
// format broken once.
#include "models/profile/safetensors.hpp"
#include "models/profile/half.hpp"
#include "models/profile/tools/pack_weights.hpp"
#include "tests/core/check.hpp"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

using namespace gsem;
using namespace gsem::profile;

namespace {

struct Folder {
  std::string path;
  Folder() {
    char name[] = "/tmp/gsem-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

Bytes floats(const std::vector<float>& values) {
  Bytes bytes(values.size() * 4);
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

Bytes file_with(const std::string& header, size_t data) {
  Bytes bytes(8);
  for (size_t i = 0; i < 8; i++)
    bytes[i] = uint8_t(header.size() >> (8 * i));
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.resize(bytes.size() + data, 1);
  return bytes;
}

Status parse(const Bytes& bytes, std::string& error) {
  std::shared_ptr<const SafetensorsFile> file;
  return SafetensorsFile::parse(bytes, "bytes", file, error);
}

void test_write_and_read() {
  const Folder folder;
  const std::string path = folder.path + "/a.safetensors";
  std::string error;
  const std::vector<TensorToWrite> tensors = {{"b.weight", DType::F32, {2, 2}, floats({1, -2, 3.5f, 0})},
                                              {"q", DType::I8, {2, 2}, {1, 0xff, 127, 0x81}},
                                              {"q.scale", DType::F32, {2}, floats({0.5f, 2})},
                                              {"half", DType::F16, {3}, {0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00}},
                                              {"brain", DType::BF16, {1}, {0x80, 0x3f}},
                                              {"count", DType::I64, {}, {7, 0, 0, 0, 0, 0, 0, 0}},
                                              {"none", DType::F32, {0, 4}, {}},
                                              {"\"odd\" näme", DType::U8, {1}, {200}}};
  CHECK(write_safetensors(path, tensors, {{"network", "test"}, {"a", "b\n"}}, error) == Status::Ok);
  std::shared_ptr<const SafetensorsFile> file;
  CHECK(SafetensorsFile::open(path, file, error) == Status::Ok);
  if (!file)
    return;
  CHECK(file->tensors().size() == tensors.size());
  CHECK(file->metadata().at("network") == "test" && file->metadata().at("a") == "b\n");
  for (const TensorToWrite& tensor : tensors) {
    const auto found = file->tensors().find(tensor.name);
    CHECK(found != file->tensors().end() && found->second.dtype == tensor.dtype &&
          found->second.shape == tensor.shape);
    CHECK(std::ranges::equal(found->second.data, tensor.data));
    CHECK(reinterpret_cast<uintptr_t>(found->second.data.data()) % dtype_size(tensor.dtype) == 0);
  }
  std::vector<float> values;
  std::vector<int64_t> shape;
  CHECK(file->read_float("q", values, shape) && values == std::vector<float>({0.5f, -0.5f, 254, -254}));
  CHECK(shape == std::vector<int64_t>({2, 2}));
  CHECK(file->read_float("half", values, shape) && values == std::vector<float>({1, -2, 0x1p-24f}));
  CHECK(file->read_float("brain", values, shape) && values == std::vector<float>({1}));
  CHECK(file->read_float("count", values, shape) && values == std::vector<float>({7}) && shape.empty());
  CHECK(file->read_float("none", values, shape) && values.empty());
  CHECK(!file->read_float("absent", values, shape));

  // The same tensors in another order are the same file.
  const std::string other = folder.path + "/b.safetensors";
  CHECK(write_safetensors(other, {tensors.rbegin(), tensors.rend()}, {{"a", "b\n"}, {"network", "test"}},
                          error) == Status::Ok);
  std::ifstream a(path, std::ios::binary), b(other, std::ios::binary);
  CHECK(std::equal(std::istreambuf_iterator<char>(a), {}, std::istreambuf_iterator<char>(b), {}));

  // Nothing is left beside the target, and a bad request leaves the old file.
  std::vector<TensorToWrite> twice = {tensors[0], tensors[0]};
  CHECK(write_safetensors(path, twice, {}, error) == Status::Failed &&
        error.find("b.weight") != std::string::npos);
  CHECK(write_safetensors(path, {{"w", DType::F32, {3}, floats({1})}}, {}, error) == Status::Failed);
  CHECK(write_safetensors(folder.path + "/none/x", tensors, {}, error) == Status::Failed && !error.empty());
  const auto entries = std::filesystem::directory_iterator(folder.path);
  CHECK(std::distance(begin(entries), end(entries)) == 2);
  CHECK(SafetensorsFile::open(path, file, error) == Status::Ok && file->tensors().size() == tensors.size());
}

void test_broken_files() {
  const std::string good =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[1],)"
      R"("data_offsets":[8,9]}})";
  std::string error;
  CHECK(parse(file_with(good, 9), error) == Status::Ok);
  // Every shorter file is refused, and every longer one.
  const Bytes whole = file_with(good, 9);
  for (size_t size = 0; size < whole.size(); size++)
    CHECK(parse(Bytes(whole.begin(), whole.begin() + ptrdiff_t(size)), error) == Status::Corrupt);
  CHECK(parse(file_with(good, 10), error) == Status::Corrupt);

  const std::pair<const char*, Status> cases[] = {
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", Status::Corrupt},
      {R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", Status::Corrupt},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       Status::Corrupt},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[281474976710656,2],"data_offsets":[0,8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,8],"data_offsets":[0,8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8,9]}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8],"more":1}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"U8","shape":[8.0],"data_offsets":[0,8]}})", Status::Corrupt},
      {R"({"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}})", Status::Unsupported},
      {R"({"__metadata__":{"a":1}})", Status::Corrupt},
      {R"({"__metadata__":{"a":"1","a":"2"}})", Status::Corrupt},
      {R"([])", Status::Corrupt},
      {R"({"a":)", Status::Corrupt},
      {"", Status::Corrupt},
      {"{\"\xff\":1}", Status::Corrupt},
  };
  for (const auto& [header, expected] : cases) {
    error.clear();
    const Status status = parse(file_with(header, 8), error);
    CHECK(status == expected && !error.empty());
    if (status != expected)
      std::fprintf(stderr, "  %s\n", header);
  }
  Bytes huge(8, 0xff);
  CHECK(parse(huge, error) == Status::TooLarge);
  CHECK(parse(file_with(std::string(100000, '['), 0), error) == Status::Corrupt);
  std::shared_ptr<const SafetensorsFile> file;
  CHECK(SafetensorsFile::open("/nowhere/x.safetensors", file, error) == Status::Failed);
  CHECK(error.find("/nowhere/x.safetensors") != std::string::npos);
  CHECK(SafetensorsFile::open("/tmp", file, error) == Status::Failed);
}

void test_wrong_scale() {
  const Bytes bytes = file_with(
      R"({"q":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"q.scale":{"dtype":"F32","shape":[1],)"
      R"("data_offsets":[4,8]}})",
      8);
  std::shared_ptr<const SafetensorsFile> file;
  std::string error;
  std::vector<float> values;
  std::vector<int64_t> shape;
  CHECK(SafetensorsFile::parse(bytes, "bytes", file, error) == Status::Ok);
  CHECK(!file->read_float("q", values, shape));
}

/// The definition of binary16 (IEEE 754), with the exact arithmetic of double.
double half_value(uint32_t bits) {
  const double sign = bits & 0x8000 ? -1 : 1, mantissa = bits & 1023;
  const int exponent = int(bits >> 10 & 31);
  if (exponent == 31)
    return mantissa != 0 ? NAN : sign * INFINITY;
  return exponent == 0 ? sign * std::ldexp(mantissa, -24) : sign * std::ldexp(1024 + mantissa, exponent - 25);
}

void test_half() {
  // All 65,536 values, in one row (vector code) and one by one (scalar tail).
  Bytes all;
  for (uint32_t bits = 0; bits < 65536; bits++) {
    all.push_back(uint8_t(bits));
    all.push_back(uint8_t(bits >> 8));
  }
  std::vector<float> values(65536);
  half_to_float(all.data(), values.data(), values.size());
  for (uint32_t bits = 0; bits < 65536; bits++) {
    float alone = 0;
    half_to_float(all.data() + 2 * bits, &alone, 1);
    const double expected = half_value(bits);
    if (std::isnan(expected)) {
      CHECK(std::isnan(values[bits]) && std::isnan(alone) && (float_to_half(alone) & 0x7fff) > 0x7c00);
      continue;
    }
    CHECK(double(values[bits]) == expected && double(alone) == expected);
    CHECK(float_to_half(alone) == bits);
  }
  // Rounding: the neighbour that is nearer, the even one in the middle.
  for (uint32_t bits = 0; bits < 0x7bff; bits++) {
    const double low = half_value(bits), high = half_value(bits + 1);
    CHECK(float_to_half(float(low + (high - low) * 0.4375)) == bits);
    CHECK(float_to_half(float(low + (high - low) * 0.5)) == bits + (bits & 1));
    CHECK(float_to_half(float(low + (high - low) * 0.5625)) == bits + 1);
  }
  CHECK(float_to_half(65519.0f) == 0x7bff && float_to_half(65520.0f) == 0x7c00 &&
        float_to_half(-1e30f) == 0xfc00);
}

void test_packing() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> big(64 * 300), small(10, 0.1f), mid(400, 1e6f);
  for (size_t i = 0; i < big.size(); i++)
    big[i] = i / 300 == 5 ? 0.0f : normal(random) * float(1 + i / 300);
  const Folder folder;
  std::string error;
  CHECK(write_safetensors(folder.path + "/w",
                          {{"big", DType::F32, {64, 300}, floats(big)},
                           {"flat", DType::F32, {64 * 300}, floats(big)},
                           {"small", DType::F32, {10}, floats(small)},
                           {"mid", DType::F32, {400}, floats(mid)},
                           {"index", DType::I32, {1}, {1, 2, 3, 4}}},
                          {}, error) == Status::Ok);
  std::shared_ptr<const SafetensorsFile> source, packed_file;
  CHECK(SafetensorsFile::open(folder.path + "/w", source, error) == Status::Ok);
  PackRules rules;
  rules.eight_bit = true;
  PackedWeights packed;
  CHECK(pack_weights(*source, rules, packed, error) == Status::Ok);
  CHECK(write_safetensors(folder.path + "/p", packed.tensors, {}, error) == Status::Ok);
  CHECK(SafetensorsFile::open(folder.path + "/p", packed_file, error) == Status::Ok);
  const auto& tensors = packed_file->tensors();
  CHECK(tensors.at("big").dtype == DType::I8 && tensors.at("big.scale").shape == std::vector<int64_t>{64});
  CHECK(tensors.at("flat").dtype == DType::F16 && tensors.at("small").dtype == DType::F32);
  CHECK(tensors.at("mid").dtype == DType::F32); // over what F16 holds
  CHECK(tensors.at("index").dtype == DType::I32 && tensors.size() == 6);

  // Half a step at most; a step is a 127th of the row's largest value.
  std::vector<float> values;
  std::vector<int64_t> shape;
  CHECK(packed_file->read_float("big", values, shape) && values.size() == big.size());
  for (size_t row = 0; row < 64; row++) {
    float largest = 0;
    for (size_t i = 0; i < 300; i++)
      largest = std::max(largest, std::fabs(big[row * 300 + i]));
    for (size_t i = row * 300; i < (row + 1) * 300; i++)
      CHECK(std::fabs(values[i] - big[i]) <= largest / 127 * 0.50001f);
  }
  CHECK(packed.worst_error > 0 && packed.worst_error < 0.02);

  // Packing what is packed changes nothing.
  PackedWeights again;
  CHECK(pack_weights(*packed_file, rules, again, error) == Status::Ok);
  CHECK(write_safetensors(folder.path + "/q", again.tensors, {}, error) == Status::Ok);
  std::ifstream p(folder.path + "/p", std::ios::binary), q(folder.path + "/q", std::ios::binary);
  CHECK(std::equal(std::istreambuf_iterator<char>(p), {}, std::istreambuf_iterator<char>(q), {}));

  CHECK(write_safetensors(folder.path + "/n", {{"x", DType::F32, {1}, floats({NAN})}}, {}, error) ==
        Status::Ok);
  CHECK(SafetensorsFile::open(folder.path + "/n", source, error) == Status::Ok);
  CHECK(pack_weights(*source, rules, packed, error) == Status::Failed && !error.empty());
}

} // namespace

int main() {
  test_write_and_read();
  test_broken_files();
  test_wrong_scale();
  test_half();
  test_packing();
  return check::result();
}
