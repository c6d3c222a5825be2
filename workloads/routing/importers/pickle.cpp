#include "workloads/routing/importers/pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "sim/error.h"

namespace moesim::workloads {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t kMostValues = std::size_t{1} << 21;  // 160 bytes each
constexpr std::size_t kMostName = 1024;                    // of what is copied more than once
constexpr std::size_t kMostKeys = 4096;                    // of a dictionary that is looked in

}  // namespace

// The machine that a pickle is a program of: a stack, marks in it, and a memo.
class Pickle::Reader {
 public:
  Reader(Pickle& pickle, std::string_view bytes) : pickle_(pickle), bytes_(bytes) {}

  void read() {
    add({.kind = Kind::None});
    while (step()) {
    }
    pickle_.root_ = pop();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw sim::InputError(fmt::format("{}: data.pkl: byte {}: {}", pickle_.name_, start_, what));
  }

  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size() - at_) fail("ends early");
    const std::string_view taken = bytes_.substr(at_, size);
    at_ += size;
    return taken;
  }
  std::uint64_t number(std::size_t width) {  // little-endian
    const std::string_view bytes = take(width);
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  std::string line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("ends early");
    if (end - at_ > kMostName) fail("a name that is too long");
    const std::string text(bytes_.substr(at_, end - at_));
    at_ = end + 1;
    return text;
  }

  PickleRef add(PickleValue value) {
    if (pickle_.values_.size() >= kMostValues)
      fail(fmt::format("more than {} values", kMostValues));
    pickle_.values_.push_back(std::move(value));
    return static_cast<PickleRef>(pickle_.values_.size() - 1);
  }
  void push(PickleRef ref) {
    if (stack_.size() >= 4 * kMostValues) fail("too many values at once");
    stack_.push_back(ref);
  }
  void push(PickleValue value) { push(add(std::move(value))); }
  void push_none() { push(PickleRef{0}); }
  PickleRef pop() {
    if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back()))
      fail("nothing is left to take");
    const PickleRef top = stack_.back();
    stack_.pop_back();
    return top;
  }
  std::vector<PickleRef> pop(std::size_t count) {
    std::vector<PickleRef> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  std::vector<PickleRef> pop_to_mark() {
    if (marks_.empty()) fail("no mark to take values back to");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleRef> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }
  PickleValue& value(PickleRef ref) { return pickle_.values_[ref]; }
  PickleValue& top() {
    const PickleRef ref = pop();
    stack_.push_back(ref);
    return value(ref);
  }

  void remember(std::uint64_t place) {
    if (place >= 2 * kMostValues) fail("too many values are remembered");
    if (place >= memo_.size()) memo_.resize(place + 1, kNothing);
    const PickleRef ref = pop();
    push(ref);
    memo_[place] = ref;
  }
  void recall(std::uint64_t place) {
    if (place >= memo_.size() || memo_[place] == kNothing)
      fail("a value is asked for that was not kept");
    push(memo_[place]);
  }

  // Items behind those that are there; what is no list or dictionary takes none.
  void extend(Kind kind, std::span<const PickleRef> items) {
    PickleValue& to = top();
    if (to.kind != kind) return;
    if (items_ + items.size() > 8 * kMostValues) fail("too many values in lists");
    items_ += items.size();
    to.items.insert(to.items.end(), items.begin(), items.end());
  }
  void extend_dict(std::span<const PickleRef> items) {
    if (items.size() % 2 != 0) fail("a key without a value");
    extend(Kind::Dict, items);
  }

  void push_integer(std::int64_t integer) { push({.kind = Kind::Integer, .integer = integer}); }
  // Little-endian, two's complement; torch writes sizes and numbers of passes so.
  void push_long(std::uint64_t size) {
    if (size > 8) {
      take(size);
      return push({.kind = Kind::Other});
    }
    if (size == 0) return push_integer(0);
    const std::uint64_t bits = number(size) << (64 - 8 * size);
    push_integer(static_cast<std::int64_t>(bits) >> (64 - 8 * size));
  }

  // ("storage", torch.LongStorage, "0", "cuda:0", 128)
  void push_persistent() {
    const PickleValue& id = value(pop());
    if (id.kind != Kind::List || id.items.size() != 5)
      fail("a reference that is no tensor's storage");
    const PickleValue &type = value(id.items[1]), &key = value(id.items[2]),
                      &size = value(id.items[4]);
    if (type.kind != Kind::Global || key.kind != Kind::Text || size.kind != Kind::Integer ||
        key.text.size() > kMostName) {
      fail("a reference that is no tensor's storage");
    }
    push({.kind = Kind::Storage,
          .integer = size.integer,
          .text = key.text,
          .type = type.text.substr(type.text.rfind('.') + 1)});
  }

  std::vector<std::int64_t> integers(PickleRef ref) {
    std::vector<std::int64_t> list;
    if (value(ref).kind != Kind::List || value(ref).items.size() > 8)
      fail("a tensor without its shape");
    for (const PickleRef item : value(ref).items) {
      if (value(item).kind != Kind::Integer) fail("a tensor without its shape");
      list.push_back(value(item).integer);
    }
    return list;
  }

  // storage, offset, sizes, strides, …; version 3 has the type behind two more.
  void push_tensor(const std::vector<PickleRef>& arguments, bool typed) {
    if (arguments.size() < (typed ? 7u : 4u) || value(arguments[0]).kind != Kind::Storage ||
        value(arguments[1]).kind != Kind::Integer) {
      fail("a tensor without its storage");
    }
    PickleValue tensor{.kind = Kind::Tensor,
                       .integer = value(arguments[1]).integer,
                       .type = typed ? value(arguments[6]).text : value(arguments[0]).type,
                       .items = {arguments[0]},
                       .sizes = integers(arguments[2]),
                       .strides = integers(arguments[3])};
    if (tensor.sizes.size() != tensor.strides.size()) fail("a tensor without its shape");
    push(std::move(tensor));
  }

  void call() {
    const std::vector<PickleRef>& arguments = value(pop()).items;  // until the next value is added
    const PickleValue& what = value(pop());
    if (what.kind != Kind::Global) return push({.kind = Kind::Other});
    const std::string& name = what.text;
    if (name == "torch._utils._rebuild_tensor_v2") return push_tensor(arguments, false);
    if (name == "torch._utils._rebuild_tensor_v3") return push_tensor(arguments, true);
    if (name == "torch._utils._rebuild_parameter" && !arguments.empty()) return push(arguments[0]);
    const bool dict = name == "collections.OrderedDict" && arguments.empty();
    push({.kind = dict ? Kind::Dict : Kind::Other});
  }

  bool step();

  static constexpr PickleRef kNothing = 0xFFFFFFFF;
  Pickle& pickle_;
  std::string_view bytes_;
  std::size_t at_ = 0, start_ = 0;
  std::size_t items_ = 0;
  std::vector<PickleRef> stack_;
  std::vector<std::size_t> marks_;
  std::vector<PickleRef> memo_;
};

