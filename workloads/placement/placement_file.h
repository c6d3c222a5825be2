// How many expert slots a placement's file has, before it is known how many ranks share them: what
// memory counts. The placement itself is placement_from_file() (experts.h).
#pragma once

#include <cstdint>
#include <filesystem>

namespace moesim::workloads {

// Slots of a layer, replicas included; where layers differ, of the one that has most.
// Throws ConfigError, InputError.
std::uint32_t slots_in_file(const std::filesystem::path& file, std::uint32_t experts);

}  // namespace moesim::workloads
