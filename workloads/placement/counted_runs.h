// Counts of a layer's tokens, remembered by runs of tokens that lie one after another: a trace that
// is drawn from again and again gives the same requests, and what one of them comes to is added up.
// What is remembered is taken where the very same choices come again, never else: the counts are
// those of count_dispatch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "workloads/placement/dispatch.h"

namespace moesim::workloads {

// The tokens of each source as runs of rows that follow each other: the same for all layers of a
// step of a trace.
struct RowRuns {
  struct Run {
    std::uint32_t row = 0, tokens = 0;
  };
  // `rows`: of a view, with as many as the sources have tokens.
  RowRuns(const std::uint32_t* rows, const TokenSources& sources);

  std::span<const Run> of(std::uint32_t source) const {
    return std::span(runs).subspan(begin[source], begin[source + 1] - begin[source]);
  }
  std::vector<Run> runs;
  std::vector<std::size_t> begin;  // [sources + 1]
};

class CountedRuns {
 public:
  // The placement outlives this. Where its experts have replicas, or a routing lies nowhere (a
  // law's), nothing is remembered.
  explicit CountedRuns(const LayerPlacement& placement) : placement_(placement) {}

  // As count_dispatch. `runs`: of the view's rows, where it has any; made here where not given.
  // REQUIRES: the same nodes of sources, and `wanted`, every time
  void count(const RoutingView& routing, const TokenSources& sources, const DispatchWanted& wanted,
             DispatchCounts& out, const RowRuns* runs = nullptr);

  std::size_t remembered() const { return known_.size(); }

 private:
  struct Run {
    std::vector<std::byte> choices;
    DispatchCounts counts;  // as of one source
  };

  template <class Id>
  void count_runs(const RoutingView& routing, const Id* ids, const RowRuns& runs,
                  const TokenSources& sources, const DispatchWanted& wanted, DispatchCounts& out);

  const LayerPlacement& placement_;
  std::unordered_map<std::uint64_t, Run> known_;  // by first row, 2^32 times, and tokens
  std::size_t bytes_ = 0;                         // of choices that are remembered
};

}  // namespace moesim::workloads
