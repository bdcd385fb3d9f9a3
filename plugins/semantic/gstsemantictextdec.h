// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_SEMANTIC_TEXT_DEC (gst_semantic_text_dec_get_type ())
G_DECLARE_FINAL_TYPE (GstSemanticTextDec, gst_semantic_text_dec, GST, SEMANTIC_TEXT_DEC, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (semantictextdec);

G_END_DECLS
