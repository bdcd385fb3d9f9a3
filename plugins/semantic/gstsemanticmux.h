// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/layer_join.hpp"

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_MUX (gst_semantic_mux_get_type ())
G_DECLARE_FINAL_TYPE (GstSemanticMux, gst_semantic_mux, GST, SEMANTIC_MUX, GstSemanticLayerJoin)

GST_ELEMENT_REGISTER_DECLARE (semanticmux);

G_END_DECLS
