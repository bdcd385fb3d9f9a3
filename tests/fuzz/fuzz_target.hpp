// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

/// What every fuzz target defines. libFuzzer needs the first only; fuzz_main.cpp replays both.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

/// Valid inputs from which mutations start; built by the target itself, so that no binary files are kept.
std::vector<gsem::Bytes> fuzz_seeds();

/// A property that must hold for any input. Not `assert`: release builds check it too.
#define FUZZ_CHECK(condition)                                                                                \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                   \
      std::abort();                                                                                          \
    }                                                                                                        \
  } while (false)
