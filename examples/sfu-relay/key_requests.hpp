// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <mutex>

namespace sfu {

/// Lets requests for key units through to the source once a second at most, whoever they are from: the
/// receivers' RTCP threads, the filters, the depayloader. One that comes sooner waits for the rest of the
/// second, as the key unit asked for before may have been sent already.
class KeyRequests {
public:
  KeyRequests() = default;
  KeyRequests(const KeyRequests&) = delete;
  KeyRequests& operator=(const KeyRequests&) = delete;
  /// All that passes the sink pad of the depayloader behind an `rtpsession`. Must live as long as the
  /// pipeline.
  void watch(GstPad* pad);

private:
  GstPadProbeReturn packet(GstPad* pad, GstBuffer* buffer);
  GstPadProbeReturn request(GstPadProbeInfo* info);
  static GstPadProbeReturn on_data(GstPad* pad, GstPadProbeInfo* info, gpointer self);
  bool due(gint64 now) const;

  std::mutex mutex_;
  guint ssrc_ = 0, payload_type_ = 0; ///< of the last packet
  gint64 asked_ = 0;                  ///< monotonic time, µs; 0: never
  bool waiting_ = false;
};

} // namespace sfu
