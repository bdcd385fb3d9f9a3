// SPDX-License-Identifier: LGPL-2.1-or-later
#include "models/import/pickle.hpp"

#include "models/import/pickle_text.hpp"

#include <cstring>
#include <unordered_map>

namespace gsem::checkpoint {
namespace {

constexpr int kNewestProtocol = 5;
const Node kEmpty;

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_dict_class(std::string_view name) {
  return name == "collections.OrderedDict" || name == "collections.defaultdict" ||
         name == "collections.Counter" || name == "builtins.dict" || name == "__builtin__.dict";
}

bool is_list_class(std::string_view name) {
  return name == "torch.Size" || name == "builtins.set" || name == "__builtin__.set" ||
         name == "builtins.list" || name == "__builtin__.list" || name == "builtins.tuple" ||
         name == "__builtin__.tuple";
}

} // namespace

class PickleMachine {
public:
  PickleMachine(ByteView bytes, Budget& budget, Pickle& out) : bytes_(bytes), budget_(budget), out_(out) {}

  Status run(size_t& used, std::string& error) {
    while (status_ == Status::Ok && !stopped_)
      step();
    used = at_;
    if (status_ != Status::Ok)
      error = "pickle, byte " + std::to_string(opcode_at_) + ": " + reason_;
    return status_;
  }

private:
  // ---- failing -----------------------------------------------------------------------------------------
  void fail(Status status, const char* reason) {
    if (status_ == Status::Ok) {
      status_ = status;
      reason_ = reason;
    }
  }
  bool charge(size_t bytes) {
    if (budget_.take(bytes))
      return true;
    fail(Status::TooLarge, "its contents need more memory than the file's size and 64 MiB");
    return false;
  }

  // ---- bytes -------------------------------------------------------------------------------------------
  ByteView take(uint64_t count) {
    if (count > bytes_.size() - at_) {
      fail(Status::Corrupt, "cut short");
      return {};
    }
    const ByteView view = bytes_.subspan(at_, size_t(count));
    at_ += size_t(count);
    return view;
  }
  uint64_t number(size_t size) {
    uint64_t value = 0;
    const ByteView view = take(size);
    for (size_t i = 0; i < view.size(); i++)
      value |= uint64_t(view[i]) << (8 * i);
    return value;
  }
  std::string_view line() {
    const void* end =
        at_ < bytes_.size() ? std::memchr(bytes_.data() + at_, '\n', bytes_.size() - at_) : nullptr;
    if (!end) {
      fail(Status::Corrupt, "cut short");
      return {};
    }
    const size_t length = size_t(static_cast<const uint8_t*>(end) - (bytes_.data() + at_));
    const std::string_view view = as_text(bytes_.subspan(at_, length));
    at_ += length + 1;
    return view;
  }

  // ---- making values -----------------------------------------------------------------------------------
  void push(Value value) {
    if (stack_.size() == deepest_) { // a growing vector has its old and its new block for a moment
      if (!charge(3 * sizeof(Value)))
        return;
      deepest_++;
    }
    stack_.push_back(value);
  }
  void push_int(int64_t v) {
    Value value;
    value.kind = Kind::Int;
    value.integer = v;
    push(value);
  }
  void push_bool(bool v) {
    Value value;
    value.kind = Kind::Bool;
    value.truth = v;
    push(value);
  }
  void push_float(double v) {
    Value value;
    value.kind = Kind::Float;
    value.real = v;
    push(value);
  }
  Value text(Kind kind, std::string_view view) {
    Value value;
    if (out_.texts_.size() >= UINT32_MAX || !charge(sizeof(std::string_view)))
      return value;
    value.kind = kind;
    value.index = uint32_t(out_.texts_.size());
    out_.texts_.push_back(view);
    return value;
  }
  Value own_text(Kind kind, std::string&& string) {
    if (!charge(sizeof(std::string) + string.size()))
      return {};
    out_.owned_.push_back(std::move(string));
    return text(kind, out_.owned_.back());
  }
  void push_text(Kind kind, ByteView view) {
    if (status_ == Status::Ok)
      push(text(kind, as_text(view)));
  }
  Value make(Kind kind) {
    Value value;
    if (out_.nodes_.size() >= UINT32_MAX || !charge(sizeof(Node)))
      return value;
    value.kind = kind;
    value.index = uint32_t(out_.nodes_.size());
    out_.nodes_.emplace_back();
    return value;
  }
  Value make_list(std::vector<Value>&& items) {
    const Value list = make(Kind::List);
    if (list.kind == Kind::List)
      out_.nodes_[list.index].items = std::move(items);
    return list;
  }
  void push_wide(ByteView bytes) {
    if (bytes.size() > 8)
      return push_text(Kind::Wide, bytes);
    uint64_t value = bytes.empty() || !(bytes.back() & 0x80) ? 0 : ~uint64_t(0);
    for (size_t i = bytes.size(); i-- > 0;)
      value = value << 8 | bytes[i];
    push_int(int64_t(value));
  }
  void push_decimal(std::string_view digits) {
    int64_t value = 0;
    if (parse_decimal(digits, value))
      push_int(value);
    else
      fail(Status::Corrupt, "not a number");
  }

