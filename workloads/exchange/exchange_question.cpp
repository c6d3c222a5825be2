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
using hardware::AllReduceLibrary;
using hardware::MulticastAlgorithm;
using sim::Bytes;
using sim::ConfigError;
using sim::Rank;

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

using Group = std::span<const Rank>;
using Build = sim::Exchange (*)(const hardware::Cluster&, Group, const ExchangeQuestion&);

sim::Exchange direct(const hardware::Cluster&, Group group, const ExchangeQuestion& q) {
  sim::Exchange exchange;
  exchange.name = "direct";
  exchange.participants.assign(group.begin(), group.end());
  exchange.transfers = q.transfers;
  return exchange;
}

template <AllReduceLibrary Library, AllReduceAlgorithm Algorithm = AllReduceAlgorithm::Quickest>
sim::Exchange all_reduce(const hardware::Cluster& cluster, Group group, const ExchangeQuestion& q) {
  return hardware::all_reduce(cluster, group, q.buffer, Library, Algorithm);
}

template <MulticastAlgorithm Algorithm>
sim::Exchange tokens(const hardware::Cluster& cluster, Group group, const ExchangeQuestion& q) {
  return token_exchange(cluster, group, Algorithm, q.tokens);
}

struct Algorithm {
  std::string_view name;
  ExchangeInput input;
  Build build;
};

// Where an all-reduce names nobody it is TensorRT-LLM's.
constexpr std::array kAlgorithms{
    Algorithm{"direct", ExchangeInput::Transfers, direct},
    Algorithm{"nccl", ExchangeInput::Transfers,
              [](const hardware::Cluster& c, Group g, const ExchangeQuestion& q) {
                return hardware::all_to_all(c, g, q.transfers);
              }},
    Algorithm{"all_reduce", ExchangeInput::Buffer, all_reduce<AllReduceLibrary::Trtllm>},
    Algorithm{"all_reduce_vllm", ExchangeInput::Buffer, all_reduce<AllReduceLibrary::Vllm>},
    Algorithm{"all_reduce_sglang", ExchangeInput::Buffer, all_reduce<AllReduceLibrary::Sglang>},
    Algorithm{"all_reduce_nccl", ExchangeInput::Buffer, all_reduce<AllReduceLibrary::Nccl>},
    Algorithm{"all_reduce_ring", ExchangeInput::Buffer,
              all_reduce<AllReduceLibrary::Nccl, AllReduceAlgorithm::Ring>},
    Algorithm{"all_reduce_nvls", ExchangeInput::Buffer,
              all_reduce<AllReduceLibrary::Nccl, AllReduceAlgorithm::Nvls>},
    Algorithm{"all_reduce_one_shot", ExchangeInput::Buffer,
              all_reduce<AllReduceLibrary::Trtllm, AllReduceAlgorithm::OneShot>},
    Algorithm{"all_reduce_two_shot", ExchangeInput::Buffer,
              all_reduce<AllReduceLibrary::Trtllm, AllReduceAlgorithm::TwoShot>},
    Algorithm{"all_gather", ExchangeInput::Buffer,
              [](const hardware::Cluster& c, Group g, const ExchangeQuestion& q) {
                return hardware::all_gather(c, g, q.buffer);
              }},
    Algorithm{"reduce_scatter", ExchangeInput::Buffer,
              [](const hardware::Cluster& c, Group g, const ExchangeQuestion& q) {
                return hardware::reduce_scatter(c, g, q.buffer);
              }},
    Algorithm{"all_to_all", ExchangeInput::Buffer,
              [](const hardware::Cluster& c, Group g, const ExchangeQuestion& q) {
                return hardware::all_to_all(c, g, q.buffer);
              }},
    Algorithm{"broadcast", ExchangeInput::Buffer,
              [](const hardware::Cluster& c, Group g, const ExchangeQuestion& q) {
                return hardware::broadcast(c, g, q.buffer);
              }},
    Algorithm{"deepep_normal", ExchangeInput::Tokens, tokens<MulticastAlgorithm::DeepEpNormal>},
    Algorithm{"deepep_low_latency", ExchangeInput::Tokens,
              tokens<MulticastAlgorithm::DeepEpLowLatency>},
    Algorithm{"hybrid_ep", ExchangeInput::Tokens, tokens<MulticastAlgorithm::HybridEp>},
    Algorithm{"nccl_tokens", ExchangeInput::Tokens, tokens<MulticastAlgorithm::Nccl>},
    Algorithm{"all_gather_tokens", ExchangeInput::Tokens, tokens<MulticastAlgorithm::AllGather>},
};

constexpr auto kNames = [] {
  std::array<std::string_view, kAlgorithms.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kAlgorithms[i].name;
  return names;
}();

const Algorithm& algorithm_named(std::string_view name) {
  const auto found = std::ranges::find(kAlgorithms, name, &Algorithm::name);
  if (found == kAlgorithms.end()) {
    throw ConfigError(
        fmt::format("there is no algorithm \"{}\"; there are {}", name, fmt::join(kNames, ", ")));
  }
  return *found;
}

}  // namespace

std::span<const std::string_view> exchange_algorithms() {
  return kNames;
}

ExchangeInput input_of(std::string_view algorithm) {
  return algorithm_named(algorithm).input;
}

sim::Exchange make_exchange(const hardware::Cluster& cluster, const ExchangeQuestion& question) {
  const Algorithm& algorithm = algorithm_named(question.algorithm);
  if (question.ranks < 1 || question.ranks > cluster.ranks()) {
    throw ConfigError(
        fmt::format("{} ranks, but \"{}\" has {}", question.ranks, cluster.name, cluster.ranks()));
  }
  std::vector<Rank> group(static_cast<std::size_t>(question.ranks));
  std::iota(group.begin(), group.end(), 0u);
  return algorithm.build(cluster, group, question);
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
