// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plugins/semanticcodec/cancel_switch.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace gsem::codec {

/// A thread that works off the newest request; a request not begun is replaced by the next one. For captions
/// and base pictures in live pipelines, where the stream must not wait. Thread-safe.
template <class Request, class Result>
class Background {
public:
  using Work = std::function<Result(Request&, runtime::CancelToken)>;

  explicit Background(Work work) : work_(std::move(work)), thread_([this] { loop(); }) {}
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  /// Cancels; waits for the running stage only.
  ~Background() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    cancel_.cancel();
    wake_.notify_all();
    thread_.join();
  }

  void submit(Request request) {
    {
      std::lock_guard lock(mutex_);
      waiting_ = std::move(request);
    }
    wake_.notify_all();
  }
  /// A request waits or runs.
  bool busy() const {
    std::lock_guard lock(mutex_);
    return running_ || waiting_;
  }
  /// The newest result not taken yet.
  std::optional<Result> take() {
    std::lock_guard lock(mutex_);
    std::optional<Result> result = std::move(finished_);
    finished_.reset();
    return result;
  }
  /// Forgets requests and results, also the running one's.
  void clear() {
    cancel_.cancel();
    std::lock_guard lock(mutex_);
    waiting_.reset();
    finished_.reset();
    generation_++;
    cancel_.rearm();
  }

private:
  void loop() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopping_ || waiting_; });
      if (stopping_)
        return;
      Request request = std::move(*waiting_);
      waiting_.reset();
      running_ = true;
      unsigned generation = generation_;
      runtime::CancelToken token = cancel_.token();
      lock.unlock();
      Result result = work_(request, token);
      lock.lock();
      running_ = false;
      if (generation == generation_ && !stopping_)
        finished_ = std::move(result);
    }
  }

  Work work_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<Request> waiting_;
  std::optional<Result> finished_;
  CancelSwitch cancel_;
  unsigned generation_ = 0;
  bool running_ = false, stopping_ = false;
  std::thread thread_; // last: it uses all of the above
};

} // namespace gsem::codec
