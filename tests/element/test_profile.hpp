// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

/// A profile with a caption table only, made in a temporary folder and put on GST_SEMANTIC_PROFILE_PATH.
namespace test_profile {

/// Name of the profile; it is made on the first call. Call before anything loads profiles.
const char* name();
/// 16 hex digits.
std::string caption_hash();
/// Removes the folder.
void remove();

inline constexpr unsigned kId = 77;

} // namespace test_profile
