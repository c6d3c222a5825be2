// Counts of a layer's tokens, step after step, where its routing lies in a table that stays
// (RoutingView::kept): the table's rows are counted once, in blocks, and what a run of rows comes
// to is the difference of what lies before its ends. The counts are those of count_dispatch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "workloads/placement/dispatch.h"
#include "workloads/placement/source_counter.h"

namespace moesim::workloads {

class CountedBlocks {
 public:
  // The placement outlives this. `node`: of the sources (TokenSources).
  CountedBlocks(const LayerPlacement& placement, std::vector<std::uint16_t> node)
      : placement_(placement), node_(std::move(node)) {}

  const std::vector<std::uint16_t>& node() const { return node_; }

  // As count_dispatch, token by token where a step takes fewer tokens than a few such tables have,
  // and where experts have replicas, of which each source has others.
  // REQUIRES: routings of one layer of one source, sources on those nodes, `wanted` the same every
  // time
  void count(const RoutingView& routing, const TokenSources& sources, const DispatchWanted& wanted,
             DispatchCounts& out);

  // Rows of a block; 0: none were counted.
  std::size_t block() const { return block_; }

 private:
  bool has_blocks(const RoutingView& routing);
  template <class Id>
  void count_table(const TokenIds<Id>& ids, std::uint32_t rows);
  template <class Id>
  void count_runs(const TokenIds<Id>& ids, const TokenSources& sources, DispatchCounts& out);
  template <class Id>
  void add_rows(const TokenIds<Id>& ids, std::size_t first, std::size_t end);

  const LayerPlacement& placement_;
  std::vector<std::uint16_t> node_;
  std::optional<SourceCounter> counter_;
  std::size_t block_ = 0;
  // A block's counts: choices of each number, missing ones, tokens of each rank, of each node.
  std::size_t ranks_at_ = 0, nodes_at_ = 0, width_ = 0;
  std::vector<std::uint16_t> before_;  // [blocks + 1 x width]: of all rows before, modulo 2^16
  std::vector<std::uint32_t> sum_;     // [width] of a source
};

}  // namespace moesim::workloads
