#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "sim/error.h"
#include "sim/io/hdf5_library.h"
#include "sim/io/message.h"

namespace moesim::sim::io {

std::uint64_t check_hdf5_layout(const std::string& where, hid_t dataset, hid_t type,
                                std::span<const std::uint64_t> shape) {
  const Hdf5Handle list = own(H5Dget_create_plist(dataset), H5Pclose, where, kHdf5Damaged);
  const H5D_layout_t layout = H5Pget_layout(list.id());
  if (layout == H5D_VIRTUAL || H5Pget_external_count(list.id()) != 0) {
    throw InputError(
        fmt::format("{}: its values lie in other files, which are not followed", where));
  }
  const std::uint64_t size = H5Tget_size(type);
  const std::uint64_t most =
      std::numeric_limits<std::int64_t>::max() / 16 / std::max<std::uint64_t>(size, 1);
  std::uint64_t values = 1;
  for (const std::uint64_t extent : shape) {
    if (extent != 0 && values > most / extent) {
      throw InputError(fmt::format("{}: its shape is too large to be true", where));
    }
    values *= extent;
  }
  const std::uint64_t bytes = values * size;
  const std::uint64_t row_bytes =
      shape.empty() || shape[0] == 0 ? 1 : std::max<std::uint64_t>(bytes / shape[0], 1);
  std::uint64_t chunk_rows = std::max<std::uint64_t>((std::uint64_t{1} << 20) / row_bytes, 1);

  if (layout == H5D_CHUNKED) {
    std::array<hsize_t, H5S_MAX_RANK> chunk{};
    const int rank = H5Pget_chunk(list.id(), H5S_MAX_RANK, chunk.data());
    if (rank < 1 || static_cast<std::size_t>(rank) != shape.size()) {
      throw InputError(fmt::format("{}: its chunks have another rank than its shape", where));
    }
    std::uint64_t chunk_bytes = size;
    for (int i = 0; i < rank; ++i) {
      const std::uint64_t extent = chunk[static_cast<std::size_t>(i)];
      if (extent == 0 || chunk_bytes > kMostChunkBytes / extent) {
        throw InputError(
            fmt::format("{}: a chunk holds more than {} MiB, which is the most that is read", where,
                        kMostChunkBytes >> 20));
      }
      chunk_bytes *= extent;
    }
    chunk_rows = chunk[0];
    const int filters = H5Pget_nfilters(list.id());
    for (int i = 0; i < filters; ++i) {
      unsigned flags = 0;
      std::size_t count = 0;
      std::array<char, 64> name{};
      const H5Z_filter_t filter =
          H5Pget_filter2(list.id(), static_cast<unsigned>(i), &flags, &count, nullptr, name.size(),
                         name.data(), nullptr);
      name.back() = '\0';
      if (filter < 0 || H5Zfilter_avail(filter) <= 0) {
        throw InputError(fmt::format(
            "{}: is packed with filter {} ({}), which this HDF5 library lacks; write it with gzip",
            where, filter, name[0] == '\0' ? "no name" : printable(name.data(), 60)));
      }
    }
  }
  if (!shape.empty())
    chunk_rows = std::clamp<std::uint64_t>(chunk_rows, 1, std::max<std::uint64_t>(shape[0], 1));

  // Deflate packs at most 1032 to 1. What claims more has values that were never written, and a
  // file of a few bytes could keep a reader busy for ever.
  constexpr std::uint64_t kSmall = std::uint64_t{64} << 20, kMostRatio = 1100;
  if (bytes > kSmall) {
    const std::uint64_t stored = H5Dget_storage_size(dataset);
    if (stored < bytes / kMostRatio) {
      throw InputError(
          fmt::format("{}: its shape claims {} bytes, but {} are stored", where, bytes, stored));
    }
  }
  return chunk_rows;
}

}  // namespace moesim::sim::io
