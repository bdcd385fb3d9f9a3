// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/model_settings.hpp"

#include "gst/semantic/ptr.hpp"

namespace gsem::codec {

namespace {
constexpr auto kReady = GParamFlags(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);

const char* or_default(const std::string& profile) {
  return profile.empty() ? profile::kDefaultProfile : profile.c_str();
}
} // namespace

void install_model_properties(GObjectClass* klass, guint first) {
  g_object_class_install_property(
      klass, first,
      g_param_spec_string(
          "profile", "Profile",
          "Name of the model profile, or its folder (any text with a '/'). Names are looked for in "
          "GST_SEMANTIC_PROFILE_PATH, then where gst-semantic is installed",
          profile::kDefaultProfile, kReady));
  g_object_class_install_property(
      klass, first + 1,
      g_param_spec_string("device", "Device",
                          "Where the networks run: cpu, or cuda if LibTorch was built with it", "cpu",
                          kReady));
  g_object_class_install_property(
      klass, first + 2,
      g_param_spec_int(
          "threads", "Threads",
          "CPU threads of the inference executor; one executor serves the whole process, so the last element "
          "started decides (0 = number of cores - 1, at least 1)",
          0, 256, 0, kReady));
}

void set_model_property(GObject* object, ModelSettings& settings, guint index, const GValue* value) {
  ObjectLock lock(object);
  const char* text = index < 2 ? g_value_get_string(value) : nullptr;
  if (index == 0)
    settings.profile = text ? text : "";
  else if (index == 1)
    settings.device = text && *text ? text : "cpu";
  else
    settings.threads = g_value_get_int(value);
}

void get_model_property(GObject* object, const ModelSettings& settings, guint index, GValue* value) {
  ObjectLock lock(object);
  if (index == 0)
    g_value_set_string(value, or_default(settings.profile));
  else if (index == 1)
    g_value_set_string(value, settings.device.c_str());
  else
    g_value_set_int(value, settings.threads);
}

ModelSettings copy_settings(gpointer object, const ModelSettings& settings) {
  ObjectLock lock(object);
  return settings;
}

std::shared_ptr<const profile::Profile> find_profile(GstElement* element, const ModelSettings& settings) {
  std::shared_ptr<const profile::Profile> found;
  std::string error;
  Status status = profile::load_profile(settings.profile, found, error);
  if (status == Status::Ok && found)
    return found;
  if (status == Status::Failed)
    GST_ELEMENT_ERROR(
        element, RESOURCE, NOT_FOUND, ("Model profile \"%s\" was not found.", or_default(settings.profile)),
        ("%s. Install the profile, or name its folder with the profile property or GST_SEMANTIC_PROFILE_PATH",
         error.c_str()));
  else
    GST_ELEMENT_ERROR(element, RESOURCE, OPEN_READ,
                      ("Model profile \"%s\" cannot be used.", or_default(settings.profile)),
                      ("%s (%s). Install the profile again", error.c_str(), status_name(status)));
  return nullptr;
}

void post_model_error(GstElement* element, const ModelSettings& settings, const std::string& error) {
  GST_ELEMENT_ERROR(element, RESOURCE, OPEN_READ,
                    ("The networks of model profile \"%s\" cannot be loaded.", or_default(settings.profile)),
                    ("%s", error.c_str()));
}

} // namespace gsem::codec
