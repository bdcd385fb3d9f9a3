// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "gst/bitstream/bytes.hpp"
#include "gst/bitstream/status.hpp"
#include "models/import/budget.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

/// Python pickles, protocols 0 to 5, as data: nothing is imported, nothing is called. A pickle is a program
/// for a stack machine (source: the module pickletools of the Python standard library); this reader runs the
/// parts that build lists, tuples, dicts, strings and numbers, and keeps every call as a record of what would
/// be called with what. Who needs an object's contents looks into its record.
namespace gsem::checkpoint {

enum class Kind : uint8_t {
  None,
  Bool,
  Int,
  Wide, ///< an integer over 64 bits, as the little-endian bytes of its two's complement
  Float,
  Text,       ///< UTF-8 as the file has it (not checked), or a Python 2 string
  Data,       ///< bytes
  List,       ///< list, tuple or set
  Dict,       ///< also OrderedDict, defaultdict and Counter
  Global,     ///< a name "module.name": a class or function
  Record,     ///< what a call of something unknown would have made
  Persistent, ///< refers to something outside of the pickle; items[0] says what
};

/// 16 bytes, so that a list of a million numbers stays one block. Numbers are inside; the rest are indices.
struct Value {
  Kind kind = Kind::None;
  union {
    bool truth;
    int64_t integer = 0;
    double real;
    uint32_t index;
  };
};

/// Contents of List, Dict, Record and Persistent.
struct Node {
  std::vector<Value> items;   ///< of a List; what was appended to a Record
  std::vector<Value> entries; ///< key, value, key, value, ... of a Dict, or set on a Record
  Value callable, arguments;  ///< of a Record: who would have been called with which List
  Value state;                ///< of a Record or Dict: what BUILD gives (fields, as a Dict)
};

/// Views into the parsed bytes, which must outlive it. Immutable after parse: thread-safe.
class Pickle {
public:
  /// Reads one pickle from the start of `bytes`; `used` is its length. Corrupt, Unsupported (extension
  /// registry, out-of-band buffers, protocols over 5) or TooLarge (the budget is spent); `error` says where
  /// and why.
  static Status parse(ByteView bytes, Budget& budget, Pickle& out, size_t& used, std::string& error);

  Value root() const { return root_; }
  /// Of Text, Data, Wide and Global; empty for others.
  std::string_view text(Value value) const;
  /// Of List, Dict, Record and Persistent; an empty one for others.
  const Node& node(Value value) const;
  /// Value of a Text key in a Dict, or in the fields (BUILD state) of a Record; null when there is none.
  const Value* find(Value container, std::string_view key) const;
  /// Name of the Global that a Record would have called; empty for others.
  std::string_view callee(Value record) const;
  /// Indices (Value::index) of all Persistent values.
  const std::vector<uint32_t>& persistent() const { return persistent_; }

private:
  friend class PickleMachine;
  Value root_;
  std::deque<Node> nodes_;
  std::deque<std::string_view> texts_;
  std::deque<std::string> owned_; ///< texts that the file has in another spelling
  std::vector<uint32_t> persistent_;
};

} // namespace gsem::checkpoint
