// Headers of objects and types as a file has them, read before the HDF5 library decodes them. Only
// for the files of the reader. Format: "HDF5 File Format Specification 3.0", IV.A.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/io/hdf5_bytes.h"

namespace moesim::sim::io {

struct Hdf5Message {
  static constexpr std::uint64_t kAttribute = 12, kContinued = 16, kManyAttributes = 21;

  std::uint64_t kind = 0;
  bool is_shared = false;  // its body says where it is
  std::string body;
};

// Of the header at that place; of one that the library does not know, none. Throws InputError where
// it goes on beyond the end of the file.
std::vector<Hdf5Message> header_messages(Hdf5Bytes& file, std::uint64_t place);

// How many bytes of these a type takes (IV.A.2.d); nothing where it would go on beyond them, or
// nests more than 64 times.
std::optional<std::size_t> stored_type_bytes(std::string_view bytes);

}  // namespace moesim::sim::io
