// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/checkpoint.hpp"

#include "models/import/archive.hpp"
#include "models/import/pickle.hpp"
#include "models/profile/file.hpp"
#include "models/profile/half.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>

namespace gsem::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor data are used in place");

constexpr size_t kMaxDimensions = 8;
constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);

struct TypeName {
  const char* storage;
  ElementType type;
};
constexpr TypeName kTypes[] = {
    {"torch.FloatStorage", ElementType::F32},      {"torch.DoubleStorage", ElementType::F64},
    {"torch.HalfStorage", ElementType::F16},       {"torch.BFloat16Storage", ElementType::BF16},
    {"torch.LongStorage", ElementType::I64},       {"torch.IntStorage", ElementType::I32},
    {"torch.ShortStorage", ElementType::I16},      {"torch.CharStorage", ElementType::I8},
    {"torch.ByteStorage", ElementType::U8},        {"torch.BoolStorage", ElementType::Bool},
    {"torch.cuda.FloatStorage", ElementType::F32}, {"torch.cuda.DoubleStorage", ElementType::F64},
    {"torch.cuda.HalfStorage", ElementType::F16},  {"torch.cuda.LongStorage", ElementType::I64},
};

Status fail(Status status, const std::string& reason, std::string& error) {
  error = reason;
  return status;
}

std::string in_words(const Pickle& pickle, Value value) {
  switch (value.kind) {
  case Kind::None:
    return "None";
  case Kind::Bool:
  case Kind::Int:
  case Kind::Wide:
  case Kind::Float:
    return "a number";
  case Kind::Text:
  case Kind::Data:
    return "a string";
  case Kind::List:
    return "a list";
  case Kind::Dict:
    return "a dictionary";
  case Kind::Global:
    return "the name " + std::string(pickle.text(value));
  case Kind::Persistent:
    return "a storage";
  case Kind::Record:
    break;
  }
  const std::string callee(pickle.callee(value));
  return "a call of " + (callee.empty() ? "something unknown" : callee) + ", which is not run here";
}

/// A storage as a persistent id names it: ('storage', type, key, device, count[, view]).
struct StorageName {
  ElementType type;
  std::string key;
  uint64_t count;
};

bool read_storage_name(const Pickle& pickle, Value value, StorageName& out, std::string& why) {
  const Node& reference = pickle.node(value);
  if (value.kind != Kind::Persistent || reference.items.empty()) {
    why = "has no storage";
    return false;
  }
  const std::vector<Value>& id = pickle.node(reference.items[0]).items;
  if (id.size() < 5 || pickle.text(id[0]) != "storage" || id[1].kind != Kind::Global ||
      id[4].kind != Kind::Int || id[4].integer < 0) {
    why = "refers to a storage in a way that is not known";
    return false;
  }
  const auto known = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const TypeName& t) { return pickle.text(id[1]) == t.storage; });
  if (known == std::end(kTypes)) {
    why = "is of the type " + std::string(pickle.text(id[1])) + ", which weights do not have";
    return false;
  }
  if (id.size() > 5 && id[5].kind != Kind::None) {
    why = "is a view of a shared storage, which is not read here";
    return false;
  }
  out = {known->type,
         id[2].kind == Kind::Int ? std::to_string(id[2].integer) : std::string(pickle.text(id[2])),
         uint64_t(id[4].integer)};
  return true;
}

/// Where the bytes of storages come from.
class Storages {
public:
  virtual ~Storages() = default;
  /// False with the reason in `why`.
  virtual bool bytes(const StorageName& name, ByteView& out, std::string& why) = 0;
};

class ArchiveStorages final : public Storages {
public:
  ArchiveStorages(const Archive& archive, std::string prefix, Budget& budget)
      : archive_(archive), prefix_(std::move(prefix)), budget_(budget) {}

  bool bytes(const StorageName& name, ByteView& out, std::string& why) override {
    const auto known = read_.find(name.key);
    if (known != read_.end()) {
      out = known->second;
      return true;
    }
    inflated_.emplace_back();
    if (archive_.read(prefix_ + "data/" + name.key, budget_, inflated_.back(), out, why) != Status::Ok)
      return false;
    if (!budget_.take(128 + name.key.size())) {
      why = "needs more memory than the file's size and 64 MiB";
      return false;
    }
    read_[name.key] = out;
    return true;
  }
  std::deque<Bytes> release() { return std::move(inflated_); }

private:
  const Archive& archive_;
  const std::string prefix_;
  Budget& budget_;
  std::deque<Bytes> inflated_; ///< a deque: its elements stay where they are
  std::map<std::string, ByteView> read_;
};

