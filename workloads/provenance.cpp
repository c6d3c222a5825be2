#include "workloads/provenance.h"

#include <fmt/format.h>

#include <string>

#include "workloads/step/communication.h"

namespace moesim::workloads {
namespace {

using hardware::FittedModel;
using hardware::Origin;
using hardware::Provenance;

// A kind of fitted model, and whose it is ("" for any).
struct Used {
  std::string kind, implementation;
};

std::vector<Used> used_by(const Scenario& scenario) {
  const auto chosen = [](const std::string& name) { return name.empty() ? "trtllm" : name; };
  std::vector<Used> used{{"gemm", chosen(scenario.kernels.gemm)}};
  const bool mla = scenario.model.layer_count() > 0 &&
                   scenario.model.mixer<MlaAttention>(scenario.model.layer_count() - 1) != nullptr;
  const bool decode = scenario.step.phase == StepPhase::Decode;
  used.push_back({std::string(decode ? "generation_" : "context_") + (mla ? "mla" : "attention"),
                  chosen(scenario.kernels.attention)});
  if (scenario.model.is_moe()) {
    const std::string moe = chosen(scenario.kernels.moe);
    used.push_back({moe == "deepgemm" ? "wideep_moe" : "moe", moe});
  }
  return used;
}

// The models of the exchanges between ranks.
std::vector<const hardware::ModelUse*> exchanges_of(const Scenario& scenario) {
  std::vector<const hardware::ModelUse*> uses;
  const Parallelism& p = scenario.parallelism;
  const std::int64_t node = scenario.cluster.gpus_per_node;
  if (scenario.model.is_moe() && p.ep > 1) {
    uses = hardware::multicast_uses(scenario.cluster, multicast_named(scenario.all_to_all),
                                    p.ep * p.etp <= node);
  }
  if (p.tp > 1) {
    uses.push_back(&hardware::all_reduce_use(
        scenario.cluster, hardware::all_reduce_named(scenario.all_reduce), p.tp <= node));
  }
  return uses;
}

Provenance of(const hardware::ModelUse& use, const hardware::Device& device) {
  std::string text = fmt::format("{} {}: {}", use.kind, use.used, use.provenance.source);
  if (!use.unfitted)
    text += fmt::format(", held out: median {:.1f} %, p90 {:.1f} %", use.median_error_percent,
                        use.p90_error_percent);
  if (use.stand_in()) text += fmt::format("; stands in for {}", use.asked);
  if (use.carried_from.empty())
    return {use.stand_in() ? Origin::Extrapolated : use.provenance.origin, std::move(text)};
  text += fmt::format("; carried over from {} to {}", use.carried_from, device.name);
  return {Origin::Extrapolated, std::move(text)};
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

std::vector<Provenance> provenance_of(const Scenario& scenario) {
  const hardware::Device& device = scenario.cluster.device;
  std::vector<Provenance> list{{device.provenance.origin, device.provenance.source}};
  for (const Used& used : used_by(scenario)) {
    for (const FittedModel& model : device.fitted) {
      if (model.kind != used.kind) continue;
      if (!used.implementation.empty() && model.implementation != used.implementation) continue;
      list.push_back(of(model, device));
    }
  }
  for (const hardware::ModelUse* use : exchanges_of(scenario)) list.push_back(of(*use, device));
  if (!scenario.model.published.source.empty()) {
    list.push_back({Origin::Imported, "model: " + scenario.model.published.source});
  }
  if (!scenario.host.engine.empty()) {
    list.push_back({Origin::Fitted, "host: " + scenario.host.engine + ": " + scenario.host.source});
  }
  if (scenario.model.is_moe()) {
    list.push_back(
        scenario.routing.trace.empty()
            ? Provenance{Origin::Extrapolated, fmt::format("routing: drawn from the law {}",
                                                           name_of(scenario.routing.law))}
            : Provenance{Origin::Imported,
                         "routing: " + scenario.routing.trace.filename().string()});
  }
  return list;
}

}  // namespace moesim::workloads
