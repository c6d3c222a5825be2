// A file as bytes, for what has to be looked at before the HDF5 library reads it. Only for the
// files of the reader. Format: "HDF5 File Format Specification 3.0".
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace moesim::sim::io {

// Of the `width` bytes at a place, the lowest first. REQUIRES: width <= 8, at + width <= the bytes
std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t width);

class Hdf5Bytes {
 public:
  explicit Hdf5Bytes(const std::filesystem::path& file);

  const std::string& name() const { return name_; }
  // Bytes from the place that all places count from (0, or behind a block of the user's).
  std::uint64_t size() const { return size_; }
  // Place of the root's header; nothing where the library says what is wrong with the file. Throws
  // InputError where places or lengths in it have not the usual 8 bytes.
  std::optional<std::uint64_t> root();

  // As many as `out` has, or false.
  bool read(std::uint64_t at, std::string& out);
  // `most`, or as many as there are.
  std::string read_most(std::uint64_t at, std::uint64_t most);

 private:
  std::string name_;
  std::ifstream in_;
  std::uint64_t base_ = 0, size_ = 0;
  bool has_signature_ = false;
};

}  // namespace moesim::sim::io
