// What a routing and a placement make of each other: rows for every expert slot, tokens for every
// pair of ranks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/placement/experts.h"
#include "workloads/routing/routing.h"

namespace moesim::workloads {

// Which of an expert's replicas a token goes to.
enum class ReplicaChoice {
  RoundRobin,  // replica (token + expert) mod replicas, the token counted within its source rank
  Nearest,     // one on the source rank, else round robin over those on its node, else over all
};

// Where the tokens start from.
struct TokenSources {
  std::vector<std::uint32_t> begin;  // [ranks + 1]: rank r holds tokens [begin[r], begin[r + 1])
  std::vector<std::uint16_t> node;   // [ranks]: its node; empty: all on one node
  ReplicaChoice choice = ReplicaChoice::Nearest;

  std::uint32_t ranks() const { return static_cast<std::uint32_t>(begin.size()) - 1; }
  std::uint32_t nodes() const;
};

// `tokens_per_rank` tokens on each of `ranks`, `ranks_per_node` to a node (0: one node).
TokenSources even_sources(std::uint32_t ranks, std::uint32_t tokens_per_rank,
                          std::uint32_t ranks_per_node = 0);

// Counts, each also for a rank's tokens to itself (which cost no link).
struct DispatchCounts {
  std::uint32_t ranks = 0, nodes = 0, slots_per_rank = 0;
  std::vector<std::uint32_t> rows;         // [ranks x slots_per_rank]: what each slot computes
  std::vector<std::uint32_t> selections;   // [source x ranks]: a message for every choice
  std::vector<std::uint32_t> tokens;       // [source x ranks]: a token once for each rank
  std::vector<std::uint32_t> node_tokens;  // [source x nodes]: a token once for each node
  std::uint64_t missing = 0;               // choices that nobody recorded

  std::uint32_t rank_rows(std::uint32_t rank) const;  // sum over its slots
};

// What to count; rows always are. The two that take a token once cost about twice as much, and give
// all; else what is not wanted is left empty.
struct DispatchWanted {
  bool selections = true;
  bool tokens = true;
  bool node_tokens = true;
};

// One pass over the routing. `out` keeps its storage. Every choice that is not missing is counted
// once in rows and once in selections.
// REQUIRES: routing.tokens == sources.begin.back(), sources.ranks() == placement.ranks(),
//           routing.experts == placement.experts()
void count_dispatch(const RoutingView& routing, const LayerPlacement& placement,
                    const TokenSources& sources, const DispatchWanted& wanted, DispatchCounts& out);

}  // namespace moesim::workloads
