#include "sim/io/libraries.h"

#include <fmt/core.h>
#include <hdf5.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

namespace moesim::sim::io {

std::vector<std::pair<std::string, std::string>> library_versions() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return {
      {"HDF5", fmt::format("{}.{}.{}", major, minor, release)},
      {"yaml-cpp", MOESIM_YAML_CPP_VERSION},
      {"nlohmann-json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR,
                                    NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
      {"zlib", zlibVersion()},
      {"fmt",
       fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
  };
}

std::vector<std::string> hdf5_filters() {
  constexpr std::pair<H5Z_filter_t, const char*> kKnown[] = {
      {H5Z_FILTER_DEFLATE, "deflate"},
      {H5Z_FILTER_SHUFFLE, "shuffle"},
      {H5Z_FILTER_FLETCHER32, "fletcher32"},
      {H5Z_FILTER_SZIP, "szip"},
      {H5Z_FILTER_NBIT, "nbit"},
      {H5Z_FILTER_SCALEOFFSET, "scaleoffset"},
      {32000, "lzf"},
      {32001, "blosc"},
      {32004, "lz4"},
      {32008, "bitshuffle"},
      {32015, "zstd"},
      {32026, "blosc2"},
  };
  std::vector<std::string> names;
  for (const auto& [filter, name] : kKnown) {
    if (H5Zfilter_avail(filter) > 0) names.emplace_back(name);
  }
  return names;
}

}  // namespace moesim::sim::io
