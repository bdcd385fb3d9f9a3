// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vtm_bridge/process.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace gsem::maps {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPollMs = 5;
constexpr rlim_t kMaxFileBytes =
    16u << 20; ///< far over any map or bitstream: a program gone wild fills no disk

class Descriptor {
public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void reset(int fd) {
    close();
    fd_ = fd;
  }
  void close() {
    if (fd_ >= 0)
      ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

private:
  int fd_;
};

/// Attributes and file actions of posix_spawn; `error` is the first that failed.
class SpawnPlan {
public:
  SpawnPlan() {
    check(posix_spawnattr_init(&attributes));
    check(posix_spawn_file_actions_init(&actions));
  }
  ~SpawnPlan() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  void check(int code) {
    if (error == 0)
      error = code;
  }
  /// A fresh process: own group, no signal blocked or ignored whatever the application does with its own.
  void isolate() {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    check(posix_spawnattr_setpgroup(&attributes, 0));
    check(posix_spawnattr_setsigmask(&attributes, &none));
    check(posix_spawnattr_setsigdefault(&attributes, &all));
    check(posix_spawnattr_setflags(&attributes,
                                   POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  }
  void connect(int log, const std::string& folder) {
    check(posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    check(posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO));
    check(posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO));
    // Applications often forget O_CLOEXEC: a socket held by a hanging encoder would stay open with it.
    check(posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1));
    check(posix_spawn_file_actions_addchdir_np(&actions, folder.c_str()));
  }

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  int error = 0;
};

int spawn(const ProgramCall& call, int log, pid_t& pid) {
  SpawnPlan plan;
  plan.isolate();
  plan.connect(log, call.folder);
  if (plan.error != 0)
    return plan.error;
  std::vector<char*> argv;
  argv.push_back(const_cast<char*>(call.program.c_str()));
  for (const std::string& argument : call.arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  return posix_spawn(&pid, call.program.c_str(), &plan.actions, &plan.attributes, argv.data(), environ);
}

/// Set right after the start; the first milliseconds of a program are not what these limits are for.
void limit_resources(pid_t pid, size_t max_memory) {
  const rlimit none = {0, 0}, file = {kMaxFileBytes, kMaxFileBytes};
  prlimit(pid, RLIMIT_CORE, &none, nullptr);
  prlimit(pid, RLIMIT_FSIZE, &file, nullptr);
  if (max_memory > 0) {
    const rlimit memory = {max_memory, max_memory};
    prlimit(pid, RLIMIT_AS, &memory, nullptr);
  }
}

void append_log(const char* bytes, size_t size, std::string& log) {
  for (size_t i = 0; i < size; i++) {
    const char c = bytes[i];
    log += c == '\n' || (c >= ' ' && c <= '~') ? c : ' ';
  }
  if (log.size() > kMaxLog)
    log.erase(0, log.size() - kMaxLog);
}

/// Takes what is in the pipe. False when nobody writes to it any more.
bool drain(int fd, std::string& log) {
  char bytes[1024];
  for (int i = 0; i < 64; i++) { // bounded: a program that floods its log must not outrun its deadline
    const ssize_t got = read(fd, bytes, sizeof bytes);
    if (got > 0)
      append_log(bytes, static_cast<size_t>(got), log);
    else if (got == 0)
      return false;
    else
      return errno == EAGAIN || errno == EINTR;
  }
  return true;
}

enum class Wait { Running, Ended, Lost };

/// Leaves the ended process as a zombie, so that its process group's number stays taken until it is killed.
Wait look(pid_t pid) {
  siginfo_t info;
  info.si_pid = 0;
  int code;
  do
    code = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  while (code != 0 && errno == EINTR);
  if (code != 0)
    return Wait::Lost;
  return info.si_pid == pid ? Wait::Ended : Wait::Running;
}

/// Kills what is left of the group, then takes the exit status.
void reap(pid_t pid, bool by_itself, ProgramResult& result) {
  kill(-pid, SIGKILL);
  int status = 0;
  pid_t got;
  do
    got = waitpid(pid, &status, 0);
  while (got < 0 && errno == EINTR);
  if (!by_itself)
    return;
  if (got != pid)
    result.ending = Ending::Lost;
  else if (WIFSIGNALED(status))
    result.ending = Ending::Signalled, result.code = WTERMSIG(status);
  else
    result.ending = Ending::Exited, result.code = WEXITSTATUS(status);
}

void supervise(const ProgramCall& call, pid_t pid, Clock::time_point begin, Descriptor& log,
               ProgramResult& result) {
  for (;;) {
    pollfd input = {log.get(), POLLIN, 0};
    poll(&input, log.get() >= 0 ? 1 : 0, kPollMs);
    if (input.revents != 0 && log.get() >= 0 && !drain(log.get(), result.log))
      log.close(); // or poll would come back at once for ever
    const Wait state = look(pid);
    if (state == Wait::Lost) {
      result.ending = Ending::Lost; // reaped elsewhere: the number may belong to another by now, kill nothing
      return;
    }
    if (state == Wait::Ended)
      return reap(pid, true, result);
    const bool late = Clock::now() - begin >= call.deadline;
    if (late || (call.cancelled && call.cancelled())) {
      result.ending = late ? Ending::Deadline : Ending::Cancelled;
      return reap(pid, false, result);
    }
  }
}

std::string last_line(const std::string& log) {
  const size_t end = log.find_last_not_of("\n ");
  if (end == std::string::npos)
    return {};
  const size_t line = log.find_last_of('\n', end);
  const size_t begin = line == std::string::npos ? 0 : line + 1;
  return log.substr(begin, std::min<size_t>(end + 1 - begin, 200));
}

} // namespace

ProgramResult run_program(const ProgramCall& call) {
  ProgramResult result;
  result.log.reserve(2 * kMaxLog); // later nothing may throw: the program would stay behind
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    result.code = errno;
    return result;
  }
  Descriptor read_end(ends[0]), write_end(ends[1]);
  // The program's end blocks as usual; O_NONBLOCK belongs to the open file, which the two ends do not share.
  fcntl(ends[1], F_SETFL, 0);
  const Clock::time_point begin = Clock::now();
  pid_t pid = -1;
  result.code = spawn(call, write_end.get(), pid);
  write_end.close();
  if (result.code != 0)
    return result;
  limit_resources(pid, call.max_memory);
  supervise(call, pid, begin, read_end, result);
  if (read_end.get() >= 0)
    drain(read_end.get(), result.log);
  return result;
}

std::string describe(const ProgramResult& result, std::chrono::milliseconds deadline) {
  std::string text;
  switch (result.ending) {
  case Ending::Exited:
    text = "ended with exit status " + std::to_string(result.code);
    break;
  case Ending::Signalled:
    text = "crashed: signal " + std::to_string(result.code) + " (" + strsignal(result.code) + ")";
    break;
  case Ending::Deadline:
    text = "hung: killed at the deadline of " + std::to_string(deadline.count()) + " ms";
    break;
  case Ending::Cancelled:
    return "was cancelled";
  case Ending::NotStarted:
    return std::string("could not be started: ") + std::strerror(result.code);
  case Ending::Lost:
    return "left no exit status: this application ignores SIGCHLD or waits for any child; it must do neither";
  }
  const std::string line = last_line(result.log);
  return line.empty() ? text : text + "; its last words: " + line;
}

} // namespace gsem::maps
