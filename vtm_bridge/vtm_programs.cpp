// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/vtm_programs.hpp"

#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <unistd.h>

namespace gsem::maps {
namespace {

namespace fs = std::filesystem;

struct Wanted {
  const char* name;
  std::initializer_list<const char*> below; ///< folders to look in, relative to VTM's
  int access;                               ///< R_OK or X_OK
};

const Wanted kEncoder = {"EncoderAppStatic", {".", "bin"}, X_OK};
const Wanted kDecoder = {"DecoderAppStatic", {".", "bin"}, X_OK};
const Wanted kIntraConfig = {"encoder_intra_vtm.cfg", {"cfg", "../cfg"}, R_OK};
const Wanted kScreenConfig = {"per-class/classSCC.cfg", {"cfg", "../cfg"}, R_OK};

bool find(const fs::path& root, const Wanted& wanted, std::string& out, std::string& error) {
  std::string tried;
  for (const char* below : wanted.below) {
    std::error_code code;
    const fs::path path = (root / below / wanted.name).lexically_normal();
    if (fs::is_regular_file(path, code) && access(path.c_str(), wanted.access) == 0) {
      out = path;
      return true;
    }
    tried += (tried.empty() ? "" : ", ") + path.string();
  }
  error = std::string("VTM's ") + wanted.name + " is missing; looked for " + tried +
          ". Build VTM 15.2 or later and point vtm-dir or GST_SEMANTIC_VTM_DIR at its folder (docs/vtm.md)";
  return false;
}

} // namespace

bool find_vtm(const std::string& folder, VtmRole role, VtmPrograms& out, std::string& error) {
  const char* variable = std::getenv("GST_SEMANTIC_VTM_DIR");
  const std::string named = !folder.empty() ? folder : variable != nullptr ? variable : "";
  if (named.empty()) {
    error = "where VTM is is not known: neither vtm-dir nor GST_SEMANTIC_VTM_DIR is set. Build VTM 15.2 or "
            "later and set one of them to its folder (docs/vtm.md)";
    return false;
  }
  std::error_code code;
  // The programs run in a folder of their own: relative paths would mean something else there.
  const fs::path root = fs::absolute(named, code);
  if (role == VtmRole::Decode)
    return find(root, kDecoder, out.decoder, error);
  return find(root, kEncoder, out.encoder, error) && find(root, kIntraConfig, out.intra_config, error) &&
         find(root, kScreenConfig, out.screen_config, error);
}

} // namespace gsem::maps
