// What a dataset claims, looked at before the library touches its data.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "sim/error.h"
#include "sim/io/hdf5_library.h"
#include "sim/io/message.h"

namespace moesim::sim::io {
namespace {

constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;

// Bytes of all values. Sixteen times that fits 64 bits, so that no later product overflows.
std::uint64_t total_bytes(const std::string& where, std::uint64_t size,
                          std::span<const std::uint64_t> shape) {
  const std::uint64_t most =
      std::numeric_limits<std::int64_t>::max() / 16 / std::max<std::uint64_t>(size, 1);
  std::uint64_t values = 1;
  for (const std::uint64_t extent : shape) {
    if (extent != 0 && values > most / extent) {
      throw InputError(fmt::format("{}: its shape is too large to be true", where));
    }
    values *= extent;
  }
  return values * size;
}

// Returns the rows of a chunk.
std::uint64_t check_chunks(const std::string& where, hid_t list, std::uint64_t size,
                           std::span<const std::uint64_t> shape) {
  std::array<hsize_t, H5S_MAX_RANK> chunk{};
  const int rank = H5Pget_chunk(list, H5S_MAX_RANK, chunk.data());
  if (rank < 1 || static_cast<std::size_t>(rank) != shape.size()) {
    throw InputError(fmt::format("{}: its chunks have another rank than its shape", where));
  }
  std::uint64_t bytes = size, side_by_side = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::uint64_t extent = chunk[i];
    if (extent == 0 || bytes > kMostChunkBytes / extent) {
      throw InputError(
          fmt::format("{}: a chunk holds more than {} MiB, which is the most that is read", where,
                      kMostChunkBytes / kMebi));
    }
    bytes *= extent;
    if (i == 0 || shape[i] == 0) continue;
    const std::uint64_t chunks = (shape[i] - 1) / extent + 1;
    if (chunks > kMostChunksARow / side_by_side) {
      throw InputError(
          fmt::format("{}: a row is cut into more than {} chunks, which is the most that is read",
                      where, kMostChunksARow));
    }
    side_by_side *= chunks;
  }
  return chunk[0];
}

void check_filters(const std::string& where, hid_t list) {
  const int filters = H5Pget_nfilters(list);
  check(filters, where, kHdf5Damaged);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    std::size_t count = 0;
    std::array<char, 64> name{};
    const H5Z_filter_t filter = H5Pget_filter2(list, static_cast<unsigned>(i), &flags, &count,
                                               nullptr, name.size(), name.data(), nullptr);
    name.back() = '\0';
    if (filter >= 0 && H5Zfilter_avail(filter) > 0) continue;
    throw InputError(fmt::format(
        "{}: is packed with filter {} ({}), which this HDF5 library lacks; write it with gzip",
        where, filter, name[0] == '\0' ? "no name" : printable(name.data(), 60)));
  }
}

}  // namespace

std::uint64_t check_hdf5_layout(const std::string& where, hid_t dataset, hid_t type,
                                std::span<const std::uint64_t> shape) {
  const Hdf5Handle list = own(H5Dget_create_plist(dataset), H5Pclose, where, kHdf5Damaged);
  const H5D_layout_t layout = H5Pget_layout(list.id());
  if (layout == H5D_VIRTUAL || H5Pget_external_count(list.id()) != 0) {
    throw InputError(
        fmt::format("{}: its values lie in other files, which are not followed", where));
  }
  const std::uint64_t size = H5Tget_size(type);
  const std::uint64_t bytes = total_bytes(where, size, shape);
  // Deflate packs at most 1032 to 1. What claims more has values that were never written, and a
  // file of a few bytes could keep a reader busy for ever.
  constexpr std::uint64_t kMostRatio = 1100;
  if (bytes > 4 * kMebi) {
    const std::uint64_t stored = H5Dget_storage_size(dataset);
    if (stored < bytes / kMostRatio) {
      throw InputError(
          fmt::format("{}: its shape claims {} bytes, but {} are stored", where, bytes, stored));
    }
  }
  if (shape.empty()) return 1;
  const std::uint64_t rows = std::max<std::uint64_t>(shape[0], 1);
  if (layout == H5D_CHUNKED) {
    check_filters(where, list.id());
    return std::clamp<std::uint64_t>(check_chunks(where, list.id(), size, shape), 1, rows);
  }
  // What lies in one piece is read about a mebibyte at a time.
  const std::uint64_t row_bytes = std::max<std::uint64_t>(bytes / rows, 1);
  return std::clamp<std::uint64_t>(kMebi / row_bytes, 1, rows);
}

}  // namespace moesim::sim::io
