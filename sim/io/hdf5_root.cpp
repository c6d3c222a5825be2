// Attributes of a file's root, looked at before the library decodes them: it trusts that the parts
// of an attribute fit its message, and reads on where they do not. Format: "HDF5 File Format
// Specification 3.0", II (superblock), IV.A.1 (headers), IV.A.2 (messages).
#include <fmt/format.h>

#include <array>
#include <optional>

#include "sim/error.h"
#include "sim/io/hdf5_bytes.h"
#include "sim/io/hdf5_library.h"
#include "sim/io/message.h"

namespace moesim::sim::io {
namespace {

constexpr std::size_t kWidth = 8;  // of places and lengths

// The type of an attribute, as far as is needed.
struct Type {
  std::uint64_t kind = 0, value_bytes = 0;
  bool is_text_elsewhere = false;  // of variable length
};

class Root {
 public:
  explicit Root(const std::filesystem::path& file) : file_(file) {}

  RootTexts check() {
    if (const auto root = file_.root()) read_header(*root);
    return std::move(texts_);
  }

 private:
  struct Block {
    std::uint64_t at, size;
  };

  void read_header(std::uint64_t at) {
    constexpr std::size_t kMost = 64;
    std::string head = file_.read_most(at, kMost);
    if (head.size() < 16) return;
    head.resize(kMost, '\0');
    if (head.starts_with("OHDR")) {
      const std::uint64_t flags = number_at(head.data() + 5, 1);
      const std::size_t size_at =
          6 + ((flags & 0x20) != 0 ? 16 : 0) + ((flags & 0x10) != 0 ? 4 : 0);
      const std::size_t width = std::size_t{1} << (flags & 3);
      message_head_ = (flags & 4) != 0 ? 6 : 4;
      blocks_.push_back({at + size_at + width, number_at(head.data() + size_at, width)});
    } else if (head[0] == 1) {
      is_old_ = true;
      message_head_ = 8;
      blocks_.push_back({at + 16, number_at(head.data() + 8, 4)});
    }
    constexpr std::size_t kMostBlocks = 4096;  // which may lead to themselves
    for (std::size_t i = 0; i < blocks_.size() && i < kMostBlocks; ++i) read_messages(blocks_[i]);
  }

  void read_messages(Block block) {
    constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;
    if (block.size > kMostBytes) return;
    const std::string bytes = file_.read_most(block.at, block.size);
    for (std::string_view left = bytes; left.size() >= message_head_;) {
      const std::size_t kind_width = is_old_ ? 2 : 1;
      const std::uint64_t kind = number_at(left.data(), kind_width),
                          size = number_at(left.data() + kind_width, 2),
                          flags = number_at(left.data() + kind_width + 2, 1);
      left.remove_prefix(message_head_);
      if (size > left.size()) return;  // the library says so
      const std::string_view body = left.substr(0, size);
      left.remove_prefix(size);
      constexpr std::uint64_t kAttribute = 12, kContinued = 16, kManyAttributes = 21, kShared = 2;
      if ((flags & kShared) != 0) continue;
      if (kind == kAttribute) check_attribute(body);
      if (kind == kContinued) add_block(body);
      if (kind == kManyAttributes && has_heap(body)) texts_.are_all_here = false;
    }
  }

  // The newer kind has a signature before its messages and a checksum behind.
  void add_block(std::string_view body) {
    if (body.size() < 2 * kWidth) return;
    const std::uint64_t at = number_at(body.data(), kWidth);
    const std::uint64_t size = number_at(body.data() + kWidth, kWidth);
    const std::uint64_t signature = is_old_ ? 0 : 4;
    if (size >= 2 * signature) blocks_.push_back({at + signature, size - 2 * signature});
  }

  // Version, flags, perhaps a count (2 bytes), and the heap's place, which is none where all
  // attributes are messages.
  static bool has_heap(std::string_view body) {
    if (body.size() < 2) return false;
    const std::size_t at = (number_at(body.data() + 1, 1) & 1) != 0 ? 4 : 2;
    return body.size() >= at + kWidth && number_at(body.data() + at, kWidth) != UINT64_MAX;
  }