  // ---- the stack ---------------------------------------------------------------------------------------
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Value pop() {
    if (stack_.size() <= floor()) {
      fail(Status::Corrupt, "takes a value that is not there");
      return {};
    }
    const Value value = stack_.back();
    stack_.pop_back();
    return value;
  }
  Value* top() {
    if (stack_.size() <= floor()) {
      fail(Status::Corrupt, "takes a value that is not there");
      return nullptr;
    }
    return &stack_.back();
  }
  std::vector<Value> pop_mark() {
    if (marks_.empty()) {
      fail(Status::Corrupt, "no mark");
      return {};
    }
    std::vector<Value> items;
    if (charge((stack_.size() - marks_.back()) * sizeof(Value)))
      items.assign(stack_.begin() + std::ptrdiff_t(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  std::vector<Value> pop_items(size_t count) {
    if (stack_.size() < floor() + count) {
      fail(Status::Corrupt, "takes a value that is not there");
      return {};
    }
    if (!charge(count * sizeof(Value)))
      return {};
    std::vector<Value> items(stack_.end() - std::ptrdiff_t(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }

  // ---- objects -----------------------------------------------------------------------------------------
  Node* changeable(Value value) {
    if (value.kind == Kind::List || value.kind == Kind::Dict || value.kind == Kind::Record)
      return &out_.nodes_[value.index];
    fail(Status::Corrupt, "changes a value that cannot be changed");
    return nullptr;
  }
  /// `more` is paid for; what the growing `target` takes beyond that is not.
  void extend(std::vector<Value>& target, std::vector<Value>&& more) {
    if (target.empty())
      target = std::move(more);
    else if (charge(2 * more.size() * sizeof(Value)))
      target.insert(target.end(), more.begin(), more.end());
  }
  void append(std::vector<Value>&& items) {
    if (Value* target = top())
      if (Node* node = changeable(*target))
        extend(node->items, std::move(items));
  }
  void set_items(std::vector<Value>&& pairs) {
    if (pairs.size() % 2)
      return fail(Status::Corrupt, "a key without a value");
    if (Value* target = top())
      if (Node* node = changeable(*target))
        extend(node->entries, std::move(pairs));
  }
  void copy_entries(Value dict, const std::vector<Value>& pairs) {
    if (charge(pairs.size() * sizeof(Value)))
      extend(out_.nodes_[dict.index].entries, std::vector<Value>(pairs));
  }
  /// The pairs that OrderedDict([[key, value], ...]) is made of.
  void take_pairs(Value dict, Value arguments) {
    for (const Value& argument : out_.node(arguments).items) {
      if (argument.kind == Kind::Dict)
        return copy_entries(dict, out_.node(argument).entries);
      for (const Value& pair : out_.node(argument).items)
        if (pair.kind == Kind::List && out_.node(pair).items.size() == 2)
          copy_entries(dict, out_.node(pair).items);
    }
  }
  void call(Value callable, Value arguments) {
    const std::string_view name = callable.kind == Kind::Global ? out_.text(callable) : std::string_view();
    if (is_dict_class(name)) {
      const Value dict = make(Kind::Dict);
      if (status_ == Status::Ok)
        take_pairs(dict, arguments);
      return push(dict);
    }
    if (is_list_class(name) && out_.node(arguments).items.size() == 1 &&
        out_.node(arguments).items[0].kind == Kind::List)
      return push(out_.node(arguments).items[0]);
    const Value record = make(Kind::Record);
    if (record.kind != Kind::Record)
      return;
    Node& node = out_.nodes_[record.index];
    node.callable = callable;
    node.arguments = arguments;
    push(record);
  }
  void build() {
    const Value state = pop();
    if (Value* target = top())
      if (target->kind == Kind::List || target->kind == Kind::Dict || target->kind == Kind::Record)
        out_.nodes_[target->index].state = state;
  }
  void refer(Value id) {
    const Value value = make(Kind::Persistent);
    if (value.kind != Kind::Persistent || !charge(2 * sizeof(uint32_t) + sizeof(Value)))
      return;
    out_.nodes_[value.index].items.push_back(id);
    out_.persistent_.push_back(value.index);
    push(value);
  }
  Value global(std::string_view module, std::string_view name) {
    std::string joined(module);
    return own_text(Kind::Global, std::move(joined.append(".").append(name)));
  }

  // ---- memo --------------------------------------------------------------------------------------------
  void put(uint64_t id) {
    constexpr size_t kEntry = 64; // of a hash map
    if (Value* value = top(); value && charge(kEntry))
      memo_[id] = *value;
  }
  void get(uint64_t id) {
    if (const auto found = memo_.find(id); found != memo_.end())
      push(found->second);
    else
      fail(Status::Corrupt, "refers to a value that was never kept");
  }
  uint64_t memo_id() {
    int64_t id = -1;
    if (!parse_decimal(line(), id) || id < 0)
      fail(Status::Corrupt, "not a number");
    return uint64_t(id);
  }

  // ---- opcodes -----------------------------------------------------------------------------------------
  void step() {
    opcode_at_ = at_;
    const ByteView opcode = take(1);
    if (opcode.empty())
      return;
    if (!basic(opcode[0]) && !textual(opcode[0]) && !object(opcode[0]))
      fail(Status::Unsupported, "an opcode that is not read here");
  }

  /// Numbers, strings, marks and memo.
  bool basic(uint8_t opcode) {
    switch (opcode) {
    case 0x80: // PROTO
      if (number(1) > kNewestProtocol)
        fail(Status::Unsupported, "a protocol newer than 5");
      return true;
    case 0x95: // FRAME
      number(8);
      return true;
    case '.': // STOP
      out_.root_ = pop();
      stopped_ = true;
      return true;
    case '(': // MARK
      if (charge(3 * sizeof(size_t)))
        marks_.push_back(stack_.size());
      return true;
    case '0': // POP; on a mark it takes the mark
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        pop();
      return true;
    case '1': // POP_MARK
      pop_mark();
      return true;
    case '2': // DUP
      if (const Value* value = top())
        push(Value(*value));
      return true;
    case 'N':
      push({});
      return true;
    case 0x88:
    case 0x89:
      push_bool(opcode == 0x88);
      return true;
    case 'J': // BININT
      push_int(int32_t(number(4)));
      return true;
    case 'K':
      push_int(int64_t(number(1)));
      return true;
    case 'M':
      push_int(int64_t(number(2)));
      return true;
    case 0x8a: // LONG1
      push_wide(take(number(1)));
      return true;
    case 0x8b: // LONG4
      push_wide(take(number(4)));
      return true;
    case 'G': { // BINFLOAT, big-endian
      uint64_t bits = 0;
      for (uint8_t byte : take(8))
        bits = bits << 8 | byte;
      double value;
      std::memcpy(&value, &bits, sizeof value);
      push_float(value);
      return true;
    }
    case 'T': // BINSTRING
    case 'X': // BINUNICODE
      push_text(Kind::Text, take(number(4)));
      return true;
    case 'U':
    case 0x8c:
      push_text(Kind::Text, take(number(1)));
      return true;
    case 0x8d:
      push_text(Kind::Text, take(number(8)));
      return true;
    case 'B':
      push_text(Kind::Data, take(number(4)));
      return true;
    case 'C':
      push_text(Kind::Data, take(number(1)));
      return true;
    case 0x8e:
    case 0x96: // BINBYTES8, BYTEARRAY8
      push_text(Kind::Data, take(number(8)));
      return true;
    case 'q':
      put(number(1));
      return true;
    case 'r':
      put(number(4));
      return true;
    case 0x94: // MEMOIZE
      put(memo_.size());
      return true;
    case 'h':
      get(number(1));
      return true;
    case 'j':
      get(number(4));
      return true;
    default:
      return false;
    }
  }

  /// Protocol 0: arguments are lines of text.
  bool textual(uint8_t opcode) {
    switch (opcode) {
    case 'I': {
      const std::string_view digits = line();
      if (digits == "00" || digits == "01")
        push_bool(digits == "01");
      else
        push_decimal(digits);
      return true;
    }
    case 'L': {
      std::string_view digits = line();
      if (!digits.empty() && digits.back() == 'L')
        digits.remove_suffix(1);
      push_decimal(digits);
      return true;
    }
    case 'F': {
      double value = 0;
      if (parse_float(line(), value))
        push_float(value);
      else
        fail(Status::Corrupt, "not a number");
      return true;
    }
    case 'S':
    case 'V': {
      std::string value;
      const std::string_view written = line();
      if (!(opcode == 'S' ? unquote(written, value) : unescape_unicode(written, value)))
        fail(Status::Corrupt, "not a string");
      else
        push(own_text(Kind::Text, std::move(value)));
      return true;
    }
    case 'p':
      put(memo_id());
      return true;
    case 'g':
      get(memo_id());
      return true;
    case 'P':
      refer(text(Kind::Text, line()));
      return true;
    case 'c': {
      const std::string_view module = line(), name = line();
      push(global(module, name));
      return true;
    }
    case 'i': { // INST
      const std::string_view module = line(), name = line();
      const Value callable = global(module, name), arguments = make_list(pop_mark());
      call(callable, arguments);
      return true;
    }
    default:
      return false;
    }
  }

  /// Containers and calls.
  bool object(uint8_t opcode) {
    switch (opcode) {
    case ']':
    case ')':
    case 0x8f:
      push(make(Kind::List));
      return true;
    case '}':
      push(make(Kind::Dict));
      return true;
    case 'l':
    case 't':
    case 0x91: // LIST, TUPLE, FROZENSET
      push(make_list(pop_mark()));
      return true;
    case 0x85:
    case 0x86:
    case 0x87:
      push(make_list(pop_items(size_t(opcode - 0x84))));
      return true;
    case 'd': { // DICT
      std::vector<Value> pairs = pop_mark();
      push(make(Kind::Dict));
      set_items(std::move(pairs));
      return true;
    }
    case 'a':
      append(pop_items(1));
      return true;
    case 'e':
    case 0x90: // APPENDS, ADDITEMS
      append(pop_mark());
      return true;
    case 's':
      set_items(pop_items(2));
      return true;
    case 'u':
      set_items(pop_mark());
      return true;
    case 'R':
    case 0x81: { // REDUCE, NEWOBJ
      const Value arguments = pop(), callable = pop();
      call(callable, arguments);
      return true;
    }
    case 0x92: { // NEWOBJ_EX
      pop();     // keyword arguments
      const Value arguments = pop(), callable = pop();
      call(callable, arguments);
      return true;
    }
    case 'o': { // OBJ
      std::vector<Value> items = pop_mark();
      if (items.empty()) {
        fail(Status::Corrupt, "a call of nothing");
        return true;
      }
      const Value callable = items.front();
      items.erase(items.begin());
      call(callable, make_list(std::move(items)));
      return true;
    }
    case 'b':
      build();
      return true;
    case 0x93: { // STACK_GLOBAL
      const Value name = pop(), module = pop();
      if (name.kind != Kind::Text || module.kind != Kind::Text)
        fail(Status::Corrupt, "a name that is no string");
      else
        push(global(out_.text(module), out_.text(name)));
      return true;
    }
    case 'Q':
      refer(pop());
      return true;
    default:
      return false;
    }
  }

  const ByteView bytes_;
  Budget& budget_;
  Pickle& out_;
  size_t at_ = 0, opcode_at_ = 0;
  bool stopped_ = false;
  Status status_ = Status::Ok;
  const char* reason_ = "";
  std::vector<Value> stack_;
  size_t deepest_ = 0; ///< what the stack was at most
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Value> memo_;
};

Status Pickle::parse(ByteView bytes, Budget& budget, Pickle& out, size_t& used, std::string& error) {
  out = {};
  return PickleMachine(bytes, budget, out).run(used, error);
}

std::string_view Pickle::text(Value value) const {
  switch (value.kind) {
  case Kind::Text:
  case Kind::Data:
  case Kind::Wide:
  case Kind::Global:
    return texts_[value.index];
  default:
    return {};
  }
}

const Node& Pickle::node(Value value) const {
  switch (value.kind) {
  case Kind::List:
  case Kind::Dict:
  case Kind::Record:
  case Kind::Persistent:
    return nodes_[value.index];
  default:
    return kEmpty;
  }
}

const Value* Pickle::find(Value container, std::string_view key) const {
  if (container.kind == Kind::Record)
    container = node(container).state;
  const std::vector<Value>& entries = node(container).entries;
  // Of equal keys the last one counts.
  for (size_t i = entries.size(); i >= 2; i -= 2)
    if (entries[i - 2].kind == Kind::Text && text(entries[i - 2]) == key)
      return &entries[i - 1];
  return nullptr;
}

std::string_view Pickle::callee(Value record) const {
  if (record.kind != Kind::Record)
    return {};
  const Value callable = node(record).callable;
  return callable.kind == Kind::Global ? text(callable) : std::string_view();
}

} // namespace gsem::checkpoint