// One opcode, by the name that Python's pickletools has for it; false at the end.
bool Pickle::Reader::step() {
  start_ = at_;
  const auto opcode = static_cast<unsigned char>(take(1)[0]);
  const auto list_of = [&](std::size_t count) {
    std::vector<PickleRef> items = pop(count);
    push({.kind = Kind::List, .items = std::move(items)});
  };
  switch (opcode) {
    case 0x80:  // PROTO
      if (const auto version = number(1); version < 2 || version > 5) {
        fail(fmt::format("pickle protocol {}: 2 to 5 are read", version));
      }
      break;
    case 0x95:
      take(8);
      break;  // FRAME
    case '.':
      return false;  // STOP
    case '(':        // MARK
      if (marks_.size() > kMostValues) fail("too many marks");
      marks_.push_back(stack_.size());
      break;
    case '0':
      pop();
      break;  // POP
    case '1':
      pop_to_mark();
      break;
    case '2': {  // DUP
      const PickleRef ref = pop();
      push(ref);
      push(ref);
      break;
    }
    case 'N':
      push_none();
      break;
    case 0x88:
      push({.kind = Kind::Bool, .integer = 1});
      break;  // NEWTRUE
    case 0x89:
      push({.kind = Kind::Bool, .integer = 0});
      break;  // NEWFALSE
    case 'J':
      push_integer(static_cast<std::int32_t>(number(4)));
      break;  // BININT
    case 'K':
      push_integer(static_cast<std::int64_t>(number(1)));
      break;  // BININT1
    case 'M':
      push_integer(static_cast<std::int64_t>(number(2)));
      break;  // BININT2
    case 0x8a:
      push_long(number(1));
      break;  // LONG1
    case 0x8b:
      push_long(number(4));
      break;     // LONG4
    case 'G': {  // BINFLOAT, big-endian
      std::uint64_t bits = 0;
      for (const char byte : take(8)) bits = bits << 8 | static_cast<unsigned char>(byte);
      push({.kind = Kind::Real, .real = std::bit_cast<double>(bits)});
      break;
    }
    case 'X':
      push({.kind = Kind::Text, .text = std::string(take(number(4)))});
      break;  // BINUNICODE
    case 0x8c:
      push({.kind = Kind::Text, .text = std::string(take(number(1)))});
      break;  // SHORT_…
    case 0x8d:
      push({.kind = Kind::Text, .text = std::string(take(number(8)))});
      break;  // BINUNICODE8
    case 'B':
      take(number(4));
      push({.kind = Kind::Other});
      break;  // BINBYTES
    case 'C':
      take(number(1));
      push({.kind = Kind::Other});
      break;  // SHORT_BINBYTES
    case 0x8e:
      take(number(8));
      push({.kind = Kind::Other});
      break;   // BINBYTES8
    case ']':  // EMPTY_LIST
    case ')':  // EMPTY_TUPLE
      push({.kind = Kind::List});
      break;
    case '}':
      push({.kind = Kind::Dict});
      break;  // EMPTY_DICT
    case 0x8f:
      push({.kind = Kind::Other});
      break;  // EMPTY_SET
    case 0x85:
      list_of(1);
      break;  // TUPLE1
    case 0x86:
      list_of(2);
      break;
    case 0x87:
      list_of(3);
      break;
    case 't':    // TUPLE
    case 'l': {  // LIST
      std::vector<PickleRef> items = pop_to_mark();
      push({.kind = Kind::List, .items = std::move(items)});
      break;
    }
    case 'd': {  // DICT
      const std::vector<PickleRef> items = pop_to_mark();
      push({.kind = Kind::Dict});
      extend_dict(items);
      break;
    }
    case 'a':
      extend(Kind::List, pop(1));
      break;  // APPEND
    case 'e':
      extend(Kind::List, pop_to_mark());
      break;  // APPENDS
    case 's':
      extend_dict(pop(2));
      break;  // SETITEM
    case 'u':
      extend_dict(pop_to_mark());
      break;  // SETITEMS
    case 0x90:
      pop_to_mark();
      break;  // ADDITEMS
    case 'q':
      remember(number(1));
      break;  // BINPUT
    case 'r':
      remember(number(4));
      break;
    case 0x94:
      remember(memo_.size());
      break;  // MEMOIZE
    case 'h':
      recall(number(1));
      break;  // BINGET
    case 'j':
      recall(number(4));
      break;
    case 'c': {  // GLOBAL
      std::string module = line();
      push({.kind = Kind::Global, .text = module + "." + line()});
      break;
    }
    case 0x93: {  // STACK_GLOBAL
      const std::vector<PickleRef> names = pop(2);
      for (const PickleRef name : names) {
        if (value(name).kind != Kind::Text || value(name).text.size() > kMostName) {
          fail("a name that is no name");
        }
      }
      push({.kind = Kind::Global, .text = value(names[0]).text + "." + value(names[1]).text});
      break;
    }
    case 'Q':
      push_persistent();
      break;  // BINPERSID
    case 'R':
      call();
      break;    // REDUCE
    case 0x81:  // NEWOBJ
      pop(2);
      push({.kind = Kind::Other});
      break;
    case 'b':
      pop();
      break;  // BUILD: what an object is given is of no use here
    default:
      fail(fmt::format("opcode {:#04x} is none that torch.save writes of recordings", opcode));
  }
  return true;
}

Pickle::Pickle(std::string_view bytes, std::string name) : name_(std::move(name)) {
  Reader(*this, bytes).read();
}

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  if (dict.kind != Kind::Dict) return nullptr;
  for (std::size_t i = 0; i + 1 < std::min(dict.items.size(), 2 * kMostKeys); i += 2) {
    const PickleValue& name = values_[dict.items[i]];
    if (name.kind != Kind::Text || name.text != key) continue;
    const PickleValue& found = values_[dict.items[i + 1]];
    return found.kind == Kind::None ? nullptr : &found;
  }
  return nullptr;
}

}  // namespace moesim::workloads
