// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdio>

/// The checks of the plain test programs: `main` ends with `return check::result();`.
namespace check {

inline int failures = 0;

inline void report(const char* file, int line, const char* text) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, text);
  ++failures;
}

inline int result() { return failures ? 1 : 0; }

} // namespace check

/// Counts a failure and goes on: one run shows all of them.
#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition))                                                                                        \
      check::report(__FILE__, __LINE__, #condition);                                                         \
  } while (false)
