// What of a long run is progress: failures lose work since the last checkpoint, checkpoints lose
// time themselves.
//
//   M    = gpu_mtbf / GPUs                          mean time between failures of the job
//   tau  = sqrt(2 C (M + R))                        Young's interval, C a checkpoint that blocks
//   lost = C / tau + (tau / 2 + R) / M              R = detect + restart
//
// Times are doubles: a GPU's MTBF is longer than a Duration holds. Sources: Young 1974; Llama 3,
// arXiv 2407.21783. Good where tau is much shorter than M: the report says where it is not.
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
  std::optional<double> every_s = {};  // a checkpoint; none: Young's interval
  double blocks_s = 0;                 // how long a checkpoint stops the job
  double gpu_mtbf_s = 0;               // of a GPU and its part of all else; 0: no failures
  double detect_s = 0, restart_s = 0;
  std::string failures_source = {};      // whose these are; empty: the scenario's own
  std::vector<RunRouting> routing = {};  // ascending, the first from 0; none: as the scenario's
};

struct Goodput {
  double mtbf_h = 0;              // of the job
  double checkpoint_every_s = 0;  // 0: none are written
  double lost_share = 0, goodput = 1;
  double gpu_hours = 0, days = 0;  // of the run; 0: its tokens are not given
  bool rough = false;              // the interval is longer than a fifth of the job's MTBF
};

// How long the mean step of a run is whose routing drifts: `steps_us` of each part, weighted by its
// length. REQUIRES: as many as plan.routing, at least one
double mean_step_us(const RunPlan& plan, const std::vector<double>& steps_us);

// REQUIRES: gpus > 0, tokens_per_s > 0
Goodput goodput_of(const RunPlan& plan, std::int64_t gpus, double tokens_per_s);

}  // namespace moesim::workloads
