// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/gstvideoencoder.h>

G_BEGIN_DECLS

#define GST_TYPE_STRUCT_ENC (gst_struct_enc_get_type())
G_DECLARE_FINAL_TYPE(GstStructEnc, gst_struct_enc, GST, STRUCT_ENC, GstVideoEncoder)

GST_ELEMENT_REGISTER_DECLARE(structenc)

G_END_DECLS
