// Beyond what a part of a GPU's memory is no longer told: sums of parts stay whole numbers.
#pragma once

#include <cstdint>

namespace moesim::workloads {

inline constexpr std::int64_t kMostBytesOfAPart = 1'000'000'000'000'000'000;  // 1 EB

}  // namespace moesim::workloads
