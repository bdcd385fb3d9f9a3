// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semanticcodec/picture_join.hpp"

G_BEGIN_DECLS

#define GST_TYPE_STRUCT_DEC (gst_struct_dec_get_type())
G_DECLARE_FINAL_TYPE(GstStructDec, gst_struct_dec, GST, STRUCT_DEC, GstPictureJoin)

GST_ELEMENT_REGISTER_DECLARE(structdec)

G_END_DECLS
