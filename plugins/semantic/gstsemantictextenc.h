// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_TEXT_ENC (gst_semantic_text_enc_get_type ())
G_DECLARE_FINAL_TYPE (GstSemanticTextEnc, gst_semantic_text_enc, GST, SEMANTIC_TEXT_ENC, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (semantictextenc);

G_END_DECLS