class LegacyStorages final : public Storages {
public:
  bool bytes(const StorageName& name, ByteView& out, std::string& why) override {
    const auto found = list.find(name.key);
    if (found == list.end()) {
      why = "has no storage in the file";
      return false;
    }
    out = found->second;
    return true;
  }
  std::map<std::string, ByteView> list;
};

bool read_sizes(const Pickle& pickle, Value list, std::vector<int64_t>& out) {
  out.clear();
  if (list.kind != Kind::List || pickle.node(list).items.size() > kMaxDimensions)
    return false;
  for (const Value& size : pickle.node(list).items) {
    if (size.kind != Kind::Int || size.integer < 0)
      return false;
    out.push_back(size.integer);
  }
  return true;
}

/// One after the last element that the view touches; false when that does not fit 63 bits.
bool extent(const Tensor& tensor, int64_t offset, int64_t& end) {
  end = offset + 1;
  for (size_t i = 0; i < tensor.shape.size(); i++) {
    int64_t span = 0;
    if (tensor.shape[i] == 0) {
      end = 0;
      return true;
    }
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.stride[i], &span) ||
        __builtin_add_overflow(end, span, &end))
      return false;
  }
  return true;
}

bool count_elements(const std::vector<int64_t>& shape, int64_t& count) {
  count = 1;
  for (int64_t side : shape)
    if (__builtin_mul_overflow(count, side, &count))
      return false;
  return true;
}

/// torch._utils._rebuild_tensor[_v2] (storage, offset, size, stride, ...).
bool read_tensor(const Pickle& pickle, Value record, Storages& storages, Tensor& out, std::string& why) {
  const std::string_view callee = pickle.callee(record);
  const std::vector<Value>& arguments = pickle.node(pickle.node(record).arguments).items;
  if (callee == "torch._utils._rebuild_parameter" && !arguments.empty() &&
      arguments[0].kind == Kind::Record && pickle.callee(arguments[0]) != callee)
    return read_tensor(pickle, arguments[0], storages, out, why);
  if (callee != "torch._utils._rebuild_tensor_v2" && callee != "torch._utils._rebuild_tensor") {
    why = "is " + in_words(pickle, record);
    return false;
  }
  StorageName name;
  if (arguments.size() < 4 || arguments[1].kind != Kind::Int || arguments[1].integer < 0 ||
      !read_sizes(pickle, arguments[2], out.shape) || !read_sizes(pickle, arguments[3], out.stride) ||
      out.shape.size() != out.stride.size()) {
    why = "is a damaged tensor";
    return false;
  }
  ByteView bytes;
  if (!read_storage_name(pickle, arguments[0], name, why) || !storages.bytes(name, bytes, why))
    return false;
  out.type = name.type;
  const size_t width = element_size(out.type);
  if (name.count > bytes.size() / width) {
    why = "declares " + std::to_string(name.count) + " elements of " + std::to_string(width) +
          " bytes, its storage has " + std::to_string(bytes.size()) + " bytes";
    return false;
  }
  int64_t end = 0, count = 0;
  const auto have = int64_t(name.count);
  if (!count_elements(out.shape, count) || !extent(out, arguments[1].integer, end) || end > have ||
      count > have) {
    why = "has a shape that is larger than its storage";
    return false;
  }
  out.data = count == 0 ? ByteView() : bytes.subspan(size_t(arguments[1].integer) * width);
  return true;
}

bool holds_tensors(const Pickle& pickle, Value value) {
  if (value.kind != Kind::Dict)
    return false;
  const std::vector<Value>& entries = pickle.node(value).entries;
  for (size_t i = 1; i < entries.size(); i += 2)
    if (pickle.callee(entries[i]).starts_with("torch._utils._rebuild"))
      return true;
  return false;
}

bool find_state_dict(const Pickle& pickle, Value& out) {
  if (holds_tensors(pickle, out))
    return true;
  for (const char* key : {"state_dict", "model_state_dict", "model", "netG", "net"})
    if (const Value* inner = pickle.find(out, key); inner && holds_tensors(pickle, *inner)) {
      out = *inner;
      return true;
    }
  return false;
}

Status refuse_object(const Pickle& pickle, std::string& error) {
  return fail(Status::Unsupported,
              "holds no state dict of tensors but " + in_words(pickle, pickle.root()) +
                  " (save model.state_dict(), not the model)",
              error);
}

std::string bare_name(std::string_view name) {
  while (name.starts_with("module."))
    name.remove_prefix(7);
  return std::string(name);
}

class Loaded final : public Checkpoint {
public:
  const std::map<std::string, Tensor>& tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& others() const override { return others_; }

