// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_DEMUX (gst_semantic_demux_get_type ())
G_DECLARE_FINAL_TYPE (GstSemanticDemux, gst_semantic_demux, GST, SEMANTIC_DEMUX, GstElement)

GST_ELEMENT_REGISTER_DECLARE (semanticdemux);

G_END_DECLS
