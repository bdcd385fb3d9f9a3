// SPDX-License-Identifier: LGPL-2.1-or-later
// The inference executor: order, cancel, deadline, yield, exceptions, end of life.
#include "models/runtime/executor.hpp"
#include "tests/core/check.hpp"

#include <atomic>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace gsem::runtime;
using namespace std::chrono_literals;

namespace {

JobOptions frame() {
  return {};
}

JobOptions background() {
  JobOptions o;
  o.priority = Priority::Background;
  return o;
}

/// A door that a job waits at, so that tests need no sleeping to know what runs.
struct Gate {
  std::promise<void> entered, opened;
  void pass() {
    entered.set_value();
    opened.get_future().wait();
  }
};

struct Log {
  std::mutex mutex;
  std::vector<int> entries;
  void add(int i) {
    const std::lock_guard lock(mutex);
    entries.push_back(i);
  }
  size_t size() {
    const std::lock_guard lock(mutex);
    return entries.size();
  }
};

/// Submits from an own thread; the order of two calls is made certain by the jobs' own effects, see callers.
std::future<JobResult> submit(Executor& e, JobOptions o, std::function<void()> job) {
  return std::async(std::launch::async, [&e, o, job = std::move(job)] { return e.run(o, job); });
}

void runs_and_reports() {
  const auto e = Executor::get();
  std::thread::id where;
  CHECK(e->run(frame(), [&] { where = std::this_thread::get_id(); }) == JobResult::Done);
  CHECK(where != std::thread::id() && where != std::this_thread::get_id());
  std::thread::id again;
  CHECK(e->run(background(), [&] { again = std::this_thread::get_id(); }) == JobResult::Done);
  CHECK(again == where);
  CHECK(Executor::get() == e);
}

void exceptions_become_text() {
  const auto e = Executor::get();
  std::string error;
  CHECK(e->run(
            frame(), [] { throw std::runtime_error("no such weight"); }, &error) == JobResult::Failed);
  CHECK(error == "no such weight");
  CHECK(e->run(
            frame(), [] { throw 7; }, &error) == JobResult::Failed);
  CHECK(!error.empty() && error != "no such weight");
  CHECK(e->run(frame(), [] {}) == JobResult::Done);
}

void frames_overtake_background() {
  const auto e = Executor::get();
  Gate gate;
  Log log;
  auto holding = submit(*e, frame(), [&] { gate.pass(); });
  gate.entered.get_future().wait();
  auto slow = submit(*e, background(), [&] { log.add(2); });
  std::this_thread::sleep_for(
      50ms); // the background job is queued first (if not, the test proves less but passes)
  auto quick = submit(*e, frame(), [&] { log.add(1); });
  std::this_thread::sleep_for(50ms);
  gate.opened.set_value();
  CHECK(holding.get() == JobResult::Done && slow.get() == JobResult::Done && quick.get() == JobResult::Done);
  CHECK((log.entries == std::vector<int>{1, 2}));
}

void yield_lets_frames_pass() {
  const auto e = Executor::get();
  Gate gate;
  Log log;
  auto slow = submit(*e, background(), [&] {
    gate.pass();
    log.add(1);
    // The frame job is queued by now or comes soon: stages go by until it ran.
    for (int i = 0; i < 5000 && log.size() < 2; ++i) {
      CHECK(Executor::yield());
      std::this_thread::sleep_for(1ms);
    }
    log.add(3);
  });
  gate.entered.get_future().wait();
  auto quick = submit(*e, frame(), [&] {
    CHECK(Executor::yield()); // in a frame job: nothing to let pass
    log.add(2);
  });
  gate.opened.set_value();
  CHECK(slow.get() == JobResult::Done && quick.get() == JobResult::Done);
  CHECK((log.entries == std::vector<int>{1, 2, 3}));
  CHECK(Executor::yield()); // outside any job
}

void background_does_not_pass_background() {
  const auto e = Executor::get();
  Gate gate;
  Log log;
  auto first = submit(*e, background(), [&] {
    gate.pass();
    CHECK(Executor::yield());
    log.add(1);
  });
  gate.entered.get_future().wait();
  auto second = submit(*e, background(), [&] { log.add(2); });
  std::this_thread::sleep_for(50ms);
  gate.opened.set_value();
  CHECK(first.get() == JobResult::Done && second.get() == JobResult::Done);
  CHECK((log.entries == std::vector<int>{1, 2}));
}

void cancel_while_running() {
  const auto e = Executor::get();
  Gate gate;
  CancelToken token;
  JobOptions o = background();
  o.cancel = &token;
  std::atomic<bool> stopped{false};
  auto job = submit(*e, o, [&] {
    gate.pass();
    stopped = !Executor::yield();
  });
  gate.entered.get_future().wait();
  token.cancel();
  // The caller stays as long as the stage runs: nothing of the job is left when it is back.
  CHECK(job.wait_for(50ms) == std::future_status::timeout);
  token.reset(); // a job nobody wants stays so
  gate.opened.set_value();
  CHECK(job.get() == JobResult::Cancelled);
  CHECK(stopped);
  CHECK(!token.cancelled());
  CHECK(e->run(o, [] {}) == JobResult::Done);
}

void cancel_while_queued() {
  const auto e = Executor::get();
  Gate gate;
  CancelToken token;
  JobOptions o = frame();
  o.cancel = &token;
  auto holding = submit(*e, frame(), [&] { gate.pass(); });
  gate.entered.get_future().wait();
  std::atomic<bool> ran{false};
  auto waiting = submit(*e, o, [&] { ran = true; });
  std::this_thread::sleep_for(20ms);
  token.cancel();
  CHECK(waiting.get() == JobResult::Cancelled);
  gate.opened.set_value();
  CHECK(holding.get() == JobResult::Done);
  CHECK(e->run(frame(), [] {}) == JobResult::Done);
  CHECK(!ran);
  CHECK(e->run(o, [&] { ran = true; }) == JobResult::Cancelled); // cancelled before the call
  CHECK(!ran);
}

void deadlines() {
  const auto e = Executor::get();
  JobOptions past;
  past.deadline = std::chrono::steady_clock::now() - 1ms;
  bool ran = false;
  CHECK(e->run(past, [&] { ran = true; }) == JobResult::Late);
  CHECK(!ran);
  // Behind a running job the caller does not wait longer than its deadline.
  Gate gate;
  auto holding = submit(*e, frame(), [&] { gate.pass(); });
  gate.entered.get_future().wait();
  JobOptions soon;
  soon.deadline = std::chrono::steady_clock::now() + 30ms;
  CHECK(e->run(soon, [&] { ran = true; }) == JobResult::Late);
  gate.opened.set_value();
  CHECK(holding.get() == JobResult::Done);
  CHECK(e->run(frame(), [] {}) == JobResult::Done);
  CHECK(!ran);
  // A started job is not broken off.
  JobOptions running;
  running.deadline = std::chrono::steady_clock::now() + 10s;
  CHECK(e->run(running, [&] { ran = true; }) == JobResult::Done);
  CHECK(ran);
}

void jobs_submit_jobs() {
  const auto e = Executor::get();
  JobResult inner = JobResult::Failed;
  CHECK(e->run(frame(), [&] { inner = e->run(frame(), [] {}); }) == JobResult::Done);
  CHECK(inner == JobResult::Done);
}

void waiter_may_trust_that_the_job_is_gone() {
  const auto e = Executor::get();
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = owned;
  CHECK(e->run(frame(), [owned = std::move(owned)] {}) == JobResult::Done);
  CHECK(watch.expired());
}

void ends_and_starts_again() {
  std::weak_ptr<Executor> first;
  {
    const auto e = Executor::get();
    first = e;
    CHECK(e->run(frame(), [] {}) == JobResult::Done);
  }
  CHECK(first.expired());
  CHECK(Executor::get()->run(frame(), [] {}) == JobResult::Done);
  // The last holder is a job that lost its caller in the queue: it goes on the thread itself.
  Gate gate;
  CancelToken token;
  std::promise<void> destroyed;
  struct Tell {
    std::promise<void>& told;
    ~Tell() { told.set_value(); }
  };
  std::future<JobResult> holding;
  {
    auto e = Executor::get();
    auto tell = std::make_shared<Tell>(destroyed);
    Executor& plain = *e;
    holding = submit(plain, frame(), [&gate] { gate.pass(); });
    gate.entered.get_future().wait();
    JobOptions o = background();
    o.cancel = &token;
    auto job = submit(plain, o, [e, tell] {});
    tell.reset();
    std::this_thread::sleep_for(20ms);
    token.cancel();
    CHECK(job.get() == JobResult::Cancelled);
  }
  gate.opened.set_value();
  CHECK(holding.get() == JobResult::Done);
  CHECK(destroyed.get_future().wait_for(30s) == std::future_status::ready);
  CHECK(Executor::get()->run(frame(), [] {}) == JobResult::Done);
}

void many_callers() {
  const auto e = Executor::get();
  std::atomic<int> inside{0}, done{0}, together{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i)
    callers.emplace_back([&, i] {
      for (int k = 0; k < 50; ++k)
        e->run(i % 2 ? frame() : background(), [&, i] {
          if (i % 2) {
            if (++inside > 1)
              ++together;
            --inside;
          } else
            Executor::yield();
          ++done;
        });
    });
  for (auto& t : callers)
    t.join();
  CHECK(done == 400);
  CHECK(together == 0);
}

void thread_counts() {
  const auto e = Executor::get();
  e->set_threads(2);
  CHECK(e->threads() == 2);
  CHECK(e->run(frame(), [] {}) == JobResult::Done);
  e->set_threads(0);
  CHECK(e->threads() >= 1);
}

} // namespace

int main() {
  runs_and_reports();
  exceptions_become_text();
  frames_overtake_background();
  yield_lets_frames_pass();
  background_does_not_pass_background();
  cancel_while_running();
  cancel_while_queued();
  deadlines();
  jobs_submit_jobs();
  waiter_may_trust_that_the_job_is_gone();
  ends_and_starts_again();
  many_callers();
  thread_counts();
  return check::result();
}
