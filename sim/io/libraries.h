// The libraries that the readers stand on, for whoever reports a problem.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace moesim::sim::io {

// Name and version of each, as they are while the program runs where the library says so.
std::vector<std::pair<std::string, std::string>> library_versions();

// The compressions that HDF5 can read here: "deflate", "shuffle", …
std::vector<std::string> hdf5_filters();

}  // namespace moesim::sim::io
