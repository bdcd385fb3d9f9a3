// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/runtime/executor.hpp"

#include "models/runtime/torch_threads.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace gsem::runtime {

using Clock = std::chrono::steady_clock;

/// What a waiting caller sleeps on. Jobs without a token get one of their own.
struct CancelState {
  std::mutex mutex;
  std::condition_variable changed;
  bool cancelled = false;
};

CancelToken::CancelToken() : state_(std::make_shared<CancelState>()) {}

void CancelToken::cancel() {
  const std::lock_guard lock(state_->mutex);
  state_->cancelled = true;
  state_->changed.notify_all();
}

bool CancelToken::cancelled() const {
  const std::lock_guard lock(state_->mutex);
  return state_->cancelled;
}

void CancelToken::reset() {
  const std::lock_guard lock(state_->mutex);
  state_->cancelled = false;
}

namespace {

struct Job {
  enum class Stage { Queued, Running, Finished };

  std::function<void()> work;
  Priority priority = Priority::Frame;
  Clock::time_point deadline = Clock::time_point::max();
  std::shared_ptr<CancelState> cancel;
  // All below: under cancel->mutex.
  Stage stage = Stage::Queued;
  bool abandoned = false; ///< nobody wants the result; stays true when the token is used again
  JobResult result = JobResult::Done;
  std::string error;

  bool stopped() const { return abandoned || cancel->cancelled; }
};

using JobPtr = std::shared_ptr<Job>;

/// The thread's own share of the executor, so that the thread may outlive the Executor object: a job that
/// lost its caller can hold the last reference to it.
struct Shared {
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<JobPtr> queue[kPriorities]; ///< by Priority
  bool stop = false;
  std::atomic<int> threads{0}; ///< as asked for, 0: not yet
  int applied_threads = -1;    ///< of the thread itself

  JobPtr take(bool frames_only) {
    for (int p = 0; p < (frames_only ? int(Priority::Background) : kPriorities); ++p) {
      if (!queue[p].empty()) {
        JobPtr job = std::move(queue[p].front());
        queue[p].pop_front();
        return job;
      }
    }
    return nullptr;
  }
};

int wanted_threads(int asked) {
  return asked > 0 ? asked : std::max(1, int(std::thread::hardware_concurrency()) - 1);
}

thread_local Shared* executor_of_thread = nullptr;
thread_local Job* job_of_thread = nullptr;

/// False: the caller went away or the deadline passed, and the job is finished as such.
bool start(Job& job) {
  const std::lock_guard lock(job.cancel->mutex);
  if (job.stopped())
    job.result = JobResult::Cancelled;
  else if (Clock::now() > job.deadline)
    job.result = JobResult::Late;
  else {
    job.stage = Job::Stage::Running;
    return true;
  }
  job.stage = Job::Stage::Finished;
  job.cancel->changed.notify_all();
  return false;
}

void finish(Job& job, JobResult result, std::string error) {
  // The job's own objects go first: a caller that wakes up may rely on nothing holding them any more.
  job.work = nullptr;
  const std::lock_guard lock(job.cancel->mutex);
  job.result = job.stopped() && result == JobResult::Done ? JobResult::Cancelled : result;
  job.error = std::move(error);
  job.stage = Job::Stage::Finished;
  job.cancel->changed.notify_all();
}

void execute(const JobPtr& job) {
  if (!start(*job)) {
    job->work = nullptr;
    return;
  }
  Job* const outer = job_of_thread;
  job_of_thread = job.get();
  JobResult result = JobResult::Done;
  std::string error;
  try {
    job->work();
  } catch (const std::exception& e) {
    result = JobResult::Failed;
    error = e.what();
  } catch (...) {
    result = JobResult::Failed;
    error = "unknown exception";
  }
  job_of_thread = outer;
  finish(*job, result, std::move(error));
}

void serve(const std::shared_ptr<Shared>& shared) {
  executor_of_thread = shared.get();
  init_thread_for_torch();
  std::unique_lock lock(shared->mutex);
  for (;;) {
    JobPtr job = shared->take(false);
    if (!job) {
      if (shared->stop)
        break;
      shared->wake.wait(lock);
      continue;
    }
    lock.unlock();
    if (const int n = wanted_threads(shared->threads.load()); n != shared->applied_threads) {
      set_torch_threads(n);
      shared->applied_threads = n;
    }
    execute(job);
    job.reset();
    lock.lock();
  }
}

/// All inference threads of the process. A job that lost its caller in the queue may hold the last reference
/// to its executor; then nobody waits for its thread until the process exits. There somebody must.
class Threads {
public:
  static Threads& get() {
    static Threads threads;
    return threads;
  }

