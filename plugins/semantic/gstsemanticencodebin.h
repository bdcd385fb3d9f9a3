// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_ENCODE_BIN (gst_semantic_encode_bin_get_type ())
G_DECLARE_FINAL_TYPE (GstSemanticEncodeBin, gst_semantic_encode_bin, GST, SEMANTIC_ENCODE_BIN, GstBin)

GST_ELEMENT_REGISTER_DECLARE (semanticencodebin);

G_END_DECLS
