// HDF5 files that Hdf5Writer does not write: of other types and storage, or damaged.
#pragma once

#include <hdf5.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace moesim::tests {

inline std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// A file with one thing in it that Hdf5Writer does not write.
template <typename Make>
std::filesystem::path made(const TemporaryFolder& folder, Make&& make) {
  const std::filesystem::path file = folder.path() / "made.h5";
  const hid_t id = H5Fcreate(file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  make(id);
  H5Fclose(id);
  return file;
}

// [0, 1, 2, …] in the type given.
inline void make_dataset(hid_t file, const char* name, hid_t type, std::vector<hsize_t> shape,
                         hid_t creation = H5P_DEFAULT) {
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  std::size_t values = 1;
  for (const hsize_t extent : shape) values *= extent;
  if (values <= 1000) {
    std::vector<int> data(values);
    std::iota(data.begin(), data.end(), 0);
    H5Dwrite(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data());
  }
  H5Dclose(set);
  H5Sclose(space);
}

}  // namespace moesim::tests
