#include "workloads/placement/dispatch.h"

#include <algorithm>
#include <numeric>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

// The slots that one source rank sends an expert's tokens to, taken in turn.
struct Choice {
  const std::uint32_t* slots = nullptr;
  std::uint32_t count = 0;
};

// For each expert, what `source` chooses from. `scratch` holds the lists that are no whole span of
// the placement's.
void choices_of(std::uint32_t source, const LayerPlacement& placement, const TokenSources& sources,
                std::vector<Choice>& choices, std::vector<std::uint32_t>& scratch) {
  choices.resize(placement.experts());
  scratch.clear();
  scratch.reserve(placement.slots());
  const auto node_of = [&](std::uint32_t rank) {
    return sources.node.empty() ? 0u : sources.node[rank];
  };
  for (std::uint32_t e = 0; e < placement.experts(); ++e) {
    const auto all = placement.replicas(static_cast<ExpertId>(e));
    choices[e] = {all.data(), static_cast<std::uint32_t>(all.size())};
    if (all.size() == 1 || sources.choice == ReplicaChoice::RoundRobin) continue;
    const std::size_t begin = scratch.size();
    for (const std::uint32_t slot : all) {
      if (placement.rank_of_slot(slot) == source) scratch.push_back(slot);
    }
    if (scratch.size() == begin) {
      for (const std::uint32_t slot : all) {
        if (node_of(placement.rank_of_slot(slot)) == node_of(source)) scratch.push_back(slot);
      }
    }
    if (scratch.size() > begin) {
      choices[e] = {scratch.data() + begin, static_cast<std::uint32_t>(scratch.size() - begin)};
    }
  }
}

void reset(std::vector<std::uint32_t>& counts, std::size_t size) {
  counts.assign(size, 0);
}

// Without replicas and without de-duplication a histogram over the experts is enough.
void count_by_histogram(const LayerRouting& routing, const LayerPlacement& placement,
                        const TokenSources& sources, bool selections, DispatchCounts& out) {
  std::vector<std::uint32_t> histogram(std::size_t{placement.experts()} + 1);
  for (std::uint32_t source = 0; source < out.ranks; ++source) {
    std::fill(histogram.begin(), histogram.end(), 0);
    const ExpertId* id = routing.token(sources.begin[source]);
    const ExpertId* end = routing.token(sources.begin[source + 1]);
    const auto last = static_cast<std::uint32_t>(placement.experts());
    for (; id != end; ++id) ++histogram[std::min<std::uint32_t>(*id, last)];
    out.missing += histogram[last];
    std::uint32_t* row = selections ? &out.selections[std::size_t{source} * out.ranks] : nullptr;
    const auto experts = placement.slot_expert();
    std::uint32_t slot = 0;
    for (std::uint32_t rank = 0; rank < out.ranks; ++rank) {
      std::uint32_t sum = 0;
      for (std::uint32_t i = 0; i < out.slots_per_rank; ++i, ++slot) {
        const std::uint32_t n = histogram[experts[slot]];
        out.rows[slot] += n;
        sum += n;
      }
      if (row != nullptr) row[rank] = sum;
    }
  }
}

struct Tables {
  std::vector<std::uint32_t> rank_of_slot;
  std::vector<std::uint32_t> node_of_rank;
};

