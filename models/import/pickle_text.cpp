// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/pickle_text.hpp"

#include <charconv>

namespace gsem::checkpoint {
namespace {

int hex_digit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/// `count` hex digits at `at`, which moves behind them.
bool read_hex(std::string_view text, size_t& at, size_t count, uint32_t& value) {
  value = 0;
  if (count > text.size() - at)
    return false;
  for (size_t i = 0; i < count; i++) {
    const int digit = hex_digit(text[at++]);
    if (digit < 0)
      return false;
    value = value << 4 | uint32_t(digit);
  }
  return true;
}

bool append_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xc0 | c >> 6);
    out += char(0x80 | (c & 63));
  } else if (c < 0x10000) {
    out += char(0xe0 | c >> 12);
    out += char(0x80 | (c >> 6 & 63));
    out += char(0x80 | (c & 63));
  } else if (c < 0x110000) {
    out += char(0xf0 | c >> 18);
    out += char(0x80 | (c >> 12 & 63));
    out += char(0x80 | (c >> 6 & 63));
    out += char(0x80 | (c & 63));
  } else {
    return false;
  }
  return true;
}

char simple_escape(char c) {
  switch (c) {
  case 'n':
    return '\n';
  case 't':
    return '\t';
  case 'r':
    return '\r';
  case '\\':
  case '\'':
  case '"':
    return c;
  default:
    return 0;
  }
}

} // namespace

bool parse_decimal(std::string_view text, int64_t& value) {
  if (!text.empty() && text[0] == '+')
    text.remove_prefix(1);
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

bool parse_float(std::string_view text, double& value) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() && end == text.data() + text.size();
}

bool unquote(std::string_view text, std::string& value) {
  if (text.size() < 2 || text.front() != text.back() || (text[0] != '\'' && text[0] != '"'))
    return false;
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size();) {
    const char c = text[i++];
    if (c != '\\') {
      value += c;
      continue;
    }
    if (i == text.size())
      return false;
    const char kind = text[i++];
    uint32_t code = 0;
    if (kind == 'x') {
      if (!read_hex(text, i, 2, code))
        return false;
      value += char(code);
    } else if (const char plain = simple_escape(kind)) {
      value += plain;
    } else {
      return false;
    }
  }
  return true;
}

bool unescape_unicode(std::string_view text, std::string& value) {
  for (size_t i = 0; i < text.size();) {
    uint32_t code = uint8_t(text[i++]);
    if (code == '\\' && i < text.size() && (text[i] == 'u' || text[i] == 'U')) {
      const size_t digits = text[i++] == 'u' ? 4 : 8;
      if (!read_hex(text, i, digits, code))
        return false;
    }
    if (!append_utf8(code, value))
      return false;
  }
  return true;
}

} // namespace gsem::checkpoint
