// The counts of one source's tokens after another's (dispatch.h, counted_runs.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <optional>
#include <span>
#include <vector>

#include "workloads/placement/dispatch.h"
#include "workloads/placement/token_places.h"

namespace moesim::workloads {

// Each rank's slots, which stand in a row.
template <std::uint32_t kSlots>
inline void add_up(const std::uint32_t* rows, std::uint32_t slots, std::span<std::uint32_t> ranks) {
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
  // The placement outlives this.
  SourceCounter(const LayerPlacement& placement, const TokenSources& sources, std::size_t top_k,
                const DispatchWanted& wanted)
      : top_k_(top_k),
        numbers_(placement.has_replicas() ? placement.slots() : placement.experts()),
        // One byte indexes it whatever it is.
        histogram_(std::max<std::size_t>(numbers_ + std::size_t{1}, 256)),
        selections_(wanted.selections) {
    if (!placement.has_replicas() && !std::ranges::is_sorted(placement.slot_expert()))
      number_of_slot_ = placement.slot_expert();
    if (!wanted.tokens && !wanted.node_tokens) return;
    std::vector<std::uint32_t> rank_of_number(numbers_);
    for (std::uint32_t slot = 0; slot < placement.slots(); ++slot) {
      const std::uint32_t number = number_of_slot_.empty() ? slot : number_of_slot_[slot];
      rank_of_number[number] = placement.rank_of_slot(slot);
    }
    places_.emplace(rank_of_number, sources.node, placement.ranks(), sources.nodes());
  }

  // What choices are counted by; a number of no expert, or slot, stands for what is missing.
  std::uint32_t numbers() const { return numbers_; }

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

  // So many choices of each number beside; of tokens once nothing.
  void add_counts(std::span<const std::uint32_t> numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) histogram_[i] += numbers[i];
  }

  // Gives what was added, [numbers + 1], the last of them missing, and where tokens are counted
  // once [ranks] and [nodes]; forgets it.
  void take(std::span<std::uint32_t> numbers, std::span<std::uint32_t> ranks,
            std::span<std::uint32_t> nodes) {
    std::copy_n(histogram_.begin(), numbers_, numbers.begin());
    numbers[numbers_] = std::accumulate(histogram_.begin() + numbers_, histogram_.end(), 0u);
    std::fill(histogram_.begin(), histogram_.end(), 0);
    if (places_) places_->take(ranks, nodes);
  }

  // Those that were added are all of this source, of which `out` has room.
  void close(std::uint32_t source, DispatchCounts& out) {
    const auto slots = static_cast<std::uint32_t>(out.rows.size());
    if (!number_of_slot_.empty()) {
      by_slot_.resize(slots);
      for (std::uint32_t slot = 0; slot < slots; ++slot)
        by_slot_[slot] = histogram_[number_of_slot_[slot]];
    }
    const std::uint32_t* rows = number_of_slot_.empty() ? histogram_.data() : by_slot_.data();
    for (std::uint32_t slot = 0; slot < slots; ++slot) out.rows[slot] += rows[slot];
    if (selections_) {
      std::uint32_t* selections = &out.selections[std::size_t{source} * out.ranks];
      switch (out.slots_per_rank) {  // few: the compiler unrolls them
        case 1:
          std::copy_n(rows, out.ranks, selections);
          break;
        case 2:
          add_up<2>(rows, 2, std::span(selections, out.ranks));
          break;
        default:
          add_up<0>(rows, out.slots_per_rank, std::span(selections, out.ranks));
      }
    }
    out.missing += std::accumulate(histogram_.begin() + numbers_, histogram_.end(), 0u);
    std::fill(histogram_.begin(), histogram_.end(), 0);
    if (!places_) return;
    places_->take(std::span(out.tokens).subspan(std::size_t{source} * out.ranks, out.ranks),
                  std::span(out.node_tokens).subspan(std::size_t{source} * out.nodes, out.nodes));
  }

 private:
  std::size_t top_k_;
  std::uint32_t numbers_;
  std::span<const ExpertId> number_of_slot_;  // empty: slot s is number s
  std::vector<std::uint32_t> histogram_;      // by number; what is missing from numbers_ on
  std::vector<std::uint32_t> by_slot_;
  std::optional<TokenPlaces> places_;
  bool selections_;
};

// count_dispatch in its parts, for whoever counts many steps.
void make_room(const LayerPlacement& placement, const TokenSources& sources,
               const DispatchWanted& wanted, DispatchCounts& out);
SourceCounter counter_of(const RoutingView& routing, const LayerPlacement& placement,
                         const TokenSources& sources, const DispatchWanted& wanted);
// REQUIRES: room in `out`, and a counter of the same
void count_dispatch(const RoutingView& routing, const LayerPlacement& placement,
                    const TokenSources& sources, SourceCounter& counter, DispatchCounts& out);

}  // namespace moesim::workloads
