// The parts of an engine's file beside its kernels and its host (configs/engines/*.yaml): what a
// block is made of, which graphs are captured, what memory it takes, how it schedules, and which
// layouts it can start. What a file does not say is empty: it is the asker's to choose.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/precision.h"
#include "sim/io/yaml_reader.h"
#include "sim/units.h"

namespace moesim::workloads {

// Where activations are quantised for a product: in the norm or activation before it, once for
// queries, keys and values, or before each product.
enum class Quantisation { Fused, OnceForQkv, PerProduct };
inline constexpr std::array<std::string_view, 3> kQuantisationNames{"fused", "once_for_qkv",
                                                                    "per_product"};
// How the parts of attention and of dense FFNs are added up over tp.
enum class TensorParallel { AllReduce, ReduceScatter };
inline constexpr std::array<std::string_view, 2> kTensorParallelNames{"all_reduce",
                                                                      "reduce_scatter"};
// Tensor-parallel ranks whose experts are divided otherwise: each computes its experts on all
// tokens and one all-reduce adds up, or tokens are sent to their experts.
enum class ExpertsInTensorGroup { Replicated, Dispatched };
inline constexpr std::array<std::string_view, 2> kExpertsInTensorGroupNames{"replicated",
                                                                            "dispatched"};

// The experts' kernels by the tokens of a pass.
struct MoeKernels {
  std::optional<std::int64_t> tokens_up_to;  // nothing: however many
  std::string kernels;
};

// `composition:`
struct Composition {
  std::optional<Quantisation> quantisation;
  std::map<hardware::Precision, Quantisation> quantisation_of = {};  // of a format, instead of that
  std::optional<TensorParallel> tensor_parallel;
  std::optional<ExpertsInTensorGroup> experts_in_tensor_group;
  // Shared experts run beside the routed ones, on a stream of their own, in passes of up to so many
  // tokens: what is seen of them is their memory traffic.
  std::optional<std::int64_t> shared_beside_up_to;
  std::vector<MoeKernels> moe;  // tokens ascend; the last has any number of them
};
// What a step plays where the file says nothing.
inline Quantisation quantisation_of(const Composition& c, hardware::Precision format) {
  const auto own = c.quantisation_of.find(format);
  return own != c.quantisation_of.end() ? own->second
                                        : c.quantisation.value_or(Quantisation::PerProduct);
}
constexpr TensorParallel tensor_parallel_of(const Composition& c) {
  return c.tensor_parallel.value_or(TensorParallel::AllReduce);
}
constexpr ExpertsInTensorGroup experts_in_tensor_group(const Composition& c) {
  return c.experts_in_tensor_group.value_or(ExpertsInTensorGroup::Dispatched);
}

// `graphs:`
struct CapturedGraphs {
  std::vector<std::int64_t> sizes;  // tokens, ascending
  bool pad = true;                  // a smaller batch is padded up to the next size
  bool mixed = false;               // batches with prompts have graphs, too
  bool alike = false;  // dp ranks compute as many tokens as the fullest without one, too
  // Sizes beyond are not captured; nothing: all are.
  std::optional<std::int64_t> up_to = {};

