// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semantic/deadline_timer.hpp"

#include "gst/semantic/ptr.hpp"

namespace gsem {

std::optional<GstClockTime> live_latency(GstPad* sink) {
  Ptr<GstQuery> query(gst_query_new_latency());
  gboolean live = FALSE;
  GstClockTime least = 0;
  if (!gst_pad_peer_query(sink, query.get()))
    return std::nullopt;
  gst_query_parse_latency(query.get(), &live, &least, nullptr);
  if (!live)
    return std::nullopt;
  return GST_CLOCK_TIME_IS_VALID(least) ? least : 0;
}

/// Wakes the thread. With the mutex held.
void DeadlineTimer::interrupt() {
  if (waiting_)
    gst_clock_id_unschedule(waiting_);
  changed_.notify_all();
}

void DeadlineTimer::arm(GstClockTime running_time) {
  std::lock_guard lock(mutex_);
  if (!running_ || shut_ || !GST_CLOCK_TIME_IS_VALID(running_time))
    return;
  deadline_ = running_time;
  if (!thread_.joinable())
    thread_ = std::thread([this] { loop(); });
  // A later deadline is found when the earlier one has passed: most are taken back before that.
  if (!waiting_ || running_time < waiting_until_)
    interrupt();
}

void DeadlineTimer::disarm() {
  std::lock_guard lock(mutex_);
  deadline_.reset();
}

void DeadlineTimer::set_running(bool running) {
  std::lock_guard lock(mutex_);
  running_ = running;
  if (running)
    return;
  deadline_.reset();
  interrupt();
}

void DeadlineTimer::shut() {
  std::lock_guard lock(mutex_);
  shut_ = true;
  running_ = false;
  deadline_.reset();
  interrupt();
}

void DeadlineTimer::stop() {
  shut();
  if (thread_.joinable())
    thread_.join();
  thread_ = std::thread();
  shut_ = false;
}

void DeadlineTimer::loop() {
  std::unique_lock lock(mutex_);
  while (!shut_) {
    Ptr<GstClock> clock(gst_element_get_clock(owner_));
    if (!deadline_ || !clock) {
      deadline_.reset();
      changed_.wait(lock);
      continue;
    }
    const GstClockTime base = gst_element_get_base_time(owner_);
    waiting_until_ = *deadline_;
    if (gst_clock_get_time(clock.get()) < base + waiting_until_) {
      waiting_ = gst_clock_new_single_shot_id(clock.get(), base + waiting_until_);
      lock.unlock();
      const GstClockReturn result = gst_clock_id_wait(waiting_, nullptr);
      lock.lock();
      gst_clock_id_unref(waiting_);
      waiting_ = nullptr;
      if (result == GST_CLOCK_UNSCHEDULED || !deadline_ || *deadline_ > waiting_until_)
        continue;
    }
    deadline_.reset();
    lock.unlock();
    fire_();
    lock.lock();
  }
}

} // namespace gsem
