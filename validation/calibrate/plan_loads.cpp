#include "validation/calibrate/plan_loads.h"

#include <fmt/format.h>

#include <cmath>
#include <set>

#include "sim/random.h"

namespace moesim::validation {

std::vector<int> even_loads(int each, int active, int idle) {
  std::vector<int> loads(static_cast<std::size_t>(active), each);
  loads.insert(loads.end(), static_cast<std::size_t>(idle), 0);
  return loads;
}

std::vector<int> skewed_loads(int total, int groups) {
  double sum = 0;
  for (int g = 0; g < groups; ++g) sum += 1.0 / (g + 1);
  std::vector<int> loads;
  double ideal = 0;
  int given = 0;
  for (int g = 0; g < groups; ++g) {
    ideal += total / (sum * (g + 1));
    const int load = static_cast<int>(std::lround(ideal)) - given;
    loads.push_back(load);
    given += load;
  }
  return loads;
}

std::vector<int> dealt_loads(int total, int groups, std::uint64_t seed, const std::string& stream) {
  sim::Random random(seed, "calibrate/plan/dealt/" + stream);
  std::vector<int> loads(static_cast<std::size_t>(groups), 0);
  for (int row = 0; row < total; ++row) ++loads[random.below(static_cast<std::uint64_t>(groups))];
  return loads;
}

std::vector<int> router_loads(const ExpertShape& model, int tokens, int ep, std::uint64_t seed) {
  const int all = tokens * ep;
  sim::Random random(seed, fmt::format("calibrate/plan/{}/{}", model.model, all));
  std::vector<int> loads(static_cast<std::size_t>(model.experts), 0);
  for (int t = 0; t < all; ++t) {
    std::set<std::uint64_t> chosen;
    while (static_cast<int>(chosen.size()) < model.top_k) {
      chosen.insert(random.below(static_cast<std::uint64_t>(model.experts)));
    }
    for (const std::uint64_t e : chosen) ++loads[e];
  }
  loads.resize(static_cast<std::size_t>(model.experts / ep));
  return loads;
}

}  // namespace moesim::validation
