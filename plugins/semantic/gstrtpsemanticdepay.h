// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/rtp/gstrtpbasedepayload.h>

G_BEGIN_DECLS

#define GST_TYPE_RTP_SEMANTIC_DEPAY (gst_rtp_semantic_depay_get_type())
G_DECLARE_FINAL_TYPE(GstRtpSemanticDepay, gst_rtp_semantic_depay, GST, RTP_SEMANTIC_DEPAY,
                     GstRTPBaseDepayload)

GST_ELEMENT_REGISTER_DECLARE(rtpsemanticdepay);

G_END_DECLS
