// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semanticcodec/picture_join.hpp"

G_BEGIN_DECLS

#define GST_TYPE_SIGNAL_DEC (gst_signal_dec_get_type())
G_DECLARE_FINAL_TYPE(GstSignalDec, gst_signal_dec, GST, SIGNAL_DEC, GstPictureJoin)

GST_ELEMENT_REGISTER_DECLARE(signaldec)

G_END_DECLS
