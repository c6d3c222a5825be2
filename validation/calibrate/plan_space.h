// The space of grouped products, in four directions: n, k, rows an expert, experts with rows. And
// choosing a few points that fill it.
#pragma once

#include <span>
#include <vector>

#include "validation/calibrate/plan_shapes.h"

namespace moesim::validation {

// A grouped product before it has an implementation.
struct Candidate {
  WeightShape shape;
  int rows = 0, active = 0;  // rows of each of the experts that have any
};

// Levels of the last two directions. Those that are fitted on lie a factor of 4 apart, so that
// nothing between them is farther than 2; those that judge lie between.
struct Levels {
  std::vector<int> rows, active;
};
// Experts with rows: up to the most that a GPU holds.
Levels fitted_levels(int most_experts);
Levels unseen_levels(int most_experts);

// Every shape at every level whose weights take at most `weight_bytes`, and whose rows and
// arithmetic are bounded too (131,072 rows; 6e13 FLOP, a tenth of a second at 600 TFLOP/s).
std::vector<Candidate> candidates(std::span<const WeightShape> shapes, const Levels& levels,
                                  double weight_bytes);

// `count` of them, or all: the first, then time and again the one farthest from all taken.
std::vector<Candidate> spread(std::span<const Candidate> pool, int count);

}  // namespace moesim::validation
