// What holds of every placement, whatever the loads: collapsed, empty, of one expert alone, random.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/random.h"
#include "workloads/placement/balanced.h"
#include "workloads/placement/evaluation.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

constexpr std::uint32_t kExperts = 32, kLayers = 2;

const char* const kLoads[] = {"zero", "single", "collapsed", "even", "random", "heavy tail"};

std::uint64_t load_of(std::size_t kind, std::uint32_t expert, sim::Random& random) {
  switch (kind) {
    case 0:
      return 0;
    case 1:
      return expert == 17 ? 100'000 : 0;
    case 2:  // four experts of 32 take all
      return expert % 8 == 3 ? 10'000 + 1'000 * expert : 0;
    case 3:
      return 1'000;
    case 4:
      return static_cast<std::uint64_t>(10'000 * random.uniform());
    default:
      return static_cast<std::uint64_t>(1'000 * std::exp(1.5 * random.normal()));
  }
}

// Loads of all tokens, parted over the nodes; pairs in proportion to both loads.
PlacementEvidence evidence_of(std::size_t kind, std::uint32_t nodes, std::uint64_t seed) {
  sim::Random random(seed, kLoads[kind]);
  PlacementEvidence evidence;
  evidence.loads = LoadTable(kLayers, kExperts);
  evidence.from_node.assign(nodes, LoadTable(kLayers, kExperts));
  evidence.pairs.assign(kLayers, std::vector<std::uint32_t>(std::size_t{kExperts} * kExperts));
  for (std::uint32_t l = 0; l < kLayers; ++l) {
    auto loads = evidence.loads.layer(l);
    for (std::uint32_t e = 0; e < kExperts; ++e) {
      loads[e] = load_of(kind, e, random);
      // Every node has as many tokens, but each asks for an expert up to a fifth more or less.
      std::uint64_t left = loads[e];
      for (std::uint32_t n = 0; n + 1 < nodes; ++n) {
        const auto part = static_cast<std::uint64_t>(static_cast<double>(loads[e]) / nodes *
                                                     (0.8 + 0.4 * random.uniform()));
        evidence.from_node[n].layer(l)[e] = std::min(part, left);
        left -= std::min(part, left);
      }
      evidence.from_node[nodes - 1].layer(l)[e] = left;
    }
    for (std::uint32_t a = 0; a < kExperts; ++a) {
      for (std::uint32_t b = 0; b < a; ++b) {
        const auto both =
            static_cast<std::uint32_t>(std::sqrt(static_cast<double>(loads[a])) *
                                       std::sqrt(static_cast<double>(loads[b])) * random.uniform());
        evidence.pairs[l][a * kExperts + b] = evidence.pairs[l][b * kExperts + a] = both;
      }
    }
  }
  return evidence;
}

// The busiest rank's load, and that of the heaviest slot.
struct Busiest {
  double rank = 0, slot = 0;
};
Busiest busiest(const LayerPlacement& layer, const std::vector<double>& slot_load) {
  std::vector<double> ranks(layer.ranks());
  for (std::uint32_t s = 0; s < layer.slots(); ++s) ranks[layer.rank_of_slot(s)] += slot_load[s];
  return {*std::max_element(ranks.begin(), ranks.end()),
          *std::max_element(slot_load.begin(), slot_load.end())};
}

// What each slot gets by the rule that the placement was made for: an equal part of its expert's
// load; of `topology`, where a token stays on its node if that has the expert, a part of its node's
// and of what comes from nodes without.
std::vector<double> slot_loads(const std::string& name, const LayerPlacement& layer,
                               const PlacementEvidence& evidence, std::uint32_t l) {
  std::vector<double> loads(layer.slots());
  const auto nodes = static_cast<std::uint32_t>(evidence.from_node.size());
  const auto node_of = [&](std::uint32_t slot) { return slot / (layer.slots() / nodes); };
  for (ExpertId e = 0; e < kExperts; ++e) {
    const auto all = layer.replicas(e);
    for (std::uint32_t n = 0; n < nodes; ++n) {
      const auto asked = static_cast<double>(evidence.from_node[n].layer(l)[e]);
      std::vector<std::uint32_t> near;
      for (const std::uint32_t slot : all) {
        if (name == "topology" && node_of(slot) == n) near.push_back(slot);
      }
      if (near.empty()) near.assign(all.begin(), all.end());
      for (const std::uint32_t slot : near) loads[slot] += asked / static_cast<double>(near.size());
    }
  }
  return loads;
}

// Tokens whose first choice follows the loads and whose second is the next expert: what is counted
// is every choice, wherever replicas are.
LayerRouting routed(std::span<const std::uint64_t> load, std::uint32_t tokens, std::uint64_t seed) {
  sim::Random random(seed, "tokens");
  const double sum = static_cast<double>(std::accumulate(load.begin(), load.end(), 0ull));
  LayerRouting routing{tokens, 2, kExperts, {}};
  for (std::uint32_t t = 0; t < tokens; ++t) {
    double at = random.uniform() * sum;
    std::uint32_t e = 0;
    while (e + 1 < kExperts && at >= static_cast<double>(load[e]))
      at -= static_cast<double>(load[e++]);
    routing.ids.push_back(e);
    routing.ids.push_back(t % 50 == 0 ? kMissingExpert : (e + 1) % kExperts);
  }
  return routing;
}

template <typename Check>
void for_all(const Check& check) {
  for (std::size_t kind = 0; kind < std::size(kLoads); ++kind) {
    for (const std::uint32_t nodes : {1u, 2u, 4u}) {
      for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const auto evidence = evidence_of(kind, nodes, seed);
        for (const std::string& name : placement_names()) {
          INFO(name, ", loads ", kLoads[kind], ", ", nodes, " nodes, seed ", seed);
          check(name, nodes, seed, evidence);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("every placement holds each expert and computes each choice once") {
  for_all([](const std::string& name, std::uint32_t nodes, std::uint64_t seed,
             const PlacementEvidence& evidence) {
    const auto sources = even_sources(8, 32, 8 / nodes);
    for (const std::uint32_t redundant : {0u, 8u, kExperts}) {
      CAPTURE(redundant);
      const auto placement = make_placement(name, {{kExperts, redundant, 8}, 8, nodes}, evidence);
      for (std::uint32_t l = 0; l < kLayers; ++l) {
        const LayerPlacement& layer = placement.layer(l);
        REQUIRE(layer.slots() == kExperts + redundant);
        std::vector<std::uint32_t> held(kExperts);
        for (const ExpertId e : layer.slot_expert()) ++held.at(e);
        CHECK(*std::min_element(held.begin(), held.end()) >= 1);
        const auto routing = routed(evidence.loads.layer(l), 256, seed);
        for (const ReplicaChoice choice : {ReplicaChoice::Nearest, ReplicaChoice::RoundRobin}) {
          auto from = sources;
          from.choice = choice;
          DispatchCounts counts;
          count_dispatch(routing, layer, from, {}, counts);
          // Of each expert all slots together compute what chose it.
          std::vector<std::uint32_t> computed(kExperts);
          for (std::uint32_t s = 0; s < layer.slots(); ++s)
            computed[layer.slot_expert()[s]] += counts.rows[s];
          CHECK(computed == expert_counts(routing));
          CHECK(counts.missing == 6);  // tokens 0, 50 … 250
        }
      }
    }
  });
}

TEST_CASE("replicas make no balancer worse than without by more than a slot's load") {
  // Giving the heaviest slot to the lightest rank leaves no rank more than a slot above another
  // with room, so what may be lost to the coarseness of the slots is the heaviest of them. linear
  // and round_robin do not look at loads: their redundant slots repeat experts as they come.
  for_all([](const std::string& name, std::uint32_t nodes, std::uint64_t,
             const PlacementEvidence& evidence) {
    if (!needs_evidence(name)) return;
    const auto without = make_placement(name, {{kExperts, 0, 8}, 8, nodes}, evidence);
    for (const std::uint32_t redundant : {8u, 16u, kExperts}) {
      CAPTURE(redundant);
      const auto with = make_placement(name, {{kExperts, redundant, 8}, 8, nodes}, evidence);
      for (std::uint32_t l = 0; l < kLayers; ++l) {
        const auto found = [&](const ExpertPlacement& placement) {
          const LayerPlacement& layer = placement.layer(l);
          return busiest(layer, slot_loads(name, layer, evidence, l));
        };
        const Busiest before = found(without), now = found(with);
        CHECK(now.rank <= before.rank + now.slot + 1);
        // A replica more never makes the heaviest slot heavier.
        if (name == "greedy" || name == "eplb") CHECK(now.slot <= before.slot * (1 + 1e-6));
      }
    }
  });
}

TEST_CASE("with as many redundant slots as experts a single expert's load is shared by all ranks") {
  // 32 redundant slots over 8 ranks, global: all go to the one expert, whose 33 replicas are parted
  // 4 or 5 to a rank. The busiest has 5/33 of the load, the mean is 1/8: 1.21.
  const auto evidence = evidence_of(1, 1, 1);
  for (const char* name : {"greedy", "eplb"}) {
    CAPTURE(name);
    const auto placement = make_placement(name, {{kExperts, kExperts, 8}, 1, 1}, evidence);
    CHECK(placement.layer(0).replicas(17).size() == 33);
    CHECK(rank_max_over_mean(placement, evidence.loads) == doctest::Approx(8 * 5.0 / 33));
  }
}
