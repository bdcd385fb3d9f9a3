// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semantic/layer_selector.hpp"
#include "plugins/semantic/rate_feedback.hpp"

#include <gst/gst.h>

namespace gsem {

/// What the user sets on semanticlayerfilter.
struct LayerFilterSettings : LayerSelector::Settings {
  LayerFilterSettings() { window = kWindow; }
  static constexpr unsigned kWindow = 2000; ///< bytes
  bool steer = true, adaptive = false;
  guint min = 1000, max = 2000000; ///< bit/s, of the estimate

  RateFeedback::Limits limits() const;
};

/// Property ids from 1 to kLayerFilterSettings - 1 are those of the settings; the rest is left to the
/// element.
inline constexpr guint kLayerFilterSettings = 12;
void install_layer_filter_properties(GObjectClass* klass);
/// Both take the object lock. False for an id that is none of the settings.
bool set_layer_filter_property(GObject* object, LayerFilterSettings& settings, guint id, const GValue* value);
bool get_layer_filter_property(GObject* object, const LayerFilterSettings& settings, guint id, GValue* value);

} // namespace gsem
