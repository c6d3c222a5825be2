// A question about one exchange alone: so many ranks of a cluster, what they send, and how.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/collectives/priced_exchange.h"
#include "hardware/precision.h"
#include "sim/exchange.h"
#include "workloads/routing/laws/laws.h"

namespace moesim::workloads {

// Tokens to their experts: what a dispatch or combine of one mixture layer carries.
struct TokenQuestion {
  std::int64_t tokens_per_rank = 128;
  std::int64_t hidden = 7168;
  std::uint32_t top_k = 8;
  std::uint32_t experts = 256;
  std::uint32_t groups = 1, groups_per_token = 1;  // group-limited routing
  Law law = Law::Uniform;
  double skew = 1;
  std::uint64_t seed = 1;
  hardware::Precision precision = hardware::Precision::FP8Block;  // of what is sent
  bool back = false;                                              // a combine
  std::int64_t sms = 20;
};

struct ExchangeQuestion {
  std::int64_t ranks = 0;  // the first so many of the cluster
  std::string algorithm = "direct";
  // Of the algorithms that carry given transfers (direct, nccl).
  std::vector<sim::Transfer> transfers = {};
  std::optional<sim::Bytes> each_pair = {};  // instead: from every rank to every other
  sim::Bytes buffer;                         // of the collectives: nccl-tests' size
  TokenQuestion tokens;
};

enum class ExchangeInput { Transfers, Buffer, Tokens };

// The algorithms: "direct" (the transfers as they are, no library) and "nccl" carry transfers;
// "all_reduce" (TensorRT-LLM's), "all_reduce_vllm", …, "all_to_all", "broadcast" carry a buffer;
// "deepep_normal", "deepep_low_latency", "hybrid_ep", "nccl_tokens", "all_gather_tokens" carry
// tokens.
std::span<const std::string_view> exchange_algorithms();
ExchangeInput input_of(std::string_view algorithm);

// Throws ConfigError where the ranks or the experts do not fit, or there is no such algorithm.
hardware::PricedExchange make_exchange(const hardware::Cluster& cluster,
                                       const ExchangeQuestion& question);

// What a rank's tokens ask for, the mean over ranks, those for itself included; bytes.
struct TokenVolumes {
  double message_bytes = 0;  // one for each choice
  double copy_bytes = 0;     // one for each rank that wants the row
  double node_bytes = 0;     // one for each node that does
};
// REQUIRES: the algorithm carries tokens. Throws as make_exchange.
TokenVolumes token_volumes(const hardware::Cluster& cluster, const ExchangeQuestion& question);

// Each of `ranks` sends `bytes` to every other.
std::vector<sim::Transfer> uniform_transfers(sim::Rank ranks, sim::Bytes bytes);
// Destinations by a Zipf law: the n-th most popular gets n^-skew of the mean of `bytes` a pair,
// scaled to that mean; which is popular is drawn.
std::vector<sim::Transfer> zipf_transfers(sim::Rank ranks, sim::Bytes mean, double skew,
                                          std::uint64_t seed);

}  // namespace moesim::workloads
