#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sim/check.h"
#include "sim/error.h"
#include "sim/io/hdf5_chunks.h"
#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {
namespace {

// The type a value has in memory when it is read as it lies in the file, in this machine's order;
// -1 where the library has to convert (24-bit integers, half precision, ...).
hid_t plain_type(hid_t stored) {
  const std::size_t size = H5Tget_size(stored);
  if (H5Tget_precision(stored) != 8 * size) return -1;
  const bool is_signed = H5Tget_sign(stored) == H5T_SGN_2;
  switch (size) {
    case 1:
      return is_signed ? H5T_NATIVE_INT8 : H5T_NATIVE_UINT8;
    case 2:
      return is_signed ? H5T_NATIVE_INT16 : H5T_NATIVE_UINT16;
    case 4:
      return is_signed ? H5T_NATIVE_INT32 : H5T_NATIVE_UINT32;
    case 8:
      return is_signed ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64;
    default:
      return -1;
  }
}

// Widens values that lie at the end of the output to the whole of it, from the front.
template <typename From, typename To>
void widen(std::span<To> out) {
  const auto* from =
      reinterpret_cast<const std::byte*>(out.data() + out.size()) - out.size() * sizeof(From);
  for (To& to : out) {
    From value;
    std::memcpy(&value, from, sizeof value);
    from += sizeof value;
    to = static_cast<To>(value);  // NOLINT(bugprone-signed-char-misuse): a number
  }
}

}  // namespace

std::uint64_t Hdf5Dataset::row_size() const {
  std::uint64_t size = 1;
  for (std::size_t i = 1; i < shape_.size(); ++i) size *= shape_[i];
  return size;
}

