#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tools/study/plan/lost_capacity.h"
#include "tools/study/plan/plan.h"
#include "workloads/serving/service.h"
#include "workloads/training/training_report.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

Json layout_json(const workloads::Parallelism& p) {
  return {{"tp", p.tp}, {"pp", p.pp}, {"cp", p.cp}, {"dp", p.dp}, {"ep", p.ep}, {"etp", p.etp}};
}

Json engine_json(const Candidate& c) {
  return {{"engine", c.name}, {"device", c.device}, {"gpus", c.gpus()}};
}

Json training_metrics_json(const PlanAnswer& answer) {
  const workloads::Report& report = answer.run.report;
  const workloads::TrainingReport& training = *answer.run.training;
  return {{"step_time_us", report.step_time_us.mean},
          {"tokens_per_s", report.tokens_per_s},
          {"tokens_per_s_per_gpu", report.tokens_per_s_per_gpu},
          {"mfu", training.mfu},
          {"bubble_share", training.bubble_share},
          {"peak_memory_bytes", report.memory.peak},
          {"memory_capacity_bytes", report.memory.capacity}};
}

Json metrics_json(const PlanAnswer& answer) {
  if (answer.run.training) return training_metrics_json(answer);
  if (!answer.run.serving) {
    const workloads::Report& report = answer.run.report;
    return {{"step_time_us", report.step_time_us.mean},
            {"tokens_per_s", report.tokens_per_s},
            {"tokens_per_s_per_gpu", report.tokens_per_s_per_gpu}};
  }
  const auto& s = answer.run.serving->report;
  Json json{{"attained", s.attained.value_or(0)},
            {"request_throughput", s.request_throughput},
            {"output_throughput", s.output_throughput}};
  const auto add = [&](const std::string& name, const workloads::serving::Quantiles& q) {
    json["mean_" + name + "_ms"] = q.mean;
    json["p50_" + name + "_ms"] = q.median;
    json["p99_" + name + "_ms"] = q.p99;
  };
  add("ttft", s.ttft);
  add("tpot", s.tpot);
  add("e2el", s.e2el);
  return json;
}

Json choice_json(const TrainingChoice& choice) {
  return {
      {"micro_batch", choice.micro_batch},
      {"schedule", choice.schedule ? std::string(workloads::name_of(*choice.schedule)) : "none"},
      {"virtual_stages", choice.virtual_stages},
      {"recompute", std::string(kRecomputingNames[static_cast<std::size_t>(choice.recompute)])}};
}

Json run_json(const PlanAnswer& a) {
  const RunCost& run = *a.run_cost;
  const workloads::Goodput& goodput = *a.run.training->goodput;
  Json json{{"days", {{"p10", run.days_p10}, {"p50", run.days}, {"p90", run.days_p90}}},
            {"gpu_hours", run.gpu_hours},
            {"goodput", goodput.goodput},
            {"mtbf_h", goodput.mtbf_h},
            {"checkpoint_every_s", goodput.checkpoint_every_s}};
  if (run.cost > 0) json["cost"] = run.cost;
  if (run.energy_kwh) json["energy_kwh"] = *run.energy_kwh;
  return json;
}

// One pool, but for prompts that are read apart.
Json pools_json(const PlanAnswer& a, const Candidate& c) {
  const auto pool = [](const char* name, std::int64_t engines, const workloads::Parallelism& p) {
    return Json{{"name", name},
                {"engines", engines},
                {"gpus", engines * p.gpus()},
                {"layout", layout_json(p)}};
  };
  Json pools = Json::array();
  const auto& prefill = c.choice.prefill;
  if (prefill)
    pools.push_back(pool("prefill", a.offer.engines * prefill->engines, prefill->layout));
  pools.push_back(
      pool(prefill ? "decode" : "together", a.offer.engines * c.choice.decoders, c.choice.layout));
  return pools;
}

// Keys tell the currency, too, where it is USD.
Json cost_json(const PlanAnswer& a, const PlanSpec& spec) {
  Json json{{"currency", spec.currency}};
  const auto add = [&](const std::string& key, const std::optional<double>& amount) {
    if (!amount) return;
    json[key] = *amount;
    if (spec.currency == "USD") json["usd_" + key] = *amount;
  };
  add("per_h", a.offer.cost);
  add("per_million_output_tokens", a.cost_per_million_output);
  add("per_million_total_tokens", a.cost_per_million_total);
  add("per_million_input_tokens", a.cost_per_million_read);
  add("per_million_generated_tokens", a.cost_per_million_generated);
  return json;
}

