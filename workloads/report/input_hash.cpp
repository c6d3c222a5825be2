#include "workloads/report/input_hash.h"

#include <fmt/format.h>

#include "sim/io/content_hash.h"

namespace moesim::workloads {

std::string hash_of_file(const std::filesystem::path& file) {
  return fmt::format("{:016x}", sim::io::content_hash_of(file));
}

}  // namespace moesim::workloads
