// Minimises a function of a few variables without derivatives (Nelder and Mead 1965, with the
// dimension-dependent coefficients of Gao and Han 2012). Deterministic.
//
// For losses of cost models: they have steps (tiles, waves), where a gradient says nothing.
#pragma once

#include <functional>
#include <span>
#include <vector>

namespace moesim::validation {

using Objective = std::function<double(std::span<const double>)>;

struct Minimum {
  std::vector<double> x;
  double value = 0;
  int evaluations = 0;
};

struct SimplexOptions {
  double step = 0.2;  // edge of the first simplex, in every variable
  int evaluations = 2000;
  double tolerance = 1e-6;  // of the value, between the simplex's best and worst point
  int restarts = 2;         // from the best point, with a fresh simplex of half the edge
};

Minimum minimise(const Objective& f, std::vector<double> start, const SimplexOptions& options);

}  // namespace moesim::validation
