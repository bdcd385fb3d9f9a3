// SPDX-License-Identifier: LGPL-2.1-or-later
// gst-semantic-train is killed (SIGKILL) in the middle of a run, started again by the same command, and ends
// with the log of a run that nobody killed. argv[1]: the program.
#include "tests/core/check.hpp"
#include "tests/core/train_data.hpp"

#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>
#include <vector>

namespace fs = std::filesystem;

namespace {

pid_t start(const char* program, const std::string& data, const std::string& profile,
            const std::string& out) {
  const std::vector<std::string> words{program,
                                       "edges",
                                       "--data",
                                       data,
                                       "--profile",
                                       profile,
                                       "--out",
                                       out,
                                       "--steps",
                                       "12",
                                       "--batch",
                                       "2",
                                       "--bf16",
                                       "off",
                                       "--seed",
                                       "4",
                                       "--log-steps",
                                       "1",
                                       "--checkpoint-steps",
                                       "2"};
  std::vector<char*> argv;
  for (const auto& w : words)
    argv.push_back(const_cast<char*>(w.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execv(program, argv.data());
    _exit(127);
  }
  return child;
}

int exit_status(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::vector<std::string> read_log(const std::string& out) {
  std::ifstream in(out + "/edges.csv");
  std::vector<std::string> rows;
  std::string line;
  while (std::getline(in, line) && !in.eof()) {
    const size_t a = line.find(','), b = line.find(',', a + 1);
    if (b != std::string::npos)
      rows.push_back(line.substr(0, a) + line.substr(b));
  }
  return rows;
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 2)
    return 2;
  const test_data::Folder folder;
  const std::string data = (folder.path / "edges").string(), profile = (folder.path / "profile").string(),
                    whole = (folder.path / "whole").string(), killed = (folder.path / "killed").string();
  fs::create_directories(profile);
  for (const char* split : {"train", "test"})
    for (int i = 0; i < 2; i++) {
      fs::create_directories(fs::path(data) / split);
      const std::string stem = data + "/" + split + "/" + std::to_string(i);
      cv::imwrite(stem + ".jpg", test_data::picture(i, 64));
      cv::imwrite(stem + ".png", cv::Mat(64, 64, CV_8UC1, cv::Scalar(40 * i)));
    }
  CHECK(exit_status(start(argv[1], data, profile, whole)) == 0);
  const auto wanted = read_log(whole);
  CHECK(wanted.size() == 13);

  const pid_t child = start(argv[1], data, profile, killed);
  for (int i = 0; i < 6000 && read_log(killed).size() < 6; i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  kill(child, SIGKILL);
  CHECK(exit_status(child) == -SIGKILL);
  CHECK(read_log(killed).size() >= 6 && read_log(killed).size() < 13);
  CHECK(exit_status(start(argv[1], data, profile, killed)) == 0);
  CHECK(read_log(killed) == wanted);
  CHECK(exit_status(start(argv[1], data, profile, killed)) == 0); // finished already: nothing to do
  CHECK(read_log(killed) == wanted);
  return check::result();
}
