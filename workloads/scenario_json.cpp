#include <array>
#include <nlohmann/json.hpp>

#include "workloads/scenario.h"

namespace moesim::workloads {
namespace {

using sim::io::Json;

Json precision_json(const ScenarioPrecision& precision) {
  const auto name = [](hardware::Precision p) { return std::string(hardware::name_of(p)); };
  const PartPrecision& parts = precision.parts;
  return {{"attention", name(parts.attention)}, {"dense", name(parts.dense)},
          {"experts", name(parts.experts)},     {"shared_experts", name(parts.shared)},
          {"other", name(parts.other)},         {"activations", name(parts.activations)},
          {"kv_cache", name(parts.kv_cache)},   {"dispatch", name(precision.dispatch)},
          {"combine", name(precision.combine)}};
}

Json routing_json(const RoutingChoice& routing) {
  if (routing.trace.empty()) {
    Json json{{"law", std::string(name_of(routing.law))}};
    if (routing.law != Law::Balanced && routing.law != Law::Uniform) json["skew"] = routing.skew;
    if (routing.drift > 0) json["drift"] = routing.drift;
    return json;
  }
  const TraceMapping& mapping = routing.mapping;
  Json json{{"trace", routing.trace.generic_string()}};
  const auto name = [](const auto& names, auto value) {
    return std::string(names[static_cast<std::size_t>(value)]);
  };
  json["layers"] = name(kLayerMappings, mapping.layers);
  json["tokens"] = name(kTokenMappings, mapping.tokens);
  json["experts"] = name(kExpertMappings, mapping.experts);
  json["order"] = name(kTokenOrders, mapping.order);
  if (!mapping.mix.empty()) {
    json["mix"] = Json::object();
    for (const auto& [domain, share] : mapping.mix) json["mix"][domain] = share;
  }
  return json;
}

Json step_json(const StepChoice& step) {
  Json json;
  if (step.phase == StepPhase::Decode) {
    json = {
        {"phase", "decode"}, {"batch_per_rank", step.batch_per_rank}, {"context", step.context}};
    if (step.speculation.draft > 0) {
      json["speculation"] = {{"draft", step.speculation.draft},
                             {"accepted", step.speculation.accepted}};
    }
    if (step.refill.prompt > 0) {
      json["refill"] = {{"prompt", step.refill.prompt},
                        {"output", step.refill.output},
                        {"chunk", step.refill.chunk}};
    }
  } else {
    json = {
        {"phase", "prefill"}, {"tokens_per_rank", step.tokens_per_rank}, {"prompt", step.prompt}};
  }
  json["count"] = step.count;
  return json;
}

Json host_json(const HostChoice& host) {
  constexpr std::array<const char*, 3> kGraphs{"none", "decode", "all"};
  return {{"per_step_us", sim::to_us(host.per_step)},
          {"per_sequence_us", sim::to_us(host.per_sequence)},
          {"per_draft_us", sim::to_us(host.per_draft)},
          {"per_launch_us", sim::to_us(host.per_launch)},
          {"overlapped", host.overlapped},
          {"graphs", kGraphs[static_cast<std::size_t>(host.graphs)]}};
}

std::string or_default(const std::string& choice) {
  return choice.empty() ? "default" : choice;
}

}  // namespace

Json resolved(const Scenario& s) {
  Json json;
  json["name"] = s.name;
  json["model"] = s.model_file.generic_string();
  json["cluster"] = s.cluster_file.generic_string();
  json["precision"] = precision_json(s.precision);
  const Parallelism& p = s.parallelism;
  json["parallelism"] = {{"tp", p.tp},   {"pp", p.pp}, {"dp", p.dp},     {"ep", p.ep},
                         {"etp", p.etp}, {"cp", p.cp}, {"edp", p.edp()}, {"order", p.order}};
  json["routing"] = routing_json(s.routing);
  json["placement"] = {{"experts", s.placement.experts},
                       {"redundant", s.placement.redundant},
                       {"balancer", s.placement.balancer}};
  if (!s.placement.file.empty()) json["placement"]["file"] = s.placement.file.generic_string();
  json["kernels"] = {{"gemm", or_default(s.kernels.gemm)},
                     {"moe", or_default(s.kernels.moe)},
                     {"attention", or_default(s.kernels.attention)},
                     {"all_reduce", s.all_reduce},
                     {"all_to_all", s.all_to_all}};
  json["network"] = s.network == hardware::Fidelity::Bound
                        ? Json{{"fidelity", "bound"}}
                        : Json{{"fidelity", "fluid"}, {"tolerance", s.tolerance}};
  json["overlap"] = {{"two_batch", s.overlap.two_batch},
                     {"shared_expert", s.overlap.shared_expert}};
  if (!s.engine_file.empty()) json["engine"] = s.engine_file.generic_string();
  json["host"] = host_json(s.host);
  json["step"] = step_json(s.step);
  json["seed"] = s.seed;
  return json;
}

}  // namespace moesim::workloads
