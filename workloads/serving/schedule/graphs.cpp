#include "workloads/serving/schedule/graphs.h"

#include <algorithm>

namespace moesim::workloads::serving {

void pad_to_graphs(const GraphRules& rules, std::span<BatchPlan> ranks) {
  std::int64_t fullest = 0;
  bool recorded = !rules.sizes.empty();
  for (const BatchPlan& plan : ranks) {
    fullest = std::max(fullest, plan.tokens());
    recorded = recorded && (rules.mixed || plan.decode_only());
  }
  const auto size = std::lower_bound(rules.sizes.begin(), rules.sizes.end(), fullest);
  recorded = recorded && size != rules.sizes.end() && (rules.pad || *size == fullest);
  for (BatchPlan& plan : ranks) {
    plan.graph = recorded;
    const std::int64_t rows = recorded ? *size : rules.alike ? fullest : plan.tokens();
    plan.padding = rows - plan.tokens();
  }
}

}  // namespace moesim::workloads::serving
