// How the ranks of one scenario talk: which algorithm carries which exchange, and with what bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "hardware/cluster.h"
#include "sim/exchange.h"
#include "workloads/model/model_spec.h"
#include "workloads/placement/dispatch.h"
#include "workloads/placement/parallelism.h"

namespace moesim::workloads {

// Tokens to their experts and back, for one expert-parallel group.
struct TokenExchange {
  sim::Exchange dispatch;
  sim::Exchange combine;
};

class Communication {
 public:
  // Throws ConfigError where there is no such all-to-all, listing those there are.
  Communication(const hardware::Cluster& cluster, std::string all_to_all,
                hardware::Precision dispatch, hardware::Precision combine);
  ~Communication();

  // `bytes`: the whole buffer, as each rank holds it before (all-reduce, reduce-scatter) or after
  // (all-gather). One rank exchanges nothing.
  sim::Exchange all_reduce(std::span<const Rank> ranks, sim::Bytes bytes) const;
  sim::Exchange all_gather(std::span<const Rank> ranks, sim::Bytes bytes) const;
  sim::Exchange reduce_scatter(std::span<const Rank> ranks, sim::Bytes bytes) const;
  sim::Exchange send(Rank source, Rank destination, sim::Bytes bytes) const;

  // `counts` are of the group's ranks in their order; `width` numbers a token.
  TokenExchange tokens(std::span<const Rank> group, const DispatchCounts& counts, const MoeFfn& moe,
                       std::int64_t width) const;

  // Which counts tokens() needs.
  DispatchWanted wanted() const;
  // Whether rows arrive sorted by expert, so that no permutation is left to the expert kernel.
  bool delivers_sorted() const;
  // The part of a GPU's multiprocessors left to a kernel that runs beside a token exchange.
  double sm_share_beside() const;

 private:
  struct Choice;
  std::unique_ptr<const Choice> choice_;
};

}  // namespace moesim::workloads
