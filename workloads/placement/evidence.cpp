#include "workloads/placement/evidence.h"

#include <algorithm>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

template <class Id>
void add_pairs(const TokenIds<Id>& routing, std::uint32_t tokens, std::size_t experts,
               std::vector<std::uint32_t>& pairs) {
  for (std::uint32_t t = 0; t < tokens; ++t) {
    const Id* ids = routing.token(t);
    for (std::size_t i = 0; i < routing.top_k; ++i) {
      if (ids[i] >= experts) continue;
      for (std::size_t j = i + 1; j < routing.top_k; ++j) {
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
      for (const TokenBlock& block : blocks) {
        const TokenSources& sources = block.sources;
        const RoutingView view = source.view(
            {wanted.first_step + s, l, block.first_token, sources.begin.back()}, routing);
        with_ids(view, [&]<class Id>(const TokenIds<Id>& ids) {
          for (std::uint32_t r = 0; r < sources.ranks(); ++r) {
            const std::uint32_t node = sources.node.empty() ? 0u : sources.node[r];
            const auto counts = evidence.from_node[node].layer(l);
            ids.for_each_run(sources.begin[r], sources.begin[r + 1],
                             [&](const Id* id, const Id* end) {
                               for (; id != end; ++id) {
                                 if (*id < counts.size()) ++counts[*id];
                               }
                             });
          }
          if (wanted.pairs) add_pairs(ids, view.tokens, view.experts, evidence.pairs[l]);
        });
      }
    }
  }
  for (const LoadTable& part : evidence.from_node) evidence.loads += part;
  return evidence;
}

}  // namespace moesim::workloads
