#include "workloads/step/communication.h"

#include <algorithm>
#include <utility>

#include "sim/random.h"

namespace moesim::workloads {
namespace {

using hardware::MulticastAlgorithm;
using hardware::Precision;

// Of the memory's bandwidth that exchanges may take: they share it with others, and do not starve
// them.
constexpr double kMostTraffic = 0.5;

// Of one number on the wire. Activations are quantised with an fp32 scale for 128 numbers.
double wire_bytes(Precision precision) {
  switch (precision) {
    case Precision::FP8:
    case Precision::FP8Block:
      return 1 + 4.0 / 128;
    default:
      return hardware::bytes_per_element(precision);
  }
}

}  // namespace

Communication::Communication(const hardware::Cluster& cluster,
                             hardware::AllReduceLibrary all_reduce,
                             hardware::MulticastAlgorithm tokens, Precision dispatch,
                             Precision combine, std::optional<std::int64_t> sms)
    : cluster_(cluster),
      all_reduce_(all_reduce),
      algorithm_(tokens),
      dispatch_(dispatch),
      sms_(sms.value_or(hardware::traits_of(tokens).holds)),
      dispatch_bytes_(wire_bytes(dispatch)),
      combine_bytes_(wire_bytes(combine)) {}

std::size_t Communication::HashOfAsked::operator()(const Asked& asked) const {
  std::uint64_t hash = static_cast<std::uint64_t>(asked.bytes);
  for (const std::uint64_t part :
       {std::uint64_t{asked.first}, std::uint64_t{asked.ranks}, std::uint64_t(asked.kind)})
    hash = sim::mix(hash ^ part);
  return hash;
}

template <class Make>
hardware::PricedExchange Communication::remembered(Kind kind, std::span<const Rank> ranks,
                                                   sim::Bytes bytes, const Make& make) const {
  constexpr std::size_t kMost = 1024;
  if (ranks.empty()) return make();
  const Asked asked{
      .kind = kind, .first = ranks.front(), .ranks = ranks.size(), .bytes = bytes.count()};
  const auto known = collectives_.find(asked);
  if (known == collectives_.end()) {
    if (collectives_.size() >= kMost) collectives_.clear();
    return collectives_.emplace(asked, make()).first->second;
  }
  // Another group may begin with the same rank.
  return std::ranges::equal(known->second.exchange.participants, ranks) ? known->second : make();
}

hardware::PricedExchange Communication::all_reduce(std::span<const Rank> ranks,
                                                   sim::Bytes bytes) const {
  return remembered(Kind::AllReduce, ranks, bytes,
                    [&] { return hardware::all_reduce(cluster_, ranks, bytes, all_reduce_); });
}
hardware::PricedExchange Communication::all_gather(std::span<const Rank> ranks,
                                                   sim::Bytes bytes) const {
  return remembered(Kind::AllGather, ranks, bytes,
                    [&] { return hardware::all_gather(cluster_, ranks, bytes); });
}
hardware::PricedExchange Communication::reduce_scatter(std::span<const Rank> ranks,
                                                       sim::Bytes bytes) const {
  return remembered(Kind::ReduceScatter, ranks, bytes,
                    [&] { return hardware::reduce_scatter(cluster_, ranks, bytes); });
}
hardware::PricedExchange Communication::send(Rank source, Rank destination,
                                             sim::Bytes bytes) const {
  return hardware::send(cluster_, source, destination, bytes);
}

TokenExchange Communication::tokens(std::span<const Rank> group, const TokenSources& sources,
                                    DispatchCounts& counts, const MoeFfn& moe,
                                    std::int64_t hidden) const {
  const hardware::MulticastCounts multicast{
      .selections =
          std::make_shared<const std::vector<std::uint32_t>>(std::move(counts.selections)),
      .copies = counts.tokens,
      .node_copies = counts.node_tokens};
  const auto width = static_cast<double>(moe.dispatch_width(hidden));
  hardware::MulticastShape shape{.row_bytes = width * dispatch_bytes_,
                                 .width = moe.dispatch_width(hidden),
                                 .top_k = moe.top_k,
                                 .groups = moe.experts,
                                 .sms = sms_};
  for (std::size_t r = 0; r + 1 < sources.begin.size(); ++r) {
    shape.rows = std::max<std::int64_t>(shape.rows, sources.begin[r + 1] - sources.begin[r]);
  }
  return hardware::there_and_back(cluster_, group, algorithm_, multicast, shape,
                                  width * combine_bytes_);
}

DispatchWanted Communication::wanted() const {
  const hardware::MulticastTraits& traits = hardware::traits_of(algorithm_);
  return {.selections = traits.selections,
          // Kernels that route for themselves are priced by the tokens that reach a rank.
          .tokens = traits.copies || !traits.sorted,
          .node_tokens = traits.node_copies};
}

bool Communication::delivers_sorted() const {
  return hardware::traits_of(algorithm_).sorted;
}

bool Communication::wants_rows_in_order() const {
  const hardware::MulticastTraits& traits = hardware::traits_of(algorithm_);
  return traits.copies && !traits.sorted;
}

double Communication::dispatched_bytes(std::int64_t numbers) const {
  return static_cast<double>(numbers) * dispatch_bytes_;
}
double Communication::combined_bytes(std::int64_t numbers) const {
  return static_cast<double>(numbers) * combine_bytes_;
}

std::optional<hardware::Precision> Communication::quantised_before() const {
  if (hardware::bytes_per_element(dispatch_) >= 2 || hardware::traits_of(algorithm_).quantises)
    return {};
  return dispatch_;
}

std::int64_t Communication::multiprocessors_held() const {
  return hardware::multiprocessors_held(algorithm_, {.sms = sms_});
}

hardware::DeviceShare Communication::share_beside() const {
  const std::int64_t held = multiprocessors_held();
  if (held == 0) return {};
  const hardware::Device& device = cluster_.device;
  const double rate = hardware::memory_traffic(cluster_, algorithm_).bytes_per_second();
  return {1 - static_cast<double>(held) / static_cast<double>(device.multiprocessors),
          1 - std::min(kMostTraffic, rate / device.memory_bandwidth.bytes_per_second())};
}

}  // namespace moesim::workloads
