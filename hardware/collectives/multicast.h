// Rows that go from each rank of a group to some of the others, a row to several of them, and come
// back: as exchanges, by the kernels that move them. What a row is, and why it goes where, is the
// caller's business.
//
// All that is decided by algorithm is decided in one table, multicasts(): an algorithm is added
// with its form (forms/), its line there, and README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/collectives/priced_exchange.h"
#include "sim/exchange.h"

namespace moesim::hardware {

struct CommBuffers;

// Who sends how many rows to whom; ranks and nodes by their place in the group. A rank's rows for
// itself are counted too and cost no link. What an algorithm does not look at may be empty.
struct MulticastCounts {
  // [source x ranks]: one for every choice; dispatch and combine both keep it
  std::shared_ptr<const std::vector<std::uint32_t>> selections;
  std::span<const std::uint32_t> copies;       // [source x ranks]: a row once for each rank
  std::span<const std::uint32_t> node_copies;  // [source x nodes]: a row once for each node
};

struct MulticastShape {
  double row_bytes = 0;     // as sent, scales included
  std::int64_t width = 0;   // numbers of a row
  std::int64_t rows = 0;    // of the rank that has most, before they are copied
  std::int64_t top_k = 1;   // choices of a row
  std::int64_t groups = 0;  // different destinations that a choice is among (of all ranks)
  std::int64_t sms = 20;    // that the kernel may hold
};

// The way out, and the way back.
struct MulticastPair {
  PricedExchange dispatch, combine;
};

// The kernels of one algorithm, with their models for one device.
class Multicast {
 public:
  virtual ~Multicast() = default;
  // REQUIRES: the counts that the algorithm looks at, of group.size() ranks; group ascending
  virtual PricedExchange build(const Cluster& cluster, std::span<const sim::Rank> group,
                               const MulticastCounts& counts, const MulticastShape& shape,
                               bool back) const = 0;
  // Both ways by the same counts; a row has `back_bytes` on its way back.
  virtual MulticastPair both(const Cluster& cluster, std::span<const sim::Rank> group,
                             const MulticastCounts& counts, MulticastShape shape,
                             double back_bytes) const;
};

enum class MulticastAlgorithm { Nccl, AllGather, DeepEpNormal, HybridEp, DeepEpLowLatency };
inline constexpr std::size_t kMulticasts = 5;

struct MulticastTraits {
  MulticastAlgorithm algorithm;
  std::string_view name;  // in scenarios
  // Which counts it looks at.
  bool selections = false, copies = false, node_copies = false;
  // Whether a GPU sends to one on each other node, not to every GPU there.
  bool by_node = false;
  // Whether it delivers rows sorted by group, so that no routing is left to who computes on them.
  bool sorted = false;
  // Whether its kernels bring rows into their format by themselves.
  bool quantises = false;
  // Multiprocessors that it takes from what runs beside it: as many as it is given, usually so
  // many.
  bool holds_given = false;
  std::int64_t holds = 0;
  // Device memory that it keeps on each GPU: for ranks of a group, rows of that width, groups of
  // all ranks.
  std::int64_t (*buffer_bytes)(const CommBuffers& buffers, std::int64_t ranks, std::int64_t width,
                               std::int64_t groups);
  std::unique_ptr<const Multicast> (*make)(const Device& device);
};
// All there are, in the order of MulticastAlgorithm.
std::span<const MulticastTraits, kMulticasts> multicasts();
const MulticastTraits& traits_of(MulticastAlgorithm algorithm);

// "nccl", "all_gather", "deepep_normal", "hybrid_ep", "deepep_low_latency"
std::span<const std::string_view> multicast_names();
std::optional<MulticastAlgorithm> parse_multicast(std::string_view name);

// The way out, and the way back: combine takes the counts of the dispatch, and turns every transfer
// around.
PricedExchange dispatch(const Cluster& cluster, std::span<const sim::Rank> group,
                        MulticastAlgorithm algorithm, const MulticastCounts& counts,
                        const MulticastShape& shape);
PricedExchange combine(const Cluster& cluster, std::span<const sim::Rank> group,
                       MulticastAlgorithm algorithm, const MulticastCounts& counts,
                       const MulticastShape& shape);
// Both; a row has `back_bytes` on its way back.
MulticastPair there_and_back(const Cluster& cluster, std::span<const sim::Rank> group,
                             MulticastAlgorithm algorithm, const MulticastCounts& counts,
                             const MulticastShape& shape, double back_bytes);

// What the memory of a GPU moves while such an exchange runs at the rate of its NIC (or, within a
// node, of its links): how often a byte is read and written on its way, README.md. Zero where the
// kernels hold no multiprocessors: those of low latency send from where the data is.
sim::Bandwidth memory_traffic(const Cluster& cluster, MulticastAlgorithm algorithm);

// What the kernels take from those that run beside them: multiprocessors for as long as they run.
// Low latency holds none while its messages are under way (its receive hook).
std::int64_t multiprocessors_held(MulticastAlgorithm algorithm, const MulticastShape& shape);

}  // namespace moesim::hardware
