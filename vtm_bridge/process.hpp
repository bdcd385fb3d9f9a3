// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

/// One external program, from its start to its end.
namespace gsem::maps {

enum class Ending {
  Exited,     ///< by itself; `code` is its exit status
  Signalled,  ///< crashed or killed by someone else; `code` is the signal
  Deadline,   ///< killed here: took longer than it may
  Cancelled,  ///< killed here: `cancelled` said so
  NotStarted, ///< `code` is the errno
  Lost,       ///< somebody else in this process took its exit status (SIGCHLD ignored, wait() on any child)
};

struct ProgramResult {
  Ending ending = Ending::NotStarted;
  int code = 0;
  std::string log; ///< end of stdout and stderr, at most kMaxLog bytes, printable ASCII and line feeds
  bool succeeded() const { return ending == Ending::Exited && code == 0; }
};

inline constexpr size_t kMaxLog = 4096;

struct ProgramCall {
  std::string program; ///< path; never searched for, no shell
  std::vector<std::string> arguments;
  std::string folder; ///< working directory
  std::chrono::milliseconds deadline{30000};
  std::function<bool()>
      cancelled; ///< asked every few milliseconds, on the calling thread; may be empty; must not throw
  size_t max_memory = 0; ///< bytes of address space; 0: as this process
};

/// Runs a program and waits. It reads /dev/null, inherits no other file than the log, is in a process group
/// of its own, and when this returns neither it nor any process it left in the group is there any more.
/// Thread-safe. Never throws but for want of memory.
ProgramResult run_program(const ProgramCall& call);

/// "exit status 1 (last line of the log)", "killed by signal 11 (...)" and so on, for an error message.
std::string describe(const ProgramResult& result, std::chrono::milliseconds deadline);

} // namespace gsem::maps
