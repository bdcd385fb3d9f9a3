// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/safetensors.hpp"

#include "models/profile/file.hpp"
#include "models/profile/half.hpp"
#include "models/profile/safetensors_header.hpp"
#include "models/profile/safetensors_stream.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

namespace gsem::profile {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor data are used in place");

uint64_t load_le64(const uint8_t* p) {
  uint64_t value = 0;
  std::memcpy(&value, p, sizeof value);
  return value;
}

Status fail(Status status, const std::string& name, const std::string& what, std::string& error) {
  error = name + ": " + what;
  return status;
}

template <typename T>
void integers_to_float(const uint8_t* in, float* out, size_t count) {
  for (size_t i = 0; i < count; i++) {
    T value;
    std::memcpy(&value, in + i * sizeof(T), sizeof(T));
    out[i] = static_cast<float>(value);
  }
}

void to_float(DType dtype, const uint8_t* in, float* out, size_t count) {
  switch (dtype) {
  case DType::F32:
    std::memcpy(out, in, count * sizeof(float));
    break;
  case DType::F16:
    half_to_float(in, out, count);
    break;
  case DType::BF16:
    bfloat_to_float(in, out, count);
    break;
  case DType::I8:
    integers_to_float<int8_t>(in, out, count);
    break;
  case DType::U8:
    integers_to_float<uint8_t>(in, out, count);
    break;
  case DType::I16:
    integers_to_float<int16_t>(in, out, count);
    break;
  case DType::I32:
    integers_to_float<int32_t>(in, out, count);
    break;
  case DType::I64:
    integers_to_float<int64_t>(in, out, count);
    break;
  }
}

class File final : public SafetensorsFile {
public:
  Status bind(ByteView bytes, const std::string& name, std::string& error);
  void keep(std::shared_ptr<const MappedFile> mapping) { mapping_ = std::move(mapping); }
  const std::map<std::string, TensorView>& tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  bool read_float(const std::string& name, std::vector<float>& values,
                  std::vector<int64_t>& shape) const override;

private:
  bool scale_rows(const TensorView& scale, const TensorView& tensor, std::vector<float>& values) const;

