#include "sim/io/hdf5_chunks.h"

#ifdef MOESIM_LIBDEFLATE
#include <libdeflate.h>
#endif

#include <algorithm>
#include <array>
#include <type_traits>

namespace moesim::sim::io {

#ifdef MOESIM_LIBDEFLATE
namespace {

struct Free {
  void operator()(libdeflate_decompressor* decompressor) const {
    libdeflate_free_decompressor(decompressor);
  }
};

bool unpack(std::span<const unsigned char> packed, std::span<unsigned char> out) {
  static thread_local const std::unique_ptr<libdeflate_decompressor, Free> decompressor(
      libdeflate_alloc_decompressor());
  return decompressor != nullptr &&
         libdeflate_zlib_decompress(decompressor.get(), packed.data(), packed.size(), out.data(),
                                    out.size(), nullptr) == LIBDEFLATE_SUCCESS;
}

// Values [first, first + out.size()) of a chunk of `values`. Shuffled, byte i of all values lies
// before byte i + 1 of any; the least significant byte is the first.
template <typename From, typename To>
void widen(const unsigned char* bytes, std::uint64_t values, std::uint64_t first, bool shuffled,
           std::span<To> out) {
  using Bits = std::make_unsigned_t<From>;
  const std::uint64_t stride = shuffled ? 1 : sizeof(From);
  const std::uint64_t plane = shuffled ? values : 1;
  const unsigned char* const start = bytes + first * stride;
  for (std::size_t i = 0; i < out.size(); ++i) {
    Bits bits = 0;
    for (std::size_t byte = 0; byte < sizeof(From); ++byte) {
      bits = static_cast<Bits>(
          bits | static_cast<Bits>(Bits{start[i * stride + byte * plane]} << (8 * byte)));
    }
    out[i] = static_cast<To>(static_cast<From>(bits));  // NOLINT(bugprone-signed-char-misuse)
  }
}

}  // namespace

std::shared_ptr<Hdf5Chunks> Hdf5Chunks::make(hid_t dataset, std::span<const std::uint64_t> shape) {
  const std::string where;
  const Hdf5Handle type = own(H5Dget_type(dataset), H5Tclose, where, kHdf5Damaged);
  const Hdf5Handle list = own(H5Dget_create_plist(dataset), H5Pclose, where, kHdf5Damaged);
  if (shape.empty() || H5Pget_layout(list.id()) != H5D_CHUNKED) return nullptr;
  Hdf5Chunks chunks;
  chunks.width_ = H5Tget_size(type.id());
  chunks.is_signed_ = H5Tget_sign(type.id()) == H5T_SGN_2;
  const bool plain = H5Tget_class(type.id()) == H5T_INTEGER &&
                     H5Tget_order(type.id()) != H5T_ORDER_BE &&
                     H5Tget_precision(type.id()) == 8 * chunks.width_;
  if (!plain || (chunks.width_ != 1 && chunks.width_ != 2 && chunks.width_ != 4)) return nullptr;

  std::array<hsize_t, H5S_MAX_RANK> chunk{};
  if (H5Pget_chunk(list.id(), H5S_MAX_RANK, chunk.data()) != static_cast<int>(shape.size())) {
    return nullptr;
  }
  chunks.rank_ = shape.size();
  chunks.chunk_rows_ = chunk[0];
  for (std::size_t i = 1; i < shape.size(); ++i) {
    if (chunk[i] != shape[i]) return nullptr;
    chunks.row_size_ *= shape[i];
  }

  std::vector<H5Z_filter_t> filters;
  for (int i = 0; i < H5Pget_nfilters(list.id()); ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    filters.push_back(H5Pget_filter2(list.id(), static_cast<unsigned>(i), &flags, &values, nullptr,
                                     0, nullptr, nullptr));
  }
  chunks.is_shuffled_ =
      filters == std::vector<H5Z_filter_t>{H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE};
  if (!chunks.is_shuffled_ && filters != std::vector<H5Z_filter_t>{H5Z_FILTER_DEFLATE}) {
    return nullptr;
  }
  // One byte a value is not shuffled, whatever the filters say.
  if (chunks.width_ == 1) chunks.is_shuffled_ = false;
  return std::make_shared<Hdf5Chunks>(std::move(chunks));
}

bool Hdf5Chunks::load(hid_t dataset, std::uint64_t chunk) {
  if (chunk == loaded_) return true;
  loaded_ = UINT64_MAX;
  std::array<hsize_t, H5S_MAX_RANK> offset{};
  offset[0] = chunk * chunk_rows_;
  hsize_t size = 0;
  const std::uint64_t bytes = chunk_rows_ * row_size_ * width_;
  // Deflate adds at most a few bytes in a thousand; a chunk that claims more is damaged.
  if (H5Dget_chunk_storage_size(dataset, offset.data(), &size) < 0 || size == 0 ||
      size > bytes + bytes / 100 + 1024) {
    return false;
  }
  packed_.resize(size);
  unpacked_.resize(bytes);
  std::uint32_t skipped_filters = 0;
  if (H5Dread_chunk(dataset, H5P_DEFAULT, offset.data(), &skipped_filters, packed_.data()) < 0 ||
      skipped_filters != 0 || !unpack(packed_, unpacked_)) {
    return false;
  }
  loaded_ = chunk;
  return true;
}

// Calls read(bytes, skipped, part) for the part of each chunk: that many values of it are passed
// over. False where one of them says so.
template <typename To, typename Read>
bool Hdf5Chunks::read_parts(hid_t dataset, std::uint64_t first, std::uint64_t count,
                            std::span<To> out, Read read) {
  const std::uint64_t end = first + count;
  while (first < end) {
    const std::uint64_t chunk = first / chunk_rows_;
    if (!load(dataset, chunk)) return false;
    const std::uint64_t skipped = (first - chunk * chunk_rows_) * row_size_;
    const std::uint64_t rows = std::min(end, (chunk + 1) * chunk_rows_) - first;
    const std::span<To> part = out.first(rows * row_size_);
    if (!read(unpacked_.data(), skipped, part)) return false;
    out = out.subspan(part.size());
    first += rows;
  }
  return true;
}

template <typename To>
bool Hdf5Chunks::read_rows(hid_t dataset, std::uint64_t first, std::uint64_t count,
                           std::span<To> out) {
  const std::uint64_t values = chunk_rows_ * row_size_;
  const auto read = [&](const unsigned char* bytes, std::uint64_t skipped, std::span<To> part) {
    const auto as = [&]<typename Signed>(Signed) {
      is_signed_ ? widen<Signed>(bytes, values, skipped, is_shuffled_, part)
                 : widen<std::make_unsigned_t<Signed>>(bytes, values, skipped, is_shuffled_, part);
    };
    if constexpr (sizeof(To) <= 2) {
      widen<To>(bytes, values, skipped, is_shuffled_, part);
    } else if (width_ == 1) {
      as(std::int8_t{});
    } else if (width_ == 2) {
      as(std::int16_t{});
    } else if constexpr (sizeof(To) > 4) {
      as(std::int32_t{});
    }
    return true;
  };
  // What is as wide as the output is clipped or copied by the library.
  if (sizeof(To) <= 2 ? sizeof(To) != width_ : sizeof(To) <= width_) return false;
  return read_parts(dataset, first, count, out, read);
}

bool Hdf5Chunks::read_low(hid_t dataset, std::uint64_t first, std::uint64_t count,
                          std::span<std::uint8_t> out) {
  if (width_ != 2) return false;
  const std::uint64_t values = chunk_rows_ * row_size_;
  return read_parts(
      dataset, first, count, out,
      [&](const unsigned char* bytes, std::uint64_t skipped, std::span<std::uint8_t> part) {
        const std::size_t n = part.size();
        std::uint8_t* const to = part.data();
        unsigned char high = 0;
        if (is_shuffled_) {
          const unsigned char* const above = bytes + values + skipped;
          for (std::size_t i = 0; i < n; ++i) high = static_cast<unsigned char>(high | above[i]);
          std::copy_n(bytes + skipped, n, to);
        } else {
          const unsigned char* const from = bytes + 2 * skipped;
          for (std::size_t i = 0; i < n; ++i) {
            to[i] = from[2 * i];
            high = static_cast<unsigned char>(high | from[2 * i + 1]);
          }
        }
        return high == 0;
      });
}

#else

bool Hdf5Chunks::read_low(hid_t, std::uint64_t, std::uint64_t, std::span<std::uint8_t>) {
  return false;
}

std::shared_ptr<Hdf5Chunks> Hdf5Chunks::make(hid_t, std::span<const std::uint64_t>) {
  return nullptr;
}

template <typename To>
bool Hdf5Chunks::read_rows(hid_t, std::uint64_t, std::uint64_t, std::span<To>) {
  return false;
}

#endif

bool Hdf5Chunks::read(hid_t dataset, std::uint64_t first, std::uint64_t count,
                      std::span<std::int32_t> out) {
  return read_rows(dataset, first, count, out);
}

bool Hdf5Chunks::read(hid_t dataset, std::uint64_t first, std::uint64_t count,
                      std::span<std::int64_t> out) {
  return read_rows(dataset, first, count, out);
}

bool Hdf5Chunks::read(hid_t dataset, std::uint64_t first, std::uint64_t count,
                      std::span<std::uint8_t> out) {
  return read_rows(dataset, first, count, out);
}

bool Hdf5Chunks::read(hid_t dataset, std::uint64_t first, std::uint64_t count,
                      std::span<std::uint16_t> out) {
  return read_rows(dataset, first, count, out);
}

}  // namespace moesim::sim::io
