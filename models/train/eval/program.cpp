// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/train/eval/program.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace gsem::eval {
namespace fs = std::filesystem;

namespace {

constexpr size_t kMostOutput = 1 << 16;

using Clock = std::chrono::steady_clock;

/// Reads until the other side closes or the time is over. True when it closed.
bool read_all(int pipe, Clock::time_point until, std::string& output) {
  char block[4096];
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd waiting{pipe, POLLIN, 0};
    const int ready = left > 0 ? poll(&waiting, 1, int(left)) : 0;
    if (ready == 0)
      return false;
    const ssize_t n = ready > 0 ? read(pipe, block, sizeof block) : -1;
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return true;
    output.append(block, std::min(size_t(n), kMostOutput - std::min(output.size(), kMostOutput)));
  }
}

} // namespace

std::string find_program(const std::string& name) {
  const char* path = getenv("PATH");
  std::string rest = path ? path : "/usr/bin:/bin";
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const std::string file = rest.substr(0, colon) + "/" + name;
    if (access(file.c_str(), X_OK) == 0 && fs::is_regular_file(file))
      return file;
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  return {};
}

bool run_program(const std::vector<std::string>& arguments, double seconds, std::string& output) {
  output.clear();
  int ends[2];
  if (arguments.empty() || pipe2(ends, O_CLOEXEC) != 0)
    return false;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP); // so that its children can be ended with it
  std::vector<char*> argv;
  for (const auto& a : arguments)
    argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const bool started = posix_spawn(&child, argv[0], &files, &attributes, argv.data(), environ) == 0;
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  bool ok = false;
  if (started) {
    const auto until = Clock::now() + std::chrono::milliseconds(int64_t(seconds * 1000));
    if (!read_all(ends[0], until, output))
      kill(-child, SIGKILL);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  close(ends[0]);
  return ok;
}

std::string printable_command(int argc, char** argv) {
  std::string out;
  for (int i = 0; i < argc; i++) {
    std::string word = argv[i];
    if (!word.empty() && word[0] == '/')
      word = fs::path(word).lexically_normal().filename().string();
    out += (i ? " " : "") + word;
  }
  return out;
}

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "gst-semantic-eval-XXXXXX").string();
  if (!mkdtemp(pattern.data()))
    throw std::runtime_error("cannot make a temporary folder in " + fs::temp_directory_path().string());
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

} // namespace gsem::eval
