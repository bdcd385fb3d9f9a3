// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/export.h"

#include <gst/gst.h>

namespace gsem {

/// The SEGMENT event itself when it counts time, else one of time from 0 in its place (sources of bytes say
/// nothing about time). Takes `event`. Thread-safe.
GST_SEMANTIC_API GstEvent* as_time_segment(GstEvent* event);

} // namespace gsem
