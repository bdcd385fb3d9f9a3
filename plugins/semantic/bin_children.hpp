// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <string>

/// Children of the two bins: made by factory name, properties passed on by name, a clear word when a plugin
/// is missing.
namespace gsem {

/// Makes `factory` under `name` and adds it to the bin. When there is no such element, null, and `missing`
/// gets the first such factory's name.
GstElement* add_child(GstBin* bin, const char* factory, const char* name, std::string& missing);

/// Posts the missing-element message and the error. For NULL->READY.
void post_missing(GstElement* bin, const std::string& factory);

/// Sets `property` on `child` if the child exists and has it.
void pass_on(GstElement* child, const char* property, const GValue* value);

/// A queue in front of an element that computes: `buffers` buffers, and not more than half a second of GAPs.
GstElement* add_queue(GstBin* bin, const char* name, guint buffers, std::string& missing);

} // namespace gsem
