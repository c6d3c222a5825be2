#include "sim/io/libraries.h"

#include <fmt/core.h>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/hdf5_calls.h"

namespace moesim::sim::io {

namespace {

bool has_hdf5() {
  try {
    load_hdf5("");
    return true;
  } catch (const InputError&) {
    return false;
  }
}

std::string hdf5_version() {
  if (!has_hdf5()) return "not there: traces cannot be read";
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> library_versions() {
  return {
      {"HDF5", hdf5_version()},
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
  if (!has_hdf5()) return names;
  for (const auto& [filter, name] : kKnown) {
    if (H5Zfilter_avail(filter) > 0) names.emplace_back(name);
  }
  return names;
}

}  // namespace moesim::sim::io
