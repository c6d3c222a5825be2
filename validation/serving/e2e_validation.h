// Predicted beside measured, for whole engines.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "validation/choices.h"
#include "validation/serving/e2e_rows.h"
#include "validation/serving/run_options.h"
#include "workloads/run_serving.h"
#include "workloads/step/factors.h"

namespace moesim::validation {

struct E2eError {
  std::int64_t n = 0;
  double median = 0, p90 = 0, mean = 0, bias = 0,
         coverage80 = 0;  // percent; bias: median of errors
};
// Of errors in percent, all but the coverage; of none nothing.
E2eError error_over(const std::vector<double>& errors);

struct E2ePrediction {
  E2eRow row;
  double ttft_ms = 0, tpot_ms = 0;
  double throughput = 0;  // output tokens a second; of rows that say what was sent
  // 80 % intervals, as reported
  double tpot_low = 0, tpot_high = 0, ttft_low = 0, ttft_high = 0;
  double throughput_low = 0, throughput_high = 0;
  // The same of single steps, without a schedule (workloads::serving::BareSteps).
  double bare_ttft_ms = 0, bare_tpot_ms = 0;
  // What of them is the cost models' alone, over the value: of decodes, and of prompts.
  workloads::CostBand models = {};
  // Of the time in iterations, by cost model; sums to 1 where there are any.
  std::array<double, workloads::kFactors> share{};
  double demand = 0;   // tokens that the clients want cached, of those that there is room for
  std::string failed;  // why there is no prediction
  // Sets of run options that fit the row and differ (OptionTable); -1: nobody asked.
  std::int64_t option_sets = -1;
  bool options_assumed = false;  // OptionTable::Found::assumed

  // Where a load is given, its queue is part of what is asked.
  bool counts_for_ttft() const {
    return row.load || (!row.cold && !row.saturated && demand <= 0.8);
  }
};

struct E2eOptions {
  // The file of a model's hub id; throws ConfigError where there is none.
  std::function<std::string(const std::string& model)> model_file = {};
  std::string configs = {};           // the folder with clusters and engines
  const OptionTable* runs = nullptr;  // what the runs were started with, where it is known
  bool full = false;                  // all requests of the benchmark, ten times the concurrency
  int threads = 1;
  std::function<void(std::size_t done, std::size_t all)> progress = {};
};

// The scenario that a row was measured in, as YAML text. Throws as `model_file` does.
std::string scenario_of(const E2eRow& row, const E2eOptions& options, const RunOptions& run = {});

// One a row, in their order; equal for any number of threads.
std::vector<E2ePrediction> predict_e2e(const std::vector<E2eRow>& rows, const E2eOptions& options);

struct E2eErrors {
  E2eError tpot, ttft, throughput;
};

struct E2eSummary {
  E2eError tpot, ttft, ttft_all, throughput;
  // Of single steps, over the rows of `tpot` and of `ttft`; what is said with it has no interval.
  E2eError bare_tpot, bare_ttft;
  // by engine, system, model, mode, load, options, group; and the means over groups of their
  // medians and p90s
  std::map<std::string, std::map<std::string, E2eErrors>> by;
  E2eError tpot_of_groups, ttft_of_groups;
  // What a first token takes before and behind the engine's loop (tokenizer, messages, the client),
  // milliseconds by "engine version model": of small batches of short prompts (8 clients, 1,024
  // tokens at most) of *other* models, the median of measured less predicted, at least 0. Of the
  // same version where there are any, else of the engine; no entry where it has no other model.
  std::map<std::string, double> host_ms;
  E2eError ttft_with_host;                            // of the rows of `ttft` that have it
  std::map<std::string, E2eError> ttft_with_host_by;  // engine
  // Of pairs of deployments of one model on one system, under one load, whose measured values
  // differ by more than 5 %; of output tokens a second and GPU.
  RankedPairs tpot_ranking, rate_ranking;
};
E2eSummary summarise_e2e(const std::vector<E2ePrediction>& predictions);

}  // namespace moesim::validation