  Status read(ByteView bytes, std::string& error) {
    Budget budget(bytes.size());
    return Archive::looks_like(bytes) ? read_archive(bytes, budget, error)
                                      : read_legacy(bytes, budget, error);
  }
  void keep(std::shared_ptr<const profile::MappedFile> mapping) { mapping_ = std::move(mapping); }

private:
  Status read_archive(ByteView bytes, Budget& budget, std::string& error);
  Status read_legacy(ByteView bytes, Budget& budget, std::string& error);
  Status collect(const Pickle& pickle, Storages& storages, Budget& budget, std::string& error);

  std::shared_ptr<const profile::MappedFile> mapping_;
  std::deque<Bytes> inflated_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> others_;
};

Status Loaded::collect(const Pickle& pickle, Storages& storages, Budget& budget, std::string& error) {
  Value dict = pickle.root();
  if (!find_state_dict(pickle, dict))
    return refuse_object(pickle, error);
  const std::vector<Value>& entries = pickle.node(dict).entries;
  for (size_t i = 0; i + 1 < entries.size(); i += 2) {
    if (entries[i].kind != Kind::Text)
      continue;
    const std::string name = bare_name(pickle.text(entries[i]));
    if (!budget.take(512 + 2 * name.size()))
      return fail(Status::TooLarge, "its names need more memory than the file's size and 64 MiB", error);
    if (tensors_.count(name) || others_.count(name))
      return fail(Status::Corrupt, "has the name " + name + " twice", error);
    Tensor tensor;
    std::string why;
    if (entries[i + 1].kind != Kind::Record)
      others_[name] = "is " + in_words(pickle, entries[i + 1]);
    else if (read_tensor(pickle, entries[i + 1], storages, tensor, why))
      tensors_[name] = std::move(tensor);
    else
      others_[name] = why;
  }
  return Status::Ok;
}

Status Loaded::read_archive(ByteView bytes, Budget& budget, std::string& error) {
  Archive archive;
  if (const Status status = Archive::parse(bytes, budget, archive, error); status != Status::Ok)
    return status;
  const std::string data = archive.has("data.pkl") ? "data.pkl" : archive.find_ending("/data.pkl");
  if (data.empty())
    return fail(Status::Unsupported, "is a ZIP file, but not one that torch.save makes (no data.pkl)", error);
  const std::string prefix = data.substr(0, data.size() - std::strlen("data.pkl"));
  Bytes storage;
  ByteView view;
  if (archive.has(prefix + "byteorder")) {
    if (const Status status = archive.read(prefix + "byteorder", budget, storage, view, error);
        status != Status::Ok)
      return status;
    if (std::string_view(reinterpret_cast<const char*>(view.data()), view.size()) != "little")
      return fail(Status::Unsupported, "was written in another byte order", error);
  }
  if (const Status status = archive.read(data, budget, storage, view, error); status != Status::Ok)
    return status;
  Pickle pickle;
  size_t used = 0;
  if (const Status status = Pickle::parse(view, budget, pickle, used, error); status != Status::Ok)
    return status;
  ArchiveStorages storages(archive, prefix, budget);
  const Status status = collect(pickle, storages, budget, error);
  inflated_ = storages.release();
  return status;
}

/// Five pickles (magic number, protocol, system, object, keys), then each storage: its count, its elements.
Status Loaded::read_legacy(ByteView bytes, Budget& budget, std::string& error) {
  Pickle parts[5];
  size_t at = 0;
  for (int i = 0; i < 5; i++) {
    size_t used = 0;
    if (const Status status = Pickle::parse(bytes.subspan(at), budget, parts[i], used, error);
        status != Status::Ok) {
      if (i == 0)
        error = "is no PyTorch checkpoint (" + error + ")";
      return status;
    }
    at += used;
    if (i == 0 && (parts[0].root().kind != Kind::Wide || parts[0].text(parts[0].root()) != kMagic))
      return fail(Status::Unsupported, "is no PyTorch checkpoint but " + in_words(parts[0], parts[0].root()),
                  error);
    if (i == 1 && (parts[1].root().kind != Kind::Int || parts[1].root().integer != 1001))
      return fail(Status::Unsupported, "is of another version of the legacy format than 1001", error);
  }
  const Value* little = parts[2].find(parts[2].root(), "little_endian");
  if (little && (little->kind != Kind::Bool || !little->truth))
    return fail(Status::Unsupported, "was written in another byte order", error);

  const Pickle& object = parts[3];
  if (Value dict = object.root(); !find_state_dict(object, dict))
    return refuse_object(object, error);
  std::map<std::string, StorageName> named;
  for (uint32_t index : object.persistent()) {
    Value value;
    value.kind = Kind::Persistent;
    value.index = index;
    StorageName name;
    std::string why;
    if (!read_storage_name(object, value, name, why))
      continue;
    if (!budget.take(256 + name.key.size()))
      return fail(Status::TooLarge, "its storages need more memory than the file's size and 64 MiB", error);
    named.emplace(name.key, name);
  }
  LegacyStorages storages;
  for (const Value& key : parts[4].node(parts[4].root()).items) {
    const auto name = named.find(std::string(parts[4].text(key)));
    if (name == named.end())
      return fail(Status::Unsupported, "has a storage of an unknown type", error);
    uint64_t count = 0;
    if (bytes.size() - at < 8)
      return fail(Status::Corrupt, "is cut short", error);
    std::memcpy(&count, bytes.data() + at, 8);
    at += 8;
    const size_t width = element_size(name->second.type);
    if (count > (bytes.size() - at) / width)
      return fail(Status::Corrupt,
                  "is cut short: a storage of " + std::to_string(count) + " elements, " +
                      std::to_string(bytes.size() - at) + " bytes left",
                  error);
    storages.list[name->first] = bytes.subspan(at, size_t(count) * width);
    at += size_t(count) * width;
  }
  return collect(object, storages, budget, error);
}

