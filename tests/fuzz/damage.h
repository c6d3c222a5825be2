// Damage to a sound input: bits, bytes, numbers, lines and pieces cut, doubled or moved.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace moesim::fuzz {

// One to four of them. The same for the same state of `random`.
std::vector<std::uint8_t> damaged(std::vector<std::uint8_t> data, std::mt19937_64& random);

}  // namespace moesim::fuzz
