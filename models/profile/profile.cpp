// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/profile/profile.hpp"

#include "config.h"
#include "models/entropy/caption_coder.hpp"
#include "models/entropy/latent_coder.hpp"
#include "models/profile/file.hpp"
#include "models/profile/manifest.hpp"
#include "models/profile/sha256.hpp"

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <sys/stat.h>

namespace gsem::profile {
namespace {

namespace fs = std::filesystem;
using ProfilePtr = std::shared_ptr<const Profile>;

constexpr size_t kMaxTableBytes = 16u << 20;

/// Tells one state of a file from another without reading it.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = -1;
  timespec modified = {};

  explicit FileStamp(const std::string& path) {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0)
      return;
    device = info.st_dev;
    inode = info.st_ino;
    size = info.st_size;
    modified = info.st_mtim;
  }
  bool exists() const { return size >= 0; }
  bool operator==(const FileStamp& other) const {
    return device == other.device && inode == other.inode && size == other.size &&
           modified.tv_sec == other.modified.tv_sec && modified.tv_nsec == other.modified.tv_nsec;
  }
};

struct CachedProfile {
  FileStamp stamp;
  std::weak_ptr<const Profile> profile;
};

struct ResolvedId {
  std::string json_path;
  FileStamp stamp;
  Manifest manifest;
};

struct Cache {
  std::mutex mutex;
  std::map<std::string, CachedProfile> profiles; ///< by folder
  std::map<uint32_t, ResolvedId> ids;
};

Cache& cache() {
  // Never destroyed: streaming threads may still resolve headers while the process exits.
  static Cache* instance = new Cache;
  return *instance;
}

std::string json_path_of(const std::string& folder) {
  return folder + "/profile.json";
}

std::vector<std::string> search_folders() {
  std::vector<std::string> folders;
  if (const char* list = std::getenv("GST_SEMANTIC_PROFILE_PATH")) {
    const std::string text = list;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(':', begin), text.size());
      if (end > begin)
        folders.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  folders.push_back(GSEM_PROFILES_INSTALLED);
  folders.push_back(GSEM_PROFILES_SOURCE);
  return folders;
}

Status find_folder(const std::string& wanted, std::string& folder, std::string& error) {
  const std::string name = wanted.empty() ? kDefaultProfile : wanted;
  if (name.find('/') != std::string::npos) {
    folder = name;
    if (FileStamp(json_path_of(folder)).exists())
      return Status::Ok;
    error = "no profile in the folder " + folder + " (it has no profile.json)";
    return Status::Failed;
  }
  std::string looked;
  for (const std::string& parent : search_folders()) {
    folder = parent + "/" + name;
    // "." and ".." are folders, too, but no names.
    if (name[0] != '.' && FileStamp(json_path_of(folder)).exists())
      return Status::Ok;
    looked += (looked.empty() ? "" : ", ") + parent;
  }
  error = "no profile \"" + name + "\" in " + looked +
          " (set GST_SEMANTIC_PROFILE_PATH, or give the folder as a path with a /)";
  return Status::Failed;
}

Status read_manifest_file(const std::string& path, Manifest& manifest, std::string& error) {
  Bytes json;
  if (Status status = read_file(path, kMaxManifestBytes, json, error); status != Status::Ok)
    return status;
  std::string reason;
  const Status status = parse_manifest(json, manifest, reason);
  if (status != Status::Ok)
    error = path + ": " + reason;
  return status;
}

Status check_file(const std::string& path, const ManifestFile& file, std::string& error) {
  std::error_code code;
  const uintmax_t size = fs::file_size(path, code);
  if (code) {
    error = path + ": " + code.message();
    return Status::Failed;
  }
  if (size == file.size)
    return Status::Ok;
  error = path + ": has " + std::to_string(size) + " bytes, profile.json says " + std::to_string(file.size);
  return Status::Mismatch;
}

Status check_digest(const std::string& path, ByteView bytes, const std::string& expected,
                    std::string& error) {
  const std::string digest = to_hex(sha256(bytes));
  if (digest == expected)
    return Status::Ok;
  error = path + ": SHA-256 is " + digest + ", profile.json says " + expected;
  return Status::Mismatch;
}

/// Loads the table of `role` if the profile has one, and checks that it parses what profile.json promises.
template <typename Coder>
Status load_table(const Profile& profile, const char* role, uint64_t parse_hash,
                  std::shared_ptr<const Coder>& coder, std::string& error) {
  const auto found = profile.files.find(role);
  if (found == profile.files.end())
    return Status::Ok;
  const std::string& path = found->second;
  Bytes table;
  if (Status status = read_file(path, kMaxTableBytes, table, error); status != Status::Ok)
    return status;
  if (Status status = check_digest(path, table, profile.hashes.at(role), error); status != Status::Ok)
    return status;
  if (Status status = Coder::load(table, coder); status != Status::Ok) {
    error = path + ": not a table this version reads (" + status_name(status) + ")";
    return status;
  }
  if (coder->parse_hash() == parse_hash)
    return Status::Ok;
  error = path + ": parse hash is " + hash_to_hex(coder->parse_hash()) + ", profile.json says " +
          hash_to_hex(parse_hash);
  return Status::Mismatch;
}

