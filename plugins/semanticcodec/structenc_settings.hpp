// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semanticcodec/model_settings.hpp"
#include "vtm_bridge/map_rate.hpp"

#include <string>

namespace gsem::codec {

/// What the user sets on structenc.
struct StructEncSettings {
  enum Detector { DETECTOR_NETWORK, DETECTOR_CANNY };
  enum Live { LIVE_AUTO, LIVE_OFF, LIVE_ON };
  static constexpr int kDefaultQuality = 32,
                       kDefaultKeyInterval = 25; // docs/structure.md has the measurement

  ModelSettings model;
  int detector = DETECTOR_NETWORK;
  std::string codec = "av1";
  std::string vtm_dir; ///< empty: $GST_SEMANTIC_VTM_DIR
  int quality = kDefaultQuality, quantiser = -1, qp = -1;
  guint bitrate = 0, max_bytes = 0; ///< bit/s, bytes a map; 0: off
  int live = LIVE_AUTO;
  int key_interval = kDefaultKeyInterval;

  bool vvc() const { return codec == "vtm" || codec == "vvc"; }
  /// Of the codec: what quantiser or qp say, else what quality gives.
  int effective_quantiser() const;
  /// `steered`: bit/s that a semantic-rate event allows, 0 for no such limit.
  maps::RateLimits limits(guint steered) const;
};

/// Property ids from 1 to kStructEncStats - 1 are those of the settings; kStructEncStats is left to the
/// element.
extern const guint kStructEncStats;
void install_structenc_properties(GObjectClass* klass);
/// Both take the object lock. False for an id that is none of the settings.
bool set_structenc_property(GObject* object, StructEncSettings& settings, guint id, const GValue* value);
bool get_structenc_property(GObject* object, const StructEncSettings& settings, guint id, GValue* value);

} // namespace gsem::codec
