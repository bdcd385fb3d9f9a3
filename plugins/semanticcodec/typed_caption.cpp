// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins/semanticcodec/typed_caption.hpp"

#include "models/entropy/caption_coder.hpp"

#include <glib.h>

namespace gsem::codec {

namespace {

/// `entity` without '&' and ';'. Unknown ones give nothing.
bool append_entity(std::string_view entity, std::string& out) {
  static constexpr struct {
    std::string_view name;
    char character;
  } kNamed[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  for (const auto& named : kNamed)
    if (named.name == entity) {
      out += named.character;
      return true;
    }
  if (entity.size() < 2 || entity.size() > 9 || entity[0] != '#')
    return false;
  bool hex = entity[1] == 'x';
  std::string digits(entity.substr(hex ? 2 : 1));
  char* end = nullptr;
  guint64 code = g_ascii_strtoull(digits.c_str(), &end, hex ? 16 : 10);
  if (digits.empty() || *end || code == 0 || code > 0x10ffff || !g_unichar_validate(gunichar(code)))
    return false;
  char utf8[6];
  out.append(utf8, size_t(g_unichar_to_utf8(gunichar(code), utf8)));
  return true;
}

std::string without_markup(std::string_view in) {
  std::string out;
  for (size_t i = 0; i < in.size(); i++) {
    if (in[i] == '<') {
      size_t end = in.find('>', i);
      if (end != in.npos) {
        i = end;
        continue;
      }
    } else if (in[i] == '&') {
      size_t end = in.find(';', i);
      if (end != in.npos && append_entity(in.substr(i + 1, end - i - 1), out)) {
        i = end;
        continue;
      }
    }
    out += in[i];
  }
  return out;
}

} // namespace

bool read_typed_caption(std::string_view data, bool markup, std::string& text, std::string& reason) {
  while (!data.empty() && (data.back() == '\0' || g_ascii_isspace(data.back())))
    data.remove_suffix(1);
  if (data.size() > entropy::kMaxCaptionText) {
    reason = std::to_string(data.size()) + " bytes, at most " + std::to_string(entropy::kMaxCaptionText) +
             " are possible";
    return false;
  }
  if (!g_utf8_validate_len(data.data() ? data.data() : "", data.size(), nullptr)) {
    reason = "not valid UTF-8";
    return false;
  }
  text = markup ? without_markup(data) : std::string(data);
  return true;
}

} // namespace gsem::codec