  void start(const std::shared_ptr<Shared>& shared) {
    const std::lock_guard lock(mutex_);
    threads_.push_back({shared, std::thread([shared] { serve(shared); })});
  }

  /// Waits for the thread of `shared`, which has been told to stop.
  void join(const Shared* shared) {
    std::thread thread;
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::find_if(threads_.begin(), threads_.end(),
                                      [&](const Entry& entry) { return entry.shared.get() == shared; });
      if (found == threads_.end())
        return;
      thread = std::move(found->thread);
      threads_.erase(found);
    }
    thread.join();
  }

  ~Threads() { finish(); }

private:
  struct Entry {
    std::shared_ptr<Shared> shared;
    std::thread thread;
  };

  void finish() {
    std::vector<Entry> entries;
    {
      const std::lock_guard lock(mutex_);
      entries.swap(threads_);
    }
    for (auto& [shared, thread] : entries) {
      std::deque<JobPtr> dropped[kPriorities]; // their objects go without the lock
      {
        const std::lock_guard lock(shared->mutex);
        shared->stop = true;
        for (int p = 0; p < kPriorities; ++p)
          dropped[p].swap(shared->queue[p]);
        shared->wake.notify_all();
      }
      thread.join();
    }
  }

  std::mutex mutex_;
  std::vector<Entry> threads_;
};

} // namespace

struct Executor::Impl {
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();
};

Executor::Executor() : impl_(std::make_unique<Impl>()) {
  Threads::get().start(impl_->shared);
}

Executor::~Executor() {
  {
    const std::lock_guard lock(impl_->shared->mutex);
    impl_->shared->stop = true;
    impl_->shared->wake.notify_all();
  }
  if (executor_of_thread != impl_->shared.get()) // not by its own job: that thread ends by itself
    Threads::get().join(impl_->shared.get());
}

std::shared_ptr<Executor> Executor::get() {
  static std::mutex mutex;
  static std::weak_ptr<Executor> current;
  const std::lock_guard lock(mutex);
  std::shared_ptr<Executor> executor = current.lock();
  if (!executor) {
    executor = std::shared_ptr<Executor>(new Executor);
    current = executor;
  }
  return executor;
}

namespace {

/// Sleeps until the job is finished, or while it is still queued its token is cancelled or its deadline passes.
JobResult await(Job& job, std::string* error) {
  CancelState& state = *job.cancel;
  std::unique_lock lock(state.mutex);
  while (job.stage != Job::Stage::Finished) {
    if (state.cancelled)
      job.abandoned = true;
    // A running job is waited for, one stage of it at most: whoever stops an element may exit() next, and the
    // statics of LibTorch and oneDNN may not go under a convolution.
    if (job.abandoned && job.stage == Job::Stage::Queued)
      return JobResult::Cancelled;
    const bool timed = job.stage == Job::Stage::Queued && job.deadline != Clock::time_point::max();
    if (timed && Clock::now() > job.deadline) {
      job.abandoned = true;
      return JobResult::Late;
    }
    if (timed)
      state.changed.wait_until(lock, job.deadline);
    else
      state.changed.wait(lock);
  }
  if (error && job.result == JobResult::Failed)
    *error = job.error;
  return job.result;
}

} // namespace

JobResult Executor::run(const JobOptions& options, std::function<void()> work, std::string* error) {
  JobPtr job = std::make_shared<Job>();
  job->work = std::move(work);
  job->priority = options.priority;
  job->deadline = options.deadline;
  job->cancel = options.cancel ? options.cancel->state_ : std::make_shared<CancelState>();
  Shared& shared = *impl_->shared;
  if (executor_of_thread == &shared) { // a job that submits: waiting for ourselves would never end
    execute(job);
    return await(*job, error);
  }
  {
    const std::lock_guard lock(shared.mutex);
    shared.queue[int(options.priority)].push_back(job);
    shared.wake.notify_one();
  }
  return await(*job, error);
}

bool Executor::yield() {
  Job* const job = job_of_thread;
  Shared* const shared = executor_of_thread;
  if (!job || !shared)
    return true;
  if (job->priority == Priority::Background) {
    for (;;) {
      JobPtr frame;
      {
        const std::lock_guard lock(shared->mutex);
        frame = shared->take(true);
      }
      if (!frame)
        break;
      execute(frame);
    }
  }
  const std::lock_guard lock(job->cancel->mutex);
  return !job->stopped();
}

void Executor::set_threads(int threads) {
  impl_->shared->threads = std::max(0, threads);
}

int Executor::threads() const {
  return wanted_threads(impl_->shared->threads.load());
}

} // namespace gsem::runtime
