#include "workloads/placement/dispatch.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "sim/check.h"
#include "workloads/placement/replica_choices.h"
#include "workloads/placement/source_counter.h"

namespace moesim::workloads {
namespace {

template <class Id>
void count_experts(const TokenIds<Id>& ids, const TokenSources& sources, SourceCounter& counter,
                   DispatchCounts& out) {
  for (std::uint32_t source = 0; source < sources.ranks(); ++source) {
    ids.for_each_run(sources.begin[source], sources.begin[source + 1],
                     [&](const Id* begin, const Id* end) { counter.add(begin, end); });
    counter.close(source, out);
  }
}

template <class Id>
void count_slots(const TokenIds<Id>& ids, const LayerPlacement& placement,
                 const TokenSources& sources, SourceCounter& counter, DispatchCounts& out) {
  ReplicaChoices choices(placement, sources);
  // The table has an entry for every number of a byte.
  const bool each_alone = sizeof(Id) == 1 && counter.counts_alone() && choices.slots() != nullptr;
  std::vector<std::uint32_t> slots;
  for (std::uint32_t source = 0; source < sources.ranks(); ++source) {
    choices.of(source);
    const std::uint32_t end = sources.begin[source + 1];
    if (each_alone) {
      for (std::uint32_t t = sources.begin[source]; t < end; ++t, choices.next_token())
        counter.add_each(ids.token(t), ids.token(t) + ids.top_k, choices.slots());
      counter.close(source, out);
      continue;
    }
    for (std::uint32_t t = sources.begin[source]; t < end;) {
      // A few at a time stay in the cache.
      const std::uint32_t stop = std::min(end, t + 64);
      slots.resize((stop - t) * ids.top_k);
      for (std::uint32_t* to = slots.data(); t < stop; ++t, choices.next_token()) {
        const Id* id = ids.token(t);
        if (const std::uint32_t* slot_of = choices.slots()) {
          for (std::size_t k = 0; k < ids.top_k; ++k)
            *to++ = slot_of[std::min<std::uint32_t>(id[k], placement.experts())];
          continue;
        }
        for (std::size_t k = 0; k < ids.top_k; ++k)
          *to++ = id[k] < placement.experts() ? choices.slot(id[k]) : placement.slots();
      }
      counter.add(slots.data(), slots.data() + slots.size());
    }
    counter.close(source, out);
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

void make_room(const LayerPlacement& placement, const TokenSources& sources,
               const DispatchWanted& wanted, DispatchCounts& out) {
  const bool once = wanted.tokens || wanted.node_tokens;
  const bool selections = wanted.selections || once;
  out.ranks = placement.ranks();
  out.nodes = sources.nodes();
  out.slots_per_rank = placement.slots_per_rank();
  out.missing = 0;
  const std::size_t ranks = out.ranks;
  out.rows.assign(placement.slots(), 0);
  out.selections.resize(selections ? ranks * ranks : 0);
  out.tokens.resize(once ? ranks * ranks : 0);
  out.node_tokens.resize(once ? ranks * out.nodes : 0);
}

SourceCounter counter_of(const RoutingView& routing, const LayerPlacement& placement,
                         const TokenSources& sources, const DispatchWanted& wanted) {
  const bool once = wanted.tokens || wanted.node_tokens;
  return {placement, sources, routing.top_k, {wanted.selections || once, once, once}};
}

void count_dispatch(const RoutingView& routing, const LayerPlacement& placement,
                    const TokenSources& sources, SourceCounter& counter, DispatchCounts& out) {
  SIM_CHECK(sources.ranks() == placement.ranks(), "the sources are the placement's ranks");
  SIM_CHECK(routing.tokens == sources.begin.back(), "every token has a source");
  SIM_CHECK(routing.experts == placement.experts(), "routing and placement are of one model");
  with_ids(routing, [&](const auto& ids) {
    if (placement.has_replicas()) {
      count_slots(ids, placement, sources, counter, out);
    } else {
      count_experts(ids, sources, counter, out);
    }
  });
}

void count_dispatch(const RoutingView& routing, const LayerPlacement& placement,
                    const TokenSources& sources, const DispatchWanted& wanted,
                    DispatchCounts& out) {
  make_room(placement, sources, wanted, out);
  SourceCounter counter = counter_of(routing, placement, sources, wanted);
  count_dispatch(routing, placement, sources, counter, out);
}

}  // namespace moesim::workloads
