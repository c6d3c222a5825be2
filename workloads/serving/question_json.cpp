#include <nlohmann/json.hpp>

#include "workloads/serving/read_question.h"

namespace moesim::workloads::serving {
namespace {

using sim::io::Json;

template <typename Names, typename Enum>
std::string name(const Names& names, Enum value) {
  return std::string(names[static_cast<std::size_t>(value)]);
}

Json lengths_json(const Lengths& l) {
  Json json{{"law", name(kLengthLawNames, l.law)}};
  switch (l.law) {
    case LengthLaw::Constant:
      json["value"] = l.low;
      break;
    case LengthLaw::Uniform:
      json["low"] = l.low;
      json["high"] = l.high;
      break;
    case LengthLaw::LogNormal:
      json["median"] = l.median;
      json["p90"] = l.p90;
      break;
    case LengthLaw::Table:
    case LengthLaw::Histogram:
      json["file"] = l.file.generic_string();
      break;
  }
  return json;
}

Json requests_json(const RequestLaws& laws) {
  Json json;
  json["arrivals"] = {{"law", name(kArrivalLawNames, laws.arrivals.law)}};
  if (laws.arrivals.law == ArrivalLaw::Gamma) json["arrivals"]["burstiness"] = laws.arrivals.shape;
  if (laws.arrivals.law == ArrivalLaw::Weibull) json["arrivals"]["shape"] = laws.arrivals.shape;
  for (const RateStage& stage : laws.arrivals.stages) {
    Json one{{"from_per_s", stage.from}, {"to_per_s", stage.to}};
    if (stage.time != sim::kForever) one["for_us"] = sim::to_us(stage.time);
    json["stages"].push_back(std::move(one));
  }
  json["input"] = lengths_json(laws.input);
  json["output"] = lengths_json(laws.output);
  const Prefixes& p = laws.prefixes;
  if (p.groups > 0 || p.turns > 1) {
    json["prefix"] = {{"groups", p.groups},
                      {"tokens", p.tokens},
                      {"turns", p.turns},
                      {"think_us", sim::to_us(p.think)}};
  }
  if (laws.count) json["count"] = *laws.count;
  if (laws.until != sim::kForever) json["for_us"] = sim::to_us(laws.until);
  return json;
}

Json requests_json(const RequestTrace& trace) {
  Json json{{"trace", trace.file.generic_string()},
            {"format", name(kTraceFormatNames, trace.format)},
            {"scale", trace.scale},
            {"from_us", sim::to_us(trace.from)}};
  if (trace.to != sim::kForever) json["to_us"] = sim::to_us(trace.to);
  if (trace.count) json["count"] = *trace.count;
  return json;
}

Json pool_json(const Pool& pool) {
  const SchedulerRules& s = pool.scheduler;
  const Parallelism& p = pool.layout;
  Json json;
  json["replicas"] = pool.replicas;
  if (pool.scale) {
    const ScaleRules& scale = *pool.scale;
    json["autoscale"] = {{"min", scale.least},
                         {"max", scale.most},
                         {"metric", name(kScaleMetricNames, scale.metric)},
                         {"target", scale.target},
                         {"every_us", sim::to_us(scale.every)},
                         {"start_us", sim::to_us(scale.start)},
                         {"settle_us", sim::to_us(scale.settle)}};
  }
  json["parallelism"] = {{"tp", p.tp}, {"pp", p.pp},   {"dp", p.dp},
                         {"ep", p.ep}, {"etp", p.etp}, {"cp", p.cp}};
  for (const auto& [key, kernel] : {std::pair("gemm", &pool.kernels.kernels.gemm),
                                    {"moe", &pool.kernels.kernels.moe},
                                    {"attention", &pool.kernels.kernels.attention},
                                    {"all_reduce", &pool.kernels.all_reduce},
                                    {"all_to_all", &pool.kernels.all_to_all}})
    if (!kernel->empty()) json["kernels"][key] = *kernel;
  json["scheduler"] = {
      {"kind", name(kSchedulerKindNames, s.kind)},
      {"tokens", s.tokens},
      {"sequences", s.sequences},
      {"chunked", s.chunked},
      {"order", name(kRequestOrderNames, s.order)},
      {"prefill_interval", s.prefill_interval},
      {"ahead", s.ahead},
      {"late", s.late},
      {"receive_interval", s.receive_interval},
      {"stream_interval", s.stream_interval},
      {"batch_wait", {{"iterations", s.batch_wait.iterations}, {"share", s.batch_wait.share}}},
      {"mixed", s.mixed},
      {"admission", name(kAdmissionNames, s.admission)},
      {"conservativeness", s.conservativeness},
      {"agree_every", pool.agree_every},
      {"ranks", name(kRankChoiceNames, pool.ranks)},
      {"balance_iterations", pool.balance_iterations}};
  if (s.chunk < kNoLimit) json["scheduler"]["chunk"] = s.chunk;
  json["graphs"] = {
      {"sizes", pool.graphs.sizes}, {"pad", pool.graphs.pad}, {"mixed", pool.graphs.mixed}};
  if (pool.graphs.alike) json["graphs"]["alike"] = true;
  json["kv"] = {{"memory", pool.cache.fraction},
                {"of", name(kFractionOfNames, pool.cache.of)},
                {"reserve_bytes", pool.cache.reserve.count()},
                {"block", pool.cache.block},
                {"prefix_cache", s.prefix_cache},
                {"reserve_full_prompt", s.reserve_full_prompt},
                {"watermark", s.watermark}};
  if (pool.cache.blocks) json["kv"]["blocks"] = *pool.cache.blocks;
  json["router"] = {{"policy", name(kRouterPolicyNames, pool.router.policy)},
                    {"snapshot_us", sim::to_us(pool.router.snapshot)}};
  return json;
}

}  // namespace

Json to_json(const ServingQuestion& q) {
  Json json;
  json["requests"] = std::visit([](const auto& r) { return requests_json(r); }, q.requests);
  json["requests"]["warm_up"] = q.warm_up;
  json["client"] = {{"front_end_us", sim::to_us(q.client.front_end)},
                    {"send_us", sim::to_us(q.client.send)},
                    {"per_token_us", sim::to_us(q.client.per_token)},
                    {"receive_us", sim::to_us(q.client.receive)},
                    {"think_us", sim::to_us(q.client.think)}};
  if (q.client.concurrency) json["client"]["concurrency"] = *q.client.concurrency;
  if (q.prefill) {
    json["pools"] = {{"prefill", pool_json(*q.prefill)}, {"decode", pool_json(q.pool)}};
    json["transfer"] = {{"mode", name(kTransferModeNames, q.transfer.mode)},
                        {"post_us", sim::to_us(q.transfer.post)},
                        {"setup_us", sim::to_us(q.transfer.setup)},
                        {"layerwise", q.transfer.layerwise}};
  } else {
    json.update(pool_json(q.pool));
  }
  if (!q.accepted.empty()) {
    json["speculation"] = {{"draft", q.accepted.size()}, {"accepted", q.accepted}};
  }
  if (q.targets.any()) json["targets"] = to_json(q.targets);
  json["iteration"] = {{"cost", name(kCostKindNames, q.iteration.cost)},
                       {"error", q.iteration.error},
                       {"draws", q.iteration.draws},
                       {"checks", q.iteration.checks}};
  return json;
}

}  // namespace moesim::workloads::serving
