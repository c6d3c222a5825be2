// The values in a Python pickle, read and never run: of protocols 2 to 4 the opcodes that
// torch.save writes of lists, dictionaries, numbers, texts and tensors. What a pickle would call is
// looked at by name: tensors and ordered dictionaries are known, anything else stays an Other that
// nothing reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::workloads {

using PickleRef = std::uint32_t;  // of a value in its pickle

struct PickleValue {
  enum class Kind {
    None,
    Bool,     // integer
    Integer,  // integer
    Real,     // real
    Text,     // text
    Global,   // text: "torch.LongStorage"
    List,     // items; a tuple, too
    Dict,     // items: a key, its value, …
    Storage,  // text: its key in the archive; type: "LongStorage"; integer: elements
    Tensor,   // items: its storage; integer: offset in elements; sizes, strides; type
    Other,
  };
  Kind kind = Kind::None;
  std::int64_t integer = 0;
  double real = 0;
  std::string text = {}, type = {};
  std::vector<PickleRef> items = {};
  std::vector<std::int64_t> sizes = {}, strides = {};
};

class Pickle {
 public:
  // Throws InputError that begins with `name`.
  Pickle(std::string_view bytes, std::string name);

  const PickleValue& root() const { return values_[root_]; }
  const PickleValue& operator[](PickleRef ref) const { return values_[ref]; }
  // The value of a key of a Dict; null where there is none, or None.
  const PickleValue* find(const PickleValue& dict, std::string_view key) const;
  const std::string& name() const { return name_; }

 private:
  class Reader;
  std::string name_;
  std::vector<PickleValue> values_;
  PickleRef root_ = 0;
};

}  // namespace moesim::workloads