Json answer_json(const PlanAnswer& a, const Plan& plan, const PlanSpec& spec) {
  const Candidate& c = plan.candidates[a.candidate];
  Json json{{"id", a.id},
            {"engine_id", a.engine_id},
            {"roles", a.roles},
            {"engine", c.name},
            {"device", c.device},
            {"layout", layout_json(c.choice.layout)},
            {"engines", a.offer.engines},
            {"gpus_per_engine", c.gpus()},
            {"gpus", a.offer.gpus},
            {"nodes", a.nodes},
            {"capacity_per_s",
             {{"p10", a.capacity_p10}, {"p50", a.offer.capacity}, {"p90", a.capacity_p90}}},
            {"probability", a.offer.probability},
            {"saturation", spec.demand.rate / a.offer.capacity},
            {"metrics", metrics_json(a)}};
  if (a.run_cost) {
    json["training"] = choice_json(*c.choice.training);
    json["run"] = run_json(a);
  } else {
    const bool of_gpu = spec.demand.spare == Spare::Gpu;
    const double spared = of_gpu ? a.without_gpu : a.without_spare;
    json["spare"] = {{"lost", of_gpu ? "gpu" : "node"},
                     {"capacity_per_s", spared},
                     {"meets", spared >= spec.demand.rate}};
    json["without_one_node"] = {{"capacity_per_s", a.without_spare},
                                {"meets", a.without_spare >= spec.demand.rate}};
    json["availability"] = to_json(a.losses, a.reliability);
    json["availability"]["enough"] = a.availability.enough;
    json["availability"]["carried_per_s"] = a.availability.carried;
  }
  json["pools"] = pools_json(a, c);
  if (a.cost_per_million_output) json["cost"] = cost_json(a, spec);
  if (a.power) {
    json["power"] = {{"gpu_w", a.power->gpu_w},
                     {"total_w", a.power->total_w},
                     {"error", a.power->error},
                     {"total_j_per_token", a.power->per_token_j},
                     {"gpu_j_per_token", a.power->gpu_per_token_j},
                     {"tokens_per_joule", 1 / a.power->per_token_j},
                     {"origin", a.power->origin},
                     {"stand_ins", a.power->stand_ins}};
  }
  json["scenario"] = a.scenario;
  return json;
}

}  // namespace

std::string targets_told(const PlanSpec& spec) {
  if (spec.training)
    return fmt::format("{:g} days, {:g} tokens", spec.training->days, spec.training->tokens);
  std::string targets = text_of(spec.targets);
  if (!spec.steps && spec.targets.of_requests())
    targets += fmt::format(", {:g} % of requests", 100 * spec.targets.attained);
  return targets;
}

std::vector<RejectedCode> rejected_by_code(const Plan& plan) {
  std::map<std::string, RejectedCode> by_code;
  for (std::size_t i = 0; i < plan.candidates.size(); ++i) {
    const Candidate& c = plan.candidates[i];
    if (!c.rejected) continue;
    const auto [found, is_new] =
        by_code.try_emplace(c.rejected->code, RejectedCode{c.rejected->code, 0, i});
    ++found->second.count;
    if (c.gpus() > plan.candidates[found->second.example].gpus()) found->second.example = i;
  }
  std::vector<RejectedCode> all;
  for (const auto& [code, rejected] : by_code) all.push_back(rejected);
  return all;
}