  std::shared_ptr<const MappedFile> mapping_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// The format wants the data section covered without gaps, and no byte in two tensors.
const char* check_cover(const SafetensorsHeader& header, uint64_t size) {
  std::vector<std::pair<uint64_t, uint64_t>> spans;
  spans.reserve(header.tensors.size());
  for (const auto& [name, entry] : header.tensors)
    spans.emplace_back(entry.begin, entry.end);
  std::sort(spans.begin(), spans.end());
  uint64_t position = 0;
  for (const auto& [begin, end] : spans) {
    if (begin < position)
      return "tensors overlap";
    if (begin > position)
      return "gap between tensors";
    position = end;
  }
  if (position > size)
    return "tensors end after the file (cut short?)";
  return position < size ? "bytes after the last tensor" : nullptr;
}

Status File::bind(ByteView bytes, const std::string& name, std::string& error) {
  if (bytes.size() < 8)
    return fail(Status::Corrupt, name, "too short for a safetensors file", error);
  const uint64_t length = load_le64(bytes.data());
  if (length > kMaxHeaderBytes)
    return fail(Status::TooLarge, name, "header of " + std::to_string(length) + " bytes", error);
  if (length > bytes.size() - 8)
    return fail(Status::Corrupt, name, "header ends after the file", error);
  SafetensorsHeader header;
  std::string reason;
  if (Status status = parse_safetensors_header(bytes.subspan(8, length), header, reason);
      status != Status::Ok)
    return fail(status, name, reason, error);
  const ByteView data = bytes.subspan(8 + length);
  if (const char* wrong = check_cover(header, data.size()))
    return fail(Status::Corrupt, name, wrong, error);
  for (auto& [tensor_name, entry] : header.tensors)
    tensors_.emplace_hint(
        tensors_.end(), tensor_name,
        TensorView{entry.dtype, std::move(entry.shape), data.subspan(entry.begin, entry.end - entry.begin)});
  metadata_ = std::move(header.metadata);
  return Status::Ok;
}

bool File::scale_rows(const TensorView& scale, const TensorView& tensor, std::vector<float>& values) const {
  const bool is_float = scale.dtype == DType::F16 || scale.dtype == DType::F32;
  if (!is_float || tensor.shape.empty() || scale.shape != std::vector<int64_t>{tensor.shape[0]})
    return false;
  const auto rows = static_cast<size_t>(tensor.shape[0]);
  std::vector<float> factors(rows);
  to_float(scale.dtype, scale.data.data(), factors.data(), rows);
  const size_t width = rows == 0 ? 0 : values.size() / rows;
  for (size_t row = 0; row < rows; row++)
    for (size_t i = 0; i < width; i++)
      values[row * width + i] *= factors[row];
  return true;
}

bool File::read_float(const std::string& name, std::vector<float>& values,
                      std::vector<int64_t>& shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    return false;
  const TensorView& tensor = found->second;
  values.resize(tensor.data.size() / dtype_size(tensor.dtype));
  to_float(tensor.dtype, tensor.data.data(), values.data(), values.size());
  shape = tensor.shape;
  if (tensor.dtype != DType::I8)
    return true;
  const auto scale = tensors_.find(name + ".scale");
  return scale == tensors_.end() || scale_rows(scale->second, tensor, values);
}

uint64_t stored_size(const TensorStream& tensor) {
  uint64_t count = 0;
  count_elements(tensor.shape, count);
  return count * dtype_size(tensor.dtype);
}

/// Header text with the data offsets of `order`, padded so that the data start at a multiple of 8.
std::string write_header(const std::vector<const TensorStream*>& order,
                         const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty())
    header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorStream* tensor : order) {
    const uint64_t end = offset + stored_size(*tensor);
    header[tensor->name] = {
        {"dtype", dtype_name(tensor->dtype)}, {"shape", tensor->shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

const char* check_tensor(const TensorStream& tensor) {
  uint64_t count = 0;
  if (tensor.name.empty() || tensor.name == "__metadata__")
    return "not a name for a tensor";
  return tensor.shape.size() > kMaxDimensions || !count_elements(tensor.shape, count) ? "shape out of range"
                                                                                      : nullptr;
}

} // namespace

Status SafetensorsFile::open(const std::string& path, std::shared_ptr<const SafetensorsFile>& out,
                             std::string& error) {
  std::shared_ptr<const MappedFile> mapping;
  if (Status status = MappedFile::open(path, mapping, error); status != Status::Ok)
    return status;
  auto file = std::make_shared<File>();
  if (Status status = file->bind(mapping->bytes(), path, error); status != Status::Ok)
    return status;
  file->keep(std::move(mapping));
  out = std::move(file);
  return Status::Ok;
}

Status SafetensorsFile::parse(ByteView bytes, const std::string& name,
                              std::shared_ptr<const SafetensorsFile>& out, std::string& error) {
  auto file = std::make_shared<File>();
  if (Status status = file->bind(bytes, name, error); status != Status::Ok)
    return status;
  out = std::move(file);
  return Status::Ok;
}

Status stream_safetensors(const std::string& path, const std::vector<TensorStream>& tensors,
                          const std::map<std::string, std::string>& metadata, std::string& error) {
  std::vector<const TensorStream*> order;
  order.reserve(tensors.size());
  for (const TensorStream& tensor : tensors) {
    if (const char* wrong = check_tensor(tensor))
      return fail(Status::Failed, path, tensor.name + ": " + wrong, error);
    order.push_back(&tensor);
  }
  // Wide types first keeps every tensor aligned to its own size.
  std::sort(order.begin(), order.end(), [](const TensorStream* a, const TensorStream* b) {
    const size_t wide_a = dtype_size(a->dtype), wide_b = dtype_size(b->dtype);
    return wide_a != wide_b ? wide_a > wide_b : a->name < b->name;
  });
  const auto same = [](const TensorStream* a, const TensorStream* b) { return a->name == b->name; };
  std::vector<const TensorStream*> by_name = order;
  std::sort(by_name.begin(), by_name.end(),
            [](const TensorStream* a, const TensorStream* b) { return a->name < b->name; });
  if (const auto twice = std::adjacent_find(by_name.begin(), by_name.end(), same); twice != by_name.end())
    return fail(Status::Failed, path, (*twice)->name + ": name twice", error);

  std::string header;
  try {
    header = write_header(order, metadata);
  } catch (const std::exception& exception) { // names or metadata that are not UTF-8
    return fail(Status::Failed, path, exception.what(), error);
  }
  FileWriter file;
  if (const Status status = file.open(path, error); status != Status::Ok)
    return status;
  uint8_t length[8];
  const uint64_t header_size = header.size();
  std::memcpy(length, &header_size, 8);
  file.write(length);
  file.write({reinterpret_cast<const uint8_t*>(header.data()), header.size()});
  for (const TensorStream* tensor : order) {
    uint64_t written = 0;
    tensor->bytes([&](ByteView piece) {
      written += piece.size();
      file.write(piece);
    });
    if (written != stored_size(*tensor))
      return fail(Status::Failed, path, tensor->name + ": shape and data do not agree", error);
  }
  return file.finish(error);
}

Status write_safetensors(const std::string& path, const std::vector<TensorToWrite>& tensors,
                         const std::map<std::string, std::string>& metadata, std::string& error) {
  std::vector<TensorStream> streams;
  streams.reserve(tensors.size());
  for (const TensorToWrite& tensor : tensors)
    streams.push_back({tensor.name, tensor.dtype, tensor.shape,
                       [&tensor](const TensorStream::Sink& sink) { sink(tensor.data); }});
  return stream_safetensors(path, streams, metadata, error);
}

} // namespace gsem::profile
