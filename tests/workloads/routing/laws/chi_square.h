// Whether counts follow a law, or two series of counts the same one.
#pragma once

#include <cmath>
#include <map>
#include <vector>

namespace moesim::tests {

// Of a chi-square: how many of its standard deviations it is above its mean. Over 5 by chance once
// in some thousand times (its tail is longer than a normal one's), with fixed seeds always or
// never.
inline double excess(double chi_square, double degrees) {
  return (chi_square - degrees) / std::sqrt(2 * degrees);
}

// Of observed counts over expected ones; those of which fewer than 8 are expected are one.
inline double excess_over(const std::vector<double>& observed,
                          const std::vector<double>& expected) {
  double sum = 0, rare_seen = 0, rare = 0, degrees = -1;
  const auto add = [&](double seen, double wanted) {
    sum += (seen - wanted) * (seen - wanted) / wanted;
    degrees += 1;
  };
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected[i] >= 8)
      add(observed[i], expected[i]);
    else
      rare_seen += observed[i], rare += expected[i];
  }
  if (rare >= 8) add(rare_seen, rare);
  return excess(sum, degrees);
}

// Of two series of as many draws; what was drawn fewer than 16 times in both is one.
template <class Outcome>
double excess_between(const std::map<Outcome, double>& a, const std::map<Outcome, double>& b) {
  std::map<Outcome, double> both = a;
  for (const auto& [outcome, count] : b) both[outcome] += count;
  double sum = 0, degrees = -1, rare_a = 0, rare_b = 0;
  const auto add = [&](double x, double y) {
    sum += (x - y) * (x - y) / (x + y);
    degrees += 1;
  };
  for (const auto& [outcome, count] : both) {
    const double x = a.contains(outcome) ? a.at(outcome) : 0;
    const double y = count - x;
    if (count >= 16)
      add(x, y);
    else
      rare_a += x, rare_b += y;
  }
  if (rare_a + rare_b >= 16) add(rare_a, rare_b);
  return excess(sum, degrees);
}

}  // namespace moesim::tests
