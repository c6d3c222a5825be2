#include <doctest/doctest.h>

#include <numeric>
#include <set>

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

// Ids in few bytes, some rows twice and out of order, as a trace that is drawn from gives them.
template <class Id>
struct Narrow {
  Narrow(const LayerRouting& routing, std::uint64_t seed) {
    moesim::sim::Random random(seed, "rows");
    for (const ExpertId id : routing.ids) ids.push_back(static_cast<Id>(id));
    for (std::uint32_t t = 0; t < routing.tokens; ++t) {
      rows.push_back(t % 3 == 0 ? static_cast<std::uint32_t>(random.below(routing.tokens)) : t);
      const ExpertId* token = routing.token(rows.back());
      drawn.ids.insert(drawn.ids.end(), token, token + routing.top_k);
    }
    drawn.tokens = view.tokens = routing.tokens;
    drawn.top_k = view.top_k = routing.top_k;
    drawn.experts = view.experts = routing.experts;
    view.ids = ids.data();
    view.rows = rows.data();
  }
  std::vector<Id> ids;
  std::vector<std::uint32_t> rows;
  RoutingView view;
  LayerRouting drawn;  // what the view shows
};

// By definition: of each token, the ranks and the nodes of its choices, once each. Without
// replicas.
DispatchCounts counted_by_definition(const LayerRouting& routing, const LayerPlacement& placement,
                                     const TokenSources& sources) {
  DispatchCounts counts;
  const std::size_t ranks = placement.ranks();
  counts.nodes = sources.nodes();
  counts.rows.resize(placement.slots());
  counts.selections.resize(ranks * ranks);
  counts.tokens.resize(ranks * ranks);
  counts.node_tokens.resize(ranks * counts.nodes);
  for (std::uint32_t source = 0; source < ranks; ++source) {
    for (std::uint32_t t = sources.begin[source]; t < sources.begin[source + 1]; ++t) {
      std::set<std::uint32_t> reached, nodes;
      for (std::uint32_t k = 0; k < routing.top_k; ++k) {
        const ExpertId id = routing.token(t)[k];
        if (id >= placement.experts()) {
          ++counts.missing;
          continue;
        }
        const std::uint32_t slot = placement.replicas(id).front();
        const std::uint32_t rank = placement.rank_of_slot(slot);
        ++counts.rows[slot];
        ++counts.selections[source * ranks + rank];
        reached.insert(rank);
        nodes.insert(sources.node[rank]);
      }
      for (const std::uint32_t rank : reached) ++counts.tokens[source * ranks + rank];
      for (const std::uint32_t node : nodes) ++counts.node_tokens[source * counts.nodes + node];
    }
  }
  return counts;
}

