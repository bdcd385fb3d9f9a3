// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/profile.hpp"
#include "models/train/eval/test_picture.hpp"

#include <vector>

namespace gsem::eval {

struct MapCodecSettings {
  std::vector<std::string> codecs; ///< of vtm_bridge; what is not usable is said and left out
  std::string vtm_dir;             ///< empty: $GST_SEMANTIC_VTM_DIR
  std::vector<std::string> photos; ///< BSDS500: its first test photos by name
  std::string teacher;             ///< HED; empty: the profile's edge network
  size_t count = 24;
  int quantiser = 50; ///< of VVC: SCMC's. AV1 has 62, its equal (docs/structure.md), and what matches best
};

/// Means over the maps, each a still of 128x128.
struct MapCodecRow {
  std::string codec;
  int quantiser = 0;
  double payload = 0;            ///< bytes in an access unit: type byte, lengths, slice data
  size_t header = 0;             ///< codec header, once a stream
  double psnr = 0, f = 0;        ///< f: F1 of the pixels >= 128, decoded against uncoded
  double encode = 0, decode = 0; ///< CPU seconds a map, of this process and of the programs it runs
};

struct MapCodecTable {
  std::string detector; ///< who drew the maps
  size_t maps = 0;
  double strong = 0; ///< share of the pixels >= 128
  std::vector<MapCodecRow> rows;
  std::vector<std::string> missing; ///< codec and why
};

/// What each codec makes of the same structure maps. std::runtime_error with a reason.
MapCodecTable compare_map_codecs(const profile::Profile& profile, const MapCodecSettings& settings,
                                 const Progress& say);

/// Writes `docs`/map-codecs.md.
void write_map_codecs(const MapCodecTable& table, const std::string& docs, const std::string& command);

} // namespace gsem::eval
