// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/video/gstvideoencoder.h>

/// What semanticenc, structenc and signalenc do alike with their base class.
namespace gsem::codec {

/// Ends a frame for which this layer sends nothing: a GAP goes out in its place (every access unit has
/// exactly one of {buffer, GAP} on every layer). `finish_frame` without a buffer would count it as dropped
/// and post a QoS message a frame, so it gets an empty one, which `gap_pre_push` (the class's pre_push)
/// replaces.
GstFlowReturn finish_as_gap(GstVideoEncoder* encoder, GstVideoCodecFrame* frame);
GstFlowReturn gap_pre_push(GstVideoEncoder* encoder, GstVideoCodecFrame* frame);

/// Takes `size` bytes of coded data to the frame's output buffer. False when out of memory.
bool set_payload(GstVideoEncoder* encoder, GstVideoCodecFrame* frame, const void* data, gsize size);

/// transform_meta: the layer meta of a decoded picture says nothing of its re-coded one.
gboolean transform_meta(GstVideoEncoder* encoder, GstVideoCodecFrame* frame, GstMeta* meta);

/// sink_query that accepts any raw caps (set_format refuses with a reason); propose_allocation that offers
/// GstVideoMeta.
gboolean sink_query(GstVideoEncoder* encoder, GstQuery* query);
gboolean propose_allocation(GstVideoEncoder* encoder, GstQuery* query);

/// Sets the four vfuncs above.
void install_encoder_base(GstVideoEncoderClass* klass);

GstClockTime running_time(GstVideoEncoder* encoder, const GstVideoCodecFrame* frame);

} // namespace gsem::codec
