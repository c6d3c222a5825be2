// Counts of a layer's tokens, remembered by runs of tokens that lie one after another: a trace that
// is drawn from again and again gives the same requests, and what one of them comes to is added up.
// What is remembered is taken where the very same choices come again, never else: the counts are
// those of count_dispatch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "workloads/placement/dispatch.h"

namespace moesim::workloads {

class CountedRuns {
 public:
  // The placement outlives this. Where its experts have replicas, or a routing lies nowhere (a
  // law's), nothing is remembered.
  explicit CountedRuns(const LayerPlacement& placement) : placement_(placement) {}

  // As count_dispatch. REQUIRES: the same nodes of sources, and `wanted`, every time
  void count(const RoutingView& routing, const TokenSources& sources, const DispatchWanted& wanted,
             DispatchCounts& out);

  std::size_t remembered() const { return known_.size(); }

 private:
  struct Run {
    std::vector<std::byte> choices;
    DispatchCounts counts;  // as of one source
  };

  template <class Id>
  void count_runs(const RoutingView& routing, const Id* ids, const TokenSources& sources,
                  const DispatchWanted& wanted, DispatchCounts& out);

  const LayerPlacement& placement_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, Run> known_;  // by first row, tokens
  std::size_t bytes_ = 0;                                         // of choices that are remembered
};

}  // namespace moesim::workloads
