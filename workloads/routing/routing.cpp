#include "workloads/routing/routing.h"

namespace moesim::workloads {

void copy(const RoutingView& view, LayerRouting& out) {
  out.tokens = view.tokens;
  out.top_k = view.top_k;
  out.experts = view.experts;
  out.ids.resize(std::size_t{view.tokens} * view.top_k);
  ExpertId* to = out.ids.data();
  with_ids(view, [&](const auto& ids) {
    ids.for_each_run(0, view.tokens, [&](const auto* id, const auto* end) {
      for (; id != end; ++id) *to++ = *id < view.experts ? *id : kMissingExpert;
    });
  });
}

std::vector<std::uint32_t> expert_counts(const LayerRouting& routing) {
  std::vector<std::uint32_t> counts(routing.experts);
  for (const ExpertId id : routing.ids) {
    if (id < routing.experts) ++counts[id];
  }
  return counts;
}

}  // namespace moesim::workloads
