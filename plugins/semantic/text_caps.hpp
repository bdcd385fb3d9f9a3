// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "models/profile/profile.hpp"

#include <gst/base/gstbasetransform.h>

#include <memory>
#include <string>

/// What semantictextenc and semantictextdec share: one caps mapping, one way to find the coder.
namespace gsem {

/// Caption coder of the profile `name`; posts the element error when there is none.
bool load_caption_profile(GstElement* element, const std::string& name,
                          std::shared_ptr<const profile::Profile>& profile);

/// `from` with its name and format replaced by `to`, keeping size, rate and pixel shape, for
/// GstBaseTransform::transform_caps. (transfer full)
GstCaps* map_text_caps(GstCaps* from, GstCaps* to, GstCaps* filter);

} // namespace gsem
