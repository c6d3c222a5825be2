// The parts of an op graph: ranks that exchanges, or what operations wait for, tie together. Parts
// that are the same but for their ranks take the same time, where their exchanges fare alike and
// share nothing; one of them then stands for all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/op_graph.h"
#include "sim/timeline.h"

namespace moesim::sim {

class GraphParts {
 public:
  // The graph outlives this, and does not change.
  explicit GraphParts(const OpGraph& graph);

  // In the order of their first ranks; a rank without operations is a part of its own.
  std::size_t size() const { return parts_.size(); }
  // Ascending.
  std::span<const Rank> ranks(std::size_t part) const { return parts_[part].ranks; }
  std::span<const ExchangeId> exchanges(std::size_t part) const { return parts_[part].exchanges; }

  // Whether both do the same, rank by rank in their order: operations of equal times, streams and
  // what they wait for, exchanges of equal bytes between ranks at equal places. Labels may differ.
  bool equal(std::size_t a, std::size_t b) const;

  // A graph of as many ranks with the operations of some parts only.
  OpGraph only(std::span<const std::uint32_t> parts) const;
  // The timeline of the whole from that of only(parts). `stands_for`: of each part the one of
  // `parts` that is equal.
  Timeline whole(const Timeline& played, std::span<const std::uint32_t> parts,
                 std::span<const std::uint32_t> stands_for) const;

 private:
  struct Part {
    std::vector<Rank> ranks;
    std::vector<OpId> ops;
    std::vector<ExchangeId> exchanges;
  };
  bool equal_ops(OpId a, OpId b) const;
  bool equal_exchanges(ExchangeId a, ExchangeId b) const;

  const OpGraph& graph_;
  std::vector<Part> parts_;
  // Within its part: the place of each rank, operation and exchange.
  std::vector<std::uint32_t> rank_place_, op_place_, exchange_place_;
};

}  // namespace moesim::sim
