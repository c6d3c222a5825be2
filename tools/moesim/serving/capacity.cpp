#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/json.h"
#include "sim/units_text.h"
#include "tools/moesim/named_scenario.h"
#include "tools/moesim/serving/serving_commands.h"
#include "workloads/run_serving.h"
#include "workloads/scenario.h"

namespace moesim::tools {
namespace {

using workloads::ServingCapacity;

sim::io::Json to_json(const ServingCapacity& c, const workloads::Scenario& scenario) {
  sim::io::Json json;
  json["schema_version"] = 1;
  json["scenario"] = resolved(scenario);
  json["capacity"] = {{"rate_per_s", {{"p10", c.p10}, {"p50", c.p50}, {"p90", c.p90}}},
                      {"target", c.target},
                      {"saturation", c.saturation.capacity},
                      {"saturation_by", c.saturation.by},
                      {"gpus", c.gpus},
                      {"runs", c.runs}};
  json["serving"] = workloads::serving::to_json(c.at);
  return json;
}

std::string to_text(const ServingCapacity& c, const workloads::Scenario& scenario) {
  const auto& at = c.at;
  const auto time = [](double ms) { return sim::to_text(sim::picoseconds_rounded_up(ms * 1e9)); };
  return fmt::format(
      "{}\n  carries       {:.2f} requests/s within {}   (80 % interval {:.2f} to {:.2f})\n"
      "                {:.3f} requests/s per GPU ({} GPUs)\n"
      "  there         TTFT p50 {}, p99 {}; TPOT p50 {}, p99 {}; {:.0f} tokens/s out\n"
      "  saturation    at about {:.2f} requests/s ({})\n",
      scenario.name, c.p50, c.target, c.p10, c.p90, c.p50 / static_cast<double>(c.gpus), c.gpus,
      time(at.ttft.median), time(at.ttft.p99), time(at.tpot.median), time(at.tpot.p99),
      at.output_throughput, c.saturation.capacity, c.saturation.by);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const workloads::Scenario scenario = named_scenario(arguments);
  const ServingCapacity capacity = find_capacity(scenario, {});
  console.out << (arguments.json() ? sim::io::to_text(to_json(capacity, scenario))
                                   : to_text(capacity, scenario));
  return sim::ExitCode::Ok;
}

}  // namespace

Command capacity_command() {
  std::vector<Option> options = scenario_options();
  options.push_back(format_option());
  return {
      .name = "capacity",
      .summary = "the most requests a second that a deployment carries within its targets",
      .description =
          "Runs a scenario with serving at several rates and halves towards the highest at which "
          "the targets are attained; its interval is that of the cost models. Exit code 3 where "
          "no rate attains them.",
      .options = std::move(options),
      .examples = {"moesim capacity mixtral-8x7b-serving-h100",
                   "moesim capacity SCENARIO --set serving.targets.ttft='500 ms' --format json"},
      .run = run};
}

}  // namespace moesim::tools
