#include "tools/moesim/serving/capacity_json.h"

#include <nlohmann/json.hpp>

#include "workloads/scenario.h"
#include "workloads/serving/serving_report.h"

namespace moesim::tools {

sim::io::Json to_json(const workloads::ServingCapacity& c, const workloads::Scenario& scenario) {
  const auto rate = [&](double value) {
    return c.partial ? sim::io::Json() : sim::io::Json(value);
  };
  sim::io::Json json;
  json["schema_version"] = 1;
  json["scenario"] = resolved(scenario);
  json["capacity"] = {
      {"rate_per_s", {{"p10", rate(c.p10)}, {"p50", rate(c.p50)}, {"p90", rate(c.p90)}}},
      {"capped", {{"p10", c.p10_capped}, {"p50", c.p50_capped}, {"p90", c.p90_capped}}},
      {"what", c.what},
      {"target", c.target},
      {"saturation", c.saturation.capacity},
      {"saturation_by", c.saturation.by},
      {"gpus", c.gpus},
      {"runs", c.runs},
      {"partial", c.partial},
      {"attained_at", c.attained_at},
      {"missed_at", c.missed_at}};
  if (!c.partial) json["serving"] = workloads::serving::to_json(c.at);
  return json;
}

}  // namespace moesim::tools
