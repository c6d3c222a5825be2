// A question of training: how long a step of a job is, and what it is made of (`training:` of a
// scenario; keys: README.md).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/kernels/training_attention.h"
#include "hardware/precision.h"
#include "workloads/memory/training_plan.h"
#include "workloads/training/goodput.h"
#include "workloads/training/jitter.h"
#include "workloads/training/schedule.h"
#include "workloads/training/stage_layout.h"

namespace moesim::workloads {

// How keys and values reach the ranks of a context-parallel group.
enum class ContextExchange { Ring, AllGather, AllToAll };
inline constexpr std::array<std::string_view, 3> kContextExchangeNames{"ring", "all_gather",
                                                                       "all_to_all"};
inline constexpr std::array<std::string_view, 4> kShardingNames{"none", "optimizer", "gradients",
                                                                "weights"};

struct TrainingOverlap {
  bool gradients = false;     // their reduction beside the backward passes of others
  bool parameters = false;    // their gathering beside the next step's first forward passes
  bool tensor = false;        // collectives of tensor parallelism beside the GEMMs they belong to
  bool expert = false;        // exchanges of tokens beside another micro-batch's pass
  bool expert_given = false;  // or it follows the schedule (settle_overlap)
  bool delay_weight_gradients = false;  // where `expert`: apart from the inputs'
  bool shared_expert = false;           // shared experts beside the exchanges of tokens
};

// As `draws`: every step that the trace holds.
inline constexpr std::int64_t kAllDraws = 0;

struct TrainingQuestion {
  std::int64_t sequence = 4096;                                   // tokens
  std::int64_t micro_batch = 1;                                   // sequences
  std::int64_t global_batch = 1;                                  // sequences
  std::optional<ScheduleName> schedule = ScheduleName::OneFOneB;  // none: one stage
  std::int64_t virtual_stages = 1;                                // of `interleaved`
  // That `interleaved` takes a chunk by, chunk after chunk; none: as many as there are ranks.
  std::optional<std::int64_t> micro_batch_group = {};
  std::string layout = {};  // as it was written; empty: shared out evenly
  bool count_embedding = false, count_loss = false;
  std::vector<StageContent> stages = {};  // what comes of it
  std::int64_t predictions = 0;           // prediction layers that are trained
  Sharding sharding = Sharding::Optimizer;
  std::optional<std::int64_t> sharding_group = {};  // ranks; all of dp x cp
  Recompute recompute = {};
  double accumulate_bytes = 4, reduce_bytes = 4;  // of a gradient
  std::optional<std::int64_t> bucket = {};        // parameters; max(40e6, 1e6 dp)
  double master_bytes = 4, moment_bytes = 4, parameter_bytes = 2;
  ContextExchange context = ContextExchange::Ring;
  std::optional<double> capacity = {};  // every expert takes so many times its share of each
                                        // rank's selections; none: dropless
  bool fills_capacity = true;           // up, so that all have as many rows
  bool drops_last = false;  // what is over in the tokens' order; else the least probable
  std::optional<std::int64_t> exchange_sms = {};  // multiprocessors that kernels of token exchanges
                                                  // hold; none: as many as they usually do
  TrainingOverlap overlap = {};
  hardware::TrainingCore attention = hardware::TrainingCore::FlashAttention3;
  bool brief = false;      // it lasts a moment: no card meets its power limit (sustained.h)
  std::int64_t draws = 8;  // of the routing
  Jitter jitter = {};
  hardware::Precision mfu_precision = hardware::Precision::BF16;
  std::optional<RunPlan> run = {};

  // Whether every expert has as many rows, whatever tokens choose.
  bool is_filled() const { return capacity && fills_capacity; }
  // Of a step, on each dp rank. REQUIRES: it is whole
  std::int64_t micro_batches(std::int64_t dp) const { return global_batch / (micro_batch * dp); }
};

}  // namespace moesim::workloads
