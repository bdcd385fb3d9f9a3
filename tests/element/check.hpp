// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

// Streams of the standard library have a member of this name.
#undef fail

#include <string>

/// check's macros evaluate their arguments after a temporary's end.
inline void expect_text(const std::string& have, const std::string& want) {
  fail_unless(have == want, "'%s' is not '%s'", have.c_str(), want.c_str());
}
