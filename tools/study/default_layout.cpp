#include "tools/study/default_layout.h"

#include <numeric>
#include <optional>

#include "workloads/deployment/check.h"
#include "workloads/memory/step_memory.h"

namespace moesim::tools {
namespace {

using workloads::Deployment;

// The rows of a rank in a mixture layer, were all experts alike.
std::int64_t balanced_rows(const Deployment& d, const workloads::Batch& batch) {
  const std::vector<std::int64_t> layers = d.model.moe_layers();
  if (layers.empty()) return 0;
  const std::int64_t selections =
      workloads::tokens_of(batch, d.layout.dp) * d.model.moe(layers.front())->top_k;
  return (selections + d.layout.ep * d.layout.edp() - 1) / (d.layout.ep * d.layout.edp());
}

}  // namespace

std::int64_t default_ep(const Deployment& d, std::int64_t gpus) {
  std::int64_t ep = gpus;
  for (const std::int64_t layer : d.model.moe_layers())
    ep = std::gcd(ep, d.model.moe(layer)->experts + d.placement.redundant);
  return d.model.is_moe() ? ep : 1;
}

DefaultLayout default_layout(const Deployment& deployment, const workloads::StepQuestion& asked) {
  const auto gpus = static_cast<std::int64_t>(deployment.cluster.ranks());
  const workloads::Batch batch = workloads::step_kinds(asked).back().batch;
  std::optional<DefaultLayout> least;
  std::int64_t least_peak = 0;
  for (std::int64_t tp = 1; tp <= gpus && gpus % tp == 0; tp *= 2) {
    Deployment tried = deployment;
    tried.layout = {.tp = tp, .dp = gpus / tp};
    tried.layout.ep = default_ep(deployment, gpus);
    if (tried.layout.ep == 1) tried.layout.etp = tp;
    if (!workloads::check(tried).empty()) continue;
    const auto plan = workloads::plan_step_memory(tried, batch, balanced_rows(tried, batch));
    if (plan.fits()) return {tried.layout, true};
    if (!least || plan.gpu().peak() < least_peak) {
      least = DefaultLayout{tried.layout, false};
      least_peak = plan.gpu().peak();
    }
  }
  return least.value_or(DefaultLayout{{.dp = gpus}, false});
}

}  // namespace moesim::tools