  // Version, flags, the lengths of name, type and shape, then these (in eights in version 1;
  // version 3 has a byte more before them), then the values.
  void check_attribute(std::string_view message) {
    if (message.size() < 8) fail("", "has only a part of its head");
    const std::uint64_t version = number_at(message.data(), 1);
    if (version < 1 || version > 3) return;  // the library says so
    const std::uint64_t flags = version == 1 ? 0 : number_at(message.data() + 1, 1);
    const auto part = [&](std::size_t at) {
      const std::uint64_t size = number_at(message.data() + at, 2);
      return version == 1 ? (size + 7) / 8 * 8 : size;
    };
    const std::uint64_t name_at = version == 3 ? 9 : 8, type_at = name_at + part(2),
                        shape_at = type_at + part(4), values_at = shape_at + part(6);
    if (type_at > message.size() ||
        message.substr(name_at, type_at - name_at).find('\0') == std::string_view::npos)
      fail("", "has a name without an end");
    const std::string name(message.data() + name_at);
    if (values_at > message.size())
      fail(name, fmt::format("has {} bytes of which {} are its name, type and shape",
                             message.size(), values_at));
    if ((flags & 3) != 0) return;  // type or shape lie elsewhere
    const Type type = type_of(name, message.substr(type_at, shape_at - type_at));
    const std::optional<std::uint64_t> values =
        values_of(name, message.substr(shape_at, values_at - shape_at));
    if (!values) return;
    const std::string_view rest = message.substr(values_at);
    if (type.value_bytes != 0 && *values > rest.size() / type.value_bytes)
      fail(name, fmt::format("has {} values of {} bytes in {} bytes", *values, type.value_bytes,
                             rest.size()));
    if (type.is_text_elsewhere && type.value_bytes == kTextReference)
      texts_.references += rest.substr(0, *values * kTextReference);
  }

  // What a type of several parts has in it is left to the library.
  Type type_of(const std::string& name, std::string_view bytes) const {
    if (bytes.size() < 8) fail(name, "has a type of fewer than 8 bytes");
    const auto first = static_cast<unsigned char>(bytes[0]);
    Type type{.kind = first & 15u, .value_bytes = number_at(bytes.data() + 4, 4)};
    constexpr std::uint64_t kVariable = 9, kText = 1;
    // What follows the head: of whole numbers, real ones, times, texts, bits.
    constexpr std::array<std::size_t, 5> kProperties{4, 12, 2, 0, 4};
    const bool is_variable = type.kind == kVariable;
    type.is_text_elsewhere = is_variable && (number_at(bytes.data() + 1, 1) & 15) == kText;
    if (is_variable) {
      type_of(name, bytes.substr(8));
    } else if (type.kind < kProperties.size() && bytes.size() < 8 + kProperties[type.kind]) {
      fail(name, fmt::format("has a type of {} bytes, {} too few", bytes.size(),
                             8 + kProperties[type.kind] - bytes.size()));
    }
    return type;
  }

  // How many; nothing where the library says what is wrong with the shape.
  std::optional<std::uint64_t> values_of(const std::string& name, std::string_view bytes) const {
    if (bytes.size() < 4) fail(name, "has a shape of fewer than 4 bytes");
    const std::uint64_t version = number_at(bytes.data(), 1), rank = number_at(bytes.data() + 1, 1);
    if (version < 1 || version > 2 || rank > H5S_MAX_RANK) return {};
    constexpr std::uint64_t kNone = 2;
    if (version == 2 && number_at(bytes.data() + 3, 1) == kNone) return 0;
    const bool has_most = (number_at(bytes.data() + 2, 1) & 1) != 0;
    const std::size_t head = version == 1 ? 8 : 4;
    if (bytes.size() < head + rank * kWidth * (has_most ? 2 : 1))
      fail(name, fmt::format("has a shape of {} axes in {} bytes", rank, bytes.size()));
    std::uint64_t values = 1;
    for (std::size_t axis = 0; axis < rank; ++axis)
      if (__builtin_mul_overflow(values, number_at(bytes.data() + head + axis * kWidth, kWidth),
                                 &values))
        fail(name, "has more values than 64 bits count");
    return values;
  }

  [[noreturn]] void fail(const std::string& attribute, const std::string& what) const {
    throw InputError(fmt::format("{}: is damaged: an attribute {}{}", file_.name(),
                                 attribute.empty() ? "" : quote(attribute) + " ", what));
  }

  Hdf5Bytes file_;
  bool is_old_ = false;  // the header
  std::size_t message_head_ = 0;
  std::vector<Block> blocks_;
  RootTexts texts_;
};

}  // namespace

RootTexts check_root_attributes(const std::filesystem::path& file) {
  return Root(file).check();
}

}  // namespace moesim::sim::io
