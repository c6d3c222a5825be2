// Types as a file has them: the library reads members, names and values as many as a type says that
// it has, wherever they end.
#include <bit>

#include "sim/io/hdf5_header.h"

namespace moesim::sim::io {
namespace {

constexpr std::size_t kHead = 8;  // class and version, bits of the class (3), size of a value (4)
constexpr int kMostNesting = 64;

class StoredType {
 public:
  StoredType(std::string_view bytes, int depth) : bytes_(bytes), depth_(depth) {}

  std::optional<std::size_t> size() {
    if (!pass(kHead) || depth_ > kMostNesting) return {};
    kind_ = number_at(bytes_, 0, 1) & 15;
    version_ = number_at(bytes_, 0, 1) >> 4;
    bits_ = number_at(bytes_, 1, 3);
    return pass_properties() ? std::optional(at_) : std::nullopt;
  }

 private:
  enum Kind : std::uint64_t {
    Whole,
    Real,
    Time,
    Text,
    Bits,
    Opaque,
    Compound,
    Reference,
    Enumeration,
    Variable,
    Array
  };

  bool pass_properties() {
    switch (kind_) {
      case Whole:
      case Bits:
        return pass(4);
      case Real:
        return pass(12);
      case Time:
        return pass(2);
      case Opaque:
        return pass(bits_ & 0xFF);  // its name
      case Compound:
        return pass_members();
      case Enumeration:
        return pass_enumeration();
      case Variable:
        return pass_type();
      case Array:
        return pass_array();
      default:
        return true;  // nothing follows, or the library knows none such
    }
  }

  bool pass_members() {
    const std::uint64_t value = number_at(bytes_, 4, 4);
    // Where a member lies in a value: four bytes, later as few as do for the largest.
    const std::size_t place = version_ >= 3 ? (std::bit_width(value) + 7) / 8 : 4;
    constexpr std::size_t kAxes = 28;  // of the oldest version
    for (std::uint64_t member = 0; member < (bits_ & 0xFFFF); ++member)
      if (!pass_name() || !pass(place) || (version_ == 1 && !pass(kAxes)) || !pass_type())
        return false;
    return true;
  }

  bool pass_enumeration() {
    const std::size_t base = at_;
    if (!pass_type()) return false;
    const std::uint64_t names = bits_ & 0xFFFF, value = number_at(bytes_, base + 4, 4);
    for (std::uint64_t name = 0; name < names; ++name)
      if (!pass_name()) return false;
    return pass(names * value);
  }

  bool pass_array() {
    if (!pass(1)) return false;
    const std::size_t axes = number_at(bytes_, at_ - 1, 1);
    // Before version 3 three bytes are free, and axes may be in another order.
    return (version_ >= 3 ? pass(4 * axes) : pass(3 + 8 * axes)) && pass_type();
  }

  // In eights before version 3.
  bool pass_name() {
    const std::size_t end = bytes_.find('\0', at_);
    if (end == std::string_view::npos) return false;
    const std::size_t size = end + 1 - at_;
    return pass(version_ >= 3 ? size : (size + 7) / 8 * 8);
  }

  bool pass_type() {
    const auto size = StoredType(bytes_.substr(at_), depth_ + 1).size();
    return size && pass(*size);
  }

  bool pass(std::uint64_t bytes) {
    if (bytes > bytes_.size() - at_) return false;
    at_ += bytes;
    return true;
  }

  std::string_view bytes_;
  int depth_;
  std::size_t at_ = 0;
  std::uint64_t kind_ = 0, version_ = 0, bits_ = 0;
};

}  // namespace

std::optional<std::size_t> stored_type_bytes(std::string_view bytes) {
  return StoredType(bytes, 0).size();
}

}  // namespace moesim::sim::io
