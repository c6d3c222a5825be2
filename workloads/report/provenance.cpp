#include "workloads/report/provenance.h"

#include <fmt/format.h>

#include <string>

namespace moesim::workloads {
namespace {

using hardware::FittedModel;
using hardware::Origin;
using hardware::Provenance;

// A kind of fitted model, and whose it is ("" for any).
struct Used {
  std::string kind, implementation;
};

std::vector<Used> used_by(const Deployment& deployment, const Batch& batch) {
  const auto chosen = [](const std::string& name) { return name.empty() ? "trtllm" : name; };
  std::vector<Used> used{{"gemm", chosen(deployment.kernels.gemm)}};
  const bool mla =
      deployment.model.layer_count() > 0 &&
      deployment.model.mixer<MlaAttention>(deployment.model.layer_count() - 1) != nullptr;
  const bool decode = !has_prompts(batch);
  used.push_back({std::string(decode ? "generation_" : "context_") + (mla ? "mla" : "attention"),
                  chosen(deployment.kernels.attention)});
  if (deployment.model.is_moe()) {
    const std::string moe = chosen(deployment.kernels.moe);
    used.push_back({moe == "deepgemm" ? "wideep_moe" : "moe", moe});
    if (deployment.layout.ep > 1) {
      const std::string_view all =
          hardware::multicast_names()[static_cast<std::size_t>(deployment.tokens)];
      used.push_back({all == "deepep_low_latency" ? "deepep_ll"
                      : all == "deepep_normal"    ? "deepep_normal"
                                                  : "nccl",
                      ""});
    }
  }
  if (deployment.layout.tp > 1) {
    used.push_back({"nccl", ""});
    used.push_back({"custom_allreduce", "trtllm"});
  }
  return used;
}

Provenance of(const FittedModel& model, const hardware::Device& device) {
  std::string text =
      fmt::format("{} {}{}{}: {}, held out: median {:.1f} %, p90 {:.1f} %", model.kind,
                  model.implementation, model.variant.empty() ? "" : " ", model.variant,
                  model.provenance.source, model.median_error_percent, model.p90_error_percent);
  if (model.carried_from.empty()) return {model.provenance.origin, std::move(text)};
  text += fmt::format("; carried over from {} to {}", model.carried_from, device.name);
  return {Origin::Extrapolated, std::move(text)};
}

}  // namespace

std::vector<Provenance> provenance_of(const Deployment& deployment, const Batch& batch) {
  const hardware::Device& device = deployment.cluster.device;
  std::vector<Provenance> list{{device.provenance.origin, device.provenance.source}};
  for (const Used& used : used_by(deployment, batch)) {
    for (const FittedModel& model : device.fitted) {
      if (model.kind != used.kind) continue;
      if (!used.implementation.empty() && model.implementation != used.implementation) continue;
      list.push_back(of(model, device));
    }
  }
  if (!deployment.model.published.source.empty()) {
    list.push_back({Origin::Imported, "model: " + deployment.model.published.source});
  }
  if (!deployment.host.engine.empty()) {
    list.push_back(
        {Origin::Fitted, "host: " + deployment.host.engine + ": " + deployment.host.source});
  }
  if (deployment.model.is_moe()) {
    list.push_back(
        deployment.routing.trace.empty()
            ? Provenance{Origin::Extrapolated, fmt::format("routing: drawn from the law {}",
                                                           name_of(deployment.routing.law))}
            : Provenance{Origin::Imported,
                         "routing: " + deployment.routing.trace.filename().string()});
  }
  return list;
}

}  // namespace moesim::workloads
