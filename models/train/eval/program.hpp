// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <vector>

/// Programs: other people's, which are run as codecs and quality measures, and this one.
namespace gsem::eval {

/// Full path of a program in PATH, empty when it is not installed.
std::string find_program(const std::string& name);

/// Runs `arguments` (the first is the program, no shell) and waits; killed with its children after `seconds`.
/// True when it ended with 0; `output`: its standard output, at most 64 KiB; standard error goes nowhere.
bool run_program(const std::vector<std::string>& arguments, double seconds, std::string& output);

/// The command line with absolute paths cut to their last part: reports get published.
std::string printable_command(int argc, char** argv);

/// A private folder, removed with everything in it. std::runtime_error when it cannot be made.
class TemporaryFolder {
public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

} // namespace gsem::eval
