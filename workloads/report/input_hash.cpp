#include "workloads/report/input_hash.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <fstream>

#include "sim/error.h"

namespace moesim::workloads {

std::string hash_of_file(const std::filesystem::path& file) {
  std::ifstream input(file, std::ios::binary);
  if (!input) throw sim::InputError(fmt::format("{}: cannot be read", file.string()));
  std::uint64_t hash = 0xcbf29ce484222325;
  std::array<char, 1 << 16> block;
  while (input.read(block.data(), block.size()) || input.gcount() > 0) {
    for (std::streamsize i = 0; i < input.gcount(); ++i) {
      hash ^= static_cast<unsigned char>(block[static_cast<std::size_t>(i)]);
      hash *= 0x100000001b3;
    }
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace moesim::workloads
