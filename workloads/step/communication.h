// How the ranks of one scenario talk: which algorithm carries which exchange, and with what bytes.
// For one thread at a time: what a layer's collective comes to is remembered for the next layer's.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "hardware/cluster.h"
#include "hardware/collectives/collectives.h"
#include "hardware/collectives/multicast.h"
#include "hardware/kernels/device_share.h"
#include "workloads/model/layers.h"
#include "workloads/placement/dispatch.h"

namespace moesim::workloads {

using sim::Rank;

// Tokens to their experts and back, for one expert-parallel group.
using TokenExchange = hardware::MulticastPair;

class Communication {
 public:
  // The cluster outlives this, and the exchanges' trust. `sms`: multiprocessors that the kernels of
  // token exchanges hold, where they take a number; none: as many as they usually do.
  Communication(const hardware::Cluster& cluster, hardware::AllReduceLibrary all_reduce,
                hardware::MulticastAlgorithm tokens, hardware::Precision dispatch,
                hardware::Precision combine, std::optional<std::int64_t> sms = {});

  // `bytes`: the whole buffer, as each rank holds it before (all-reduce, reduce-scatter) or after
  // (all-gather). One rank exchanges nothing.
  hardware::PricedExchange all_reduce(std::span<const Rank> ranks, sim::Bytes bytes) const;
  hardware::PricedExchange all_gather(std::span<const Rank> ranks, sim::Bytes bytes) const;
  hardware::PricedExchange reduce_scatter(std::span<const Rank> ranks, sim::Bytes bytes) const;
  hardware::PricedExchange send(Rank source, Rank destination, sim::Bytes bytes) const;

  // `sources` and `counts` are of the group's ranks in their order; `hidden` is the model's width.
  // Takes the counts of selections, which both exchanges keep.
  TokenExchange tokens(std::span<const Rank> group, const TokenSources& sources,
                       DispatchCounts& counts, const MoeFfn& moe, std::int64_t hidden) const;

  // Which counts are needed.
  DispatchWanted wanted() const;
  // Whether the kernels that move tokens know the experts (DeepEP's do), so that no routing is left
  // to the kernel that computes them.
  bool delivers_sorted() const;
  // Whether rows lie in order of the ranks that they go to before they are sent, one for each rank,
  // and are added up by kernels of their own when they are back: a library's all-to-all.
  bool wants_rows_in_order() const;
  // Of so many numbers as they are sent, scales included.
  double dispatched_bytes(std::int64_t numbers) const;
  double combined_bytes(std::int64_t numbers) const;
  // The format tokens are brought into by a kernel of their own before they are sent; nothing where
  // they are sent as they are, or the exchange's kernels do it (DeepEP's low-latency ones).
  std::optional<hardware::Precision> quantised_before() const;
  // How many that is.
  std::int64_t multiprocessors_held() const;
  // What is left of a GPU to a kernel that runs beside a token exchange whose kernels hold
  // multiprocessors: those that are not held, and the bandwidth that its copies do not take.
  hardware::DeviceShare share_beside() const;

 private:
  enum class Kind : std::uint8_t { AllReduce, AllGather, ReduceScatter };
  struct Asked {
    Kind kind = Kind::AllReduce;
    Rank first = 0;
    std::size_t ranks = 0;
    std::int64_t bytes = 0;
    bool operator==(const Asked&) const = default;
  };
  struct HashOfAsked {
    std::size_t operator()(const Asked& asked) const;
  };
  template <class Make>
  hardware::PricedExchange remembered(Kind kind, std::span<const Rank> ranks, sim::Bytes bytes,
                                      const Make& make) const;

  const hardware::Cluster& cluster_;
  hardware::AllReduceLibrary all_reduce_;
  hardware::MulticastAlgorithm algorithm_;
  hardware::Precision dispatch_;
  std::int64_t sms_;
  double dispatch_bytes_, combine_bytes_;  // of one number on the wire
  mutable std::unordered_map<Asked, hardware::PricedExchange, HashOfAsked> collectives_;
};

}  // namespace moesim::workloads
