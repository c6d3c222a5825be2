#include "workloads/run.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "tools/moesim/command.h"
#include "tools/moesim/described_scenario.h"
#include "tools/moesim/html_output.h"
#include "tools/moesim/named_scenario.h"
#include "tools/moesim/serving/serving_exit.h"
#include "tools/report/chrome_trace.h"
#include "tools/report/page_kinds.h"
#include "tools/report/schedule_svg.h"
#include "tools/report/serving_figures.h"
#include "tools/report/serving_text.h"
#include "tools/report/step_figures.h"
#include "tools/report/text_report.h"
#include "tools/report/training_figures.h"
#include "tools/report/training_text.h"

namespace moesim::tools {
namespace {

// Tells on standard error how far a run is, once it has taken a second and then every second.
class Progress {
 public:
  explicit Progress(std::ostream& err) : err_(err) {}
  void operator()(std::int64_t step, std::int64_t steps) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(1)) return;
    last_ = now;
    err_ << (steps == 0 ? fmt::format("{} requests answered\n", step)
                        : fmt::format("step {} of {}\n", step + 1, steps))
         << std::flush;
  }

 private:
  std::ostream& err_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// What was asked, whatever the report is written to.
std::string command_line(const Arguments& arguments) {
  std::string text = "moesim run";
  text +=
      arguments.has("SCENARIO") ? " " + arguments.text("SCENARIO") : description_words(arguments);
  for (const std::string& assignment : arguments.all("set")) text += " --set " + assignment;
  return text;
}

// What is of a service: its report, and the files that were asked for.
sim::ExitCode report_service(const Arguments& arguments, const workloads::Scenario& scenario,
                             const workloads::RunResult& result, Console console) {
  const workloads::serving::PlayedService& played = *result.serving;
  if (const auto file = arguments.find("timeline")) {
    sim::io::write_file(*file, serving_trace(played));
  }
  if (const auto file = arguments.find("requests")) {
    sim::io::write_file(*file, workloads::serving::requests_csv(played.records));
  }
  if (const auto file = arguments.find("timeseries")) {
    sim::io::write_file(*file, workloads::serving::timeseries_csv(played.samples));
  }
  if (const auto html = arguments.find("html")) {
    const sim::io::Json json = to_json(result, scenario);
    Page page = serving_page(json);
    add_serving_figures(played, *scenario.serving(), page);
    write_page(*html, page, json);
  }
  if (arguments.json()) {
    write_result(arguments, sim::io::to_text(to_json(result, scenario)), console);
  } else {
    write_result(arguments, serving_text(played.report, result.report, *scenario.serving()),
                 console);
  }
  return exit_of(played.report, console.err);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const workloads::Scenario scenario = named_or_described_scenario(arguments, console);
  const auto timeline = arguments.find("timeline"), html = arguments.find("html");
  const bool serving = scenario.serving() != nullptr;
  for (const char* option : {"requests", "timeseries"}) {
    if (arguments.has(option) && !serving) {
      throw sim::ConfigError(fmt::format("--{}: only a scenario with serving has that", option));
    }
  }
  const bool draws = timeline && timeline->ends_with(".svg");
  if (draws && !scenario.training()) {
    throw sim::ConfigError(
        "--timeline: an .svg draws the schedule of a step of training; .json would do here");
  }
  Progress progress(console.err);
  workloads::RunOptions options{
      .keep_timeline = timeline || (html && !serving),
      .threads = static_cast<std::size_t>(arguments.integer("jobs", 1, 1024)),
      .progress = [&](std::int64_t step, std::int64_t steps) {
        // Of steps there is nothing to tell before the last one.
        if (steps > 0 && console.interrupted()) {
          throw sim::Error(sim::ExitCode::Interrupted, "moesim run: interrupted");
        }
        progress(step, steps);
      }};
  if (arguments.has("timeseries") || (html && serving)) options.sample = std::chrono::seconds(1);
  options.stop = console.interrupted;
  workloads::RunResult result = workloads::run(scenario, options);

  result.report.command = command_line(arguments);
  result.report.title += changes(arguments);
  if (result.serving) return report_service(arguments, scenario, result, console);
  if (timeline)
    sim::io::write_file(
        *timeline, draws ? schedule_svg(*result.recording, scenario.name)
                         : chrome_trace(*result.recording, scenario.deployment.cluster,
                                        result.training ? memory_counters(*result.training)
                                                        : memory_counters(*result.recording,
                                                                          result.report.memory)));
  const sim::io::Json json = to_json(result, scenario);
  if (html) {
    Page page = page_of(json, "the report");
    if (result.training)
      add_training_figures(result, *scenario.training(), page);
    else
      add_step_figures(result, *scenario.deployment.cluster.topology, page);
    write_page(*html, page, json);
  }
  const auto text = [&] {
    return result.training ? training_text(*result.training, result.report)
                           : text_report(result.report);
  };
  write_result(arguments, arguments.json() ? sim::io::to_text(json) : text(), console);
  if (!result.report.memory.fits) {
    console.err << fmt::format("moesim run: does not fit: {}\n", result.report.memory.advice);
    return sim::ExitCode::Infeasible;
  }
  if (result.training && result.training->goodput && !result.training->goodput->ends) {
    console.err << fmt::format(
        "moesim run: the run never ends: of the time between failures, {:.3g} h, {:.2g} % is "
        "progress: a longer gpu_mtbf, a shorter restart or a shorter checkpoint would do\n",
        result.training->goodput->mtbf_h, 100 * result.training->goodput->goodput);
    return sim::ExitCode::Infeasible;
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command run_command() {
  std::vector<Option> options = scenario_options();
  options.front().required = false;
  for (Option& option : description_options()) options.push_back(std::move(option));
  const std::vector<Option> more = {
      {.name = "-o,--output",
       .value = "FILE",
       .help = "write the report there instead of to standard output",
       .is_file = true,
       .is_output = true},
      {.name = "--timeline",
       .value = "FILE",
       .help = "write the first step, or a service's iterations, for Perfetto or "
               "chrome://tracing; of training an .svg file is a drawing of the schedule",
       .is_file = true,
       .is_output = true},
      {.name = "--requests",
       .value = "FILE",
       .help = "serving: write a row a request: when it was sent, queued, scheduled, "
               "answered",
       .is_file = true,
       .is_output = true},
      {.name = "--timeseries",
       .value = "FILE",
       .help = "serving: write who runs and waits, blocks and tokens, each second",
       .is_file = true,
       .is_output = true},
      {.name = "-j,--jobs",
       .value = "N",
       .help = "steps at the same time; the result is the same",
       .fallback = "1"},
      html_option(),
      format_option()};
  options.insert(options.end(), more.begin(), more.end());
  return {
      .name = "run",
      .summary = "simulates a scenario and reports where its time, bytes and memory go",
      .description =
          "Reads a scenario (model, cluster, layout, routing, step, serving or training), or takes "
          "--model and --cluster in its place and says what it chose for the rest; plays its steps "
          "on every GPU and link, or the service of its requests, or a pipeline's schedule, and "
          "prints a report. Exit code 3 "
          "where the model does not fit; 5 where a service was broken off by Ctrl-C, or its "
          "self-check failed. "
          "Traces are kept unpacked in $XDG_CACHE_HOME/moesim/traces (~/.cache), at most 1 GiB; "
          "MOESIM_TRACE_CACHE=off keeps none.",
      .options = std::move(options),
      .examples = {"moesim run --model deepseek-v3 --cluster h100:16x8 --phase decode --batch 128",
                   "moesim run configs/scenarios/mixtral-8x7b-decode-h100.yaml",
                   "moesim run SCENARIO --set step.batch_per_rank=64 --set network=bound",
                   "moesim run SCENARIO --format json -o report.json --timeline step.json",
                   "moesim run SCENARIO --html report.html"},
      .run = run,
      .ends_itself = true};
}

}  // namespace moesim::tools
