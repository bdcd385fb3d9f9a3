// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

/// Calls back at a running time on the pipeline's clock, for elements that must act when nothing comes in.
/// The clock's own thread must not push data, so the callback gets one of its own, started with the first
/// arm().
namespace gsem {

/// Latency of what is upstream of a sink pad; nothing when that is not live, and a timer makes no sense.
std::optional<GstClockTime> live_latency(GstPad* sink);

/// arm, disarm and set_running may be called from any thread, also from the callback; stop from any but that.
class DeadlineTimer {
public:
  /// `fire` runs without any lock; takes the sink pad's stream lock itself, and looks again whether it is
  /// still wanted. `owner` must outlive the timer.
  DeadlineTimer(GstElement* owner, std::function<void()> fire) : owner_(owner), fire_(std::move(fire)) {}
  DeadlineTimer(const DeadlineTimer&) = delete;
  DeadlineTimer& operator=(const DeadlineTimer&) = delete;
  ~DeadlineTimer() { stop(); }

  /// Once, at this running time; takes the place of what was armed before. Does nothing unless running.
  void arm(GstClockTime running_time);
  void disarm();
  /// In PLAYING there is a running time. Ending also disarms.
  void set_running(bool running);
  /// No callback begins from here on; one that runs is not waited for. stop() does that.
  void shut();
  void stop();

private:
  void loop();
  void interrupt();

  GstElement* owner_;
  std::function<void()> fire_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
  bool running_ = false, shut_ = false;
  std::optional<GstClockTime> deadline_; ///< running time
  GstClockTime waiting_until_ = GST_CLOCK_TIME_NONE;
  GstClockID waiting_ = nullptr; ///< owned by loop()
};

} // namespace gsem
