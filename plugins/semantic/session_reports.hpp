// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/paced_reports.hpp"

#include <gst/gst.h>

#include <memory>

/// RTCP of the rtpbin or rtpsession around a payloader or depayloader, so that launch lines need nothing
/// else: docs/adaptation.md, "Reports".
namespace gsem {

/// Paces the session of the rtpbin or rtpsession that `pad` leads to: over its links, through elements with
/// one pad on each side. Null when it leads to none. Not for pads of webrtcbin, which has its own ways. Any
/// thread; the result goes when the elements stop, not from a streaming thread.
std::unique_ptr<PacedReports> pace_reports(GstPad* pad);

} // namespace gsem
