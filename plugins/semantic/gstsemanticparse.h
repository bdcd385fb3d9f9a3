// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstbaseparse.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_PARSE (gst_semantic_parse_get_type ())
G_DECLARE_FINAL_TYPE (GstSemanticParse, gst_semantic_parse, GST, SEMANTIC_PARSE, GstBaseParse)

GST_ELEMENT_REGISTER_DECLARE (semanticparse);
GST_TYPE_FIND_REGISTER_DECLARE (semantic);

G_END_DECLS
