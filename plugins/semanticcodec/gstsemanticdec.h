// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/gstvideodecoder.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_DEC (gst_semantic_dec_get_type())
G_DECLARE_FINAL_TYPE(GstSemanticDec, gst_semantic_dec, GST, SEMANTIC_DEC, GstVideoDecoder)

GST_ELEMENT_REGISTER_DECLARE(semanticdec)

G_END_DECLS
