// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_DECODE_BIN (gst_semantic_decode_bin_get_type ())
G_DECLARE_FINAL_TYPE (GstSemanticDecodeBin, gst_semantic_decode_bin, GST, SEMANTIC_DECODE_BIN, GstBin)

GST_ELEMENT_REGISTER_DECLARE (semanticdecodebin);

G_END_DECLS
