// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/gstvideoencoder.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_ENC (gst_semantic_enc_get_type())
G_DECLARE_FINAL_TYPE(GstSemanticEnc, gst_semantic_enc, GST, SEMANTIC_ENC, GstVideoEncoder)

GST_ELEMENT_REGISTER_DECLARE(semanticenc)

G_END_DECLS
