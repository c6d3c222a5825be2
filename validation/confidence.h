// How likely it is that a plan carries its load, from what is known of its cost models.
//
// The capacity of a deployment is taken to be log-normal about its prediction: what the cost models
// may be off (the interval of the prediction), and what no model has, the structure. Errors of one
// cost model move all deployments of one model on one device together, so that two of them are told
// apart by the shares of their time that rest on different ones, and by what is each one's own.
#pragma once

#include <array>
#include <cstddef>

#include "workloads/report/structure.h"
#include "workloads/step/factors.h"

namespace moesim::validation {

// Standard deviations of ln(true / predicted) beyond the cost models'.
inline constexpr double kServingStructure = workloads::kTokenStructure,
                        kStepStructure = workloads::kStepStructure;

// What an engine carries: requests (of steps: tokens) a second.
struct EngineCapacity {
  double p10 = 0, p50 = 0, p90 = 0;                 // by the cost models
  std::array<double, workloads::kFactors> share{};  // of its time, by cost model; sums to 1
};

// Parts of a time by cost model; all 0 of none.
std::array<double, workloads::kFactors> shares_of(const workloads::FactorTimes& times);

// The normal distribution's, and its inverse for 0 < p < 1 (to 1e-9).
double normal_below(double z);
double normal_quantile(double p);

// Of ln(true capacity / p50): that of the cost models, ln(p90 / p10) / 2.563 (the 80 % of a normal
// distribution are 2.563 deviations wide), and `structure`, which add up as squares.
double deviation_of(const EngineCapacity& capacity, double structure);

// That a capacity of `capacity`, with that deviation, is at least `rate`. Half where they are
// equal.
double probability_of(double capacity, double rate, double deviation);

// The capacity that carries `rate` with that probability.
double capacity_for(double rate, double probability, double deviation);

// That A carries more than B, of p50s a and b (of as many engines as there are): each cost model
// has the deviation that makes up A's and B's own, and moves each by its share of the time;
// of the variance that no model has half is common where both run on one device, half is each one's
// own (of 1,978 measured pairs ln of the ratio is off by 0.11 beyond the models: validate serving).
// REQUIRES: b > 0
double probability_better(const EngineCapacity& a, double capacity_a, const EngineCapacity& b,
                          double capacity_b, bool one_device, double structure);

}  // namespace moesim::validation
