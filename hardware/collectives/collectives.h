// Collectives as exchanges: which bytes go between which ranks of a group, and what the library
// adds. The time of each, alone on an idle network, is the closed form of parameters.h.
//
// `bytes` is nccl-tests' size: of the whole buffer, as each rank holds it before (all-reduce,
// reduce-scatter, all-to-all) or after (all-gather, broadcast). A group of one exchanges nothing.
#pragma once

#include <span>

#include "hardware/cluster.h"
#include "sim/exchange.h"
#include "sim/units.h"

namespace moesim::hardware {

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
sim::Exchange all_reduce(const Cluster& cluster, std::span<const sim::Rank> group, sim::Bytes bytes,
                         AllReduceLibrary library,
                         AllReduceAlgorithm algorithm = AllReduceAlgorithm::Quickest);
sim::Exchange all_gather(const Cluster& cluster, std::span<const sim::Rank> group,
                         sim::Bytes bytes);
sim::Exchange reduce_scatter(const Cluster& cluster, std::span<const sim::Rank> group,
                             sim::Bytes bytes);
// From the first rank of the group, along a ring in small pieces.
sim::Exchange broadcast(const Cluster& cluster, std::span<const sim::Rank> group, sim::Bytes bytes);
// Every rank sends bytes / n to each, itself among them.
sim::Exchange all_to_all(const Cluster& cluster, std::span<const sim::Rank> group,
                         sim::Bytes bytes);
// All-to-all of given transfers, each sent as it is (an all-to-allv).
sim::Exchange all_to_all(const Cluster& cluster, std::span<const sim::Rank> group,
                         std::vector<sim::Transfer> transfers);
sim::Exchange send(const Cluster& cluster, sim::Rank source, sim::Rank destination,
                   sim::Bytes bytes);

}  // namespace moesim::hardware
