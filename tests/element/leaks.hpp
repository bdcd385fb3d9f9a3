// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "tests/element/check.hpp"

/// Every test of a case runs between these two: buffers, events, messages, samples, elements and pads made in
/// it must be gone at its end. Needs GST_TRACERS=leaks (set by the test environment, and by run_suite for
/// runs by hand).
namespace leaks {

void begin();
void end();

/// `tcase_add_checked_fixture (tc, leaks::begin, leaks::end)` for a case, then the suite is run. Returns
/// main's exit status.
int run(int argc, char** argv, const char* name, void (*fill)(TCase*));

} // namespace leaks
