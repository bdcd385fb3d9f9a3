// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/semantic/ptr.hpp"

#include <gst/gst.h>

#include <cstdint>
#include <string>

namespace gsem::codec {

/// The fields of coded-layer caps that say which model made them (docs/caps.md). Hashes are 16 lower-case hex
/// digits.
struct LayerIdentity {
  std::string profile;
  std::string codec;
  uint64_t parse_hash = 0; ///< 0: not given
  uint64_t latent_id = 0;  ///< 0: not given
  Bytes codec_data;
};

/// Adds the non-empty fields and parsed=true.
void write_identity(GstCaps* caps, const LayerIdentity& identity);
LayerIdentity read_identity(const GstCaps* caps);

std::string hash_text(uint64_t hash);

/// Frame size, rate and pixel aspect ratio of coded-layer caps; 0 where absent.
struct LayerGeometry {
  int width = 0, height = 0, fps_n = 0, fps_d = 1, par_n = 1, par_d = 1;
  bool sized() const { return width > 0 && height > 0; }
  bool possible() const; ///< within 16..4096
};
LayerGeometry read_geometry(const GstCaps* caps);

} // namespace gsem::codec
