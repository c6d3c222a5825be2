#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/json.h"
#include "sim/units_text.h"
#include "tools/moesim/html_output.h"
#include "tools/moesim/named_scenario.h"
#include "tools/moesim/serving/serving_commands.h"
#include "tools/report/page_kinds.h"
#include "workloads/run_serving.h"
#include "workloads/scenario.h"

namespace moesim::tools {
namespace {

using workloads::ServingCapacity;

sim::io::Json to_json(const ServingCapacity& c, const workloads::Scenario& scenario) {
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

std::string saturation_text(const ServingCapacity& c) {
  return fmt::format("  saturation    at about {:.2f} requests/s ({})\n", c.saturation.capacity,
                     c.saturation.by);
}

// What was found before it was broken off.
std::string partial_text(const ServingCapacity& c) {
  std::string found = "nothing is known yet";
  if (c.attained_at > 0) {
    found = fmt::format("at least {:.2f} requests/s", c.attained_at);
    if (c.missed_at > 0) found += fmt::format(", and less than {:.2f}", c.missed_at);
  } else if (c.missed_at > 0) {
    found = fmt::format("less than {:.2f} requests/s", c.missed_at);
  }
  return fmt::format("  carries       {} within {}\n                broken off in run {}\n", found,
                     c.target, c.runs);
}

std::string whole_text(const ServingCapacity& c) {
  const auto& at = c.at;
  const auto time = [](double ms) { return sim::to_text(sim::picoseconds_rounded_up(ms * 1e9)); };
  std::string text = fmt::format(
      "  carries       {:.2f} requests/s within {}   (80 % interval {:.2f} to {:.2f})\n"
      "                {:.3f} requests/s per GPU ({} GPUs)\n",
      c.p50, c.target, c.p10, c.p90, c.p50 / static_cast<double>(c.gpus), c.gpus);
  if (c.p50_capped) {
    text +=
        "                this is the estimate of its saturation, beyond which no rate is asked: "
        "it may be more\n";
  } else if (c.p90_capped) {
    text +=
        "                the interval ends at the estimate of its saturation, beyond which no rate "
        "is asked\n";
  }
  return text +
         fmt::format(
             "  there         TTFT p50 {}, p99 {}; TPOT p50 {}, p99 {}; {:.0f} tokens/s out\n",
             time(at.ttft.median), time(at.ttft.p99), time(at.tpot.median), time(at.tpot.p99),
             at.output_throughput);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const workloads::Scenario scenario = named_scenario(arguments);
  const ServingCapacity capacity = find_capacity(scenario, {.stop = console.interrupted});
  const sim::io::Json json = to_json(capacity, scenario);
  if (const auto html = arguments.find("html")) {
    Page page = capacity_page(json);
    page.title += changes(arguments);
    write_page(*html, page, json);
  }
  if (arguments.json()) {
    console.out << sim::io::to_text(json);
  } else {
    console.out << fmt::format("{}{}\n  {}\n{}{}", scenario.name, changes(arguments), capacity.what,
                               capacity.partial ? partial_text(capacity) : whole_text(capacity),
                               saturation_text(capacity));
  }
  if (!capacity.partial) return sim::ExitCode::Ok;
  console.err << fmt::format(
      "moesim capacity: broken off in run {}: what is printed is of those before\n", capacity.runs);
  return sim::ExitCode::Partial;
}

}  // namespace

Command capacity_command() {
  std::vector<Option> options = scenario_options();
  options.push_back(html_option());
  options.push_back(format_option());
  return {
      .name = "capacity",
      .summary = "the most requests a second that a deployment carries within its targets",
      .description =
          "Runs a scenario with serving at several rates and halves towards the highest at which "
          "the targets are attained, at most the estimate of its saturation; its interval is that "
          "of "
          "the cost models. Exit code 3 where no rate attains them; 5 where it was broken off by "
          "Ctrl-C, with what was known by then.",
      .options = std::move(options),
      .examples = {"moesim capacity mixtral-8x7b-serving-h100",
                   "moesim capacity SCENARIO --set serving.targets.ttft='500 ms' --format json"},
      .run = run,
      .ends_itself = true};
}

}  // namespace moesim::tools
