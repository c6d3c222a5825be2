#include "workloads/training/jitter.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/check.h"
#include "sim/quantile.h"

namespace moesim::workloads {
namespace {

// Of a woven pass's kernels those forward: gradients of inputs and of weights take as many
// operations each.
constexpr double kForwardShare = 1.0 / 3;

}  // namespace

LateGpus::LateGpus(const Jitter& jitter, const Shape& shape, std::uint64_t seed)
    : jitter_(jitter),
      shape_(shape),
      kernels_(seed, "training/jitter"),
      stalls_(seed, "training/stalls"),
      factors_(static_cast<std::size_t>(shape.pipelines * shape.ranks * shape.gpus * shape.chunks),
               1.0) {
  SIM_CHECK(!factors_.empty(), "a job has GPUs");
}

void LateGpus::next() {
  if (jitter_.kernel > 0)
    for (double& factor : factors_) factor = std::exp(jitter_.kernel * kernels_.normal());
  if (jitter_.stall_every > 0)
    stall_ = stalls_.uniform() * jitter_.stall_every < 1 ? jitter_.stall_takes : 1;
}

std::span<const double> LateGpus::of(std::int64_t pipeline, std::int64_t rank,
                                     std::int64_t gpu) const {
  const auto at = static_cast<std::size_t>(((pipeline * shape_.ranks + rank) * shape_.gpus + gpu) *
                                           shape_.chunks);
  return std::span(factors_).subspan(at, static_cast<std::size_t>(shape_.chunks));
}

double LateGpus::factor(std::int64_t pipeline, std::int64_t rank, std::int64_t forward,
                        std::int64_t backward) const {
  double slowest = 0;
  for (std::int64_t gpu = 0; gpu < shape_.gpus; ++gpu) {
    const auto own = of(pipeline, rank, gpu);
    slowest = std::max(slowest, kForwardShare * own[static_cast<std::size_t>(forward)] +
                                    (1 - kForwardShare) * own[static_cast<std::size_t>(backward)]);
  }
  return slowest;
}

double LateGpus::factor(std::int64_t pipeline, std::int64_t rank, std::int64_t chunk) const {
  double slowest = 0;
  for (std::int64_t gpu = 0; gpu < shape_.gpus; ++gpu)
    slowest = std::max(slowest, of(pipeline, rank, gpu)[static_cast<std::size_t>(chunk)]);
  return slowest;
}

LateSteps late_steps_of(std::vector<double> steps_us) {
  SIM_CHECK(!steps_us.empty(), "a distribution of nothing");
  std::sort(steps_us.begin(), steps_us.end());
  const auto quantile = [&](double q) { return sim::quantile_of_sorted(steps_us, q); };
  return {.steps = static_cast<std::int64_t>(steps_us.size()),
          .mean_us = std::accumulate(steps_us.begin(), steps_us.end(), 0.0) /
                     static_cast<double>(steps_us.size()),
          .p10_us = quantile(0.1),
          .p50_us = quantile(0.5),
          .p90_us = quantile(0.9),
          .p99_us = quantile(0.99),
          .longest_us = steps_us.back()};
}

}  // namespace moesim::workloads
