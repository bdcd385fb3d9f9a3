// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <string_view>

namespace gsem::codec {

/// A caption as it comes in text/x-raw: trailing NULs and white space go, entities of Pango markup are
/// resolved and its tags dropped. False with `reason` when it is not valid UTF-8 without NUL, or longer than
/// the captions' limit.
bool read_typed_caption(std::string_view data, bool markup, std::string& text, std::string& reason);

} // namespace gsem::codec
