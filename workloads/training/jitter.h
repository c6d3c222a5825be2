// Stragglers: GPUs whose kernels take longer in a step than they usually do.
//
//   jitter: {kernel: 0.03, stalls: {every: 1000, takes: 3}, steps: 1000}
//
// In every step each GPU draws, for each chunk of its pipeline rank, a factor exp(kernel z), z
// standard normal: in that step the kernels of the chunk's passes take so many times as long on it.
// Half of all factors are above 1. Ranks of an expert group wait for each other in every layer, so
// that a pass takes what it takes on the slowest of its n GPUs, exp(kernel max z); stages wait for
// what they are sent, and all for the slowest at the gradients. Steps are independent of each
// other: Megatron-LM's are, over 24,000 of Mixtral 8x7B on H100 (lag-1 autocorrelation 0.006,
// golden values of its release tests).
//
// A whole step besides, once in `every` on average, takes `takes` times as long: a checkpoint that
// is in the way, a file system, a link that comes back.
//
// A woven pass of two chunks has a third of its kernels forward and two thirds backward. Where the
// GPUs of a group are not equally busy, the slowest one is taken to be the busiest: late by at most
// that, never early.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "sim/random.h"
#include "sim/units.h"

namespace moesim::workloads {

struct Jitter {
  double kernel = 0;          // sigma, of the logarithm
  double stall_every = 0;     // steps; 0: none stalls
  double stall_takes = 1;     // times as long as the step
  std::int64_t steps = 1000;  // that are drawn

  bool given() const { return kernel > 0 || stall_every > 0; }
};

// The factors of a job's GPUs, step after step.
class LateGpus {
 public:
  // Pipelines are the job's replicas of its `ranks` pipeline ranks; `gpus` of an expert group.
  struct Shape {
    std::int64_t pipelines = 1, ranks = 1, gpus = 1, chunks = 1;
  };
  // REQUIRES: all of a shape at least 1
  LateGpus(const Jitter& jitter, const Shape& shape, std::uint64_t seed);

  // Draws the next step's.
  void next();
  // How long the kernels of a chunk's passes take on the slowest GPU of a rank's group, over what
  // they usually do; of woven passes those of two chunks.
  double factor(std::int64_t pipeline, std::int64_t rank, std::int64_t chunk) const;
  double factor(std::int64_t pipeline, std::int64_t rank, std::int64_t forward,
                std::int64_t backward) const;
  // How many times as long the whole step takes.
  double stall() const { return stall_; }

 private:
  // [chunk] of a GPU of a group.
  std::span<const double> of(std::int64_t pipeline, std::int64_t rank, std::int64_t gpu) const;

  Jitter jitter_;
  Shape shape_;
  sim::Random kernels_, stalls_;
  std::vector<double> factors_;  // [pipeline][rank][GPU][chunk]
  double stall_ = 1;
};

// Of steps that were drawn, linear between their order statistics.
struct LateSteps {
  std::int64_t steps = 0;
  double mean_us = 0, p10_us = 0, p50_us = 0, p90_us = 0, p99_us = 0, longest_us = 0;
};
// REQUIRES: not empty
LateSteps late_steps_of(std::vector<double> steps_us);

}  // namespace moesim::workloads
