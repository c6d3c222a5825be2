// moesim placement: expert placements on a trace, side by side.
#include "tools/moesim/placement/placement_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/moesim/html_output.h"
#include "tools/moesim/placement/study.h"
#include "tools/moesim/placement/study_report.h"
#include "tools/moesim/routed_scenario.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/trace/trace_file.h"
#include "tools/report/page_kinds.h"
#include "workloads/placement/balanced.h"

namespace moesim::tools {
namespace {

sim::ExitCode run_command(const Arguments& arguments, Console console) {
  RoutedQuestion question = routed_question(arguments);
  question.trace = trace_file(arguments.text("TRACE"));
  question.model = find_config("models", arguments.text("MODEL"));
  question.cluster = find_config("clusters", arguments.text("CLUSTER"));
  PlacementStudy study = placement_study(
      routed_scenario(question), static_cast<std::uint32_t>(arguments.integer("windows", 2, 1000)));
  const auto source = open_source(study);
  std::vector<std::string> names = arguments.all("placement");
  if (names.empty()) names = workloads::placement_names();
  const auto redundant = static_cast<std::uint32_t>(question.redundant);
  std::vector<PlacementEntry> entries;
  for (const std::string& name : names) {
    console.err << fmt::format("{} …\n", name);
    entries.push_back(judge(study, *source, name, redundant));
  }
  if (redundant > 0 && study.experts % study.sources.ranks() == 0) {
    console.err << "linear, without redundant experts …\n";
    entries.push_back(judge(study, *source, "linear", 0));
  }
  // Every placement plays the same steps: what is to be known of one is to be known of all.
  const auto& notes = entries.front().report.notes;
  study.notes.insert(study.notes.end(), notes.begin(), notes.end());
  const sim::io::Json json = to_json(study, entries, source->description());
  if (const auto html = arguments.find("html")) write_page(*html, placement_page(json), json);
  console.out << (arguments.json() ? sim::io::to_text(json)
                                   : to_text(study, entries, source->description()));
  return sim::ExitCode::Ok;
}

std::vector<Option> options() {
  std::vector<Option> all = {
      {.name = "TRACE", .value = "", .help = "a routing trace", .required = true, .is_file = true},
      {.name = "MODEL",
       .value = "",
       .help = "a model's .yaml, a Hugging Face config.json, or a name in configs/models",
       .required = true,
       .is_file = true},
      {.name = "CLUSTER",
       .value = "",
       .help = "a cluster's .yaml, or a name in configs/clusters",
       .required = true,
       .is_file = true},
      {.name = "--placement",
       .value = "NAME",
       .help = "linear, round_robin, greedy, coactivation, topology or eplb; all where not given",
       .repeated = true,
       .choices = workloads::placement_names()},
      {.name = "--windows", .value = "N", .help = "windows for ageing", .fallback = "4"},
  };
  for (const Option& option : routed_options()) all.push_back(option);
  all.push_back(html_option());
  all.push_back(format_option());
  return all;
}

}  // namespace

Command placement_command() {
  return {
      .name = "placement",
      .summary = "expert placements on a trace, side by side",
      .description =
          "Attention data-parallel, experts over all ranks. Each placement is made from the window "
          "of steps that follows the one it is judged on: how even the ranks are, what crosses "
          "NVLink and the network, the step's time (sequences that decode have 4096 keys: --set "
          "step.context=8192 gives them others), memory of replicas, what moving the weights "
          "takes, how it ages, and how often rebalancing pays.",
      .options = options(),
      .examples =
          {"moesim placement configs/traces/deepseek-like.h5 configs/models/deepseek-v3.yaml "
           "configs/clusters/h800-16x8.yaml --redundant 32 --ranks 32",
           "moesim placement trace.h5 configs/models/qwen3-30b-a3b.yaml "
           "configs/clusters/h100-1x8.yaml --placement linear --placement eplb "
           "--set routing.layers=cycle --phase prefill --tokens 4096"},
      .run = run_command,
  };
}

}  // namespace moesim::tools
