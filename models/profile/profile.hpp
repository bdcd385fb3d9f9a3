// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/stream_header.hpp"

#include <map>
#include <memory>
#include <string>

/// A profile is a folder: profile.json, weights, integer tables, CARD.md. This library finds and checks it;
/// no torch.
///
/// Roles: backbone, captioner, text, generator, upscale, hint, edges, structure, signal (safetensors);
/// caption-table, signal-table (integer tables); vocabulary (text: line i is the word of token i, <pad> and
/// <unk> first).
namespace gsem::entropy {
class CaptionCoder;
class LatentCoder;
} // namespace gsem::entropy

namespace gsem::profile {

inline constexpr const char* kDefaultProfile = "birds";

/// Immutable after load: thread-safe.
struct Profile {
  std::string name; ///< "birds"
  uint32_t id = 0;  ///< stands in compact stream headers for the hashes below; 0: never compact
  std::string version;
  std::string licence;
  std::string kind; ///< "narrow" or "reference": which network definitions
  std::string folder;
  int map_side = 128;  ///< structure maps are map_side x map_side
  int work_side = 256; ///< layers 1 and 2 work on the picture stretched to this square
  std::map<std::string, std::string>
      files; ///< role ("generator", "signal-table", ...) -> absolute path; size and SHA-256 checked on load
  std::map<std::string, std::string> hashes; ///< role -> SHA-256 in lower-case hex
  uint64_t caption_parse_hash = 0, signal_parse_hash = 0;
  uint64_t signal_latent_id = 0;
  std::map<std::string, Bytes>
      structure_headers; ///< codec name ("av1") -> codec header that a compact stream header stands for

  std::shared_ptr<const entropy::CaptionCoder> caption_coder; ///< loaded with the profile (small)
  std::shared_ptr<const entropy::LatentCoder> latent_coder;
};

/// Lookup: `name_or_path` when it has a '/', else GST_SEMANTIC_PROFILE_PATH (colon-separated), the installed
/// folder, the source tree. Empty means kDefaultProfile. The first folder with a profile.json counts, also
/// when that is broken. `error` names what was looked for and where, or the file and what is wrong with it:
/// Failed (missing, unreadable), Corrupt, Unsupported (newer profile.json), Mismatch (hash). Weight files are
/// only checked for presence and size here; their hashes when they are opened (`verify_file`); the tables'
/// hashes here. Results are cached weakly until profile.json changes. Thread-safe.
Status load_profile(const std::string& name_or_path, std::shared_ptr<const Profile>& out, std::string& error);

/// SHA-256 of the file of `role` against profile.json: Mismatch names the file and both hashes, Failed a role
/// that the profile lacks. On a busy core 2-3 ms a MiB with SHA extensions, 14-17 without. Thread-safe.
Status verify_file(const Profile& profile, const std::string& role, std::string& error);

/// bitstream::ProfileResolver over all profiles in the lookup folders (not those given by path). Fills in the
/// layers' parse hashes, the signal's latent id and the structure's codec header. Thread-safe; found ids are
/// remembered until their profile.json changes.
bool resolve_profile_id(uint32_t profile_id, bitstream::StreamHeader& header, void* user);

} // namespace gsem::profile
