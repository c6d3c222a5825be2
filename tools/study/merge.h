// Shards of one study put together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace moesim::tools {

struct Merged {
  std::size_t points = 0, already = 0;         // written; in more than one file
  std::optional<std::uint64_t> expected = {};  // of the whole study, where a file says it
};

// Writes the points of all inputs to a new store. Throws ConfigError where they are of different
// studies or the target is there, InputError for what is no store, Error (exit 1) where two files
// have different results for one point, which no two runs of one program have.
Merged merge(const std::filesystem::path& target, const std::vector<std::filesystem::path>& inputs);

}  // namespace moesim::tools
