// How often a token's experts are where they are wanted, when not all of them are: a cache of some
// of a layer's experts, kept by one rule or another, against recorded routing. Exact, token by
// token; no time is reckoned.
//
// A token wants its experts together: those that are there are hits, the others are fetched, each
// in the place of one that the token does not want. So a cache has room for one token's experts at
// least. What is fetched stays until it gives way.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "workloads/routing/routing.h"

namespace moesim::workloads {

enum class CachePolicy {
  Lru,        // gives way: who was wanted longest ago
  Lfu,        // who was wanted by the fewest tokens so far, of equal ones longest ago
  Static,     // nobody: the most wanted of the whole recording are there from the start
  LookAhead,  // as LRU, of those that no token of the next `ahead` wants; else who is wanted last
  Belady,     // who is wanted last: no rule that fetches what is wanted has more hits
};
inline constexpr std::array<std::string_view, 5> kCachePolicyNames{"lru", "lfu", "static",
                                                                   "look_ahead", "belady"};

struct CacheHits {
  std::uint64_t hits = 0, wanted = 0;
  double rate() const {
    return wanted == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(wanted);
  }
};

// Of one layer. `ids`: [tokens x top_k], kMissingExpert where none. Of equals the lower expert
// gives way; in LRU the one that a token names first is wanted longer ago. `ahead` is LookAhead's:
// 0 makes it LRU, all tokens Belady. REQUIRES: top_k <= slots, ids below `experts`
CacheHits cache_hits(std::span<const ExpertId> ids, std::size_t top_k, std::size_t experts,
                     std::size_t slots, CachePolicy policy, std::uint64_t ahead = 0);

}  // namespace moesim::workloads
