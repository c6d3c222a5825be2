#include "workloads/training/training_report.h"

#include <algorithm>
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

Json goodput_json(const TrainingReport& r) {
  const Goodput& g = *r.goodput;
  const auto known = [](double value) { return value > 0 ? Json(value) : Json(nullptr); };
  Json json{{"mtbf_h", known(g.mtbf_h)},
            {"checkpoint_every_s", known(g.checkpoint_every_s)},
            {"lost_share", g.lost_share},
            {"goodput", g.goodput},
            {"ends", g.ends},
            {"gpu_hours", known(g.gpu_hours)},
            {"days", known(g.days)}};
  if (!r.failures_source.empty()) json["source"] = r.failures_source;
  return json;
}

Json kept_json(const TrainingReport::Kept& kept) {
  Json at = Json::array(), bytes = Json::array();
  for (const auto& [us, held] : thinned(kept.instants)) {
    at.push_back(us);
    bytes.push_back(held);
  }
  return {{"rank", kept.rank},
          {"instants", kept.instants.size()},
          {"at_us", std::move(at)},
          {"activations_bytes", std::move(bytes)}};
}

}  // namespace

std::vector<std::pair<double, double>> thinned(
    const std::vector<std::pair<double, double>>& instants, std::size_t most) {
  if (instants.size() <= most) return instants;
  // Beside every n-th one there is room for two.
  const std::size_t every = (instants.size() + most - 3) / (most - 2);
  const auto fullest =
      std::ranges::max_element(instants, {}, [](const auto& instant) { return instant.second; });
  const auto place = static_cast<std::size_t>(fullest - instants.begin());
  std::vector<std::pair<double, double>> few;
  for (std::size_t i = 0; i < instants.size(); ++i)
    if (i % every == 0 || i == place || i + 1 == instants.size()) few.push_back(instants[i]);
  return few;
}

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
  json["memory_timeline"] = Json::array();
  for (const auto& kept : r.memory_timeline) json["memory_timeline"].push_back(kept_json(kept));
  json["routing"] = {{"slowdown", r.routing_slowdown},   {"dropped_share", r.dropped_share},
                     {"padding_share", r.padding_share}, {"draws", r.draws},
                     {"draws_played", r.draws_played},   {"standard_error_us", r.draws_error_us}};
  if (r.aligned_share > 0) json["routing"]["aligned_share"] = r.aligned_share;
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
  if (r.memory_from) json["memory_from"] = *r.memory_from;
  if (r.goodput) json["goodput"] = goodput_json(r);
  json["left_out"] = r.left_out;
  return json;
}

}  // namespace moesim::workloads
