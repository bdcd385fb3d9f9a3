// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

/// One inference thread a process: on two cores concurrent callers gain nothing. No torch in this header.
namespace gsem::runtime {

enum class Priority {
  Structure, ///< per-frame work of layer 2: edges, its synthesis. Goes first, so that layer 3 is given up first
  Frame,     ///< per-frame work of layer 3: analysis, synthesis
  Background ///< captioner and generator: run in stages of about 10 ms that let the others pass between them
};
inline constexpr int kPriorities = 3;

/// Shared by the submitter (which may cancel: flush, stop) and the job. Thread-safe.
class CancelToken {
public:
  CancelToken ();
  void cancel ();
  bool cancelled () const;
  void reset (); ///< for reuse after a flush; only when no job holds it

private:
  friend class Executor;
  std::shared_ptr<struct CancelState> state_;
};

enum class JobResult { Done, Cancelled, Late, Failed };

struct JobOptions {
  Priority priority = Priority::Frame;
  /// Not started after this time (Late); a running job is never broken off by it. Default: none.
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max ();
  CancelToken* cancel = nullptr;
};

class Executor {
public:
  /// The process's executor; started at the first call, ended with the last holder.
  static std::shared_ptr<Executor> get ();
  ~Executor ();

  /// Runs `job` on the inference thread and waits. When its token is cancelled the caller returns Cancelled: at once while the job is
  /// queued (so `job` must own what it touches), after the current stage when it runs. Exceptions in `job` end as Failed with `error`.
  JobResult run (const JobOptions& options, std::function<void ()> job, std::string* error = nullptr);

  /// Inside a Background job, between two stages: lets waiting frame jobs run. False when the job should stop (cancelled).
  static bool yield ();

  /// OpenMP team of the inference thread; 0: cores - 1, at least 1. Process-wide: the last call wins (logged by the caller).
  void set_threads (int threads);
  int threads () const;

private:
  Executor ();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace gsem::runtime
