#include "workloads/training/capacity.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace moesim::workloads {

std::int64_t capacity_rows(std::int64_t tokens, const MoeFfn& moe, double factor) {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(tokens * moe.top_k) /
                                             static_cast<double>(moe.experts) * factor));
}

std::int64_t filled_tokens(std::int64_t tokens, const MoeFfn& moe, double factor) {
  const std::int64_t rows = capacity_rows(tokens, moe, factor);
  return (rows * moe.experts + moe.top_k - 1) / moe.top_k;
}

std::int64_t drop_over_capacity(const RoutingView& view, const TokenSources& sources,
                                const MoeFfn& moe, double factor, LayerRouting& out) {
  copy(view, out);
  std::int64_t dropped = 0;
  std::vector<std::int64_t> taken(view.experts);
  for (std::uint32_t source = 0; source < sources.ranks(); ++source) {
    const std::size_t first = sources.begin[source], end = sources.begin[source + 1];
    const std::int64_t room = capacity_rows(static_cast<std::int64_t>(end - first), moe, factor);
    std::fill(taken.begin(), taken.end(), 0);
    for (std::size_t i = first * view.top_k; i < end * view.top_k; ++i) {
      ExpertId& id = out.ids[i];
      if (id >= view.experts || ++taken[id] <= room) continue;
      id = kMissingExpert;
      ++dropped;
    }
  }
  return dropped;
}

}  // namespace moesim::workloads
