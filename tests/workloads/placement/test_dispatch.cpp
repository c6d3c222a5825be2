#include <doctest/doctest.h>

#include <numeric>

#include "sim/random.h"
#include "workloads/placement/dispatch.h"

using namespace moesim::workloads;
using Counts = std::vector<std::uint32_t>;

namespace {

DispatchCounts count(const LayerRouting& routing, const LayerPlacement& placement,
                     const TokenSources& sources, const DispatchWanted& wanted = {}) {
  DispatchCounts counts;
  count_dispatch(routing, placement, sources, wanted, counts);
  return counts;
}

LayerRouting random_routing(std::uint32_t tokens, std::uint32_t top_k, std::uint32_t experts,
                            std::uint64_t seed) {
  moesim::sim::Random random(seed, "test");
  LayerRouting routing{tokens, top_k, experts, {}};
  for (std::uint32_t t = 0; t < tokens; ++t) {
    Counts deck(experts);
    std::iota(deck.begin(), deck.end(), 0u);
    for (std::uint32_t k = 0; k < top_k; ++k) {
      std::swap(deck[k], deck[k + random.below(experts - k)]);
      routing.ids.push_back(static_cast<ExpertId>(deck[k]));
    }
  }
  return routing;
}

}  // namespace

TEST_CASE("two ranks and four experts, worked by hand") {
  // Rank 0 holds experts 0 and 1, rank 1 holds 2 and 3, each is a node. Tokens 0, 1 start on rank
  // 0, 2, 3 on rank 1.
  //   token 0: 0 1 -> both on rank 0: two selections, one token
  //   token 1: 1 3 -> rank 0 and rank 1
  //   token 2: 2 3 -> both on rank 1
  //   token 3: 3, missing -> rank 1
  const LayerRouting routing{4, 2, 4, {0, 1, 1, 3, 2, 3, 3, kMissingExpert}};
  const auto placement = linear_placement({.experts = 4, .ranks = 2});
  const auto counts = count(routing, placement.layer(0), even_sources(2, 2, 1));
  CHECK(counts.rows == Counts{1, 2, 1, 3});
  CHECK(counts.rank_rows(1) == 4);
  CHECK(counts.selections == Counts{3, 1, 0, 3});
  CHECK(counts.tokens == Counts{2, 1, 0, 2});
  CHECK(counts.node_tokens == counts.tokens);
  CHECK(counts.missing == 1);
}

TEST_CASE("a token travels once to a node that holds several of its experts") {
  // 4 ranks of one expert each, 2 to a node; the one token of rank 0 chose experts 2 and 3.
  const LayerRouting routing{4, 2, 4, {2, 3, 0, 1, 0, 1, 0, 1}};
  const auto placement = linear_placement({.experts = 4, .ranks = 4});
  const auto counts = count(routing, placement.layer(0), even_sources(4, 1, 2));
  CHECK(Counts(counts.tokens.begin(), counts.tokens.begin() + 4) == Counts{0, 0, 1, 1});
  CHECK(Counts(counts.node_tokens.begin(), counts.node_tokens.begin() + 2) == Counts{0, 1});
}

TEST_CASE("replicas share an expert's tokens in turn") {
  // Experts 0 1 on rank 0, 0 1 again on rank 1. Round robin: token t of a source goes to replica
  // (t + expert) mod 2, so expert 0 gets replicas 0 1 0, expert 1 replicas 1 0 1.
  const LayerRouting routing{6, 1, 2, {0, 0, 0, 1, 1, 1}};
  const LayerPlacement placement({0, 1, 0, 1}, 2, 2);
  auto sources = even_sources(2, 3, 1);
  sources.choice = ReplicaChoice::RoundRobin;
  CHECK(count(routing, placement, sources).rows == Counts{2, 1, 1, 2});
  // Nearest: every rank has its own replica.
  sources.choice = ReplicaChoice::Nearest;
  const auto counts = count(routing, placement, sources);
  CHECK(counts.rows == Counts{3, 0, 0, 3});
  CHECK(counts.selections == Counts{3, 0, 0, 3});
}

TEST_CASE("a replica on the own node is nearer than one elsewhere") {
  // Ranks 0 1 on node 0, 2 3 on node 1. Expert 0 is on ranks 1 and 3; rank 0 sends to rank 1, rank
  // 2 to rank 3.
  const LayerPlacement placement({1, 0, 2, 0}, 3, 4);
  const LayerRouting routing{4, 1, 3, {0, 1, 0, 1}};
  const auto counts = count(routing, placement, even_sources(4, 1, 2));
  CHECK(counts.selections[0 * 4 + 1] == 1);
  CHECK(counts.selections[2 * 4 + 3] == 1);
}

TEST_CASE("every selection is computed once and sent once, whatever the placement") {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    CAPTURE(seed);
    const auto routing = random_routing(8 * 37, 6, 48, seed);
    const auto expert = expert_counts(routing);
    for (const auto& placement :
         {linear_placement({.experts = 48, .ranks = 8}),
          linear_placement({.experts = 48, .redundant = 8, .ranks = 8}),
          round_robin_placement({.experts = 48, .redundant = 16, .ranks = 8})}) {
      const auto& layer = placement.layer(0);
      for (const auto choice : {ReplicaChoice::RoundRobin, ReplicaChoice::Nearest}) {
        auto sources = even_sources(8, 37, 4);
        sources.choice = choice;
        const auto counts = count(routing, layer, sources);
        Counts rows(48);
        for (std::uint32_t s = 0; s < layer.slots(); ++s) {
          rows[layer.slot_expert()[s]] += counts.rows[s];
        }
        CHECK(rows == expert);
        for (std::uint32_t r = 0; r < 8; ++r) {
          std::uint32_t received = 0, sent = 0;
          for (std::uint32_t s = 0; s < 8; ++s) {
            received += counts.selections[s * 8 + r];
            sent += counts.selections[r * 8 + s];
            // One message for a rank carries at least one selection, at most top_k.
            CHECK(counts.tokens[s * 8 + r] <= counts.selections[s * 8 + r]);
            CHECK(counts.selections[s * 8 + r] <= 6 * counts.tokens[s * 8 + r]);
          }
          CHECK(received == counts.rank_rows(r));
          CHECK(sent == 37 * 6);
        }
      }
    }
  }
}

TEST_CASE("the histogram that skips de-duplication counts the same") {
  const auto routing = random_routing(8 * 16, 4, 32, 5);
  for (const auto& placement : {linear_placement({.experts = 32, .ranks = 8}),
                                round_robin_placement({.experts = 32, .ranks = 8})}) {
    const auto sources = even_sources(8, 16, 4);
    const auto full = count(routing, placement.layer(0), sources);
    const auto quick = count(routing, placement.layer(0), sources, {true, false, false});
    CHECK(quick.rows == full.rows);
    CHECK(quick.selections == full.selections);
    CHECK(quick.tokens.empty());
  }
}
