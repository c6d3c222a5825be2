// Times over sizes that work grows with, on which no time falls as a size grows.
//
// A formula with what it leaves over (residual.h) may fall where a library's choice of kernels
// does, or where two of its measurements did. Times at the crossings of ladders of sizes are
// therefore pooled: the geometric mean of the slowest of no more work and of the quickest of no
// less, both of which never fall. Between two steps of a ladder a time is a straight line.
#pragma once

#include <span>
#include <vector>

namespace moesim::hardware {

// Ascending sizes.
using Ladder = std::vector<double>;

// From 1 to `most`, a power of two, in `steps` equal steps an octave: 1, 2, 3, 4, 6, 8, 12, … in
// two. Whole numbers only.
Ladder octaves(double most, double steps);

class RisingTimes {
 public:
  // `times`: of each crossing of the ladders, the last one the fastest; above zero.
  RisingTimes(std::vector<Ladder> ladders, std::vector<double> times);

  // REQUIRES: each size within its ladder
  double at(std::span<const double> sizes) const;

 private:
  std::vector<Ladder> ladders_;
  std::vector<double> times_;  // pooled
};

}  // namespace moesim::hardware
