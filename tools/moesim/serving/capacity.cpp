#include <fmt/format.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <vector>

#include "hardware/reliability.h"
#include "sim/error.h"
#include "sim/io/json.h"
#include "sim/units_text.h"
#include "tools/moesim/html_output.h"
#include "tools/moesim/named_scenario.h"
#include "tools/moesim/serving/capacity_json.h"
#include "tools/moesim/serving/serving_commands.h"
#include "tools/report/page_kinds.h"
#include "tools/study/plan/lost_capacity.h"
#include "workloads/scenario.h"
#include "workloads/serving_capacity.h"

namespace moesim::tools {
namespace {

using workloads::ServingCapacity;

constexpr double kShortDrain = 0.05;  // of a run that is long enough

// When a GPU is lost: the engines that stop, or go on without it.
struct Lasting {
  Reliability reliability = {};
  Losses losses = {};
  bool elastic = false;
};

std::optional<double> hours(const Arguments& arguments, const char* option) {
  const auto text = arguments.find(option);
  if (!text) return {};
  const auto time = sim::parse_duration(*text);
  if (!time) {
    throw sim::ConfigError(
        fmt::format("--{}: expected a time such as 600 s, not \"{}\"", option, *text));
  }
  return sim::to_seconds(*time) / 3600;
}

// The command line's before the cluster's before what is known of others.
Reliability reliability_of(const Arguments& arguments, const workloads::Inputs& inputs) {
  hardware::StatedReliability stated{.restart_h = hours(arguments, "restart"),
                                     .recovery_h = hours(arguments, "recovery")};
  if (arguments.has("gpu-hours")) stated.gpu_hours = arguments.number("gpu-hours", 1, 1e12);
  return hardware::with(hardware::reliability_of(inputs.cluster, inputs.cluster_changes), stated,
                        "the command line");
}

Lasting lasting_of(const Arguments& arguments, const workloads::Scenario& scenario,
                   const ServingCapacity& whole, const std::function<bool()>& stop) {
  Lasting result;
  result.reliability = reliability_of(arguments, scenario.inputs);
  const workloads::serving::ServingQuestion& asked = *scenario.serving();
  const double rate = workloads::serving::rate_of(asked).value();
  // Of pools all is down with any GPU.
  const std::int64_t engines = asked.prefill ? 1 : asked.pool.replicas;
  const double capacity = whole.p50 / static_cast<double>(engines);
  LostCapacity lost;
  if (!asked.prefill) {
    lost = lost_capacity(workloads::serving::deployment_of(scenario.deployment, asked.pool),
                         [&](const workloads::Deployment& left) {
                           workloads::Scenario smaller = scenario;
                           smaller.deployment = left;
                           auto question = asked;
                           question.pool.layout = left.layout;
                           question.pool.replicas = 1;
                           smaller.question = std::move(question);
                           return find_capacity(smaller, {.stop = stop}, {.start = capacity}).p50;
                         });
  }
  result.elastic = lost.one > 0;
  result.losses =
      losses_of(engines, whole.gpus / engines, capacity, lost, rate, result.reliability);
  return result;
}

std::string lasting_text(const Lasting& l) {
  return fmt::format(
      "  when GPUs go  {:.2f} requests/s with one lost, {:.2f} with two{}: {:.2f} on average, "
      "enough {:.3f} % of the time\n"
      "                {:.0f} GPU-hours to a stop, {:.0f} s to be back (reliability: {})\n",
      l.losses.capacity[1], l.losses.capacity[2], l.elastic ? ", elastic" : "", l.losses.goodput,
      100 * l.losses.available, l.reliability.gpu_hours, 3600 * l.reliability.restart_h,
      l.reliability.source);
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
  const bool is_short = at.drain_s > kShortDrain * at.duration_s;
  const auto time = [](double ms) { return sim::to_text(sim::picoseconds_rounded_up(ms * 1e9)); };
  std::string text = fmt::format(
      "  carries       {:.2f} requests/s within {}   (80 % interval {:.2f} to {:.2f})\n"
      "                {:.3f} requests/s per GPU ({} GPUs)\n",
      c.p50, c.target, c.p10, c.p90, c.p50 / static_cast<double>(c.gpus), c.gpus);
  if (c.p50_capped) {
    text += fmt::format(
        "                this is the estimate of its saturation, beyond which no rate is asked{}\n",
        is_short ? "" : ": it may be more");
  } else if (c.p90_capped) {
    text +=
        "                the interval ends at the estimate of its saturation, beyond which no rate "
        "is asked\n";
  }
  text +=
      fmt::format("  there         TTFT p50 {}, p99 {}; TPOT p50 {}, p99 {}; {:.0f} tokens/s out\n",
                  time(at.ttft.median), time(at.ttft.p99), time(at.tpot.median), time(at.tpot.p99),
                  at.output_throughput);
  if (is_short) {
    text += fmt::format(
        "                {:.0f} % of the time is after the last request came: a queue has no time "
        "to grow, and of more of them (serving.requests.count) less is carried\n",
        100 * at.drain_s / at.duration_s);
  }
  for (const std::string& note : at.notes) text += fmt::format("                note: {}\n", note);
  return text;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const workloads::Scenario scenario = named_scenario(arguments);
  const ServingCapacity capacity = find_capacity(scenario, {.stop = console.interrupted});
  sim::io::Json json = to_json(capacity, scenario);
  std::optional<Lasting> lasting;
  if (!capacity.partial) {
    lasting = lasting_of(arguments, scenario, capacity, console.interrupted);
    json["capacity"]["availability"] = to_json(lasting->losses, lasting->reliability);
  }
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
                               saturation_text(capacity) + (lasting ? lasting_text(*lasting) : ""));
  }
  if (!capacity.partial) return sim::ExitCode::Ok;
  console.err << fmt::format(
      "moesim capacity: broken off in run {}: what is printed is of those before\n", capacity.runs);
  return sim::ExitCode::Partial;
}

}  // namespace

Command capacity_command() {
  std::vector<Option> options = scenario_options();
  const std::vector<Option> losses = {
      {.name = "--gpu-hours",
       .value = "N",
       .help = "to an unexpected stop, for the cluster's reliability; else 50700, of 16,384 H100 "
               "in 54 days (arXiv 2407.21783)"},
      {.name = "--restart",
       .value = "TIME",
       .help = "until an engine serves again, for the cluster's; else 600 s, assumed"},
      {.name = "--recovery",
       .value = "TIME",
       .help = "until an elastic engine goes on without a GPU, for the cluster's; else 57 s (vLLM "
               "pull request 46370)"}};
  options.insert(options.end(), losses.begin(), losses.end());
  options.push_back(html_option());
  options.push_back(format_option());
  return {
      .name = "capacity",
      .summary = "the most requests a second that a deployment carries within its targets",
      .description =
          "Runs a scenario with serving at several rates and halves towards the highest at which "
          "the targets are attained, at most the estimate of its saturation; its interval is that "
          "of "
          "the cost models. Says what is carried with GPUs lost, too: an engine stops with any, "
          "or, where "
          "engine.elastic is true and experts are held twice, goes on. Exit code 3 where no rate "
          "attains them; 5 where it was broken off by "
          "Ctrl-C, with what was known by then.",
      .options = std::move(options),
      .examples = {"moesim capacity mixtral-8x7b-serving-h100",
                   "moesim capacity SCENARIO --set serving.targets.ttft='500 ms' --format json"},
      .run = run,
      .ends_itself = true};
}

}  // namespace moesim::tools
