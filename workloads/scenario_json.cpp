#include <array>
#include <nlohmann/json.hpp>

#include "workloads/deployment/all_to_all.h"
#include "workloads/scenario.h"
#include "workloads/serving/read_question.h"
#include "workloads/training/read_question.h"

namespace moesim::workloads {
namespace {

using sim::io::Json;

Json formats_json(const Formats& f) {
  const auto name = [](hardware::Precision p) { return std::string(hardware::name_of(p)); };
  return {{"attention", name(f.attention)}, {"dense", name(f.dense_ffn)},
          {"experts", name(f.experts)},     {"shared_experts", name(f.shared_experts)},
          {"other", name(f.other)},         {"activations", name(f.activations)},
          {"kv_cache", name(f.kv_cache)},   {"dispatch", name(f.dispatch)},
          {"combine", name(f.combine)}};
}

Json routing_json(const RoutingChoice& routing) {
  if (!routing.ranks.loads.empty()) return {{"rank_loads", routing.ranks.loads}};
  if (routing.ranks.given()) return {{"max_over_mean", routing.ranks.max_over_mean}};
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
  if (mapping.phase != TokenPhase::Any) json["phase"] = name(kTokenPhases, mapping.phase);
  if (mapping.missing != MissingMapping::Refuse) {
    json["missing"] = name(kMissingMappings, mapping.missing);
  }
  if (!mapping.mix.empty()) {
    json["mix"] = Json::object();
    for (const auto& [domain, share] : mapping.mix) json["mix"][domain] = share;
  }
  return json;
}

Json part_json(const BatchShape& part) {
  if (part.phase == StepPhase::Decode) {
    return {{"decode", part.sequences}, {"context", part.kv_length}};
  }
  return {{"prefill", part.sequences},
          {"tokens", part.query_length},
          {"after", part.kv_length - part.query_length}};
}

Json rank_json(const RankBatch& rank) {
  Json parts = Json::array();
  for (const BatchShape& part : rank) parts.push_back(part_json(part));
  return parts;
}

// One part on every rank has its own, shorter words.
Json batch_json(const std::vector<RankBatch>& ranks) {
  if (ranks.size() == 1 && ranks.front().size() == 1) {
    const BatchShape& part = ranks.front().front();
    if (part.phase == StepPhase::Decode) {
      return {{"phase", "decode"}, {"batch_per_rank", part.sequences}, {"context", part.kv_length}};
    }
    // One prompt longer than the pass, or whole prompts.
    if (part.sequences == 1 || part.kv_length == part.query_length) {
      return {{"phase", "prefill"}, {"tokens_per_rank", part.tokens()}, {"prompt", part.kv_length}};
    }
  }
  if (ranks.size() == 1) return {{"batch", rank_json(ranks.front())}};
  Json all = Json::array();
  for (const RankBatch& rank : ranks) all.push_back(rank_json(rank));
  return {{"batch", std::move(all)}};
}

Json question_json(const StepQuestion& step) {
  Json json = batch_json(step.ranks);
  if (step.speculation.draft > 0) {
    json["speculation"] = {{"draft", step.speculation.draft},
                           {"accepted", step.speculation.accepted}};
  }
  if (step.refill.prompt > 0) {
    json["refill"] = {{"prompt", step.refill.prompt},
                      {"output", step.refill.output},
                      {"chunk", step.refill.chunk}};
  }
  json["count"] = step.count;
  return json;
}

Json host_json(const Host& host) {
  Json json{{"per_step_us", sim::to_us(host.per_step)},
            {"per_sequence_us", sim::to_us(host.per_sequence)},
            {"per_draft_us", sim::to_us(host.per_draft)},
            {"per_launch_us", sim::to_us(host.per_launch)},
            {"overlapped", host.overlapped},
            {"graphs", std::string(kGraphsNames[static_cast<std::size_t>(host.graphs)])}};
  // Of training alone.
  if (host.per_operation > sim::Duration{})
    json["per_operation_us"] = sim::to_us(host.per_operation);
  for (std::size_t i = 0; i < host.recorded.size(); ++i) {
    if (!host.recorded[i]) continue;
    if (!json["graphs"].is_array()) json["graphs"] = Json::array();
    json["graphs"].push_back(std::string(kGraphScopeNames[i]));
  }
  return json;
}

// What the scenario says; nothing else changes an answer.
Json power_json(const hardware::PowerChoice& power) {
  Json json = Json::object();
  if (power.limit_w) json["limit_w"] = *power.limit_w;
  if (power.idle_w) json["idle_w"] = *power.idle_w;
  if (power.host_w > 0) json["host_w"] = power.host_w;
  if (power.pue != 1) json["pue"] = power.pue;
  return json;
}

// The name of an enum's value in the table that has them in order.
template <typename Enum>
std::string name_in(std::span<const std::string_view> names, Enum value) {
  return std::string(names[static_cast<std::size_t>(value)]);
}

}  // namespace

Json resolved(const Scenario& s) {
  const Deployment& d = s.deployment;
  Json json;
  json["name"] = s.name;
  json["model"] = s.inputs.model.generic_string();
  if (!s.inputs.keep_layers.empty()) json["keep_layers"] = s.inputs.keep_layers;
  json["cluster"] = s.inputs.cluster.generic_string();
  for (const sim::io::YamlOverride& change : s.inputs.cluster_changes) {
    json["cluster_changes"][change.path] = change.value;
  }
  json["precision"] = formats_json(d.formats);
  const Parallelism& p = d.layout;
  json["parallelism"] = {{"tp", p.tp},   {"pp", p.pp}, {"dp", p.dp},     {"ep", p.ep},
                         {"etp", p.etp}, {"cp", p.cp}, {"edp", p.edp()}, {"order", p.order}};
  json["routing"] = routing_json(d.routing);
  json["placement"] = {{"experts", d.placement.experts},
                       {"redundant", d.placement.redundant},
                       {"balancer", d.placement.balancer}};
  if (d.placement.survive != Survive::None)
    json["placement"]["survive"] = name_in(kSurviveNames, d.placement.survive);
  if (!d.placement.lost.empty()) json["placement"]["lost"] = d.placement.lost;
  if (!d.placement.file.empty()) json["placement"]["file"] = d.placement.file.generic_string();
  hardware::KernelChoice kernels = hardware::resolve(d.cluster.device, d.kernels);
  if (const TrainingQuestion* q = s.training()) {
    // Whose experts and cores training has.
    kernels.moe = "transformer_engine";
    kernels.attention = hardware::name_of(q->attention);
  }
  json["kernels"] = {{"gemm", kernels.gemm},
                     {"moe", kernels.moe},
                     {"attention", kernels.attention},
                     {"all_reduce", name_in(hardware::all_reduce_names(), d.all_reduce)},
                     {"all_to_all", all_to_all_name(d)}};
  json["network"] = d.network.fidelity == hardware::Fidelity::Bound
                        ? Json{{"fidelity", "bound"}}
                        : Json{{"fidelity", "fluid"}, {"tolerance", d.network.tolerance}};
  json["overlap"] = {{"two_batch", d.overlap.two_batch},
                     {"shared_expert", d.overlap.shared_expert}};
  if (!s.inputs.engine.empty()) json["engine"] = s.inputs.engine.generic_string();
  if (d.engine.elastic) json["elastic"] = true;
  if (d.engine.dispatch_tokens != kMostDispatchTokens)
    json["dispatch_tokens"] = d.engine.dispatch_tokens;
  json["host"] = host_json(d.host);
  if (const Json power = power_json(d.power); !power.empty()) json["power"] = power;
  if (const StepQuestion* step = s.step()) json["step"] = question_json(*step);
  if (const auto* asked = s.serving()) json["serving"] = serving::to_json(*asked);
  if (const auto* asked = s.training()) json["training"] = to_json(*asked);
  json["seed"] = d.seed;
  return json;
}

}  // namespace moesim::workloads
