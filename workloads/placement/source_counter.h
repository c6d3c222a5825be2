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

}  // namespace moesim::workloads