Status build_profile(const std::string& folder, ProfilePtr& out, std::string& error) {
  Manifest manifest;
  if (Status status = read_manifest_file(json_path_of(folder), manifest, error); status != Status::Ok)
    return status;
  auto profile = std::make_shared<Profile>();
  profile->folder = folder;
  for (const auto& [role, file] : manifest.files) {
    const std::string path = folder + "/" + file.path;
    if (Status status = check_file(path, file, error); status != Status::Ok)
      return status;
    profile->files[role] = path;
    profile->hashes[role] = file.sha256;
  }
  profile->name = manifest.name;
  profile->id = manifest.id;
  profile->version = manifest.version;
  profile->licence = manifest.licence;
  profile->kind = manifest.kind;
  profile->map_side = manifest.map_side;
  profile->work_side = manifest.work_side;
  profile->caption_parse_hash = manifest.caption_parse_hash;
  profile->signal_parse_hash = manifest.signal_parse_hash;
  profile->signal_latent_id = manifest.signal_latent_id;
  profile->structure_headers = manifest.structure_headers;
  if (Status status =
          load_table(*profile, "caption-table", profile->caption_parse_hash, profile->caption_coder, error);
      status != Status::Ok)
    return status;
  if (Status status =
          load_table(*profile, "signal-table", profile->signal_parse_hash, profile->latent_coder, error);
      status != Status::Ok)
    return status;
  out = std::move(profile);
  return Status::Ok;
}

bool remember_id(uint32_t id, Cache& cache) {
  for (const std::string& parent : search_folders()) {
    std::error_code code;
    for (fs::directory_iterator entry(parent, code), end; !code && entry != end; entry.increment(code)) {
      const std::string path = json_path_of(entry->path().string());
      const FileStamp stamp(path);
      ResolvedId resolved{path, stamp, {}};
      std::string error;
      if (!stamp.exists() || read_manifest_file(path, resolved.manifest, error) != Status::Ok)
        continue;
      if (resolved.manifest.id == id) {
        cache.ids.insert_or_assign(id, std::move(resolved));
        return true;
      }
    }
  }
  return false;
}

const char* structure_codec_name(uint8_t codec) {
  switch (static_cast<bitstream::StructureCodec>(codec)) {
  case bitstream::StructureCodec::Av1:
    return "av1";
  case bitstream::StructureCodec::Vvc:
    return "vvc";
  }
  return "";
}

void fill_layer(const Manifest& manifest, bitstream::LayerInfo& layer) {
  switch (layer.kind) {
  case bitstream::LayerKind::Caption:
    layer.parse_hash = manifest.caption_parse_hash;
    break;
  case bitstream::LayerKind::Structure:
    if (const auto header = manifest.structure_headers.find(structure_codec_name(layer.codec));
        header != manifest.structure_headers.end())
      layer.codec_header = header->second;
    break;
  case bitstream::LayerKind::Signal:
    layer.parse_hash = manifest.signal_parse_hash;
    layer.latent_id = manifest.signal_latent_id;
    break;
  }
}

} // namespace

Status load_profile(const std::string& name_or_path, ProfilePtr& out, std::string& error) {
  try {
    std::string folder;
    if (Status status = find_folder(name_or_path, folder, error); status != Status::Ok)
      return status;
    folder = fs::canonical(folder).string();
    Cache& known = cache();
    const std::lock_guard<std::mutex> lock(known.mutex);
    const FileStamp stamp(json_path_of(folder));
    if (const auto found = known.profiles.find(folder);
        found != known.profiles.end() && found->second.stamp == stamp)
      if (ProfilePtr profile = found->second.profile.lock()) {
        out = std::move(profile);
        return Status::Ok;
      }
    ProfilePtr profile;
    if (Status status = build_profile(folder, profile, error); status != Status::Ok)
      return status;
    known.profiles.insert_or_assign(folder, CachedProfile{stamp, profile});
    out = std::move(profile);
    return Status::Ok;
  } catch (const std::exception& exception) {
    error = exception.what();
    return Status::Failed;
  }
}

Status verify_file(const Profile& profile, const std::string& role, std::string& error) {
  const auto file = profile.files.find(role), hash = profile.hashes.find(role);
  if (file == profile.files.end() || hash == profile.hashes.end()) {
    error = profile.folder + ": profile \"" + profile.name + "\" has no file of role \"" + role + "\"";
    return Status::Failed;
  }
  std::shared_ptr<const MappedFile> mapping;
  if (Status status = MappedFile::open(file->second, mapping, error); status != Status::Ok)
    return status;
  return check_digest(file->second, mapping->bytes(), hash->second, error);
}

bool resolve_profile_id(uint32_t profile_id, bitstream::StreamHeader& header, void*) {
  if (profile_id == 0)
    return false;
  try {
    Cache& known = cache();
    const std::lock_guard<std::mutex> lock(known.mutex);
    auto found = known.ids.find(profile_id);
    if (found == known.ids.end() || !(FileStamp(found->second.json_path) == found->second.stamp)) {
      known.ids.erase(profile_id);
      if (!remember_id(profile_id, known))
        return false;
      found = known.ids.find(profile_id);
    }
    for (bitstream::LayerInfo& layer : header.layers)
      fill_layer(found->second.manifest, layer);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

} // namespace gsem::profile
