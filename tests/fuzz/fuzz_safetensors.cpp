// SPDX-License-Identifier: LGPL-2.1-or-later
// Weight files and profile.json on hostile bytes: everything that is accepted can be read within its bounds.
#include "tests/fuzz/fuzz_target.hpp"

#include "models/profile/manifest.hpp"
#include "models/profile/safetensors.hpp"

#include <string>

using namespace gsem;
using namespace gsem::profile;

namespace {

Bytes file_with(const std::string& header, size_t data) {
  Bytes bytes(8);
  for (size_t i = 0; i < 8; i++)
    bytes[i] = uint8_t(header.size() >> (8 * i));
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (size_t i = 0; i < data; i++)
    bytes.push_back(uint8_t(37 * i));
  return bytes;
}

void try_tensors(ByteView input) {
  std::shared_ptr<const SafetensorsFile> file;
  std::string error;
  if (SafetensorsFile::parse(input, "input", file, error) != Status::Ok) {
    FUZZ_CHECK(!error.empty());
    return;
  }
  size_t total = 0;
  for (const auto& [name, tensor] : file->tensors()) {
    total += tensor.data.size();
    std::vector<float> values;
    std::vector<int64_t> shape;
    if (file->read_float(name, values, shape))
      FUZZ_CHECK(shape == tensor.shape && values.size() * dtype_size(tensor.dtype) == tensor.data.size());
  }
  FUZZ_CHECK(total <= input.size());
}

void try_manifest(ByteView input) {
  Manifest manifest, again;
  std::string reason;
  if (parse_manifest(input, manifest, reason) != Status::Ok) {
    FUZZ_CHECK(!reason.empty());
    return;
  }
  for (const auto& [role, file] : manifest.files)
    FUZZ_CHECK(!file.path.empty() && file.path[0] != '/' && file.path.find("..") != 0);
  const std::string text = write_manifest(manifest);
  FUZZ_CHECK(parse_manifest({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, again, reason) ==
             Status::Ok);
  FUZZ_CHECK(write_manifest(again) == text);
}

} // namespace

std::vector<Bytes> fuzz_seeds() {
  Manifest manifest;
  manifest.name = "small";
  manifest.version = manifest.licence = "1";
  manifest.files["signal"] = {"signal.safetensors", 17, std::string(64, 'a')};
  manifest.structure_headers["av1"] = {1, 2, 3};
  manifest.training = "{\"steps\":1}";
  const std::string json = write_manifest(manifest);
  return {
      file_with(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"F16","shape":[3],)"
                R"("data_offsets":[16,22]},"__metadata__":{"k":"v"}})",
                22),
      file_with(
          R"({"w":{"dtype":"I8","shape":[2,3],"data_offsets":[8,14]},"w.scale":{"dtype":"F32","shape":[2],)"
          R"("data_offsets":[0,8]},"e":{"dtype":"I64","shape":[0],"data_offsets":[14,14]}})",
          14),
      file_with("{}", 0), Bytes(json.begin(), json.end())};
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try_tensors({data, size});
  try_manifest({data, size});
  return 0;
}
