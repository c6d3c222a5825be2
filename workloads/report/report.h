// What a run found: plain values, and the same as JSON (formats: workloads/README.md).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/device.h"
#include "sim/io/json.h"
#include "sim/units.h"
#include "workloads/step/phases.h"

namespace moesim::workloads {

// Of a sample, linear between its order statistics.
struct Distribution {
  double mean = 0, p50 = 0, p90 = 0, p99 = 0;
};
// REQUIRES: sample is not empty
Distribution distribution_of(std::vector<double> sample);
// Where values count differently: the least value that so much of the weight is not above.
// REQUIRES: as many weights as values, all above zero
Distribution distribution_of(const std::vector<double>& sample, const std::vector<double>& weights);

// Mean over the ranks and the steps. Exposed times and idle sum to the step.
struct PhaseReport {
  double busy_us = 0;
  double exposed_us = 0;
  double waiting_us = 0;  // of exposed: for a rank that had not yet arrived
  double flops = 0;       // of all ranks, of one step
  double memory_bytes = 0;
  double network_bytes = 0;  // payload between ranks, of one step
};

struct LoadReport {
  double max_over_mean = 1;
  double normalised_entropy = 1;  // 1: all alike; 0: one takes all
  std::int64_t dead_experts = 0;
};

struct LayerReport {
  std::int64_t layer = 0;  // of the model
  LoadReport experts;
  double rank_max_over_mean = 1;
  // Which expert and which rank (of ep's, or of all) has the most; of equals the first.
  std::int64_t busiest_expert = 0, busiest_rank = 0;
  std::vector<std::uint64_t> expert_counts = {};  // selections of each; not in the JSON
};

struct LinkReport {
  std::string name, kind;
  std::int64_t bytes = 0;
  double busy_fraction = 0;  // of the steps' time at the link's full rate
};

// A rank that others wait for.
struct WaitedForReport {
  std::int64_t rank = 0;
  double share = 0;  // of all waiting of all ranks
  double speed = 1;  // of its computations, where the cluster says that it is slow
};

// A part of the mean rank's step, by what limits it. Shares sum to one.
struct BottleneckReport {
  std::string
      what;  // "experts: memory bandwidth", "dispatch: network", "combine: slower ranks", "idle"
  double time_us = 0;
  double share = 0;
};

// A part of the mean rank's step: a phase of a layer (-1: of none), and what takes the time.
struct TimeReport {
  std::int64_t layer = -1;
  std::string_view phase;   // of kPhaseNames, or "idle"
  std::string_view reason;  // of kReasonNames
  std::int64_t ps = 0;      // whole picoseconds; all of them add up to the mean step
};

// Sums that must add up; the property tests check them.
struct Conservation {
  std::int64_t tokens = 0, routed_tokens = 0, selections = 0, missing = 0, rows = 0;
  std::int64_t selections_away = 0;          // for an expert of another rank than the token's
  std::int64_t copies = 0, copies_away = 0;  // a token once for each rank that computes it; zero
                                             // where messages go by selection
};

// Of the fullest GPU.
struct MemoryReport {
  std::int64_t weights = 0, kv_cache = 0, activations = 0, buffers = 0, context = 0;  // bytes
  std::int64_t peak = 0, capacity = 0;
  bool fits = true;
  std::string advice = {};  // where it does not fit: what takes too much, and what would do
};

struct Interval {
  double p10 = 0, p90 = 0;
};

// What of the step lies outside what its cost models were fitted on.
struct ExtrapolatedReport {
  struct Reason {
    std::string what;  // "gemm trtllm nvfp4: no fit, trtllm fp8 stands in"
    double share = 0;
  };
  double share = 0;                        // of the step
  std::array<double, kPhases> by_phase{};  // they add up to it
  std::vector<Reason> reasons = {};        // largest first; they add up to it, too
};

// A cost model that answered for another: an implementation or number format without a fit.
struct StandInReport {
  std::string kind, asked, used;
};

// A fit of another device, with this one's rates.
struct CarriedReport {
  std::string kind, device;
};

// What the cards draw, and the energy of a token (energy.h).
struct EnergyReport {
  std::string_view tokens;        // whose: "output", "prompt", "trained"
  double gpu_w = 0, total_w = 0;  // of a card; of all, with hosts and cooling
  double gpu_j_per_token = 0;     // of the cards alone
  double total_j_per_token = 0;
  double error = 0;                    // a part: how far it may be off
  std::string_view origin = "fitted";  // or "assumed": what of it another card's stands in for
  std::string source = {};
  std::vector<std::string> stand_ins = {};
};

// Whether the placement holds every expert whichever GPU, or node, is lost.
struct SurvivesReport {
  bool any_gpu = true, any_node = true;
  bool replicas = false;  // there are some
};

// What one cost model (step/factors.h) has of the mean step's exposed time, and the 80 % ends of
// it. What it gets wrong it gets wrong in all steps and all scenarios: errors of one go the same
// way.
struct DoubtReport {
  double us = 0, p10_us = 0, p90_us = 0;
};

struct InputFile {
  std::string path;
  std::string hash;  // XXH64 of the contents, 16 hex digits
};

struct Report {
  std::string title;  // what the scenario is called
  std::string what;   // what was asked, of the values that were used
  std::int64_t gpus = 0;
  std::vector<double> step_times_us;
  Distribution step_time_us;
  double tokens_per_step = 0;
  double tokens_per_s = 0, tokens_per_s_per_gpu = 0;
  std::array<PhaseReport, kPhases> phases{};
  double idle_us = 0;
  MemoryReport memory;
  std::optional<EnergyReport> energy;      // where a limit of power is known
  std::optional<SurvivesReport> survives;  // where there are experts
  LoadReport expert_load;  // all layers together: the mean of their ratios, the sum of dead experts
  double rank_max_over_mean = 1;
  std::vector<LayerReport> layers;
  std::vector<LinkReport> links;             // busiest first
  std::vector<TimeReport> time;              // by layer, phase, reason
  std::vector<BottleneckReport> bottleneck;  // its sums over layers, largest first
  std::vector<WaitedForReport> waited_for;   // largest first
  std::map<std::string, Interval> interval;  // by metric: "step_time_us"
  std::map<std::string, DoubtReport> doubt;  // by cost model: "gemm"; of steps
  ExtrapolatedReport extrapolated;
  std::vector<StandInReport> stand_ins;
  std::vector<CarriedReport> carried_over;
  std::vector<hardware::Provenance> provenance;
  Conservation conservation;
  std::string routing;                // what it is, and how it was mapped onto the model
  std::vector<std::string> defaults;  // what was chosen where the scenario leaves it open
  std::vector<std::string> notes;     // what the reader must know
  std::vector<InputFile> inputs;
  std::uint64_t seed = 1;
  std::string command;  // that asked for it, where there was one
};

// The report, and beside it what was asked (resolved() of a scenario).
sim::io::Json to_json(const Report& report, const sim::io::Json& scenario);

}  // namespace moesim::workloads
