#include "workloads/exchange/exchange_question.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "hardware/collectives/collectives.h"
#include "hardware/collectives/low_latency_limit.h"
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

hardware::PricedExchange token_exchange(const hardware::Cluster& cluster,
                                        std::span<const Rank> group, MulticastAlgorithm algorithm,
                                        const TokenQuestion& q) {
  const hardware::MulticastTraits& traits = hardware::traits_of(algorithm);
  if (algorithm == MulticastAlgorithm::DeepEpLowLatency &&
      q.tokens_per_rank > hardware::kMostLowLatencyTokens)
    throw sim::ConfigError(fmt::format(
        "deepep_low_latency carries {} tokens of a rank at most, not {}: its kernels count no "
        "further; deepep_normal would do",
        hardware::kMostLowLatencyTokens, q.tokens_per_rank));
  const DispatchCounts counts = count_tokens(
      cluster, static_cast<std::uint32_t>(group.size()),
      {.selections = traits.selections, .tokens = traits.copies, .node_tokens = traits.node_copies},
      q);
  const hardware::MulticastCounts rows{
      std::make_shared<const std::vector<std::uint32_t>>(counts.selections), counts.tokens,
      counts.node_tokens};
  const hardware::MulticastShape shape{.row_bytes = row_bytes(q),
                                       .width = q.hidden,
                                       .rows = q.tokens_per_rank,
                                       .top_k = q.top_k,
                                       .groups = q.experts,
                                       .sms = q.sms};
  return q.back ? hardware::combine(cluster, group, algorithm, rows, shape)
                : hardware::dispatch(cluster, group, algorithm, rows, shape);
}

using Group = std::span<const Rank>;
using Build = hardware::PricedExchange (*)(const hardware::Cluster&, Group,
                                           const ExchangeQuestion&);

hardware::PricedExchange direct(const hardware::Cluster&, Group group, const ExchangeQuestion& q) {
  hardware::PricedExchange priced;
  priced.exchange.name = "direct";
  priced.exchange.participants.assign(group.begin(), group.end());
  priced.exchange.transfers = q.transfers;
  if (q.each_pair) {  // counted: 4 bytes a pair, where a transfer takes 16
    priced.exchange.messages = {
        std::make_shared<const std::vector<std::uint32_t>>(group.size() * group.size(), 1),
        *q.each_pair};
  }
  return priced;
}

template <AllReduceLibrary Library, AllReduceAlgorithm Algorithm = AllReduceAlgorithm::Quickest>
hardware::PricedExchange all_reduce(const hardware::Cluster& cluster, Group group,
                                    const ExchangeQuestion& q) {
  return hardware::all_reduce(cluster, group, q.buffer, Library, Algorithm);
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
                return hardware::all_to_all(
                    c, g,
                    q.each_pair ? uniform_transfers(static_cast<Rank>(q.ranks), *q.each_pair)
                                : q.transfers);
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
};

// Those that carry tokens are all that there are; one of NCCL's names means the collective.
constexpr std::size_t kAll = kAlgorithms.size() + hardware::kMulticasts;
const std::vector<std::string>& token_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const hardware::MulticastTraits& one : hardware::multicasts()) {
      const bool taken =
          std::ranges::find(kAlgorithms, one.name, &Algorithm::name) != kAlgorithms.end();
      all.push_back(std::string(one.name) + (taken ? "_tokens" : ""));
    }
    return all;
  }();
  return names;
}

const std::array<std::string_view, kAll>& names() {
  static const auto all = [] {
    std::array<std::string_view, kAll> list;
    auto at = std::ranges::transform(kAlgorithms, list.begin(), &Algorithm::name).out;
    std::ranges::copy(token_names(), at);
    return list;
  }();
  return all;
}

// The place of an algorithm among names().
std::size_t place_of(std::string_view name) {
  const auto found = std::ranges::find(names(), name);
  if (found == names().end()) {
    throw ConfigError(
        fmt::format("there is no algorithm \"{}\"; there are {}", name, fmt::join(names(), ", ")));
  }
  return static_cast<std::size_t>(found - names().begin());
}

}  // namespace

std::span<const std::string_view> exchange_algorithms() {
  return names();
}

ExchangeInput input_of(std::string_view algorithm) {
  const std::size_t place = place_of(algorithm);
  return place < kAlgorithms.size() ? kAlgorithms[place].input : ExchangeInput::Tokens;
}

hardware::PricedExchange make_exchange(const hardware::Cluster& cluster,
                                       const ExchangeQuestion& question) {
  const std::size_t place = place_of(question.algorithm);
  if (question.ranks < 1 || question.ranks > cluster.ranks()) {
    throw ConfigError(
        fmt::format("{} ranks, but \"{}\" has {}", question.ranks, cluster.name, cluster.ranks()));
  }
  std::vector<Rank> group(static_cast<std::size_t>(question.ranks));
  std::iota(group.begin(), group.end(), 0u);
  if (place < kAlgorithms.size()) return kAlgorithms[place].build(cluster, group, question);
  return token_exchange(cluster, group,
                        hardware::multicasts()[place - kAlgorithms.size()].algorithm,
                        question.tokens);
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
