// What a run of training does in a second, by one step of it as `moesim run` plays it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "hardware/power.h"
#include "validation/confidence.h"
#include "workloads/run.h"

namespace moesim::tools {

struct TrainingRate {
  // Tokens a second, what failures and checkpoints lose taken off (training/goodput.h).
  validation::EngineCapacity capacity = {};
  hardware::PowerUse use = {};              // of its cards
  std::optional<std::string> lacking = {};  // it does not fit: why
};

// Of a scenario of training that was run, or by running it; shares of its time by what shows of it,
// attention's projections and cores by their FLOP.
TrainingRate rate_of(const workloads::Scenario& scenario);

// Estimates of runs, cheaper to play: exchanges at the bound of their busiest port, balanced
// routing. How much longer than that one draw of the routing is, is asked once for all runs of a
// setting that share out tokens and experts alike (tp, cp, ep, etp, micro-batch). Drift is left
// out.
class TrainingEstimates {
 public:
  // `setting`: which runs may be compared.
  TrainingRate of(std::size_t setting, workloads::Scenario scenario);

 private:
  using Sharing = std::array<std::int64_t, 6>;
  std::map<Sharing, double> slowdown_;
};

}  // namespace moesim::tools