template <bool kReplicas>
void count_by_token(const LayerRouting& routing, const LayerPlacement& placement,
                    const TokenSources& sources, const Tables& tables, DispatchCounts& out) {
  std::vector<std::uint32_t> rank_stamp(out.ranks), node_stamp(out.nodes);
  std::vector<std::uint32_t> only_slot(placement.experts());
  for (std::uint32_t e = 0; e < placement.experts(); ++e) {
    only_slot[e] = placement.replicas(static_cast<ExpertId>(e))[0];
  }
  std::vector<Choice> choices;
  std::vector<std::uint32_t> scratch;
  std::uint32_t stamp = 0;
  for (std::uint32_t source = 0; source < out.ranks; ++source) {
    if (kReplicas) choices_of(source, placement, sources, choices, scratch);
    std::uint32_t* selections = &out.selections[std::size_t{source} * out.ranks];
    std::uint32_t* tokens = &out.tokens[std::size_t{source} * out.ranks];
    std::uint32_t* node_tokens = &out.node_tokens[std::size_t{source} * out.nodes];
    const std::uint32_t first = sources.begin[source];
    for (std::uint32_t t = first; t < sources.begin[source + 1]; ++t) {
      const ExpertId* ids = routing.token(t);
      ++stamp;
      for (std::uint32_t k = 0; k < routing.top_k; ++k) {
        const std::uint32_t id = ids[k];
        if (id >= placement.experts()) {
          ++out.missing;
          continue;
        }
        std::uint32_t slot = only_slot[id];
        if (kReplicas) {
          const Choice& choice = choices[id];
          slot =
              choice.count == 1 ? choice.slots[0] : choice.slots[(t - first + id) % choice.count];
        }
        const std::uint32_t rank = tables.rank_of_slot[slot];
        const std::uint32_t node = tables.node_of_rank[rank];
        ++out.rows[slot];
        ++selections[rank];
        tokens[rank] += rank_stamp[rank] != stamp;
        rank_stamp[rank] = stamp;
        node_tokens[node] += node_stamp[node] != stamp;
        node_stamp[node] = stamp;
      }
    }
  }
}

}  // namespace

std::uint32_t TokenSources::nodes() const {
  return node.empty() ? 1 : *std::max_element(node.begin(), node.end()) + 1u;
}

TokenSources even_sources(std::uint32_t ranks, std::uint32_t tokens_per_rank,
                          std::uint32_t ranks_per_node) {
  TokenSources sources;
  for (std::uint32_t r = 0; r <= ranks; ++r) sources.begin.push_back(r * tokens_per_rank);
  for (std::uint32_t r = 0; r < ranks && ranks_per_node > 0; ++r) {
    sources.node.push_back(static_cast<std::uint16_t>(r / ranks_per_node));
  }
  return sources;
}

std::uint32_t DispatchCounts::rank_rows(std::uint32_t rank) const {
  const auto* begin = rows.data() + std::size_t{rank} * slots_per_rank;
  return std::accumulate(begin, begin + slots_per_rank, 0u);
}

void count_dispatch(const LayerRouting& routing, const LayerPlacement& placement,
                    const TokenSources& sources, const DispatchWanted& wanted,
                    DispatchCounts& out) {
  SIM_CHECK(sources.ranks() == placement.ranks(), "the sources are the placement's ranks");
  SIM_CHECK(routing.tokens == sources.begin.back(), "every token has a source");
  SIM_CHECK(routing.experts == placement.experts(), "routing and placement are of one model");
  out.ranks = placement.ranks();
  out.nodes = sources.nodes();
  out.slots_per_rank = placement.slots_per_rank();
  out.missing = 0;
  const std::size_t ranks = out.ranks;
  reset(out.rows, placement.slots());
  const bool by_token = wanted.tokens || wanted.node_tokens;
  if (!by_token && !placement.has_replicas()) {
    reset(out.selections, wanted.selections ? ranks * ranks : 0);
    out.tokens.clear();
    out.node_tokens.clear();
    count_by_histogram(routing, placement, sources, wanted.selections, out);
    return;
  }
  reset(out.selections, ranks * ranks);
  reset(out.tokens, ranks * ranks);
  reset(out.node_tokens, ranks * out.nodes);
  Tables tables;
  for (std::uint32_t s = 0; s < placement.slots(); ++s) {
    tables.rank_of_slot.push_back(placement.rank_of_slot(s));
  }
  for (std::uint32_t r = 0; r < out.ranks; ++r) {
    tables.node_of_rank.push_back(sources.node.empty() ? 0u : sources.node[r]);
  }
  if (placement.has_replicas()) {
    count_by_token<true>(routing, placement, sources, tables, out);
  } else {
    count_by_token<false>(routing, placement, sources, tables, out);
  }
}

}  // namespace moesim::workloads
