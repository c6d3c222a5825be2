// How many different ranks and nodes the top_k choices of one row go to, on average, where every
// set of groups is equally likely.
#pragma once

namespace moesim::hardware {

inline constexpr double kRanksOfNode = 8;
// Node-limited routing: a row's groups lie on so many nodes at most (DeepSeek-V3 report, 2.1.2).
inline constexpr double kMostNodes = 4;

// Expected number of bins, of `bins` equal ones, that hold at least one of `chosen` different
// groups out of `groups`: bins (1 - C(groups - groups / bins, chosen) / C(groups, chosen)).
double expected_bins(double bins, double groups, double chosen);

struct Spread {
  double ranks = 0;         // different ranks a row goes to, its own among them
  double remote_nodes = 0;  // different nodes besides its own
};
Spread spread_of(double nodes, double groups, double top_k);

}  // namespace moesim::hardware
