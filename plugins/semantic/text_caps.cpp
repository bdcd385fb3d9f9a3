// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/text_caps.hpp"

#include "gst/semantic/ptr.hpp"
#include "models/entropy/caption_coder.hpp"

namespace gsem {

bool load_caption_profile(GstElement* element, const std::string& name,
                          std::shared_ptr<const profile::Profile>& profile) {
  std::string error;
  if (profile::load_profile(name, profile, error) == Status::Ok && profile->caption_coder)
    return true;
  if (error.empty())
    error = "the profile has no caption table";
  profile.reset();
  GST_ELEMENT_ERROR(element, RESOURCE, NOT_FOUND, ("The caption tables cannot be loaded."),
                    ("%s", error.c_str()));
  return false;
}

GstCaps* map_text_caps(GstCaps* from, GstCaps* to, GstCaps* filter) {
  Ptr<GstCaps> mapped(gst_caps_new_empty());
  for (guint i = 0; i < gst_caps_get_size(from); ++i) {
    const GstStructure* source = gst_caps_get_structure(from, i);
    for (guint j = 0; j < gst_caps_get_size(to); ++j) {
      GstStructure* target = gst_structure_copy(gst_caps_get_structure(to, j));
      for (const char* field : {"width", "height", "framerate", "pixel-aspect-ratio"})
        if (const GValue* value = gst_structure_get_value(source, field))
          gst_structure_set_value(target, field, value);
      mapped.reset(gst_caps_merge_structure(mapped.release(), target));
    }
  }
  if (!filter)
    return mapped.release();
  return gst_caps_intersect_full(filter, mapped.get(), GST_CAPS_INTERSECT_FIRST);
}

} // namespace gsem
