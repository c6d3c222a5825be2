// What is counted while a service runs, but for its requests: iterations, tokens, gaps between
// tokens, and integrals over time.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/units.h"

namespace moesim::workloads::serving {

// Durations and how often each came, within 1/2048 of each: exact below 2048 ps, then 2048 steps an
// octave. The mean and the deviation are exact.
class DurationHistogram {
 public:
  void add(sim::Duration duration, std::int64_t times = 1);
  std::int64_t count() const { return count_; }
  double mean() const;  // picoseconds; 0 where there are none
  double deviation() const;
  // As numpy's percentile, of 0 to 1. REQUIRES: count() > 0
  double quantile(double q) const;
  friend bool operator==(const DurationHistogram&, const DurationHistogram&) = default;

 private:
  std::vector<std::int64_t> counts_;
  std::int64_t count_ = 0;
  __extension__ using Wide = unsigned __int128;
  Wide sum_ = 0;
  Wide squares_ = 0;  // of whole nanoseconds
};

struct RunCounters {
  DurationHistogram gaps = {};              // between messages, of requests that count
  DurationHistogram passes = {};            // of the same: in the passes that made their tokens
  DurationHistogram iteration_tokens = {};  // tokens of an iteration, as picoseconds
  std::int64_t iterations = 0, graph_iterations = 0, dummies = 0;
  std::int64_t tokens = 0, prompt_tokens = 0, padding = 0;
  std::int64_t decodes = 0, accepted = 0;  // passes of sequences that decode; drafted tokens kept
  std::int64_t fast = 0;                   // iterations that were taken at once
  sim::Duration busy{};
  double balance = 0;  // summed over iterations: mean / max of the ranks' tokens
  // Integrals over the time in iterations: sequences x time and blocks x time, in picoseconds.
  double running = 0, waiting = 0, blocks = 0;
  std::int64_t most_running = 0, most_waiting = 0, most_blocks = 0;
  std::int64_t preemptions = 0;
};

}  // namespace moesim::workloads::serving
