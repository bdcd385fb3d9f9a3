// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/profile.hpp"

#include <string>

/// profile.json: what it says and how it is written (described in models/profiles/README.md). Pure functions.
namespace gsem::profile {

inline constexpr int kManifestFormat = 1;
inline constexpr size_t kMaxManifestBytes = 1u << 20;

struct ManifestFile {
  std::string path; ///< relative to the profile's folder, never outside of it
  uint64_t size = 0;
  std::string sha256; ///< lower-case hex
};

struct Manifest {
  std::string name, version, licence, kind = "narrow";
  uint32_t id = 0;
  int map_side = 128, work_side = 256;
  std::map<std::string, ManifestFile> files; ///< by role
  uint64_t caption_parse_hash = 0, signal_parse_hash = 0, signal_latent_id = 0;
  std::map<std::string, Bytes> structure_headers;
  std::string training; ///< JSON text: what was trained on what, for people and cards
};

/// `reason` says which field is wrong. Unknown fields are ignored (newer profiles add some); another format
/// is Unsupported.
Status parse_manifest(ByteView json, Manifest& out, std::string& reason);

/// Ends in a newline. The same manifest always gives the same text. `training` must be JSON or empty.
std::string write_manifest(const Manifest& manifest);

/// 16 lower-case hex digits, as in profile.json and in caps.
std::string hash_to_hex(uint64_t hash);

} // namespace gsem::profile
