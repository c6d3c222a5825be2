#include "workloads/placement/evidence.h"

#include <algorithm>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

void add_pairs(const LayerRouting& routing, std::vector<std::uint32_t>& pairs) {
  const std::size_t experts = routing.experts;
  for (std::uint32_t t = 0; t < routing.tokens; ++t) {
    const ExpertId* ids = routing.token(t);
    for (std::uint32_t i = 0; i < routing.top_k; ++i) {
      if (ids[i] >= experts) continue;
      for (std::uint32_t j = i + 1; j < routing.top_k; ++j) {
        if (ids[j] >= experts || ids[i] == ids[j]) continue;
        ++pairs[ids[i] * experts + ids[j]];
        ++pairs[ids[j] * experts + ids[i]];
      }
    }
  }
}

}  // namespace

PlacementEvidence gather_evidence(RoutingSource& source, const std::vector<TokenBlock>& blocks,
                                  const EvidenceWanted& wanted) {
  SIM_CHECK(!blocks.empty(), "there are tokens to learn from");
  PlacementEvidence evidence;
  evidence.loads = LoadTable(source.layers(), source.experts());
  std::uint32_t nodes = 1;
  for (const TokenBlock& block : blocks) nodes = std::max(nodes, block.sources.nodes());
  evidence.from_node.assign(nodes, evidence.loads);
  if (wanted.pairs) {
    evidence.pairs.assign(source.layers(), std::vector<std::uint32_t>(
                                               std::size_t{source.experts()} * source.experts()));
  }
  LayerRouting routing;
  for (std::uint32_t s = 0; s < wanted.steps; ++s) {
    for (std::uint32_t l = 0; l < source.layers(); ++l) {
      for (const auto& [first_token, sources] : blocks) {
        source.route({wanted.first_step + s, l, first_token, sources.begin.back()}, routing);
        for (std::uint32_t r = 0; r < sources.ranks(); ++r) {
          const std::uint32_t node = sources.node.empty() ? 0u : sources.node[r];
          const auto counts = evidence.from_node[node].layer(l);
          const ExpertId* end = routing.token(sources.begin[r + 1]);
          for (const ExpertId* id = routing.token(sources.begin[r]); id != end; ++id) {
            if (*id < counts.size()) ++counts[*id];
          }
        }
        if (wanted.pairs) add_pairs(routing, evidence.pairs[l]);
      }
    }
  }
  for (const LoadTable& part : evidence.from_node) evidence.loads += part;
  return evidence;
}

}  // namespace moesim::workloads
