// Attributes of a file's root.
#include <fmt/format.h>

#include "sim/error.h"
#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {
namespace {

struct Attribute {
  std::string where;  // "trace.h5: attribute top_k"
  Hdf5Handle handle, type, space;
  std::uint64_t values = 0;

  Hdf5Kind kind() const { return kind_of(type.id()); }
  [[noreturn]] void refuse(const char* wanted) const {
    throw InputError(fmt::format("{}: expected {}, not {} of {}", where, wanted,
                                 values == 1 ? "one" : std::to_string(values), kind_text(kind())));
  }
};

std::optional<Attribute> open_attribute(std::int64_t file, const std::string& file_name,
                                        const std::string& name) {
  Attribute attribute;
  attribute.where = fmt::format("{}: attribute {}", file_name, name);
  const std::string& where = attribute.where;
  const htri_t found = H5Aexists_by_name(file, "/", name.c_str(), H5P_DEFAULT);
  check(found, where, kHdf5Damaged);
  if (found == 0) return {};
  attribute.handle = own(H5Aopen_by_name(file, "/", name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose, where, kHdf5Damaged);
  attribute.type = own(H5Aget_type(attribute.handle.id()), H5Tclose, where, kHdf5Damaged);
  attribute.space = own(H5Aget_space(attribute.handle.id()), H5Sclose, where, kHdf5Damaged);
  const hssize_t values = H5Sget_simple_extent_npoints(attribute.space.id());
  if (values < 0) check(-1, where, kHdf5Damaged);
  attribute.values = static_cast<std::uint64_t>(values);
  if (attribute.values > kMostStrings) {
    throw InputError(
        fmt::format("{}: holds {} values; at most {} are read", where, values, kMostStrings));
  }
  return attribute;
}

}  // namespace

std::optional<std::string> Hdf5File::text(const std::string& name) const {
  const Hdf5Quiet quiet(name_);
  const auto attribute = open_attribute(handle_.id(), name_, name);
  if (!attribute) return {};
  if (attribute->kind() != Hdf5Kind::String || attribute->values != 1) attribute->refuse("a text");
  const Hdf5TextType type(attribute->type.id(), attribute->where);
  if (type.size() > kMostStringBytes) attribute->refuse("a text of at most 64 MiB");
  return type
      .read(1, attribute->space.id(),
            [&](void* out) { return H5Aread(attribute->handle.id(), type.id(), out); })
      .front();
}

std::optional<std::int64_t> Hdf5File::integer(const std::string& name) const {
  const Hdf5Quiet quiet(name_);
  const auto attribute = open_attribute(handle_.id(), name_, name);
  if (!attribute) return {};
  if (attribute->kind() != Hdf5Kind::Integer || attribute->values != 1) {
    attribute->refuse("a whole number");
  }
  std::int64_t value = 0;
  check(H5Aread(attribute->handle.id(), H5T_NATIVE_INT64, &value), attribute->where, kHdf5Damaged);
  return value;
}

std::optional<std::vector<std::int64_t>> Hdf5File::integers(const std::string& name) const {
  const Hdf5Quiet quiet(name_);
  const auto attribute = open_attribute(handle_.id(), name_, name);
  if (!attribute) return {};
  if (attribute->kind() != Hdf5Kind::Integer) attribute->refuse("whole numbers");
  std::vector<std::int64_t> values(attribute->values);
  if (values.empty()) return values;
  check(H5Aread(attribute->handle.id(), H5T_NATIVE_INT64, values.data()), attribute->where,
        kHdf5Damaged);
  return values;
}

}  // namespace moesim::sim::io
