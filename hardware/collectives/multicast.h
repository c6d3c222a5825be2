// Rows that go from each rank of a group to some of the others, a row to several of them, and come
// back: as exchanges, by the kernels that move them. What a row is, and why it goes where, is the
// caller's business.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "hardware/cluster.h"
#include "sim/exchange.h"

namespace moesim::hardware {

// Who sends how many rows to whom; ranks and nodes by their place in the group. A rank's rows for
// itself are counted too and cost no link. What an algorithm does not look at may be empty.
struct MulticastCounts {
  // [source x ranks]: one for every choice; dispatch and combine both keep it
  std::shared_ptr<const std::vector<std::uint32_t>> selections;
  std::span<const std::uint32_t> copies;       // [source x ranks]: a row once for each rank
  std::span<const std::uint32_t> node_copies;  // [source x nodes]: a row once for each node
};

enum class MulticastAlgorithm {
  Nccl,              // all-to-allv of the copies, straight                  needs copies
  AllGather,         // every row to every rank; sums back by reduce-scatter needs nothing
  DeepEpNormal,      // once to each node, from there once to each rank      copies, node_copies
  HybridEp,          // the same way, other kernels                          copies, node_copies
  DeepEpLowLatency,  // a message for every choice, straight to its rank     selections
};
// "nccl", "all_gather", "deepep_normal", "hybrid_ep", "deepep_low_latency", in that order
std::span<const std::string_view> multicast_names();
bool needs_selections(MulticastAlgorithm algorithm);
bool needs_copies(MulticastAlgorithm algorithm);
bool needs_node_copies(MulticastAlgorithm algorithm);

struct MulticastShape {
  double row_bytes = 0;     // as sent, scales included
  std::int64_t rows = 0;    // of the rank that has most, before they are copied
  std::int64_t groups = 0;  // different destinations that a choice is among (of all ranks)
  std::int64_t sms = 20;    // that the kernel may hold (DeepEpNormal, HybridEp)
};

// The way out, and the way back: combine takes the counts of the dispatch, and turns every transfer
// around. REQUIRES: the counts that the algorithm needs, of group.size() ranks; group ascending
sim::Exchange dispatch(const Cluster& cluster, std::span<const sim::Rank> group,
                       MulticastAlgorithm algorithm, const MulticastCounts& counts,
                       const MulticastShape& shape);
sim::Exchange combine(const Cluster& cluster, std::span<const sim::Rank> group,
                      MulticastAlgorithm algorithm, const MulticastCounts& counts,
                      const MulticastShape& shape);

// What the memory of a GPU moves while such an exchange runs at the rate of its NIC (or, within a
// node, of its links): how often a byte is read and written on its way, README.md. Zero where the
// kernels hold no multiprocessors: those of low latency send from where the data is.
sim::Bandwidth memory_traffic(const Cluster& cluster, MulticastAlgorithm algorithm);

// What the kernels take from those that run beside them: multiprocessors for as long as they run.
// Low latency holds none while its messages are under way (its receive hook).
std::int64_t multiprocessors_held(MulticastAlgorithm algorithm, const MulticastShape& shape);

}  // namespace moesim::hardware
