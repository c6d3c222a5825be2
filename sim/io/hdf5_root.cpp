// Attributes of a file's root, looked at before the library decodes them: it trusts that the parts
// of an attribute fit its message, and reads on where they do not. Format: "HDF5 File Format
// Specification 3.0", IV.A.2.m (attribute), b (dataspace), v (attribute info).
#include <fmt/format.h>

#include <optional>

#include "sim/error.h"
#include "sim/io/hdf5_header.h"
#include "sim/io/hdf5_library.h"
#include "sim/io/message.h"

namespace moesim::sim::io {
namespace {

constexpr std::size_t kWidth = 8;  // of places and lengths

// The type of an attribute, as far as is needed.
struct Type {
  std::uint64_t value_bytes = 0;
  bool is_text_elsewhere = false;  // of variable length
};

class Root {
 public:
  explicit Root(const std::filesystem::path& file) : file_(file) {}

  RootTexts check() {
    const std::optional<std::uint64_t> place = file_.root();
    if (!place) return {};
    for (const Hdf5Message& message : header_messages(file_, *place)) {
      if (message.is_shared) continue;
      if (message.kind == Hdf5Message::kAttribute) check_attribute(message.body);
      if (message.kind == Hdf5Message::kManyAttributes && has_heap(message.body))
        texts_.are_all_here = false;
    }
    return std::move(texts_);
  }

 private:
  // Version, flags, perhaps a count (2 bytes), and the heap's place, which is none where all
  // attributes are messages.
  static bool has_heap(std::string_view body) {
    if (body.size() < 2) return false;
    const std::size_t at = (number_at(body, 1, 1) & 1) != 0 ? 4 : 2;
    return body.size() >= at + kWidth && number_at(body, at, kWidth) != UINT64_MAX;
  }

  // Version, flags, the lengths of name, type and shape, then these (in eights in version 1;
  // version 3 has a byte more before them), then the values.
  void check_attribute(std::string_view message) {
    if (message.size() < 8) fail("", "has only a part of its head");
    const std::uint64_t version = number_at(message, 0, 1);
    if (version < 1 || version > 3) return;  // the library says so
    const std::uint64_t flags = version == 1 ? 0 : number_at(message, 1, 1);
    const auto part = [&](std::size_t at) {
      const std::uint64_t size = number_at(message, at, 2);
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

  Type type_of(const std::string& name, std::string_view bytes) const {
    if (!stored_type_bytes(bytes))
      fail(name, fmt::format("has a type that goes on beyond its {} bytes", bytes.size()));
    constexpr std::uint64_t kVariable = 9, kText = 1;
    return {.value_bytes = number_at(bytes, 4, 4),
            .is_text_elsewhere = (number_at(bytes, 0, 1) & 15) == kVariable &&
                                 (number_at(bytes, 1, 1) & 15) == kText};
  }

  // How many; nothing where the library says what is wrong with the shape.
  std::optional<std::uint64_t> values_of(const std::string& name, std::string_view bytes) const {
    if (bytes.size() < 4) fail(name, "has a shape of fewer than 4 bytes");
    const std::uint64_t version = number_at(bytes, 0, 1), rank = number_at(bytes, 1, 1);
    if (version < 1 || version > 2 || rank > H5S_MAX_RANK) return {};
    constexpr std::uint64_t kNone = 2;
    if (version == 2 && number_at(bytes, 3, 1) == kNone) return 0;
    const bool has_most = (number_at(bytes, 2, 1) & 1) != 0;
    const std::size_t head = version == 1 ? 8 : 4;
    if (bytes.size() < head + rank * kWidth * (has_most ? 2 : 1))
      fail(name, fmt::format("has a shape of {} axes in {} bytes", rank, bytes.size()));
    std::uint64_t values = 1;
    for (std::size_t axis = 0; axis < rank; ++axis)
      if (__builtin_mul_overflow(values, number_at(bytes, head + axis * kWidth, kWidth), &values))
        fail(name, "has more values than 64 bits count");
    return values;
  }

  [[noreturn]] void fail(const std::string& attribute, const std::string& what) const {
    throw InputError(fmt::format("{}: is damaged: an attribute {}{}", file_.name(),
                                 attribute.empty() ? "" : quote(attribute) + " ", what));
  }

  Hdf5Bytes file_;
  RootTexts texts_;
};

}  // namespace

RootTexts check_root_attributes(const std::filesystem::path& file) {
  return Root(file).check();
}

void check_object_header(const std::filesystem::path& file, std::uint64_t place) {
  Hdf5Bytes bytes(file);
  header_messages(bytes, place);
}

}  // namespace moesim::sim::io
