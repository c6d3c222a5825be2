// What a run of a service found: plain values, and the same as JSON, with the names of `vllm bench
// serve` (workloads/serving/README.md).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/io/json.h"
#include "workloads/serving/cache_plan.h"
#include "workloads/serving/loop/serving_loop.h"
#include "workloads/serving/targets.h"
#include "workloads/step/factors.h"

namespace moesim::workloads::serving {

// Milliseconds; percentiles as numpy has them, linear between order statistics.
struct Quantiles {
  double mean = 0, median = 0, deviation = 0, p90 = 0, p95 = 0, p99 = 0;
  std::int64_t count = 0;
};

struct Band {
  double p10 = 0, p90 = 0;
};

// A pool whose replicas follow the load.
struct ScaledPool {
  std::string name;
  std::int64_t least = 1, most = 1;  // may be in use
  double mean = 0;                   // were in use: start, take requests or drain
  std::int64_t most_used = 0, started = 0, closed = 0;
  double gpu_hours = 0, gpu_hours_of_most = 0;  // the latter: `most` all the time
  std::vector<ScaleChange> changes = {};
};

// What makes the slow gaps between messages slow. Their tail is p99 - p50, and it comes from three
// things that are taken away one after another:
//   tail         of the run's gaps
//   even         of the gaps where each iteration has the mean of the routing's draws
//   passes       of those gaps, only the time in the passes that made their tokens
//   routing     = (tail - even) / tail
//   composition = passes / tail              what else is in a pass: how many, prompts' chunks
//   queues      = (even - passes) / tail     others' passes between, and waiting after a preemption
// They sum to 1. One may be below zero: a run with the mean draw is another run, and a tail of sums
// no sum of tails.
struct ItlTail {
  double tail_ms = 0;
  double routing = 0, composition = 0, queues = 0;
  double p99_over_p50 = 1,
         p99_over_p50_by_routing = 1;  // the latter: of the run, over the even one
};

struct ServingReport {
  std::string what;  // the load, in words
  std::int64_t completed = 0, failed = 0, gpus = 0;
  double duration_s = 0;
  double drain_s = 0;  // of it, after the last request was sent: what runs is answered
  std::int64_t total_input_tokens = 0, total_output_tokens = 0;
  double request_throughput = 0, output_throughput = 0, total_token_throughput = 0;
  std::optional<double> request_goodput,
      attained;  // requests a second, and the part, in all targets
  double attained_target = 0.99;
  std::int64_t max_concurrent_requests = 0;
  Quantiles ttft, tpot, itl, e2el, queue, transfer;
  Quantiles itl_passes;  // of the gaps: the passes that made their tokens
  // Of the mean ttft; they sum to it.
  struct TtftParts {
    double client = 0, router = 0, queue = 0, prefill = 0, transfer = 0, first_decode = 0;
  } ttft_parts_ms;

  std::int64_t iterations = 0, dummy_iterations = 0;
  double tokens_per_iteration_mean = 0, tokens_per_iteration_p99 = 0, iteration_ms = 0;
  double running_mean = 0, waiting_mean = 0, kv_usage_mean = 0;
  std::int64_t running_max = 0, waiting_max = 0;
  double kv_usage_max = 0;
  std::int64_t kv_blocks = 0, kv_block_tokens = 0, prefill_kv_blocks = 0;  // of a dp rank
  std::int64_t preemptions = 0, recomputed_tokens = 0;
  double prefix_hit_rate = 0, accepted_per_step = 1, padding_share = 0, balance_ratio = 1,
         graph_share = 0, busy_share = 0;
  FactorTimes factors{};  // of all iterations, by cost model; they sum to the time in iterations
  double factors_share = 1;
  struct Saturation {
    // Requests a second; 1 - rate / capacity. The rate is what came, of clients who wait for their
    // answers what they got; the capacity is the engines', however many clients there are.
    double rate = 0, capacity = 0, distance = 0;
    std::string by;  // what bounds it
  };
  std::optional<Saturation> saturation;
  std::optional<ItlTail> itl_tail;  // nothing where all gaps are alike, or it was broken off
  struct IterationError {
    double mean_percent = 0, p99_percent = 0, max_percent = 0;
    std::int64_t checks = 0;
  } iteration_error;
  // Of the iterations' time; nothing where they were not looked at one by one (capacity).
  std::optional<double> extrapolated_share;
  std::map<std::string, Band> interval;
  std::vector<ScaledPool> scaled;
  double mean_gpus = 0;  // in use, of all pools
  std::vector<std::string> notes;
  bool partial = false;  // it was broken off

  double gpus_in_use() const { return scaled.empty() ? static_cast<double>(gpus) : mean_gpus; }
};

// From a loop that has run. `targets` of each request; warm-up is left out.
ServingReport summarise(const ServingLoop& loop, const ServingQuestion& question);

// Of a run and the same one with the mean draw. Nothing where the run's gaps have no tail.
std::optional<ItlTail> itl_tail(const ServingReport& run, const ServingReport& even);

// The statistic that a target is of, in milliseconds.
double value_of(const ServingReport& report, const StatisticTarget& target);
// Whether the part of the requests that is asked for meets their targets, and all statistics
// theirs.
bool meets(const ServingReport& report, const Targets& targets);

sim::io::Json to_json(const ServingReport& report);
// A row a request, in order of their ids.
std::string requests_csv(const std::deque<RequestRecord>& records);
std::string timeseries_csv(const std::vector<ServiceSample>& samples);

Quantiles quantiles_of(std::vector<double> sample);

}  // namespace moesim::workloads::serving
