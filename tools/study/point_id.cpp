#include "tools/study/point_id.h"

#include <nlohmann/json.hpp>

#include "tools/study/sha256.h"
#include "workloads/run.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

constexpr std::size_t kDigits = 32;

}  // namespace

std::string point_id(const workloads::Scenario& scenario, const std::string& version) {
  Json json = workloads::resolved(scenario);
  for (const char* key : {"name", "model", "cluster", "engine"}) {
    if (json.contains(key) && json[key].is_string()) json.erase(key);
  }
  if (json.contains("routing")) json["routing"].erase("trace");
  if (json.contains("placement")) json["placement"].erase("file");
  Json inputs = Json::array();
  for (const workloads::InputFile& file : workloads::inputs_of(scenario)) {
    if (file.path != scenario.inputs.scenario.generic_string()) inputs.push_back(file.hash);
  }
  return sha256(Json{{"scenario", std::move(json)},
                     {"inputs", std::move(inputs)},
                     {"version", version}}
                    .dump())
      .substr(0, kDigits);
}

std::string point_id_of_invalid(const std::string& base_hash, const std::string& params,
                                const std::string& version) {
  return sha256(Json{{"base", base_hash}, {"params", params}, {"version", version}}.dump())
      .substr(0, kDigits);
}

}  // namespace moesim::tools