template <class Id>
void check_by_definition(std::uint32_t experts, std::uint32_t ranks, std::uint32_t top_k) {
  CAPTURE(sizeof(Id));
  CAPTURE(ranks);
  LayerRouting routing = random_routing(ranks * 70, top_k, experts, ranks + top_k);
  if (experts != 256 || sizeof(Id) > 1) {
    for (std::size_t i = 0; i < routing.ids.size(); i += 7) routing.ids[i] = kMissingExpert;
  }
  const Narrow<Id> narrow(routing, 3);
  const auto sources = even_sources(ranks, 70, 8);
  for (const auto& placement : {linear_placement({.experts = experts, .ranks = ranks}),
                                round_robin_placement({.experts = experts, .ranks = ranks})}) {
    const LayerPlacement& layer = placement.layer(0);
    const DispatchCounts right = counted_by_definition(narrow.drawn, layer, sources);
    DispatchCounts counts;
    count_dispatch(narrow.view, layer, sources, {}, counts);
    CHECK(counts.rows == right.rows);
    CHECK(counts.selections == right.selections);
    CHECK(counts.tokens == right.tokens);
    CHECK(counts.node_tokens == right.node_tokens);
    CHECK(counts.missing == right.missing);
  }
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

TEST_CASE(
    "counts are those of the definition, whatever ids lie in and however many ranks there are") {
  // 8 ranks and their node are 9 bits of one word, 56 and 7 nodes 63, 64 and 8 two words, 128 and
  // 16 three; 512 and 64 are too many for bits. Each source has 70 tokens, more than the 63 that
  // planes of six bits hold.
  check_by_definition<std::uint8_t>(256, 8, 8);
  check_by_definition<std::uint8_t>(56, 56, 2);
  check_by_definition<std::uint8_t>(256, 64, 8);
  check_by_definition<std::uint8_t>(128, 128, 3);
  check_by_definition<std::uint16_t>(256, 8, 8);
  check_by_definition<std::uint16_t>(512, 256, 2);
  check_by_definition<ExpertId>(512, 512, 8);
  check_by_definition<std::uint16_t>(512, 512, 6);
}

TEST_CASE("with replicas, too, a token counts once for a rank and for a node") {
  // Ranks 0 1 on node 0, 2 3 on node 1. Experts 0 1 2 3, 0 1 2 3 again, two slots a rank: 0 1 | 2 3
  // | 0 1 | 2 3. Nearest: rank 0's token {0, 2} finds 0 at home and 2 on rank 1, on its node; its
  // token {2, 3} goes to rank 1 once. Rank 3's tokens {0, 1} go to rank 2 once, {2, 0} to 3 and 2.
  const LayerPlacement placement({0, 1, 2, 3, 0, 1, 2, 3}, 4, 4);
  const LayerRouting routing{4, 2, 4, {0, 2, 2, 3, 0, 1, 2, 0}};
  TokenSources sources{.begin = {0, 2, 2, 2, 4}, .node = {0, 0, 1, 1}};
  const auto counts = count(routing, placement, sources);
  CHECK(counts.tokens == Counts{1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1});
  CHECK(counts.selections == Counts{1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1});
  CHECK(counts.node_tokens == Counts{2, 0, 0, 0, 0, 0, 0, 2});
  CHECK(counts.rows == Counts{1, 0, 2, 1, 2, 1, 1, 0});
}

TEST_CASE("replicas take their turns however many there are, and whatever is missing") {
  // Expert 0 on every rank of `ranks`, twice; expert e > 0 on rank e alone. In turn, token t of a
  // source goes to replica t mod count: of 2 to 8 replicas, which tables hold, and of more.
  // Nearest, a rank's own two slots take them in turn.
  for (const std::uint32_t ranks : {1u, 2u, 4u, 5u}) {
    CAPTURE(ranks);
    std::vector<ExpertId> slots;
    for (std::uint32_t r = 0; r < ranks; ++r) slots.insert(slots.end(), {0, 0, r + 1});
    const LayerPlacement placement(slots, ranks + 1, ranks);
    LayerRouting routing{ranks * 21, 2, ranks + 1, {}};
    for (std::uint32_t t = 0; t < routing.tokens; ++t)
      routing.ids.insert(routing.ids.end(), {0, t % 3 == 0 ? kMissingExpert : 1});
    for (const auto choice : {ReplicaChoice::RoundRobin, ReplicaChoice::Nearest}) {
      auto sources = even_sources(ranks, 21, 2);
      sources.choice = choice;
      Counts rows(ranks * 3), to(ranks * ranks);
      for (std::uint32_t source = 0; source < ranks; ++source) {
        for (std::uint32_t t = 0; t < 21; ++t) {
          const std::uint32_t replica = t % (choice == ReplicaChoice::Nearest ? 2 : 2 * ranks);
          const std::uint32_t rank = choice == ReplicaChoice::Nearest ? source : replica / 2;
          ++rows[rank * 3 + replica % 2];
          ++to[source * ranks + rank];
          if ((source * 21 + t) % 3 == 0) continue;
          ++rows[2];  // expert 1 is on rank 0
          ++to[source * ranks];
        }
      }
      const auto counts = count(routing, placement, sources);
      CHECK(counts.rows == rows);
      CHECK(counts.selections == to);
      CHECK(counts.missing == ranks * 7);
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

TEST_CASE("ids of a byte go to the same replicas as wide ones") {
  // 40 experts and 8 of them twice on 8 ranks; every seventh id is missing, which is 255 in a byte.
  LayerRouting routing = random_routing(8 * 21, 4, 40, 9);
  for (std::size_t i = 0; i < routing.ids.size(); i += 7) routing.ids[i] = kMissingExpert;
  const Narrow<std::uint8_t> narrow(routing, 3);
  const auto placement = round_robin_placement({.experts = 40, .redundant = 8, .ranks = 8});
  for (const auto choice : {ReplicaChoice::RoundRobin, ReplicaChoice::Nearest}) {
    auto sources = even_sources(8, 21, 4);
    sources.choice = choice;
    const auto wide = count(narrow.drawn, placement.layer(0), sources);
    DispatchCounts counts;
    count_dispatch(narrow.view, placement.layer(0), sources, {true, false, false}, counts);
    CHECK(counts.rows == wide.rows);
    CHECK(counts.selections == wide.selections);
    CHECK(counts.missing == wide.missing);
    CHECK(counts.missing > 0);
  }
}
