// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/manifest.hpp"

#include "models/profile/sha256.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace gsem::profile {
namespace {

using Json = nlohmann::ordered_json;

/// Reads fields of one JSON object; remembers the first thing that was wrong.
class Fields {
public:
  Fields(const Json& object, std::string& reason) : object_(object), reason_(reason) {}
  bool ok() const { return ok_; }

  void text(const char* name, std::string& out) {
    if (const Json* value = find(name, &Json::is_string))
      out = value->get<std::string>();
  }
  template <typename T>
  void number(const char* name, T& out, uint64_t low, uint64_t high) {
    const Json* value = find(name, &Json::is_number_unsigned);
    if (value == nullptr)
      return;
    const auto number = value->get<uint64_t>();
    if (number < low || number > high)
      wrong(name, "is out of range");
    else
      out = static_cast<T>(number);
  }
  void hash(const char* name, uint64_t& out) {
    const Json* value = find(name, &Json::is_string);
    Bytes bytes;
    if (value == nullptr)
      return;
    if (!from_hex(value->get<std::string>(), bytes) || bytes.size() != 8)
      return wrong(name, "is not 16 hex digits");
    out = 0;
    for (uint8_t byte : bytes)
      out = out << 8 | byte;
  }
  void wrong(const std::string& name, const std::string& what) {
    if (ok_)
      reason_ = "\"" + name + "\" " + what;
    ok_ = false;
  }

private:
  const Json* find(const char* name, bool (Json::*is_type)() const) {
    const auto found = object_.find(name);
    if (found == object_.end())
      wrong(name, "is missing");
    else if (!((*found).*is_type)())
      wrong(name, "has the wrong type");
    else
      return &*found;
    return nullptr;
  }

  const Json& object_;
  std::string& reason_;
  bool ok_ = true;
};

bool is_token(const std::string& text) {
  return !text.empty() && text.size() <= 64 && text[0] != '.' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_' || c == '.';
         });
}

/// A profile is data from elsewhere: it must not make us open files outside its folder.
bool is_inside(const std::string& path) {
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (!is_token(path.substr(begin, end - begin)))
      return false;
    begin = end + 1;
  }
  return true;
}

void read_files(const Json& files, Manifest& out, Fields& fields) {
  for (const auto& [role, entry] : files.items()) {
    if (!is_token(role) || !entry.is_object())
      return fields.wrong("files", "has a bad role");
    std::string reason;
    Fields inner(entry, reason);
    ManifestFile file;
    Bytes digest;
    inner.text("path", file.path);
    inner.number("size", file.size, 0, uint64_t{1} << 40);
    inner.text("sha256", file.sha256);
    if (inner.ok() && !is_inside(file.path))
      inner.wrong("path", "leaves the profile's folder");
    if (inner.ok() && (!from_hex(file.sha256, digest) || digest.size() != 32))
      inner.wrong("sha256", "is not 64 hex digits");
    if (!inner.ok())
      return fields.wrong("files." + role, ": " + reason);
    file.sha256 = to_hex(digest);
    out.files[role] = std::move(file);
  }
}

void read_structure_headers(const Json& headers, Manifest& out, Fields& fields) {
  for (const auto& [codec, value] : headers.items()) {
    Bytes header;
    if (!value.is_string() || !from_hex(value.get<std::string>(), header) ||
        header.size() > bitstream::Limits::max_codec_header_bytes)
      return fields.wrong("structure_headers", "has a value that is not the hex digits of a codec header");
    out.structure_headers[codec] = std::move(header);
  }
}

Status read_manifest(const Json& root, Manifest& out, std::string& reason) {
  if (!root.is_object()) {
    reason = "not a JSON object";
    return Status::Corrupt;
  }
  Fields fields(root, reason);
  int format = 0;
  fields.number("format", format, 1, 1000000);
  if (fields.ok() && format != kManifestFormat) {
    reason = "format " + std::to_string(format) + ", this version reads " + std::to_string(kManifestFormat);
    return Status::Unsupported;
  }
  fields.text("name", out.name);
  fields.number("id", out.id, 0, UINT32_MAX);
  fields.text("version", out.version);
  fields.text("licence", out.licence);
  fields.text("kind", out.kind);
  fields.number("map_side", out.map_side, 16, 512);
  fields.number("work_side", out.work_side, 16, 1024);
  fields.hash("caption_parse_hash", out.caption_parse_hash);
  fields.hash("signal_parse_hash", out.signal_parse_hash);
  fields.hash("signal_latent_id", out.signal_latent_id);
  if (fields.ok() && !is_token(out.name))
    fields.wrong("name", "has characters other than A-Za-z0-9._-");
  if (fields.ok() && out.kind != "narrow" && out.kind != "reference")
    fields.wrong("kind", "is neither narrow nor reference");
  const auto files = root.find("files"), headers = root.find("structure_headers");
  if (files == root.end() || !files->is_object())
    fields.wrong("files", "is missing");
  else
    read_files(*files, out, fields);
  if (headers != root.end() && headers->is_object())
    read_structure_headers(*headers, out, fields);
  if (const auto training = root.find("training"); training != root.end())
    out.training = training->dump();
  return fields.ok() ? Status::Ok : Status::Corrupt;
}

} // namespace

std::string hash_to_hex(uint64_t hash) {
  uint8_t bytes[8];
  for (int i = 0; i < 8; i++)
    bytes[i] = static_cast<uint8_t>(hash >> (56 - 8 * i));
  return to_hex(bytes);
}

Status parse_manifest(ByteView json, Manifest& out, std::string& reason) {
  out = {};
  if (json.size() > kMaxManifestBytes) {
    reason = "over " + std::to_string(kMaxManifestBytes) + " bytes";
    return Status::TooLarge;
  }
  try {
    const Json root = Json::parse(json.begin(), json.end());
    return read_manifest(root, out, reason);
  } catch (const std::exception& exception) {
    reason = exception.what();
    return Status::Corrupt;
  }
}

std::string write_manifest(const Manifest& manifest) {
  Json root = {{"format", kManifestFormat},
               {"name", manifest.name},
               {"id", manifest.id},
               {"version", manifest.version},
               {"licence", manifest.licence},
               {"kind", manifest.kind},
               {"map_side", manifest.map_side},
               {"work_side", manifest.work_side},
               {"caption_parse_hash", hash_to_hex(manifest.caption_parse_hash)},
               {"signal_parse_hash", hash_to_hex(manifest.signal_parse_hash)},
               {"signal_latent_id", hash_to_hex(manifest.signal_latent_id)}};
  Json& headers = root["structure_headers"] = Json::object();
  for (const auto& [codec, header] : manifest.structure_headers)
    headers[codec] = to_hex(header);
  Json& files = root["files"] = Json::object();
  for (const auto& [role, file] : manifest.files)
    files[role] = {{"path", file.path}, {"size", file.size}, {"sha256", file.sha256}};
  if (!manifest.training.empty())
    root["training"] = Json::parse(manifest.training);
  return root.dump(2) + "\n";
}

} // namespace gsem::profile