Json to_json(const Plan& plan, const PlanSpec& spec) {
  Json json{
      {"title", spec.title},
      {"rate_per_s", spec.demand.rate},
      {"unit", spec.steps || spec.training ? "tokens/s" : "requests/s"},
      {"targets", targets_told(spec)},
      {"confidence", spec.demand.confidence},
      {"objective", std::string(kObjectiveNames[static_cast<std::size_t>(spec.demand.objective)])}};
  if (spec.trace) {
    const auto& facts = spec.trace->facts;
    json["load"] = {{"trace", spec.trace->file.generic_string()},
                    {"requests", facts.requests},
                    {"mean_input_tokens", facts.mean_input},
                    {"mean_output_tokens", facts.mean_output},
                    {"scale", spec.trace->scale}};
  }
  if (spec.training)
    json["training"] = {{"tokens", spec.training->tokens}, {"days", spec.training->days}};
  json["chosen"] = nullptr;
  json["answers"] = Json::array();
  for (const PlanAnswer& answer : plan.answers) {
    json["answers"].push_back(answer_json(answer, plan, spec));
    if (answer.roles.front() == "chosen") json["chosen"] = json["answers"].back();
  }
  if (plan.nearest) {
    const Nearest& n = *plan.nearest;
    Json& nearest = json["nearest"] = engine_json(plan.candidates[n.candidate]);
    nearest["carries_per_s"] = n.carried;
    if (n.days) {
      nearest["days"] = *n.days;
      nearest["would_do"] = {{"days", *n.days_would_do}, {"cost_per_h", n.would_do->cost}};
    } else if (n.would_do) {
      Json& would_do = nearest["would_do"] = engine_json(*n.would_do_by);
      would_do["gpus_per_engine"] = n.would_do_by->gpus();
      would_do["gpus"] = n.would_do->gpus;
      would_do["engines"] = n.would_do->engines;
      if (n.would_do->cost > 0) would_do["cost_per_h"] = n.would_do->cost;
    }
    if (!spec.training) {
      nearest["engines"] = n.engines;
      nearest["otherwise"] = Json::array();
      for (const Nearest::Otherwise& other : n.otherwise) {
        Json one{{"what", other.what}, {"key", other.key}, {"value", other.value}};
        one.update(engine_json(other.engine));
        one["gpus_per_engine"] = other.engine.gpus();
        one["gpus"] = other.offer.gpus;
        one["engines"] = other.offer.engines;
        nearest["otherwise"].push_back(std::move(one));
      }
    }
    if (!n.refused.empty()) nearest["refused"] = n.refused;
    if (n.lacks > 0) nearest["lacking_bytes"] = n.lacks;
    if (n.least_token_s) nearest["least_token_ms"] = *n.least_token_s * 1e3;
    if (n.least_first_s) nearest["least_first_ms"] = *n.least_first_s * 1e3;
  }
  if (plan.second) {
    Json& second = json["second"] = engine_json(plan.candidates[plan.second->candidate]);
    const Offer& offer = *plan.candidates[plan.second->candidate].offer;
    second["gpus"] = offer.gpus;
    second["capacity_per_s"] = offer.capacity;
    second["chosen_is_better_with_probability"] = plan.second->probability;
  }
  json["pareto"] = Json::array();
  for (const ParetoPoint& of : plan.pareto) {
    const Candidate& c = plan.candidates[of.candidate];
    Json point{{"id", of.id}};
    point.update(engine_json(c));
    point["tokens_per_s_per_gpu"] = of.tokens_per_s_per_gpu;
    point["tokens_per_s_per_user"] = of.tokens_per_s_per_user;
    point["capacity_per_s_per_gpu"] = c.estimate->capacity / static_cast<double>(c.gpus());
    json["pareto"].push_back(std::move(point));
  }
  json["rejected"] = Json::object();
  json["why_not"] = Json::array();
  for (const RejectedCode& rejected : rejected_by_code(plan)) {
    json["rejected"][rejected.code] = rejected.count;
    const Candidate& c = plan.candidates[rejected.example];
    Json example = engine_json(c);
    example["reason"] = c.rejected->detail;
    json["why_not"].push_back(
        {{"code", rejected.code}, {"count", rejected.count}, {"example", std::move(example)}});
  }
  json["stages"] = Json::array();
  for (const PlanStage& stage : plan.stages) {
    json["stages"].push_back({{"name", stage.name},
                              {"in", stage.in},
                              {"out", stage.out},
                              {"wall_s", stage.wall_s ? Json(*stage.wall_s) : Json()}});
  }
  json["search"] = {{"margin_used", plan.margin_used}, {"largest_error", plan.largest_error}};
  return {{"schema_version", 1}, {"plan", std::move(json)}};
}

}  // namespace moesim::tools
