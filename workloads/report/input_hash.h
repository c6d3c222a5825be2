// A short name for the contents of a file, so that a report says which inputs made it.
#pragma once

#include <filesystem>
#include <string>

namespace moesim::sim::io {
class FileHashes;
}

namespace moesim::workloads {

// XXH64 of the whole file (sim/io/content_hash.h), as 16 hex digits; `known`: those that were
// computed before, or null. Throws InputError.
std::string hash_of_file(const std::filesystem::path& file, sim::io::FileHashes* known = nullptr);

}  // namespace moesim::workloads
