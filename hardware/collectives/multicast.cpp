#include "hardware/collectives/multicast.h"

#include <algorithm>
#include <array>

#include "hardware/collectives/buffers.h"
#include "hardware/collectives/models.h"
#include "hardware/collectives/multicast_kernels.h"
#include "sim/check.h"

namespace moesim::hardware {

namespace {

constexpr std::int64_t kNcclChannels = 16;  // on an NVSwitch node of eight
// Unless they are told otherwise: DeepEP's README; HybridEP's docs/README_Hybrid-EP.md (94a9f8f6),
// whose copies the tensor memory accelerator makes.
constexpr std::int64_t kDeepEpSms = 20, kHybridEpSms = 16;

constexpr std::array<MulticastTraits, kMulticasts> kTable{{
    {.algorithm = MulticastAlgorithm::Nccl,
     .name = "nccl",
     .copies = true,
     .holds = kNcclChannels,
     .buffer_bytes = [](const CommBuffers&, std::int64_t ranks, std::int64_t,
                        std::int64_t) { return nccl_all_to_all_bytes(ranks); },
     .make = make_straight},
    {.algorithm = MulticastAlgorithm::AllGather,
     .name = "all_gather",
     .by_node = true,
     .holds = kNcclChannels,
     .buffer_bytes = [](const CommBuffers& b, std::int64_t ranks, std::int64_t,
                        std::int64_t) { return nccl_buffer_bytes(ranks, b.nccl_channels); },
     .make = make_gathered},
    {.algorithm = MulticastAlgorithm::DeepEpNormal,
     .name = "deepep_normal",
     .copies = true,
     .node_copies = true,
     .by_node = true,
     .sorted = true,
     .holds_given = true,
     .holds = kDeepEpSms,
     .buffer_bytes =
         [](const CommBuffers& b, std::int64_t ranks, std::int64_t width, std::int64_t) {
           return deepep_normal_bytes(width, ranks, b.communication_sms.value_or(kDeepEpSms),
                                      b.gpus_per_node);
         },
     .make = make_deepep_normal},
    {.algorithm = MulticastAlgorithm::HybridEp,
     .name = "hybrid_ep",
     .copies = true,
     .node_copies = true,
     .by_node = true,
     .sorted = true,
     .holds_given = true,
     .holds = kHybridEpSms,
     .buffer_bytes =
         [](const CommBuffers& b, std::int64_t ranks, std::int64_t width, std::int64_t) {
           return hybrid_ep_bytes(width, ranks, b.communication_sms.value_or(kHybridEpSms),
                                  b.gpus_per_node);
         },
     .make = make_hybrid_ep},
    {.algorithm = MulticastAlgorithm::DeepEpLowLatency,
     .name = "deepep_low_latency",
     .selections = true,
     .sorted = true,
     .quantises = true,
     .buffer_bytes =
         [](const CommBuffers& b, std::int64_t ranks, std::int64_t width, std::int64_t groups) {
           return deepep_low_latency_bytes(b.dispatch_tokens, width, ranks, groups);
         },
     .make = make_deepep_low_latency},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (static_cast<std::size_t>(kTable[i].algorithm) != i) return false;
  return true;
}
static_assert(in_order());

constexpr auto kNames = [] {
  std::array<std::string_view, kMulticasts> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kTable[i].name;
  return names;
}();

const Multicast& kernels_of(const Cluster& cluster, MulticastAlgorithm algorithm) {
  SIM_CHECK(cluster.collectives != nullptr, "a cluster has its collectives' models");
  return *cluster.collectives->multicasts[static_cast<std::size_t>(algorithm)];
}

void check(MulticastAlgorithm algorithm, const MulticastCounts& counts, std::size_t n) {
  const MulticastTraits& traits = traits_of(algorithm);
  SIM_CHECK(!traits.selections || counts.selections->size() == n * n, "selections of every pair");
  SIM_CHECK(!traits.copies || counts.copies.size() == n * n, "copies of every pair");
}

PricedExchange build(const Cluster& cluster, std::span<const sim::Rank> group,
                     MulticastAlgorithm algorithm, const MulticastCounts& counts,
                     const MulticastShape& shape, bool back) {
  check(algorithm, counts, group.size());
  PricedExchange exchange =
      kernels_of(cluster, algorithm).build(cluster, group, counts, shape, back);
  exchange.exchange.name = back ? "combine" : "dispatch";
  return exchange;
}

}  // namespace

std::span<const MulticastTraits, kMulticasts> multicasts() {
  return kTable;
}

const MulticastTraits& traits_of(MulticastAlgorithm algorithm) {
  return kTable[static_cast<std::size_t>(algorithm)];
}

std::span<const std::string_view> multicast_names() {
  return kNames;
}

std::optional<MulticastAlgorithm> parse_multicast(std::string_view name) {
  const auto found = std::ranges::find(kTable, name, &MulticastTraits::name);
  if (found == kTable.end()) return {};
  return found->algorithm;
}

PricedExchange dispatch(const Cluster& cluster, std::span<const sim::Rank> group,
                        MulticastAlgorithm algorithm, const MulticastCounts& counts,
                        const MulticastShape& shape) {
  return build(cluster, group, algorithm, counts, shape, false);
}

PricedExchange combine(const Cluster& cluster, std::span<const sim::Rank> group,
                       MulticastAlgorithm algorithm, const MulticastCounts& counts,
                       const MulticastShape& shape) {
  return build(cluster, group, algorithm, counts, shape, true);
}

MulticastPair Multicast::both(const Cluster& cluster, std::span<const sim::Rank> group,
                              const MulticastCounts& counts, MulticastShape shape,
                              double back_bytes) const {
  PricedExchange dispatch = build(cluster, group, counts, shape, false);
  shape.row_bytes = back_bytes;
  return {std::move(dispatch), build(cluster, group, counts, shape, true)};
}

MulticastPair there_and_back(const Cluster& cluster, std::span<const sim::Rank> group,
                             MulticastAlgorithm algorithm, const MulticastCounts& counts,
                             const MulticastShape& shape, double back_bytes) {
  check(algorithm, counts, group.size());
  MulticastPair pair =
      kernels_of(cluster, algorithm).both(cluster, group, counts, shape, back_bytes);
  pair.dispatch.exchange.name = "dispatch";
  pair.combine.exchange.name = "combine";
  return pair;
}

sim::Bandwidth memory_traffic(const Cluster& cluster, MulticastAlgorithm algorithm) {
  // A copy over NVLink is written at its destination, read there and written in its place.
  constexpr double kLinkTouches = 3;
  // A copy to another node is read and written at its source, read by the NIC, written by the other
  // one, and read again by whoever forwards it, to a few ranks: 8 experts of a token lie on 2 to 3
  // ranks of each node that it goes to (node-limited routing to 4 nodes, DeepSeek-V3).
  constexpr double kNicTouches = 4, kForwarded = 2;
  if (multiprocessors_held(algorithm, {.sms = 1}) == 0) return {};
  if (cluster.nodes == 1) {
    // Sources are read once for all copies.
    return sim::Bandwidth(kLinkTouches * cluster.scale_up.bandwidth.bytes_per_second());
  }
  const double nic = cluster.scale_out.bandwidth.bytes_per_second() *
                     static_cast<double>(cluster.scale_out.nics_per_node) /
                     static_cast<double>(cluster.gpus_per_node);
  return sim::Bandwidth(nic * (kNicTouches + kForwarded * (1 + kLinkTouches)));
}

std::int64_t multiprocessors_held(MulticastAlgorithm algorithm, const MulticastShape& shape) {
  const MulticastTraits& traits = traits_of(algorithm);
  return traits.holds_given ? shape.sms : traits.holds;
}

}  // namespace moesim::hardware
