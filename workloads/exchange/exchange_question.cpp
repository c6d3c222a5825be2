#include "workloads/exchange/exchange_question.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "hardware/collectives/collectives.h"
#include "hardware/collectives/multicast.h"
#include "sim/error.h"
#include "sim/random.h"
#include "workloads/placement/dispatch.h"
#include "workloads/placement/experts.h"

namespace moesim::workloads {

namespace {

using hardware::AllReduceAlgorithm;
using hardware::MulticastAlgorithm;
using sim::Bytes;
using sim::ConfigError;
using sim::Rank;

constexpr std::array<std::string_view, 16> kAlgorithms{"direct",
                                                       "nccl",
                                                       "all_reduce",
                                                       "all_reduce_ring",
                                                       "all_reduce_nvls",
                                                       "all_reduce_one_shot",
                                                       "all_reduce_two_shot",
                                                       "all_gather",
                                                       "reduce_scatter",
                                                       "all_to_all",
                                                       "broadcast",
                                                       "deepep_normal",
                                                       "deepep_low_latency",
                                                       "hybrid_ep",
                                                       "nccl_tokens",
                                                       "all_gather_tokens"};

std::size_t place_of(std::string_view algorithm) {
  const auto found = std::find(kAlgorithms.begin(), kAlgorithms.end(), algorithm);
  if (found == kAlgorithms.end()) {
    throw ConfigError(fmt::format("there is no algorithm \"{}\"; there are {}", algorithm,
                                  fmt::join(kAlgorithms, ", ")));
  }
  return static_cast<std::size_t>(found - kAlgorithms.begin());
}

// The routing of one layer for ranks 0 … n - 1, counted.
DispatchCounts count_tokens(const hardware::Cluster& cluster, std::uint32_t ranks,
                            const DispatchWanted& wanted, const TokenQuestion& q) {
  if (q.experts % ranks != 0) {
    throw ConfigError(
        fmt::format("{} experts cannot be dealt out evenly to {} ranks", q.experts, ranks));
  }
  LawSource source({.law = q.law,
                    .skew = q.skew,
                    .experts = q.experts,
                    .top_k = q.top_k,
                    .tokens_per_step = static_cast<std::uint32_t>(q.tokens_per_rank) * ranks,
                    .groups = q.groups,
                    .groups_per_token = q.groups_per_token,
                    .seed = q.seed});
  LayerRouting routing;
  source.route({.count = source.tokens_per_step()}, routing);
  TokenSources from;
  std::uint32_t nodes = 0, last = 0;
  for (Rank r = 0; r <= ranks; ++r) {
    from.begin.push_back(r * static_cast<std::uint32_t>(q.tokens_per_rank));
    if (r == ranks) break;
    const std::uint32_t node = cluster.node_of(r);
    if (r == 0 || node != last) ++nodes;
    last = node;
    from.node.push_back(static_cast<std::uint16_t>(nodes - 1));
  }
  const ExpertPlacement placement = linear_placement({.experts = q.experts, .ranks = ranks});
  DispatchCounts counts;
  count_dispatch(routing, placement.layer(0), from, wanted, counts);
  return counts;
}

double row_bytes(const TokenQuestion& q) {
  // An fp8 row has an fp32 scale for each 128 elements (DeepEP).
  const double element = q.precision == hardware::Precision::FP8Block
                             ? 1 + 4.0 / 128
                             : hardware::bytes_per_element(q.precision);
  return static_cast<double>(q.hidden) * element;
}

sim::Exchange token_exchange(const hardware::Cluster& cluster, std::span<const Rank> group,
                             MulticastAlgorithm algorithm, const TokenQuestion& q) {
  const DispatchCounts counts =
      count_tokens(cluster, static_cast<std::uint32_t>(group.size()),
                   {.selections = hardware::needs_selections(algorithm),
                    .tokens = hardware::needs_copies(algorithm),
                    .node_tokens = hardware::needs_node_copies(algorithm)},
                   q);
  const hardware::MulticastCounts rows{
      std::make_shared<const std::vector<std::uint32_t>>(counts.selections), counts.tokens,
      counts.node_tokens};
  const hardware::MulticastShape shape{
      .row_bytes = row_bytes(q), .rows = q.tokens_per_rank, .groups = q.experts, .sms = q.sms};
  return q.back ? hardware::combine(cluster, group, algorithm, rows, shape)
                : hardware::dispatch(cluster, group, algorithm, rows, shape);
}

}  // namespace

std::span<const std::string_view> exchange_algorithms() {
  return kAlgorithms;
}

ExchangeInput input_of(std::string_view algorithm) {
  const std::size_t place = place_of(algorithm);
  return place < 2    ? ExchangeInput::Transfers
         : place < 11 ? ExchangeInput::Buffer
                      : ExchangeInput::Tokens;
}

sim::Exchange make_exchange(const hardware::Cluster& cluster, const ExchangeQuestion& question) {
  const std::size_t algorithm = place_of(question.algorithm);
  if (question.ranks < 1 || question.ranks > cluster.ranks()) {
    throw ConfigError(
        fmt::format("{} ranks, but \"{}\" has {}", question.ranks, cluster.name, cluster.ranks()));
  }
  std::vector<Rank> group(static_cast<std::size_t>(question.ranks));
  std::iota(group.begin(), group.end(), 0u);
  const Bytes buffer = question.buffer;
  switch (algorithm) {
    case 0: {
      sim::Exchange exchange;
      exchange.name = "direct";
      exchange.participants = group;
      exchange.transfers = question.transfers;
      return exchange;
    }
    case 1:
      return hardware::all_to_all(cluster, group, question.transfers);
    case 2:
      return hardware::all_reduce(cluster, group, buffer);
    case 3:
      return hardware::all_reduce(cluster, group, buffer, AllReduceAlgorithm::Ring);
    case 4:
      return hardware::all_reduce(cluster, group, buffer, AllReduceAlgorithm::Nvls);
    case 5:
      return hardware::all_reduce(cluster, group, buffer, AllReduceAlgorithm::OneShot);
    case 6:
      return hardware::all_reduce(cluster, group, buffer, AllReduceAlgorithm::TwoShot);
    case 7:
      return hardware::all_gather(cluster, group, buffer);
    case 8:
      return hardware::reduce_scatter(cluster, group, buffer);
    case 9:
      return hardware::all_to_all(cluster, group, buffer);
    case 10:
      return hardware::broadcast(cluster, group, buffer);
    case 11:
      return token_exchange(cluster, group, MulticastAlgorithm::DeepEpNormal, question.tokens);
    case 12:
      return token_exchange(cluster, group, MulticastAlgorithm::DeepEpLowLatency, question.tokens);
    case 13:
      return token_exchange(cluster, group, MulticastAlgorithm::HybridEp, question.tokens);
    case 14:
      return token_exchange(cluster, group, MulticastAlgorithm::Nccl, question.tokens);
    default:
      break;
  }
  return token_exchange(cluster, group, MulticastAlgorithm::AllGather, question.tokens);
}

TokenVolumes token_volumes(const hardware::Cluster& cluster, const ExchangeQuestion& question) {
  const auto ranks = static_cast<std::uint32_t>(question.ranks);
  const DispatchCounts counts = count_tokens(cluster, ranks, {}, question.tokens);
  const double row = row_bytes(question.tokens) / ranks;
  const auto sum = [](const std::vector<std::uint32_t>& of) {
    return static_cast<double>(std::accumulate(of.begin(), of.end(), std::uint64_t{0}));
  };
  return {sum(counts.selections) * row, sum(counts.tokens) * row, sum(counts.node_tokens) * row};
}

std::vector<sim::Transfer> uniform_transfers(Rank ranks, Bytes bytes) {
  std::vector<sim::Transfer> transfers;
  transfers.reserve(std::size_t{ranks} * (ranks - 1));
  for (Rank s = 0; s < ranks; ++s) {
    for (Rank d = 0; d < ranks; ++d) {
      if (s != d) transfers.push_back({s, d, bytes});
    }
  }
  return transfers;
}

std::vector<sim::Transfer> zipf_transfers(Rank ranks, Bytes mean, double skew, std::uint64_t seed) {
  std::vector<double> weight(ranks);
  for (Rank r = 0; r < ranks; ++r) weight[r] = std::pow(r + 1.0, -skew);
  sim::Random random(seed, "exchange/destinations");
  for (Rank r = ranks; r > 1; --r) std::swap(weight[r - 1], weight[random.below(r)]);
  const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
  std::vector<sim::Transfer> transfers = uniform_transfers(ranks, mean);
  for (sim::Transfer& t : transfers) {
    t.bytes = Bytes(
        std::llround(static_cast<double>(mean.count()) * weight[t.destination] * ranks / sum));
  }
  return transfers;
}

}  // namespace moesim::workloads
