#include "workloads/placement/dispatch.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "sim/check.h"
#include "workloads/placement/replica_choices.h"
#include "workloads/placement/token_places.h"

namespace moesim::workloads {
namespace {

// Each rank's slots, which stand in a row.
template <std::uint32_t kSlots>
void add_up(const std::uint32_t* rows, std::uint32_t slots, std::span<std::uint32_t> ranks) {
  const std::uint32_t each = kSlots == 0 ? slots : kSlots;
  for (std::uint32_t& rank : ranks) {
    std::uint32_t sum = 0;
    for (std::uint32_t i = 0; i < each; ++i) sum += rows[i];
    rank = sum;
    rows += each;
  }
}

// What the tokens of one source come to, source after source. Their numbers are experts, or slots
// where experts have replicas.
class SourceCounter {
 public:
  SourceCounter(const LayerPlacement& placement, const TokenSources& sources, std::size_t top_k,
                const DispatchWanted& wanted, DispatchCounts& out)
      : top_k_(top_k),
        numbers_(placement.has_replicas() ? placement.slots() : placement.experts()),
        // One byte indexes it whatever it is.
        histogram_(std::max<std::size_t>(numbers_ + std::size_t{1}, 256)),
        selections_(wanted.selections),
        out_(out) {
    if (!placement.has_replicas() && !std::ranges::is_sorted(placement.slot_expert()))
      number_of_slot_ = placement.slot_expert();
    if (!wanted.tokens && !wanted.node_tokens) return;
    std::vector<std::uint32_t> rank_of_number(numbers_);
    for (std::uint32_t slot = 0; slot < placement.slots(); ++slot) {
      const std::uint32_t number = number_of_slot_.empty() ? slot : number_of_slot_[slot];
      rank_of_number[number] = placement.rank_of_slot(slot);
    }
    places_.emplace(rank_of_number, sources.node, out.ranks, out.nodes);
  }

  // Whole tokens.
  template <class Number>
  void add(const Number* begin, const Number* end) {
    if (places_) places_->add(begin, end, top_k_);
    std::uint32_t* const histogram = histogram_.data();
    if constexpr (sizeof(Number) == 1) {
      // Eight are read at once: what is left is a store a choice.
      for (; end - begin >= 8; begin += 8) {
        std::uint64_t eight;
        std::memcpy(&eight, begin, 8);
        for (unsigned bit = 0; bit < 64; bit += 8) ++histogram[eight >> bit & 0xFF];
      }
      for (; begin != end; ++begin) ++histogram[*begin];
    } else {
      for (; begin != end; ++begin) ++histogram[std::min<std::uint32_t>(*begin, numbers_)];
    }
  }

  // Whether numbers alone are counted, whatever token they are of: then one by one will do.
  bool counts_alone() const { return !places_; }
  // Each id as what the table makes of it, which has an entry for every id.
  template <class Id>
  void add_each(const Id* begin, const Id* end, const std::uint32_t* number_of) {
    std::uint32_t* const histogram = histogram_.data();
    for (; begin != end; ++begin) ++histogram[number_of[*begin]];
  }

  // Those that were added are all of this source.
  void close(std::uint32_t source) {
    const auto slots = static_cast<std::uint32_t>(out_.rows.size());
    if (!number_of_slot_.empty()) {
      by_slot_.resize(slots);
      for (std::uint32_t slot = 0; slot < slots; ++slot)
        by_slot_[slot] = histogram_[number_of_slot_[slot]];
    }
    const std::uint32_t* rows = number_of_slot_.empty() ? histogram_.data() : by_slot_.data();
    for (std::uint32_t slot = 0; slot < slots; ++slot) out_.rows[slot] += rows[slot];
    if (selections_) {
      std::uint32_t* selections = &out_.selections[std::size_t{source} * out_.ranks];
      switch (out_.slots_per_rank) {  // few: the compiler unrolls them
        case 1:
          std::copy_n(rows, out_.ranks, selections);
          break;
        case 2:
          add_up<2>(rows, 2, std::span(selections, out_.ranks));
          break;
        default:
          add_up<0>(rows, out_.slots_per_rank, std::span(selections, out_.ranks));
      }
    }
    out_.missing += std::accumulate(histogram_.begin() + numbers_, histogram_.end(), 0u);
    std::fill(histogram_.begin(), histogram_.end(), 0);
    if (!places_) return;
    places_->take(
        std::span(out_.tokens).subspan(std::size_t{source} * out_.ranks, out_.ranks),
        std::span(out_.node_tokens).subspan(std::size_t{source} * out_.nodes, out_.nodes));
  }

 private:
  std::size_t top_k_;
  std::uint32_t numbers_;
  std::span<const ExpertId> number_of_slot_;  // empty: slot s is number s
  std::vector<std::uint32_t> histogram_;      // by number; what is missing from numbers_ on
  std::vector<std::uint32_t> by_slot_;
  std::optional<TokenPlaces> places_;
  bool selections_;
  DispatchCounts& out_;
};

template <class Id>
void count_experts(const TokenIds<Id>& ids, const TokenSources& sources, SourceCounter& counter) {
  for (std::uint32_t source = 0; source < sources.ranks(); ++source) {
    ids.for_each_run(sources.begin[source], sources.begin[source + 1],
                     [&](const Id* begin, const Id* end) { counter.add(begin, end); });
    counter.close(source);
  }
}

template <class Id>
void count_slots(const TokenIds<Id>& ids, const LayerPlacement& placement,
                 const TokenSources& sources, SourceCounter& counter) {
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
      counter.close(source);
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
    counter.close(source);
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

void count_dispatch(const RoutingView& routing, const LayerPlacement& placement,
                    const TokenSources& sources, const DispatchWanted& wanted,
                    DispatchCounts& out) {
  SIM_CHECK(sources.ranks() == placement.ranks(), "the sources are the placement's ranks");
  SIM_CHECK(routing.tokens == sources.begin.back(), "every token has a source");
  SIM_CHECK(routing.experts == placement.experts(), "routing and placement are of one model");
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
  SourceCounter counter(placement, sources, routing.top_k, {selections, once, once}, out);
  with_ids(routing, [&](const auto& ids) {
    if (placement.has_replicas()) {
      count_slots(ids, placement, sources, counter);
    } else {
      count_experts(ids, sources, counter);
    }
  });
}

}  // namespace moesim::workloads
