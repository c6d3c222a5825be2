// Collectives as exchanges: which bytes go between which ranks of a group, and how long that takes
// by the closed form of the library that moves them (forms/).
//
// `bytes` is nccl-tests' size: of the whole buffer, as each rank holds it before (all-reduce,
// reduce-scatter, all-to-all) or after (all-gather, broadcast). A group of one exchanges nothing.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/collectives/priced_exchange.h"
#include "sim/exchange.h"
#include "sim/units.h"

namespace moesim::hardware {

// Whose all-reduce it is: an engine's own kernels, which are for one node and hand over to NCCL
// where that is the quicker; or NCCL's alone.
enum class AllReduceLibrary { Trtllm, Vllm, Sglang, Nccl };
// "trtllm", "vllm", "sglang", "nccl", in that order
std::span<const std::string_view> all_reduce_names();
// Throws ConfigError that lists them where there is none of that name.
AllReduceLibrary all_reduce_named(std::string_view name);
// The name where nobody asked for one: that of the engine whose GEMMs are used, else "trtllm".
std::string_view default_all_reduce(std::string_view gemm);

enum class AllReduceAlgorithm {
  Quickest,  // of what the library picks from
  Ring,      // NCCL's
  Nvls,      // NCCL's in the switch, within a node of more than two
  OneShot,   // an engine's own kernels, within a node
  TwoShot,
};

// All REQUIRE: group ascending, ranks of the cluster, bytes >= 0.
// all_reduce throws ConfigError where the algorithm cannot span the group. Within a node an engine
// picks one shot, two shot or its library by what is the quickest in its own tables; over several
// it is NCCL that reduces.
PricedExchange all_reduce(const Cluster& cluster, std::span<const sim::Rank> group,
                          sim::Bytes bytes, AllReduceLibrary library,
                          AllReduceAlgorithm algorithm = AllReduceAlgorithm::Quickest);
PricedExchange all_gather(const Cluster& cluster, std::span<const sim::Rank> group,
                          sim::Bytes bytes);
PricedExchange reduce_scatter(const Cluster& cluster, std::span<const sim::Rank> group,
                              sim::Bytes bytes);
// From the first rank of the group, along a ring in small pieces.
PricedExchange broadcast(const Cluster& cluster, std::span<const sim::Rank> group,
                         sim::Bytes bytes);
// Every rank sends bytes / n to each, itself among them.
PricedExchange all_to_all(const Cluster& cluster, std::span<const sim::Rank> group,
                          sim::Bytes bytes);
// All-to-all of given transfers, each sent as it is (an all-to-allv).
PricedExchange all_to_all(const Cluster& cluster, std::span<const sim::Rank> group,
                          std::vector<sim::Transfer> transfers);
PricedExchange send(const Cluster& cluster, sim::Rank source, sim::Rank destination,
                    sim::Bytes bytes);

}  // namespace moesim::hardware
