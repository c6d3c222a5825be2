#include "workloads/routing/routing.h"

namespace moesim::workloads {

std::vector<std::uint32_t> expert_counts(const LayerRouting& routing) {
  std::vector<std::uint32_t> counts(routing.experts);
  for (const ExpertId id : routing.ids) {
    if (id < routing.experts) ++counts[id];
  }
  return counts;
}

}  // namespace moesim::workloads
