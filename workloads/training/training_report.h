// What a step of training comes to: plain values, and the same as JSON (README.md has the keys).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/io/json.h"
#include "workloads/memory/training_plan.h"
#include "workloads/training/goodput.h"
#include "workloads/training/jitter.h"
#include "workloads/training/play_schedule.h"
#include "workloads/training/training_flops.h"

namespace moesim::workloads {

// What of a rank's step is an exchange that nothing hides, by its kind; `host`: waiting for it.
enum class Exposed { Expert, Tensor, Context, Pipeline, Gradients, Parameters, Host };
inline constexpr std::array<std::string_view, 7> kExposedNames{
    "expert", "tensor", "context", "pipeline", "gradients", "parameters", "host"};

struct TrainingReport {
  std::int64_t micro_batches = 0;
  double tokens_per_step = 0;
  double step_us = 0;
  std::string schedule = {};

  // Of a stage, means over the draws of the routing; zero what the schedule does not do.
  struct StageRow {
    std::int64_t rank = 0, chunk = 0, layers = 0;
    double f_us = 0, b_us = 0, w_us = 0, bw_us = 0, fb_us = 0;
  };
  std::vector<StageRow> stages;

  // Sums of a step. All but `finalise` is told apart: they add up to the step.
  struct RankRow {
    double f_us = 0, b_us = 0, w_us = 0, fb_us = 0;  // computing
    double bubble_us = 0;
    std::array<double, kExposedNames.size()> exposed_us{};
    double optimizer_us = 0;  // zeroing, sums at the end, norm and barrier, Adam
    double sum() const;
  };
  std::vector<RankRow> ranks;
  double bubble_share = 0;  // of the step, of the mean rank
  double bubble_schedule_share =
      0;  // what the schedule alone has where all stages are the mean one

  TrainingFlops flops;        // a token
  double hardware_flops = 0;  // a token: what the kernels compute
  double tflops_per_gpu = 0;  // by model_causal
  double mfu = 0, mfu_full = 0, hfu = 0;
  double peak_tflops = 0;
  std::string mfu_precision = {};

  struct Row {
    std::int64_t rank = 0;
    TrainingMemory memory;
  };
  std::vector<Row> memory;
  std::int64_t capacity = 0;
  // What each rank keeps for its backward passes, from an instant on; the most of it are the rank's
  // activations above.
  struct Kept {
    std::int64_t rank = 0;
    std::vector<std::pair<double, double>> instants = {};  // us, bytes
  };
  std::vector<Kept> memory_timeline;

  double routing_slowdown = 1;  // over the same step with every expert as busy
  double padding_share = 0;     // of experts' rows: what fills a capacity up
  double aligned_share = 0;     // of rows in 8 bits: what makes an expert's a multiple
  double dropped_share = 0;     // of selections: what is over a capacity
  // Multiprocessors of a GPU, and those that kernels of token exchanges hold while they run.
  std::int64_t multiprocessors = 0, held = 0;
  bool beside = false;  // something is computed meanwhile
  std::uint32_t draws = 1;
  std::int64_t draws_played = 0;  // that the step's micro-batches took
  double draws_error_us = 0;      // standard error of the step by that they are so few
  // Steps in which GPUs are late (jitter.h); none: the question has none. All else here is of the
  // step in which none is, but what is counted by throughput: that is of the mean of these.
  std::optional<LateSteps> late = {};
  Jitter jitter = {};
  double mean_us() const { return late ? late->mean_us : step_us; }
  std::optional<Goodput> goodput = {};
  std::string failures_source = {};  // whose failures goodput counts; empty: the scenario's own
  std::vector<std::pair<double, double>> run_steps = {};  // from which part of the run on, us
  std::optional<double> memory_from = {};  // of the part of the run that its memory is of; none: of
                                           // the scenario's own routing
  std::vector<std::string> left_out;       // what this does not play

  TrainingPlan plan() const;  // of its memory, by pipeline rank
};

// At most so many instants of what a rank keeps: each n-th, the last one, and the fullest.
inline constexpr std::size_t kMostInstants = 100;
std::vector<std::pair<double, double>> thinned(
    const std::vector<std::pair<double, double>>& instants, std::size_t most = kMostInstants);

// With at most kMostInstants of each rank's timeline.
sim::io::Json to_json(const TrainingReport& report);

}  // namespace moesim::workloads
