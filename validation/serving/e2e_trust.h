// Whether what is said with a probability comes true as often: statements about measured engines,
// and in bins of what was said, how many of them hold.
//
// ln(measured / predicted) of a TPOT is taken to be normal about 0, with the deviation that a plan
// gives a capacity (confidence.h): that of the cost models' interval and what no model has. So
// "TPOT <= x times its prediction" has P = Phi(ln x / sigma), and "A is faster than B", of two
// engines under one load, P = Phi(ln(B / A) / sigma_AB).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "validation/serving/e2e_validation.h"

namespace moesim::validation {

struct Statement {
  double probability = 0;
  bool holds = false;
};

// x = 0.8, 0.9, 1, 1.1, 1.25 of every prediction.
inline constexpr std::array<double, 5> kPartsOfPrediction{0.8, 0.9, 1, 1.1, 1.25};
std::vector<Statement> statements_on_tpot(const std::vector<E2ePrediction>& predictions);

// Of pairs of deployments of one model on one system under one load, each once, from the side that
// is said to be the faster one.
std::vector<Statement> statements_on_pairs(const std::vector<E2ePrediction>& predictions);

// Fewer statements than these say nothing.
inline constexpr std::int64_t kLeastOfBin = 20;

// A fifth of what may be said, from `from` to `from` + 0.2.
struct TrustBin {
  double from = 0;
  std::int64_t n = 0;
  double said = 0, held = 0;  // means
  bool counts() const { return n >= kLeastOfBin; }
};
std::array<TrustBin, 5> bins_of(const std::vector<Statement>& statements);
// The largest |held - said| of the bins that count.
double largest_gap(const std::array<TrustBin, 5>& bins);

}  // namespace moesim::validation
