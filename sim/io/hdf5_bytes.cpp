#include "sim/io/hdf5_bytes.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/check.h"
#include "sim/error.h"

namespace moesim::sim::io {

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t width) {
  SIM_CHECK(at <= bytes.size() && width <= bytes.size() - at, "a number beyond its bytes");
  std::uint64_t value = 0;
  for (std::size_t i = at + width; i-- > at;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

Hdf5Bytes::Hdf5Bytes(const std::filesystem::path& file)
    : name_(file.string()), in_(file, std::ios::binary) {
  in_.seekg(0, std::ios::end);
  const std::uint64_t whole = in_ ? static_cast<std::uint64_t>(in_.tellg()) : 0;
  size_ = whole;
  constexpr std::string_view kSignature{"\x89HDF\r\n\x1a\n", 8};
  // Behind a block of the user's, whose size is a power of two.
  for (std::uint64_t at = 0; at < whole && !has_signature_; at = at == 0 ? 512 : 2 * at) {
    if (read_most(at, kSignature.size()) != kSignature) continue;
    has_signature_ = true;
    base_ = at;
    size_ = whole - at;
  }
}

bool Hdf5Bytes::read(std::uint64_t at, std::string& out) {
  if (at > size_ || out.size() > size_ - at) return false;
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(base_ + at));
  in_.read(out.data(), static_cast<std::streamsize>(out.size()));
  return static_cast<std::size_t>(in_.gcount()) == out.size();
}

std::string Hdf5Bytes::read_most(std::uint64_t at, std::uint64_t most) {
  if (at > size_) return {};
  std::string bytes(static_cast<std::size_t>(std::min(most, size_ - at)), '\0');
  return read(at, bytes) ? bytes : std::string();
}

std::optional<std::uint64_t> Hdf5Bytes::root() {
  constexpr std::size_t kMost = 96, kWidth = 8;
  if (!has_signature_) return {};
  std::string head = read_most(0, kMost);
  head.resize(kMost, '\0');
  const std::uint64_t version = number_at(head, 8, 1);
  if (version > 3) return {};
  const bool is_old = version < 2;
  const std::size_t widths = is_old ? 13 : 9;
  for (const std::size_t width : {widths, widths + 1})
    if (const std::uint64_t bytes = number_at(head, width, 1); bytes != kWidth)
      throw InputError(fmt::format("{}: has places or lengths of {} bytes; those of {} are read",
                                   name_, bytes, kWidth));
  // Behind four places (base, free space, end, driver) and that of a name; or behind three.
  const std::size_t root = is_old ? (version == 0 ? 24 : 28) + 5 * kWidth : 12 + 3 * kWidth;
  return number_at(head, root, kWidth);
}

}  // namespace moesim::sim::io
