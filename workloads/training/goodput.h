// What of a long run is progress: failures lose work since the last checkpoint, checkpoints lose
// time themselves.
//
//   M   = gpu_mtbf / GPUs                  mean time between failures of the job
//   C   = how long a checkpoint blocks, R = detect + restart
//
//   T   = from one checkpoint to the next, the block in it: T - C of it are steps
//
// Of failures that come at random (J. T. Daly, "A higher order estimate of the optimum checkpoint
// interval for restart dumps", Future Generation Computer Systems 22, 2006: equations 20 and 37;
// his tau is T - C):
//
//   goodput = (T - C) / (M e^(R/M) (e^(T/M) - 1))                 of the time; 1 - C / T without
//   any T       = sqrt(2 C M) (1 + sqrt(C / 2M) / 3 + (C / 2M) / 9)   where C < 2M, else M + C
//
// Where T and R are short beside M these are 1 - C / T - (T / 2 + R) / M and Young's sqrt(2 C M)
// (Communications of the ACM 17, 1974; Llama 3, arXiv 2407.21783). Rarer failures never make it
// less. Times are doubles: a GPU's MTBF is longer than a Duration holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace moesim::workloads {

// What the routing is like from a part of the run on: a trace of a checkpoint that was taken then.
struct RunRouting {
  double from = 0;  // of the run, 0 to 1
  std::filesystem::path trace = {};
};

struct RunPlan {
  double tokens = 0;                   // of the whole run; 0: not given
  std::optional<double> every_s = {};  // from checkpoint to checkpoint; none: the best interval
  double blocks_s = 0;                 // how long a checkpoint stops the job
  bool assumed_checkpoint = false;     // nothing is said of one: blocks_s is kAssumedBlocks
  double gpu_mtbf_s = 0;               // of a GPU and its part of all else; 0: no failures
  double detect_s = 0, restart_s = 0;
  bool assumed_detect = false, assumed_restart = false;  // nothing is said of them: 0
  std::string failures_source = {};      // whose these are; empty: the scenario's own
  std::vector<RunRouting> routing = {};  // ascending, the first from 0; none: as the scenario's
};

// Of a checkpoint that nothing is said of, where there are failures: assumed, and said to be.
inline constexpr double kAssumedBlocks = 30;  // s
// With less progress than this a run is not going to end.
inline constexpr double kLeastGoodput = 0.01;

struct Goodput {
  double mtbf_h = 0;              // of the job; 0: no failures are counted
  double checkpoint_every_s = 0;  // 0: none are written
  double lost_share = 0, goodput = 1;
  bool ends = true;                // goodput is at least kLeastGoodput
  double gpu_hours = 0, days = 0;  // of the run; 0: its tokens are not given, or it never ends
};

// How long the mean step of a run is whose routing drifts: `steps_us` of each part, weighted by its
// length. REQUIRES: as many as plan.routing, at least one
double mean_step_us(const RunPlan& plan, const std::vector<double>& steps_us);

// REQUIRES: gpus > 0, tokens_per_s > 0
Goodput goodput_of(const RunPlan& plan, std::int64_t gpus, double tokens_per_s);

}  // namespace moesim::workloads