float element(ElementType type, const uint8_t* p) {
  const auto number = [p](auto value) {
    std::memcpy(&value, p, sizeof value);
    return float(value);
  };
  float value = 0;
  switch (type) {
  case ElementType::F64:
    return number(double());
  case ElementType::F32:
    return number(float());
  case ElementType::F16:
    profile::half_to_float(p, &value, 1);
    return value;
  case ElementType::BF16:
    profile::bfloat_to_float(p, &value, 1);
    return value;
  case ElementType::I64:
    return number(int64_t());
  case ElementType::I32:
    return number(int32_t());
  case ElementType::I16:
    return number(int16_t());
  case ElementType::I8:
    return number(int8_t());
  case ElementType::U8:
  case ElementType::Bool:
    return number(uint8_t());
  }
  return value;
}

} // namespace

size_t element_size(ElementType type) {
  switch (type) {
  case ElementType::F64:
  case ElementType::I64:
    return 8;
  case ElementType::F32:
  case ElementType::I32:
    return 4;
  case ElementType::F16:
  case ElementType::BF16:
  case ElementType::I16:
    return 2;
  default:
    return 1;
  }
}

const char* element_name(ElementType type) {
  constexpr const char* names[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "Bool"};
  return names[int(type)];
}

int64_t Tensor::count() const {
  int64_t count = 1;
  for (int64_t side : shape)
    count *= side;
  return count;
}

void to_floats(const Tensor& tensor, int64_t first, int64_t count, float* out) {
  const size_t width = element_size(tensor.type);
  std::vector<int64_t> at(tensor.shape.size());
  int64_t offset = 0;
  for (size_t d = at.size(); d-- > 0 && first;) {
    at[d] = first % tensor.shape[d];
    first /= tensor.shape[d];
    offset += at[d] * tensor.stride[d];
  }
  for (const float* end = out + count; out != end; ++out) {
    *out = element(tensor.type, tensor.data.data() + size_t(offset) * width);
    for (size_t d = at.size(); d-- > 0;) {
      offset += tensor.stride[d];
      if (++at[d] < tensor.shape[d])
        break;
      offset -= at[d] * tensor.stride[d];
      at[d] = 0;
    }
  }
}

std::vector<float> to_floats(const Tensor& tensor) {
  std::vector<float> out(size_t(tensor.count()));
  to_floats(tensor, 0, tensor.count(), out.data());
  return out;
}

Status Checkpoint::parse(ByteView bytes, const std::string& name, std::shared_ptr<const Checkpoint>& out,
                         std::string& error) {
  auto loaded = std::make_shared<Loaded>();
  std::string reason;
  const Status status = loaded->read(bytes, reason);
  if (status == Status::Ok)
    out = std::move(loaded);
  else
    error = name + " " + reason;
  return status;
}

Status Checkpoint::open(const std::string& path, std::shared_ptr<const Checkpoint>& out, std::string& error) {
  std::shared_ptr<const profile::MappedFile> mapping;
  if (const Status status = profile::MappedFile::open(path, mapping, error); status != Status::Ok)
    return status;
  auto loaded = std::make_shared<Loaded>();
  std::string reason;
  const Status status = loaded->read(mapping->bytes(), reason);
  if (status != Status::Ok) {
    error = path + " " + reason;
    return status;
  }
  loaded->keep(std::move(mapping));
  out = std::move(loaded);
  return Status::Ok;
}

} // namespace gsem::checkpoint
