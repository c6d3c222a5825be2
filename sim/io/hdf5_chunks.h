// Chunks of whole numbers, shuffled and deflated, unpacked by libdeflate: two to three times as
// fast as the HDF5 library with zlib, for the way in which traces are written.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/io/hdf5_library.h"

namespace moesim::sim::io {

// Keeps the last chunk, so that slabs that end inside one do not unpack it twice. For one thread.
class Hdf5Chunks {
 public:
  // Nothing where the dataset lies in another way (other filters, chunks that are no whole rows,
  // other types), or the program was built without libdeflate.
  static std::shared_ptr<Hdf5Chunks> make(hid_t dataset, std::span<const std::uint64_t> shape);

  // Rows [first, first + count), widened. False where a chunk is missing, was stored in another way
  // or does not unpack: the HDF5 library then reads it, or says what is wrong. `out` may have
  // changed.
  bool read(hid_t dataset, std::uint64_t first, std::uint64_t count, std::span<std::int32_t> out);
  bool read(hid_t dataset, std::uint64_t first, std::uint64_t count, std::span<std::int64_t> out);
  // As bits. REQUIRES: values of just that width
  bool read(hid_t dataset, std::uint64_t first, std::uint64_t count, std::span<std::uint8_t> out);
  bool read(hid_t dataset, std::uint64_t first, std::uint64_t count, std::span<std::uint16_t> out);
  // Values of two bytes by the lower one. False also where the higher one of a value is not zero,
  // or values are not of two bytes.
  bool read_low(hid_t dataset, std::uint64_t first, std::uint64_t count,
                std::span<std::uint8_t> out);

 private:
  template <typename To>
  bool read_rows(hid_t dataset, std::uint64_t first, std::uint64_t count, std::span<To> out);
  template <typename To, typename Read>
  bool read_parts(hid_t dataset, std::uint64_t first, std::uint64_t count, std::span<To> out,
                  Read read);
  bool load(hid_t dataset, std::uint64_t chunk);

  std::size_t rank_ = 1;
  std::uint64_t chunk_rows_ = 1, row_size_ = 1;  // in values
  std::size_t width_ = 1;                        // bytes a value
  bool is_signed_ = false, is_shuffled_ = false;
  std::uint64_t loaded_ = UINT64_MAX;  // the chunk that unpacked_ holds
  std::vector<unsigned char> packed_, unpacked_;
};

}  // namespace moesim::sim::io
