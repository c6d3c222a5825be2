// Where the mean rank's step goes: by layer, phase and reason, in whole picoseconds that add up to
// the step.
//
// A computation's time is divided as its kernels are bound (of all ranks, of that place), an
// exchange's into waiting for ranks that came later and the rest.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/report/report.h"
#include "workloads/step/player.h"

namespace moesim::workloads {

enum class Reason : std::uint32_t {
  Launch,       // of kernels too small to fill the GPU
  Compute,      // arithmetic
  Memory,       // its bandwidth
  Network,      // bytes between ranks, and what starting to send them takes
  SlowerRanks,  // waiting for a rank that has not yet arrived
  Host,         // the engine
  Bubble,       // idle in a pipeline
  Idle,
};
inline constexpr std::array<std::string_view, 8> kReasonNames{
    "launch", "compute", "memory", "network", "slower_ranks", "host", "bubble", "idle"};
constexpr std::string_view name_of(Reason reason) {
  return kReasonNames[static_cast<std::size_t>(reason)];
}

// As people read it: "experts: memory bandwidth", "combine: slower ranks", "idle".
std::string bottleneck_name(std::string_view phase, std::string_view reason);

// Whole numbers that add up to `total`, each less than one from its part scaled to that sum: what
// is left of rounding down goes to the largest remainders, of equals to the first.
// REQUIRES: parts are not negative, and their sum is above zero where total is
std::vector<std::int64_t> largest_remainder(const std::vector<double>& parts, std::int64_t total);

class TimeAccount {
 public:
  void add(const StepOutcome& step, double weight);
  // Scaled to the mean step of `step_ps`. Cells of no time are left out.
  std::vector<TimeReport> cells(std::int64_t step_ps, bool pipeline) const;

 private:
  struct Place {
    double exposed = 0, waiting = 0;  // ps, of all ranks and steps, weighted
    std::array<double, 3> bounds{};   // of its computations
  };
  std::vector<Place> places_;  // by place_of()
  double idle_ = 0;
};

}  // namespace moesim::workloads
