// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/rtp/gstrtpbasepayload.h>

G_BEGIN_DECLS

#define GST_TYPE_RTP_SEMANTIC_PAY (gst_rtp_semantic_pay_get_type())
G_DECLARE_FINAL_TYPE(GstRtpSemanticPay, gst_rtp_semantic_pay, GST, RTP_SEMANTIC_PAY, GstRTPBasePayload)

GST_ELEMENT_REGISTER_DECLARE(rtpsemanticpay);

G_END_DECLS
