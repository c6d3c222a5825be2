// How evenly a load is spread over its places: the measures that reports name.
#pragma once

#include <cstdint>
#include <span>

namespace moesim::workloads {

struct Spread {
  double max_over_mean = 1;       // the busiest over the mean; 1 where there is no load
  double normalised_entropy = 1;  // of the shares, over the log of their number: 1 all alike, 0 all
                                  // in one place; 1 where there is no load or a single place
  std::int64_t zeros = 0;         // places without any
};

Spread spread_of(std::span<const std::uint64_t> load);

}  // namespace moesim::workloads
