// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/safetensors_header.hpp"

#include <nlohmann/json.hpp>

namespace gsem::profile {
namespace {

constexpr const char* kDTypeNames[] = {"F32", "F16", "BF16", "I8", "U8", "I16", "I32", "I64"};

/// A DOM would keep the last of two equal names and take memory for nonsense; this takes exactly the expected
/// shape:
/// {"__metadata__": {string: string}, name: {"dtype": string, "shape": [n...], "data_offsets": [begin,
/// end]}}.
class HeaderHandler final : public nlohmann::json_sax<nlohmann::json> {
public:
  explicit HeaderHandler(SafetensorsHeader& out) : out_(out) {}
  Status status = Status::Corrupt;
  std::string reason = "header is not what safetensors allows";

  bool null() override { return false; }
  bool boolean(bool) override { return false; }
  bool number_float(number_float_t, const string_t&) override { return false; }
  bool binary(binary_t&) override { return false; }
  bool number_integer(number_integer_t) override { return fail("negative number"); }
  bool number_unsigned(number_unsigned_t value) override;
  bool string(string_t& value) override;
  bool key(string_t& value) override;
  bool start_object(std::size_t) override;
  bool end_object() override;
  bool start_array(std::size_t) override;
  bool end_array() override;
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return fail("header is not JSON at byte " + std::to_string(position));
  }

private:
  enum class Place { Start, Top, Metadata, Tensor, Shape, Offsets, End };
  enum class Field { None, DType, Shape, Offsets };

  bool fail(const std::string& why) {
    reason = why;
    return false;
  }
  bool finish_tensor();

  SafetensorsHeader& out_;
  Place place_ = Place::Start;
  Field field_ = Field::None;
  std::string name_, metadata_key_;
  TensorEntry entry_;
  std::vector<uint64_t> offsets_;
  bool have_dtype_ = false, have_shape_ = false, have_offsets_ = false, have_metadata_ = false;
};

bool HeaderHandler::number_unsigned(number_unsigned_t value) {
  if (value > (uint64_t{1} << 48))
    return fail(name_ + ": number out of range");
  if (place_ == Place::Shape) {
    if (entry_.shape.size() == kMaxDimensions)
      return fail(name_ + ": too many dimensions");
    entry_.shape.push_back(static_cast<int64_t>(value));
    return true;
  }
  if (place_ == Place::Offsets && offsets_.size() < 2) {
    offsets_.push_back(value);
    return true;
  }
  return false;
}

bool HeaderHandler::string(string_t& value) {
  if (place_ == Place::Metadata)
    return out_.metadata.emplace(metadata_key_, value).second || fail("metadata key twice: " + metadata_key_);
  if (place_ != Place::Tensor || field_ != Field::DType)
    return false;
  for (size_t i = 0; i < std::size(kDTypeNames); i++)
    if (value == kDTypeNames[i]) {
      entry_.dtype = static_cast<DType>(i);
      have_dtype_ = true;
      return true;
    }
  status = Status::Unsupported;
  return fail(name_ + ": unknown data type " + value.substr(0, 16));
}

bool HeaderHandler::key(string_t& value) {
  if (place_ == Place::Metadata) {
    metadata_key_ = value;
    return true;
  }
  if (place_ == Place::Top) {
    name_ = value;
    return true;
  }
  if (place_ != Place::Tensor)
    return false;
  const Field field = value == "dtype"          ? Field::DType
                      : value == "shape"        ? Field::Shape
                      : value == "data_offsets" ? Field::Offsets
                                                : Field::None;
  const bool twice = (field == Field::DType && have_dtype_) || (field == Field::Shape && have_shape_) ||
                     (field == Field::Offsets && have_offsets_);
  if (field == Field::None || twice)
    return fail(name_ + ": unexpected field " + value.substr(0, 32));
  field_ = field;
  return true;
}

bool HeaderHandler::start_object(std::size_t) {
  if (place_ == Place::Start) {
    place_ = Place::Top;
    return true;
  }
  if (place_ != Place::Top)
    return false;
  if (name_ == "__metadata__") {
    place_ = Place::Metadata;
    return !std::exchange(have_metadata_, true) || fail("metadata twice");
  }
  if (out_.tensors.size() == kMaxTensors)
    return fail("too many tensors");
  place_ = Place::Tensor;
  field_ = Field::None;
  entry_ = {};
  have_dtype_ = have_shape_ = have_offsets_ = false;
  return true;
}

bool HeaderHandler::end_object() {
  switch (place_) {
  case Place::Top:
    place_ = Place::End;
    return true;
  case Place::Metadata:
    place_ = Place::Top;
    return true;
  case Place::Tensor:
    place_ = Place::Top;
    return finish_tensor();
  default:
    return false;
  }
}

bool HeaderHandler::start_array(std::size_t) {
  if (place_ != Place::Tensor || (field_ != Field::Shape && field_ != Field::Offsets))
    return false;
  place_ = field_ == Field::Shape ? Place::Shape : Place::Offsets;
  offsets_.clear();
  return true;
}

bool HeaderHandler::end_array() {
  if (place_ == Place::Offsets) {
    if (offsets_.size() != 2)
      return fail(name_ + ": data_offsets are not two numbers");
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    have_offsets_ = true;
  } else {
    have_shape_ = true;
  }
  place_ = Place::Tensor;
  field_ = Field::None;
  return true;
}

bool HeaderHandler::finish_tensor() {
  if (!have_dtype_ || !have_shape_ || !have_offsets_)
    return fail(name_ + ": data type, shape or offsets missing");
  uint64_t count = 0;
  if (!count_elements(entry_.shape, count))
    return fail(name_ + ": shape out of range");
  if (entry_.end < entry_.begin || entry_.end - entry_.begin != count * dtype_size(entry_.dtype))
    return fail(name_ + ": shape and offsets do not agree");
  if (!out_.tensors.emplace(name_, std::move(entry_)).second)
    return fail(name_ + ": name twice");
  return true;
}

} // namespace

const char* dtype_name(DType dtype) {
  return kDTypeNames[static_cast<size_t>(dtype)];
}

size_t dtype_size(DType dtype) {
  static constexpr size_t sizes[] = {4, 2, 2, 1, 1, 2, 4, 8};
  return sizes[static_cast<size_t>(dtype)];
}

bool count_elements(const std::vector<int64_t>& shape, uint64_t& count) {
  constexpr uint64_t limit = uint64_t{1} << 48;
  count = 1;
  for (int64_t side : shape) {
    if (side < 0 || static_cast<uint64_t>(side) > limit)
      return false;
    if (side != 0 && count > limit / static_cast<uint64_t>(side))
      return false;
    count *= static_cast<uint64_t>(side);
  }
  return true;
}

Status parse_safetensors_header(ByteView json, SafetensorsHeader& out, std::string& reason) {
  out = {};
  HeaderHandler handler(out);
  try {
    if (nlohmann::json::sax_parse(json.begin(), json.end(), &handler))
      return Status::Ok;
  } catch (const std::exception& exception) {
    handler.reason = exception.what();
  }
  reason = handler.reason;
  return handler.status;
}

} // namespace gsem::profile
