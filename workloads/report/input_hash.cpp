#include "workloads/report/input_hash.h"

#include <fmt/format.h>

#include "sim/io/content_hash.h"
#include "sim/io/file_hashes.h"

namespace moesim::workloads {

std::string hash_of_file(const std::filesystem::path& file, sim::io::FileHashes* known) {
  return fmt::format("{:016x}", known ? known->of(file) : sim::io::content_hash_of(file));
}

}  // namespace moesim::workloads
