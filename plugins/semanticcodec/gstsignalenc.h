// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/gstvideoencoder.h>

G_BEGIN_DECLS

#define GST_TYPE_SIGNAL_ENC (gst_signal_enc_get_type())
G_DECLARE_FINAL_TYPE(GstSignalEnc, gst_signal_enc, GST, SIGNAL_ENC, GstVideoEncoder)

GST_ELEMENT_REGISTER_DECLARE(signalenc)

G_END_DECLS
