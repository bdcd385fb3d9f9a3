// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_LAYER_FILTER (gst_semantic_layer_filter_get_type ())
G_DECLARE_FINAL_TYPE (GstSemanticLayerFilter, gst_semantic_layer_filter, GST, SEMANTIC_LAYER_FILTER, GstElement)

GST_ELEMENT_REGISTER_DECLARE (semanticlayerfilter);

G_END_DECLS
