// How much of a result each of several factors makes, by a few runs (Morris) or many (Sobol).
//
// A method is two pure functions: the points of the unit cube that are asked, and what the answers
// mean. What a coordinate stands for (factor.h), and how a point is run, others know.
//
//   Morris   r paths through a grid of four levels, each of which moves one factor after another by
//            2/3 of its range: r (k + 1) runs. An effect is the change of the result over the whole
//            range, were the path's slope everywhere: their mean, the mean of their sizes (what a
//            factor matters), their deviation (0 where the result is linear and nothing interacts).
//            Morris, Technometrics 33 (1991); mean of sizes: Campolongo et al. (2007).
//   Sobol    parts of the variance: that of a factor alone, S, and with all that it takes part in,
//            ST. n (k + 2) runs of two matrices A, B and of A with one column of B:
//            S = mean(f(B) (f(AB) - f(A))) / V (Saltelli et al. 2010, with f less its mean),
//            ST = mean((f(A) - f(AB))^2) / (2 V) (Jansen 1999).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace moesim::tools {

using UnitPoint = std::vector<double>;  // a coordinate from 0 to 1 for each factor

std::vector<UnitPoint> morris_points(std::size_t factors, std::size_t paths, std::uint64_t seed);

struct MorrisEffect {
  double mean = 0, mean_size = 0, deviation = 0;  // in the result's unit, over the whole range
};
// `results`: of morris_points(...), in its order.
std::vector<MorrisEffect> morris_effects(const std::vector<UnitPoint>& points,
                                         std::span<const double> results);

// The most factors of which Sobol's sequence has two columns.
inline constexpr std::size_t kMostSobolFactors = 10;

// A, B, then A with the first column of B, with the second, ...: each n points.
// REQUIRES: 1 <= factors <= kMostSobolFactors
std::vector<UnitPoint> sobol_points(std::size_t factors, std::size_t n, std::uint64_t seed);

struct SobolPart {
  double value = 0, p10 = 0, p90 = 0;  // of 200 draws with replacement from the n rows
};
struct SobolParts {
  SobolPart first, total;
};
struct SobolResult {
  double mean = 0, variance = 0;       // of the result
  std::vector<SobolParts> parts = {};  // of each factor; all 0 where nothing varies
};
// `results`: of sobol_points(factors, n, …), in its order.
SobolResult sobol_parts(std::size_t factors, std::span<const double> results, std::uint64_t seed);

}  // namespace moesim::tools
