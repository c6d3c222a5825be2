// What a measured engine was started with, and what was sent to it, where a table's rows say it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace moesim::validation {

struct RunOptions {
  std::optional<std::int64_t> tokens = {}, sequences = {}, chunk = {};  // of an iteration
  std::optional<std::int64_t> receive_interval = {};                    // SGLang: iterations
  std::optional<std::int64_t> batch_wait = {};                          // TensorRT-LLM: iterations
  std::optional<std::int64_t> balance = {};  // TensorRT-LLM: iterations that dp ranks wait
  std::optional<double> batch_wait_share = {}, memory_fraction = {};
  std::string cache = {};       // "fp8", "bf16"; empty: not said
  std::string moe = {};         // the experts' kernels, as `kernels.moe` has them; empty: not said
  std::string all_to_all = {};  // tokens to experts, as `kernels.all_to_all` has it
  // Where the label says 1, which recipes have for both.
  std::optional<bool> expert_parallel = {};
  // The next batch is planned while one runs; without it the host is seen between steps.
  std::optional<bool> ahead = {};
  std::optional<std::int64_t> graphs = {};  // SGLang: the largest batch of decodes with a graph
  // All batches of decodes with a graph, as YAML's list; empty: not said.
  std::string graph_sizes = {};

  auto operator<=>(const RunOptions&) const = default;
};

struct MeasuredLoad {
  std::string name = {};  // "ShareGPT", "32000/100"
  std::int64_t requests = 0;
  bool at_once = false;  // else by as many clients as the row's concurrency,
  double rate = 0;       // or, where above 0, so many a second, evenly
  std::int64_t prefixes = 0, prefix_tokens = 0;  // prompts that many share, and their first tokens
  std::string input = {}, output = {};           // how many tokens: laws, as YAML
  RunOptions run = {};
  std::string options = {};  // as they were set: rows that have all equal are repeats
};

}  // namespace moesim::validation
