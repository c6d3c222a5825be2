// A question of training as it is used (read_question.h).
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "workloads/training/question_names.h"
#include "workloads/training/read_question.h"

namespace moesim::workloads {

using sim::io::Json;

Json to_json(const TrainingQuestion& q) {
  Json json{{"sequence", q.sequence},
            {"micro_batch", q.micro_batch},
            {"global_batch", q.global_batch},
            {"schedule", q.schedule ? std::string(name_of(*q.schedule)) : "none"},
            {"virtual_stages", q.virtual_stages}};
  if (!q.layout.empty()) json["layout"] = q.layout;
  if (q.micro_batch_group) json["micro_batch_group"] = *q.micro_batch_group;
  Json accounts = Json::array();
  if (q.count_embedding) accounts.push_back("embedding");
  if (q.count_loss) accounts.push_back("loss");
  if (!accounts.empty()) json["account_for"] = std::move(accounts);
  json["prediction"] = q.predictions;
  json["sharding"] = std::string(kShardingNames[static_cast<std::size_t>(q.sharding)]);
  if (q.sharding_group) json["sharding_group"] = *q.sharding_group;
  json["recompute"] = Json::array();
  for (std::size_t i = 0; i < kRecompute.size(); ++i)
    if (q.recompute.*kRecomputeMembers[i]) json["recompute"].push_back(std::string(kRecompute[i]));
  const auto number = [](double bytes) {
    for (std::size_t i = 0; i < kNumberBytes.size(); ++i)
      if (kNumberBytes[i] == bytes) return std::string(kNumberNames[i]);
    return std::string();
  };
  json["gradients"] = {{"accumulate", number(q.accumulate_bytes)},
                       {"reduce", number(q.reduce_bytes)}};
  if (q.bucket) json["gradients"]["bucket"] = *q.bucket;
  json["optimizer"] = {{"kind", "adam"},
                       {"master", number(q.master_bytes)},
                       {"moments", number(q.moment_bytes)},
                       {"parameters", number(q.parameter_bytes)}};
  json["context"] = std::string(kContextExchangeNames[static_cast<std::size_t>(q.context)]);
  if (q.capacity) {
    json["capacity"] = {{"factor", *q.capacity}, {"pad", q.fills_capacity}};
    if (!q.fills_capacity) json["capacity"]["drop"] = q.drops_last ? "position" : "probability";
  }
  if (q.exchange_sms) json["exchange_sms"] = *q.exchange_sms;
  json["attention"] = std::string(hardware::name_of(q.attention));
  json["clocks"] = q.brief ? "brief" : "sustained";
  json["overlap"] = {{"gradients", q.overlap.gradients},
                     {"parameters", q.overlap.parameters},
                     {"tensor", q.overlap.tensor},
                     {"expert", q.overlap.expert},
                     {"delay_weight_gradients", q.overlap.delay_weight_gradients},
                     {"shared_expert", q.overlap.shared_expert}};
  if (q.draws == kAllDraws)
    json["draws"] = "all";
  else
    json["draws"] = q.draws;
  if (const Jitter& j = q.jitter; j.given()) {
    json["jitter"] = {{"kernel", j.kernel}, {"steps", j.steps}};
    if (j.stall_every > 0)
      json["jitter"]["stalls"] = {{"every", j.stall_every}, {"takes", j.stall_takes}};
  }
  json["mfu_precision"] = std::string(hardware::name_of(q.mfu_precision));
  if (q.run) {
    const RunPlan& run = *q.run;
    Json& told = json["run"] = Json::object();
    if (run.tokens > 0) told["tokens"] = run.tokens;
    if (run.every_s || run.blocks_s > 0) told["checkpoint_blocks_s"] = run.blocks_s;
    if (run.gpu_mtbf_s > 0) {
      told["gpu_mtbf_s"] = run.gpu_mtbf_s;
      told["detect_s"] = run.detect_s;
      told["restart_s"] = run.restart_s;
    }
    if (!run.failures_source.empty()) json["run"]["failures_source"] = run.failures_source;
    if (run.every_s) json["run"]["checkpoint_every_s"] = *run.every_s;
    for (const RunRouting& part : run.routing)
      json["run"]["routing"].push_back({{"from", part.from}, {"trace", part.trace.string()}});
  }
  return json;
}

}  // namespace moesim::workloads