// Reads the slab as values of a type in memory.
void Hdf5Dataset::read_slab(std::uint64_t first, std::uint64_t count, std::int64_t type,
                            void* out) const {
  const Hdf5Handle from = own(H5Dget_space(handle_.id()), H5Sclose, where_, kHdf5Damaged);
  if (shape_.empty()) {
    check(H5Dread(handle_.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out), where_, kHdf5Damaged);
    return;
  }
  check_stored_chunks(where_, handle_.id(), shape_, first, count);
  std::array<hsize_t, H5S_MAX_RANK> start{}, extent{};
  std::copy(shape_.begin(), shape_.end(), extent.begin());
  start[0] = first;
  extent[0] = count;
  check(
      H5Sselect_hyperslab(from.id(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr),
      where_, kHdf5Damaged);
  const Hdf5Handle to =
      own(H5Screate_simple(static_cast<int>(shape_.size()), extent.data(), nullptr), H5Sclose,
          where_, kHdf5Damaged);
  check(H5Dread(handle_.id(), type, to.id(), from.id(), H5P_DEFAULT, out), where_, kHdf5Damaged);
}

void Hdf5Dataset::check_slab(std::uint64_t first, std::uint64_t count, std::size_t size,
                             Hdf5Kind wanted) const {
  if (kind_ != wanted) {
    throw InputError(
        fmt::format("{}: expected {}, not {}", where_, kind_text(wanted), kind_text(kind_)));
  }
  SIM_CHECK(first <= rows() && count <= rows() - first, "a slab lies inside its dataset");
  SIM_CHECK(size == count * row_size(), "the output has room for the slab, and no more");
}

template <typename To>
void Hdf5Dataset::read_integers(std::uint64_t first, std::uint64_t count, std::span<To> out) const {
  check_slab(first, count, out.size(), Hdf5Kind::Integer);
  if (out.empty()) return;
  const Hdf5Quiet quiet(where_);
  if (chunks_ != nullptr && chunks_->read(handle_.id(), first, count, out)) return;
  H5Eclear2(H5E_DEFAULT);
  const Hdf5Handle stored = own(H5Dget_type(handle_.id()), H5Tclose, where_, kHdf5Damaged);
  const hid_t plain = plain_type(stored.id());
  const std::size_t size = H5Tget_size(stored.id());
  // The library's own conversion takes longer than unpacking. Narrow values are read into the end
  // of the output and widened from its front.
  if (plain < 0 || size >= sizeof(To)) {
    return read_slab(first, count, sizeof(To) == 4 ? H5T_NATIVE_INT32 : H5T_NATIVE_INT64,
                     out.data());
  }
  const bool is_signed = H5Tget_sign(stored.id()) == H5T_SGN_2;
  read_slab(first, count, plain,
            reinterpret_cast<std::byte*>(out.data() + out.size()) - out.size() * size);
  if (size == 1) return is_signed ? widen<std::int8_t>(out) : widen<std::uint8_t>(out);
  if (size == 2) return is_signed ? widen<std::int16_t>(out) : widen<std::uint16_t>(out);
  return is_signed ? widen<std::int32_t>(out) : widen<std::uint32_t>(out);
}

template <typename Bits>
void Hdf5Dataset::read_plain(std::uint64_t first, std::uint64_t count, std::span<Bits> out) const {
  check_slab(first, count, out.size(), Hdf5Kind::Integer);
  SIM_CHECK(plain_bytes_ == sizeof(Bits), "values are of that width");
  if (out.empty()) return;
  const Hdf5Quiet quiet(where_);
  if (chunks_ != nullptr && chunks_->read(handle_.id(), first, count, out)) return;
  H5Eclear2(H5E_DEFAULT);
  const Hdf5Handle stored = own(H5Dget_type(handle_.id()), H5Tclose, where_, kHdf5Damaged);
  read_slab(first, count, plain_type(stored.id()), out.data());
}

void Hdf5Dataset::read_bits(std::uint64_t first, std::uint64_t count,
                            std::span<std::uint8_t> out) const {
  read_plain(first, count, out);
}

void Hdf5Dataset::read_bits(std::uint64_t first, std::uint64_t count,
                            std::span<std::uint16_t> out) const {
  read_plain(first, count, out);
}

bool Hdf5Dataset::read_low_bytes(std::uint64_t first, std::uint64_t count,
                                 std::span<std::uint8_t> out) const {
  check_slab(first, count, out.size(), Hdf5Kind::Integer);
  if (out.empty()) return true;
  const Hdf5Quiet quiet(where_);
  if (chunks_ != nullptr && chunks_->read_low(handle_.id(), first, count, out)) return true;
  H5Eclear2(H5E_DEFAULT);
  return false;
}

void Hdf5Dataset::read(std::uint64_t first, std::uint64_t count,
                       std::span<std::int32_t> out) const {
  read_integers(first, count, out);
}

void Hdf5Dataset::read(std::uint64_t first, std::uint64_t count,
                       std::span<std::int64_t> out) const {
  read_integers(first, count, out);
}

void Hdf5Dataset::read(std::uint64_t first, std::uint64_t count,
                       std::span<std::uint64_t> out) const {
  check_slab(first, count, out.size(), Hdf5Kind::Integer);
  SIM_CHECK(!is_signed_, "the library clips a negative number to 0");
  if (out.empty()) return;
  const Hdf5Quiet quiet(where_);
  read_slab(first, count, H5T_NATIVE_UINT64, out.data());
}

void Hdf5Dataset::read(std::uint64_t first, std::uint64_t count, std::span<float> out) const {
  check_slab(first, count, out.size(), Hdf5Kind::Float);
  if (out.empty()) return;
  const Hdf5Quiet quiet(where_);
  read_slab(first, count, H5T_NATIVE_FLOAT, out.data());
}

void Hdf5Dataset::read(std::uint64_t first, std::uint64_t count, std::span<double> out) const {
  check_slab(first, count, out.size(), Hdf5Kind::Float);
  if (out.empty()) return;
  const Hdf5Quiet quiet(where_);
  read_slab(first, count, H5T_NATIVE_DOUBLE, out.data());
}

std::vector<std::string> Hdf5Dataset::read_strings() const {
  if (kind_ != Hdf5Kind::String) {
    throw InputError(fmt::format("{}: expected text, not {}", where_, kind_text(kind_)));
  }
  const Hdf5Quiet quiet(where_);
  const std::uint64_t count = rows() * row_size();
  if (count > kMostStrings) {
    throw InputError(
        fmt::format("{}: holds {} texts; at most {} are read", where_, count, kMostStrings));
  }
  if (count == 0) return {};
  const Hdf5Handle type = own(H5Dget_type(handle_.id()), H5Tclose, where_, kHdf5Damaged);
  const Hdf5Handle space = own(H5Dget_space(handle_.id()), H5Sclose, where_, kHdf5Damaged);
  const Hdf5TextType text(type.id(), where_);
  hsize_t bytes = count * text.size();
  if (text.is_variable()) {
    check_stored_texts(file_, where_, handle_.id(), shape_);  // and the chunks that they lie in
    check(H5Dvlen_get_buf_size(handle_.id(), text.id(), space.id(), &bytes), where_, kHdf5Damaged);
  } else {
    check_stored_chunks(where_, handle_.id(), shape_, 0, rows());
  }
  if (bytes > kMostStringBytes) {
    throw InputError(fmt::format("{}: its texts hold {} bytes; at most {} are read", where_, bytes,
                                 kMostStringBytes));
  }
  return text.read(static_cast<std::size_t>(count), space.id(), [&](void* out) {
    return H5Dread(handle_.id(), text.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
  });
}

}  // namespace moesim::sim::io
