#include "workloads/training/training_report.h"

#include <nlohmann/json.hpp>
#include <numeric>

namespace moesim::workloads {

using sim::io::Json;

double TrainingReport::RankRow::sum() const {
  return std::accumulate(exposed_us.begin(), exposed_us.end(),
                         f_us + b_us + w_us + fb_us + bubble_us + optimizer_us);
}

TrainingPlan TrainingReport::plan() const {
  TrainingPlan plan{.stages = {}, .fullest = 0, .capacity = capacity};
  for (const Row& row : memory) {
    plan.stages.push_back(row.memory);
    if (row.memory.peak() > plan.gpu().peak()) plan.fullest = plan.stages.size() - 1;
  }
  return plan;
}

namespace {

Json memory_json(const TrainingReport::Row& row) {
  const TrainingMemory& m = row.memory;
  return {{"rank", row.rank},
          {"weights_bytes", m.weights},
          {"gradients_bytes", m.gradients},
          {"optimizer_bytes", m.optimizer},
          {"activations_bytes", m.activations},
          {"temporaries_bytes", m.temporaries},
          {"buffers_bytes", m.buffers + m.context},
          {"peak_bytes", m.peak()}};
}

}  // namespace

Json to_json(const TrainingReport& r) {
  Json json;
  json["schedule"] = r.schedule;
  json["step_time_us"] = r.step_us;
  json["micro_batches"] = r.micro_batches;
  json["tokens_per_step"] = r.tokens_per_step;
  json["stages"] = Json::array();
  for (const auto& s : r.stages) {
    json["stages"].push_back({{"rank", s.rank},
                              {"chunk", s.chunk},
                              {"layers", s.layers},
                              {"f_us", s.f_us},
                              {"b_us", s.b_us},
                              {"w_us", s.w_us},
                              {"bw_us", s.bw_us},
                              {"fb_us", s.fb_us}});
  }
  json["ranks"] = Json::array();
  for (const auto& rank : r.ranks) {
    Json exposed = Json::object();
    for (std::size_t i = 0; i < kExposedNames.size(); ++i)
      exposed[std::string(kExposedNames[i])] = rank.exposed_us[i];
    json["ranks"].push_back({{"f_us", rank.f_us},
                             {"b_us", rank.b_us},
                             {"w_us", rank.w_us},
                             {"fb_us", rank.fb_us},
                             {"bubble_us", rank.bubble_us},
                             {"exposed_us", std::move(exposed)},
                             {"optimizer_us", rank.optimizer_us}});
  }
  json["bubble_share"] = r.bubble_share;
  json["bubble_schedule_share"] = r.bubble_schedule_share;
  json["flops_per_token"] = {{"model_causal", r.flops.model_causal},
                             {"model_full", r.flops.model_full},
                             {"hardware", r.hardware_flops}};
  json["tflops_per_gpu"] = r.tflops_per_gpu;
  json["mfu"] = r.mfu;
  json["mfu_full"] = r.mfu_full;
  json["hfu"] = r.hfu;
  json["peak"] = {{"tflops", r.peak_tflops}, {"precision", r.mfu_precision}};
  json["memory"] = Json::array();
  for (const auto& row : r.memory) json["memory"].push_back(memory_json(row));
  json["routing"] = {{"slowdown", r.routing_slowdown},   {"dropped_share", r.dropped_share},
                     {"padding_share", r.padding_share}, {"draws", r.draws},
                     {"draws_played", r.draws_played},   {"standard_error_us", r.draws_error_us}};
  json["exchanges"] = {{"held_multiprocessors", r.held}, {"of", r.multiprocessors}};
  if (r.late) {
    const LateSteps& l = *r.late;
    json["stragglers"] = {{"steps", l.steps},
                          {"mean_us", l.mean_us},
                          {"p10_us", l.p10_us},
                          {"p50_us", l.p50_us},
                          {"p90_us", l.p90_us},
                          {"p99_us", l.p99_us},
                          {"longest_us", l.longest_us},
                          {"mean_over_median", l.mean_us / l.p50_us},
                          {"slowdown", l.mean_us / r.step_us}};
  }
  for (const auto& [from, us] : r.run_steps)
    json["run_steps"].push_back({{"from", from}, {"step_time_us", us}});
  if (r.goodput) {
    const Goodput& g = *r.goodput;
    json["goodput"] = {{"mtbf_h", g.mtbf_h},         {"checkpoint_every_s", g.checkpoint_every_s},
                       {"lost_share", g.lost_share}, {"goodput", g.goodput},
                       {"gpu_hours", g.gpu_hours},   {"days", g.days}};
    if (!r.failures_source.empty()) json["goodput"]["source"] = r.failures_source;
  }
  json["left_out"] = r.left_out;
  return json;
}

}  // namespace moesim::workloads
