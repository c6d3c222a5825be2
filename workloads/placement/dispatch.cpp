#include "workloads/placement/dispatch.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

// Which slot a token of a source goes to, for each expert.
class ReplicaChoices {
 public:
  ReplicaChoices(const LayerPlacement& placement, const TokenSources& sources)
      : placement_(placement), sources_(sources), choices_(placement.experts()) {
    std::size_t most = 0;
    for (std::uint32_t e = 0; e < placement.experts(); ++e) {
      most = std::max(most, placement.replicas(static_cast<ExpertId>(e)).size());
    }
    turn_.resize(most + 1);
  }

  // The next questions are about this source, its first token.
  void of(std::uint32_t source) {
    std::fill(turn_.begin(), turn_.end(), 0);
    if (sources_.choice == ReplicaChoice::RoundRobin) {
      if (source == 0) choose_on(kAnyNode);
      return;
    }
    const std::uint32_t node = sources_.node.empty() ? 0u : sources_.node[source];
    if (source == 0 || node != node_) choose_on(node);
    node_ = node;
    // What this source holds itself, it needs not send; its slots stand in a row.
    for (const auto& [expert, choice] : elsewhere_) choices_[expert] = choice;
    elsewhere_.clear();
    const std::uint32_t each = placement_.slots_per_rank(), first = source * each;
    for (std::uint32_t slot = first; slot < first + each; ++slot) {
      const ExpertId expert = placement_.slot_expert()[slot];
      const auto all = placement_.replicas(expert);
      const auto own = std::lower_bound(all.begin(), all.end(), first);
      const auto end = std::lower_bound(own, all.end(), first + each);
      if (all.size() == 1 || *own != slot) continue;
      elsewhere_.push_back({expert, choices_[expert]});
      choices_[expert] = choice_of(expert, {own, end});
    }
  }

  // Replicas are taken in turn, token by token of the source: slots[(token + expert) mod count].
  std::uint32_t slot(ExpertId expert) const {
    const Choice& choice = choices_[expert];
    const std::uint32_t at = turn_[choice.count] + choice.offset;
    // Without a branch: which replica it is cannot be guessed.
    return choice.slots[at - (choice.count & -std::uint32_t{at >= choice.count})];
  }
  void next_token() {
    for (std::uint32_t count = 1; count < turn_.size(); ++count) {
      if (++turn_[count] == count) turn_[count] = 0;
    }
  }

 private:
  static constexpr std::uint32_t kAnyNode = ~0u;
  struct Choice {
    const std::uint32_t* slots = nullptr;
    std::uint32_t count = 0;
    std::uint32_t offset = 0;  // expert mod count
  };
  static Choice choice_of(std::uint32_t expert, std::span<const std::uint32_t> slots) {
    const auto count = static_cast<std::uint32_t>(slots.size());
    return {slots.data(), count, expert % count};
  }

  // Replicas on that node; of an expert that has none there, all.
  void choose_on(std::uint32_t node) {
    on_node_.clear();
    on_node_.reserve(placement_.slots());
    for (std::uint32_t e = 0; e < placement_.experts(); ++e) {
      const auto all = placement_.replicas(static_cast<ExpertId>(e));
      choices_[e] = choice_of(e, all);
      if (all.size() == 1 || node == kAnyNode) continue;
      const std::size_t begin = on_node_.size();
      for (const std::uint32_t slot : all) {
        const std::uint32_t rank = placement_.rank_of_slot(slot);
        if ((sources_.node.empty() ? 0u : sources_.node[rank]) == node) on_node_.push_back(slot);
      }
      if (on_node_.size() == begin) continue;
      choices_[e] = choice_of(e, std::span(on_node_).subspan(begin));
    }
    elsewhere_.clear();
  }

