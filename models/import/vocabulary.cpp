// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/vocabulary.hpp"

#include "models/import/pickle.hpp"

#include <algorithm>

namespace gsem::checkpoint {
namespace {

constexpr size_t kMaxWords = 65000, kMaxWordBytes = 200;

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kMaxWordBytes &&
         std::none_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x20; });
}

bool is_text(Value value) {
  return value.kind == Kind::Text || value.kind == Kind::Data; // Python 2's strings are bytes to Python 3
}

/// A dictionary from indices to words, or from words to indices.
Status read_dictionary(const Pickle& pickle, Value dict, std::vector<std::string>& words,
                       std::string& error) {
  const std::vector<Value>& entries = pickle.node(dict).entries;
  const size_t count = entries.size() / 2;
  if (dict.kind != Kind::Dict || count == 0 || count > kMaxWords) {
    error = "holds no dictionary of 1 to " + std::to_string(kMaxWords) + " words";
    return dict.kind == Kind::Dict && count > kMaxWords ? Status::TooLarge : Status::Unsupported;
  }
  words.assign(count, {});
  for (size_t i = 0; i < count; i++) {
    Value index = entries[2 * i], word = entries[2 * i + 1];
    if (is_text(index))
      std::swap(index, word);
    if (index.kind != Kind::Int || !is_text(word)) {
      error = "has an entry that is no pair of an index and a word";
      return Status::Unsupported;
    }
    const std::string_view text = pickle.text(word);
    if (index.integer < 0 || size_t(index.integer) >= count || !words[size_t(index.integer)].empty() ||
        !is_word(text)) {
      error = "has no word, or two, for the index " + std::to_string(index.integer);
      return Status::Corrupt;
    }
    words[size_t(index.integer)] = text;
  }
  return Status::Ok;
}

/// Captions with anything else than known indices in them are left out: they only train a table.
void read_captions(const Pickle& pickle, Value list, size_t words, std::vector<std::vector<uint32_t>>& out) {
  for (const Value& caption : pickle.node(list).items) {
    const std::vector<Value>& items = pickle.node(caption).items;
    const auto known = [&](const Value& v) {
      return v.kind == Kind::Int && v.integer >= 0 && size_t(v.integer) < words;
    };
    if (items.empty() || !std::all_of(items.begin(), items.end(), known))
      continue;
    std::vector<uint32_t>& indices = out.emplace_back();
    indices.reserve(items.size());
    for (const Value& v : items)
      indices.push_back(uint32_t(v.integer));
  }
}

} // namespace

Status read_words(ByteView bytes, WordList& out, std::string& error) {
  out = {};
  Budget budget(bytes.size());
  Pickle pickle;
  size_t used = 0;
  if (const Status status = Pickle::parse(bytes, budget, pickle, used, error); status != Status::Ok)
    return status;
  const Value root = pickle.root();
  const std::vector<Value>& items = pickle.node(root).items;
  if (root.kind == Kind::List && items.size() >= 4) {
    const Status status = read_dictionary(pickle, items[2], out.words, error);
    if (status == Status::Ok)
      read_captions(pickle, items[0], out.words.size(), out.captions);
    return status;
  }
  for (const char* field : {"idx2word", "word2idx", "ixtoword", "wordtoix"})
    if (const Value* dict = pickle.find(root, field))
      return read_dictionary(pickle, *dict, out.words, error);
  return read_dictionary(pickle, root, out.words, error);
}

} // namespace gsem::checkpoint
