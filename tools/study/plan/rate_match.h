// How many engines that read prompts go with how many that generate.
#pragma once

#include <cstdint>

namespace moesim::tools {

// What one engine of a pool carries alone, requests a second, and its GPUs.
struct PoolRate {
  double rate = 0;
  std::int64_t gpus = 1;
};

struct MatchedPools {
  std::int64_t prefill = 0, decode = 0;  // engines; 0: one of them carries nothing
  double capacity = 0;                   // the lesser of the two
  bool operator==(const MatchedPools&) const = default;
};

// Of at most eight of each and `most_gpus` in all: those that carry the most a GPU; of equals the
// fewest GPUs.
MatchedPools match(const PoolRate& prefill, const PoolRate& decode, std::int64_t most_gpus);

// The fewest of each that carry `rate`; none where more than eight, or than `most_gpus`, would be
// needed.
MatchedPools fewest_for(const PoolRate& prefill, const PoolRate& decode, double rate,
                        std::int64_t most_gpus);

}  // namespace moesim::tools
