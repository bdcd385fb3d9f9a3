// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/profile.hpp"
#include "models/runtime/models.hpp"

#include <gst/gst.h>

#include <memory>
#include <string>

namespace gsem::codec {

/// Which networks an element uses: the properties `profile`, `device` and `threads`, the same on all six
/// elements.
struct ModelSettings {
  std::string profile;        ///< empty: the default profile
  std::string device = "cpu"; ///< "cpu" or "cuda"
  int threads = 0;            ///< 0: cores - 1, at least 1

  runtime::ModelOptions options() const { return {device, threads}; }
};

/// Property ids `first` .. `first + kModelProperties - 1` are taken.
inline constexpr guint kModelProperties = 3;
void install_model_properties(GObjectClass* klass, guint first);

/// `index` = property id - first. Both take the object lock.
void set_model_property(GObject* object, ModelSettings& settings, guint index, const GValue* value);
void get_model_property(GObject* object, const ModelSettings& settings, guint index, GValue* value);

/// A copy taken under the object lock.
ModelSettings copy_settings(gpointer object, const ModelSettings& settings);

/// Null after posting a RESOURCE error that names what was looked for where, or the damaged file.
std::shared_ptr<const profile::Profile> find_profile(GstElement* element, const ModelSettings& settings);

/// Posts the RESOURCE error for networks that do not load.
void post_model_error(GstElement* element, const ModelSettings& settings, const std::string& error);

} // namespace gsem::codec
