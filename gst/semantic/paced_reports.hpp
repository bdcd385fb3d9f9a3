// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/semantic/export.h"

#include <gst/gst.h>

#include <memory>

/// RTCP of an RTPSession at a twentieth of what is sent: docs/adaptation.md, "Reports".
namespace gsem {

/// For as long as it lives; the session is left as it was. A session that another one paces already is left
/// to that. Not thread-safe; packets come from the streaming threads, and the last one may still be on its
/// way when this is gone.
class GST_SEMANTIC_API PacedReports {
public:
  /// Session `id` of an rtpbin whose RTP pads of that session have been requested.
  PacedReports(GstElement* rtpbin, guint id);
  /// An RTPSession (`internal-session` of an rtpsession element) with the pads through which RTP comes in and
  /// goes out, either may be null.
  PacedReports(GObject* session, GstPad* received, GstPad* sent);
  ~PacedReports();
  PacedReports(const PacedReports&) = delete;
  PacedReports& operator=(const PacedReports&) = delete;

  /// A random CNAME of 8 letters and nothing else in SDES, instead of some 40 bytes. For all its sessions.
  static void shorten_names(GstElement* rtpbin);

private:
  class Session;
  class Watch;
  class Probe;
  void watch(GObject* session, GstPad* received, GstPad* sent);
  std::unique_ptr<Probe> received_, sent_;
};

} // namespace gsem
