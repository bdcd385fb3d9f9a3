// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/stream_header.hpp"

#include <map>
#include <memory>
#include <string>

/// A profile is a folder: profile.json, weights, integer tables, CARD.md. This library finds and checks it; no torch.
namespace gsem::entropy {
class CaptionCoder;
class LatentCoder;
} // namespace gsem::entropy

namespace gsem::profile {

inline constexpr const char* kDefaultProfile = "birds";

/// Immutable after load: thread-safe.
struct Profile {
  std::string name;    ///< "birds"
  uint32_t id = 0;     ///< stands in compact stream headers for the hashes below; 0: never compact
  std::string version;
  std::string licence;
  std::string kind;    ///< "narrow" or "reference": which network definitions
  std::string folder;
  int map_side = 128;  ///< structure maps are map_side x map_side
  int work_side = 256; ///< layers 1 and 2 work on the picture stretched to this square
  std::map<std::string, std::string> files; ///< role ("generator", "signal-table", ...) -> absolute path; size and SHA-256 checked on load
  uint64_t caption_parse_hash = 0, signal_parse_hash = 0;
  uint64_t signal_latent_id = 0;
  std::map<std::string, Bytes> structure_headers; ///< codec name ("av1-still", "av1-live") -> codec header that a compact stream header stands for

  std::shared_ptr<const entropy::CaptionCoder> caption_coder; ///< loaded with the profile (small)
  std::shared_ptr<const entropy::LatentCoder> latent_coder;
};

/// Lookup: `name_or_path` when it has a '/', else GST_SEMANTIC_PROFILE_PATH (colon-separated), the installed folder, the source tree.
/// Empty means kDefaultProfile. `error` names what was looked for and where, or the file and what is wrong with it. Weight files are only
/// checked for presence and size here; their hashes when they are opened (`verify`). Results are cached weakly: thread-safe.
Status load_profile (const std::string& name_or_path, std::shared_ptr<const Profile>& out, std::string& error);

/// SHA-256 of the file of `role` against profile.json; `error` names the file.
Status verify_file (const Profile& profile, const std::string& role, std::string& error);

/// bitstream::ProfileResolver over all profiles that can be found by id.
bool resolve_profile_id (uint32_t profile_id, bitstream::StreamHeader& header, void* user);

} // namespace gsem::profile
