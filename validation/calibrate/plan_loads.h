// How a plan deals rows to the experts of one GPU.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "validation/calibrate/plan_shapes.h"

namespace moesim::validation {

// `active` experts with `each` rows, and `idle` without.
std::vector<int> even_loads(int each, int active, int idle);

// `total` rows over `groups`, group g in proportion to 1 / (g + 1): rounded so that they sum up.
std::vector<int> skewed_loads(int total, int groups);

// Each of `total` rows to any of `groups`: what one of many GPUs gets from a router without
// preferences. `stream` names the draw.
std::vector<int> dealt_loads(int total, int groups, std::uint64_t seed, const std::string& stream);

// A router without preferences deals `tokens` of each of `ep` GPUs, every token to top_k different
// experts of the model: the rows of the experts that live on the first of the GPUs.
// REQUIRES: ep divides the experts
std::vector<int> router_loads(const ExpertShape& model, int tokens, int ep, std::uint64_t seed);

}  // namespace moesim::validation
