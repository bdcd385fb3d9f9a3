// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Numbers and strings as protocol 0 of pickle writes them. All give false on anything else. Pure functions.
namespace gsem::checkpoint {

/// Decimal with an optional sign, within 64 bits.
bool parse_decimal(std::string_view text, int64_t& value);
/// As Python's repr of a float, "inf" and "nan" too, whatever the locale.
bool parse_float(std::string_view text, double& value);
/// A Python 2 string literal: quoted, with backslash escapes.
bool unquote(std::string_view text, std::string& value);
/// "raw-unicode-escape": Latin-1 with \uXXXX and \UXXXXXXXX; comes out as UTF-8.
bool unescape_unicode(std::string_view text, std::string& value);

} // namespace gsem::checkpoint