  std::vector<std::int64_t> captured() const;
};

// A line of `by_card:`: what an engine chooses by its cards and how many of them it starts on.
struct CardDefaults {
  std::string named = {};                        // within a card's name; empty: of any
  std::optional<sim::Bytes> memory_below = {};   // of a card; nothing: of any
  std::optional<std::int64_t> ranks_below = {};  // tp x dp; nothing: on any number
  std::optional<std::int64_t> tokens = {}, sequences = {}, chunk = {};  // the scheduler's
  std::optional<std::int64_t> graphs_up_to = {};                        // tokens
  std::optional<sim::Bytes> leaves = {};  // of a card, at least, where no fraction is given
};

// What `fraction` is a part of: the card's memory, or what is free once weights are loaded.
enum class FractionOf { Card, Free };
inline constexpr std::array<std::string_view, 2> kFractionOfNames{"card", "free"};

// What of a GPU's memory the fraction has to hold: all that the engine takes, or its weights and
// its cache alone, activations and graphs finding room in the rest (SGLang's mem_fraction_static).
enum class FractionHolds { Everything, WeightsAndCache };
inline constexpr std::array<std::string_view, 2> kFractionHoldsNames{"everything",
                                                                     "weights_and_cache"};

// What a part of the memory that an engine leaves is for: by itself, or for each token of a chunk,
// each token of the largest graph, each rank (tp x dp x pp), or each token of the largest graph and
// rank of dp where dp ranks share experts.
enum class LeftFor { Engine, ChunkToken, GraphToken, EachRank, GraphTokenAndDp };
inline constexpr std::array<std::string_view, 5> kLeftForNames{
    "engine", "chunk_token", "graph_token", "rank", "graph_token_and_dp"};

struct MemoryLeft {
  LeftFor per = LeftFor::Engine;
  sim::Bytes bytes{};
  std::int64_t at_least = 0;  // of them
  std::int64_t above = 0;     // counts where the largest graph has more tokens
};

// `memory:`
struct EngineMemory {
  std::optional<double> fraction;  // above 0, up to 1
  // Instead of the fraction: what is left of a card when these are (SGLang's server_args.py).
  std::vector<MemoryLeft> leaves = {};
  sim::Bytes leaves_at_least{};  // in all, of such a card
  FractionOf of = FractionOf::Card;
  sim::Bytes reserve{};               // beside it, left alone
  std::optional<std::int64_t> block;  // tokens of a page of the cache
  FractionHolds holds = FractionHolds::Everything;
  // The engine's own names: its options by what they say (fraction, context, sequences, tokens,
  // block, tp, pp, dp, ep, ranks: tp x dp; without a number expert_parallel, attention_dp: dp ranks
  // share experts, kv_fp8), and the line of its log that tells the cache's tokens, {tokens}.
  std::map<std::string, std::string> flags = {};
  std::string log = {};
};

enum class RequestOrder { Fcfs, Priority, LongestPrefix };
inline constexpr std::array<std::string_view, 3> kRequestOrderNames{"fcfs", "priority",
                                                                    "longest_prefix"};

// Prompts are held back until they make up a share of the budget, or for so long.
struct BatchWait {
  std::int64_t iterations = 0;
  sim::Duration timeout{};
  double share = 0;
};

// TensorRT-LLM: a request starts only if it can end, or as soon as it can start.
enum class Admission { NoEvict, MaxUtilization };
inline constexpr std::array<std::string_view, 2> kAdmissionNames{"guaranteed_no_evict",
                                                                 "max_utilization"};

// Which dp rank of an engine a request goes to. vllm_score: least 4 x waiting + running of a
// snapshot taken every 100 ms, own choices added, ties from a start that goes round.
enum class RankChoice { VllmScore, RoundRobin, LeastRequests, LeastTokens };
inline constexpr std::array<std::string_view, 4> kRankChoiceNames{"vllm_score", "round_robin",
                                                                  "least_requests", "least_tokens"};

// `scheduler:`
struct EngineScheduler {
  std::optional<std::int64_t> tokens;     // of one iteration
  std::optional<std::int64_t> sequences;  // that run at once
  std::optional<bool> chunked;            // a prompt may be cut to what is left of the tokens
  std::optional<RequestOrder> order;
  std::optional<std::int64_t> prefill_interval;  // iterations from one that prefills to the next
  std::optional<bool> ahead;                     // the next iteration is planned while one runs
  std::optional<std::int64_t> receive_interval;  // iterations between looks for new requests
  std::optional<BatchWait> batch_wait;
  std::optional<std::int64_t> stream_interval;  // tokens in one message to the client
  std::optional<bool> expert_parallel;
  std::optional<std::int64_t> chunk;  // of one prompt (SGLang: of all prompts) in an iteration
  std::optional<bool> chunk_by_dp;    // the chunk is divided by the dp ranks
  std::optional<bool> mixed;          // SGLang: decodes go along with a prefill
  std::optional<bool> late;           // results come one iteration late: an ended one is in it, too
  std::optional<Admission> admission;
  std::optional<double> conservativeness;   // SGLang: of what running ones will still need
  std::optional<std::int64_t> agree_every;  // iterations between agreements that all are done
  std::optional<RankChoice> ranks;          // dp ranks
  std::optional<std::int64_t> balance_iterations;  // that prompts wait until every dp rank has one
  std::optional<bool> prefix_cache, reserve_full_prompt;
  std::optional<double> watermark;  // of the blocks, left free beside running work
};

// `rules:`: the sizes of a layout that the engine can start, each a number or an expression
// ("tp * dp", "divides heads"), as the file has it; by tp, pp, dp, ep, etp, cp. Under whole_blocks
// the formats whose blocks it does not cut. What they mean: layout_rules.h.
using LayoutRules = std::map<std::string, std::vector<std::string>>;

// Each notes mistakes in the node's document.
// `of` holds, by a model's family, what is otherwise there.
void read_compositions(const sim::io::YamlNode& node, Composition& all,
                       std::map<std::string, Composition>& of);
// What the node does not say is as in `engine`.
CapturedGraphs read_captured_graphs(const sim::io::YamlNode& node, CapturedGraphs engine = {});
std::vector<CardDefaults> read_card_defaults(const sim::io::YamlNode& node);
EngineMemory read_engine_memory(const sim::io::YamlNode& node);
EngineScheduler read_engine_scheduler(const sim::io::YamlNode& node);
LayoutRules read_layout_rules(const sim::io::YamlNode& node);

}  // namespace moesim::workloads