  const LayerPlacement& placement_;
  const TokenSources& sources_;
  std::vector<Choice> choices_;         // of each expert
  std::vector<std::uint32_t> on_node_;  // what they point to, where that is no span of replicas
  std::vector<std::pair<ExpertId, Choice>> elsewhere_;  // what sources of this node choose from
  std::uint32_t node_ = 0;
  std::vector<std::uint32_t> turn_;  // the token's number modulo each count of replicas
};

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

// Without de-duplication a source's rows are counted slot by slot, and its ranks' are sums of
// those.
void count_by_slot(const LayerRouting& routing, const LayerPlacement& placement,
                   const TokenSources& sources, bool selections, DispatchCounts& out) {
  std::vector<std::uint32_t> rows(placement.slots());
  ReplicaChoices choices(placement, sources);
  for (std::uint32_t source = 0; source < out.ranks; ++source) {
    std::fill(rows.begin(), rows.end(), 0);
    choices.of(source);
    const std::uint32_t first = sources.begin[source];
    for (std::uint32_t t = first; t < sources.begin[source + 1]; ++t) {
      const ExpertId* ids = routing.token(t);
      for (std::uint32_t k = 0; k < routing.top_k; ++k) {
        if (ids[k] < placement.experts()) {
          ++rows[choices.slot(ids[k])];
        } else {
          ++out.missing;
        }
      }
      choices.next_token();
    }
    std::uint32_t slot = 0;
    for (std::uint32_t rank = 0; rank < out.ranks; ++rank) {
      std::uint32_t sum = 0;
      for (std::uint32_t i = 0; i < out.slots_per_rank; ++i, ++slot) {
        out.rows[slot] += rows[slot];
        sum += rows[slot];
      }
      if (selections) out.selections[std::size_t{source} * out.ranks + rank] = sum;
    }
  }
}

struct Tables {
  std::vector<std::uint32_t> rank_of_slot;
  std::vector<std::uint32_t> node_of_rank;
};

// A token at a time, so that it counts once for each rank and for each node.
void count_by_token(const LayerRouting& routing, const LayerPlacement& placement,
                    const TokenSources& sources, const Tables& tables, DispatchCounts& out) {
  std::vector<std::uint32_t> rank_stamp(out.ranks), node_stamp(out.nodes);
  ReplicaChoices choices(placement, sources);
  std::uint32_t stamp = 0;
  for (std::uint32_t source = 0; source < out.ranks; ++source) {
    choices.of(source);
    std::uint32_t* selections = &out.selections[std::size_t{source} * out.ranks];
    std::uint32_t* tokens = &out.tokens[std::size_t{source} * out.ranks];
    std::uint32_t* node_tokens = &out.node_tokens[std::size_t{source} * out.nodes];
    const std::uint32_t first = sources.begin[source];
    for (std::uint32_t t = first; t < sources.begin[source + 1]; ++t) {
      const ExpertId* ids = routing.token(t);
      ++stamp;
      for (std::uint32_t k = 0; k < routing.top_k; ++k) {
        if (ids[k] >= placement.experts()) {
          ++out.missing;
          continue;
        }
        const std::uint32_t slot = choices.slot(ids[k]);
        const std::uint32_t rank = tables.rank_of_slot[slot];
        const std::uint32_t node = tables.node_of_rank[rank];
        ++out.rows[slot];
        ++selections[rank];
        tokens[rank] += rank_stamp[rank] != stamp;
        rank_stamp[rank] = stamp;
        node_tokens[node] += node_stamp[node] != stamp;
        node_stamp[node] = stamp;
      }
      choices.next_token();
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
  if (!wanted.tokens && !wanted.node_tokens) {
    reset(out.selections, wanted.selections ? ranks * ranks : 0);
    out.tokens.clear();
    out.node_tokens.clear();
    if (placement.has_replicas()) {
      count_by_slot(routing, placement, sources, wanted.selections, out);
    } else {
      count_by_histogram(routing, placement, sources, wanted.selections, out);
    }
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
  count_by_token(routing, placement, sources, tables, out);
}

}  // namespace moesim::workloads
