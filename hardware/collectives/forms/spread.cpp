#include "hardware/collectives/forms/spread.h"

#include <algorithm>
#include <cmath>

namespace moesim::hardware {

double expected_bins(double bins, double groups, double chosen) {
  const double outside = groups - groups / bins;
  if (outside < chosen) return bins;  // too few outside any one bin
  // C(outside, chosen) / C(groups, chosen), by logarithms of the gamma function
  const double ln = std::lgamma(outside + 1) - std::lgamma(outside - chosen + 1) -
                    std::lgamma(groups + 1) + std::lgamma(groups - chosen + 1);
  return bins * (1 - std::exp(ln));
}

Spread spread_of(double nodes, double groups, double top_k) {
  const double reached = std::min(nodes, kMostNodes);
  const double eligible = groups * reached / nodes;  // groups on the nodes that a row may use
  const double ranks = std::min(expected_bins(reached * kRanksOfNode, eligible, top_k), top_k);
  const double used = nodes > 1 ? std::min(expected_bins(reached, eligible, top_k), top_k) : 1;
  return {.ranks = ranks, .remote_nodes = used * (nodes - 1) / nodes};
}

}  // namespace moesim::hardware
