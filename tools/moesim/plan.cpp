// moesim plan: how many of which GPUs carry a load within its targets.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string_view>
#include <vector>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/command.h"
#include "tools/moesim/html_output.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/trace_cache.h"
#include "tools/report/page_kinds.h"
#include "tools/report/plan_text.h"
#include "tools/study/plan/plan.h"

namespace moesim::tools {
namespace {

namespace fs = std::filesystem;

// Says how far it is, once it has taken a second and then every second.
class Progress {
 public:
  explicit Progress(std::ostream& err) : err_(err) {}
  void operator()(const std::string& what, std::size_t done, std::size_t all) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(1)) return;
    last_ = now;
    err_ << fmt::format("{}: {} of {}\n", what, done, all) << std::flush;
  }

 private:
  std::ostream& err_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// "h200": the cluster of most of them that ships; a cluster's name, file or size as it is.
std::string cluster_named(const std::string& text) {
  std::string device = text;
  for (char& c : device) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto files = named_files("clusters");
  if (files.contains(device) || text.find_first_of(":/.") != std::string::npos) return text;
  std::string best;
  std::int64_t most = 0;
  for (const auto& [name, file] : files) {
    if (!name.starts_with(device + "-")) continue;
    const auto document = sim::io::YamlDocument::load(file);
    const auto root = document.root();
    const std::int64_t gpus = root.at("nodes").integer() * root.at("gpus_per_node").integer();
    if (gpus > most) best = name, most = gpus;
  }
  if (best.empty()) {
    throw sim::ConfigError(
        fmt::format("--gpu {}: no cluster of it is known (moesim list clusters)", text));
  }
  return best;
}

// --gpu h200 or h200=2.60, several times.
std::string gpus_text(const std::vector<std::string>& gpus) {
  std::string list;
  for (const std::string& gpu : gpus) {
    const std::size_t equals = gpu.find('=');
    std::string text = fmt::format("{{cluster: \"{}\"", cluster_named(gpu.substr(0, equals)));
    if (equals != std::string::npos) {
      std::string price = gpu.substr(equals + 1);
      if (price.find('/') == std::string::npos) price += " USD/h";
      text += fmt::format(", price: {}", price);
    }
    list += (list.empty() ? "" : ", ") + text + "}";
  }
  return "[" + list + "]";
}

// "80ms", or "p95:80ms" of a statistic over all requests.
std::string target_text(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) return text;
  return fmt::format("{{{}: {}}}", text.substr(0, colon), text.substr(colon + 1));
}

constexpr std::array kLoad{"rate", "input", "output", "context", "prompt",
                           "ttft", "tpot",  "e2el",   "engine"};
constexpr std::array kTargets{"ttft", "tpot", "e2el"};
constexpr std::array kTraining{"training", "sequence", "global-batch", "days"};

using Set = std::function<void(const std::string& key, const std::string& value, const char*)>;

// --training 14.8e12 --sequence 4096 --global-batch 15360 --days 60
void set_training(const Arguments& arguments, const Set& set) {
  for (const char* option : kLoad) {
    if (arguments.has(option))
      throw sim::ConfigError(fmt::format(
          "--{}: is of a load, and --training of a run: leave one of them out", option));
  }
  for (const char* needed : kTraining) {
    if (arguments.has(needed)) continue;
    throw sim::ConfigError(fmt::format(
        "plan: of a run of training say --training (tokens of all of it), --sequence, "
        "--global-batch and --days, such as --training 2e11 --sequence 4096 --global-batch 256 "
        "--days 15; --{} is missing",
        needed));
  }
  set("training.tokens", arguments.text("training"), "training");
  set("training.sequence", arguments.text("sequence"), "sequence");
  set("training.global_batch", arguments.text("global-batch"), "global-batch");
  set("targets.days", arguments.text("days"), "days");
}

void set_load(const Arguments& arguments, const Set& set) {
  const std::string rate = arguments.text("rate") + " /s";
  if (arguments.has("context")) {
    set("load",
        fmt::format("{{phase: decode, context: {}, rate: {}}}", arguments.text("context"), rate),
        "context");
  } else if (arguments.has("prompt")) {
    set("load",
        fmt::format("{{phase: prefill, prompt: {}, rate: {}}}", arguments.text("prompt"), rate),
        "prompt");
  } else {
    for (const char* needed : {"input", "output"}) {
      if (arguments.has(needed)) continue;
      throw sim::ConfigError(fmt::format(
          "plan: of a load of requests say --input and --output, of steps --context (decode) or "
          "--prompt (prefill); --{} is missing",
          needed));
    }
    set("load.arrivals", fmt::format("{{law: poisson, rate: {}}}", rate), "rate");
    set("load.input", arguments.text("input"), "input");
    set("load.output", arguments.text("output"), "output");
  }
  bool any = false;
  for (const char* target : kTargets) {
    if (!arguments.has(target)) continue;
    any = true;
    set(fmt::format("targets.{}", target), target_text(arguments.text(target)), target);
  }
  if (!any) {
    throw sim::ConfigError(fmt::format(
        "plan: say within what times the load is to be carried: {}",
        arguments.has("context")  ? "--tpot, such as --tpot 80ms"
        : arguments.has("prompt") ? "--ttft, such as --ttft 2s"
                                  : "at least one of --ttft, --tpot and --e2el, such as --ttft 2s "
                                    "--tpot 80ms"));
  }
  if (arguments.has("engine")) set("engine", "\"" + arguments.text("engine") + "\"", "engine");
}

// What the options mean, as the file that would say it.
sim::io::YamlDocument described(const Arguments& arguments) {
  const bool trains =
      std::ranges::any_of(kTraining, [&](const char* option) { return arguments.has(option); });
  for (const char* needed : {"model", "gpu", "rate"}) {
    if (arguments.has(needed) || (trains && needed == std::string_view("rate"))) continue;
    throw sim::ConfigError(fmt::format(
        "plan: say a plan's file, or --model, --gpu and --rate, such as --model deepseek-v3 "
        "--gpu "
        "h200 --rate 24 --input 2000 --output 500 --ttft 2s --tpot 80ms, or --training in place of "
        "--rate; --{} is missing",
        needed));
  }
  auto document = sim::io::YamlDocument::parse("{}", "the options");
  const Set set = [&](const std::string& key, const std::string& value, const char* option) {
    document.set(key, value, fmt::format("--{}", option));
  };
  set("model", "\"" + arguments.text("model") + "\"", "model");
  set("gpus", gpus_text(arguments.all("gpu")), "gpu");
  if (trains) {
    set_training(arguments, set);
  } else {
    set_load(arguments, set);
  }
  return document;
}

sim::io::YamlDocument question(const Arguments& arguments) {
  if (!arguments.has("FILE")) return described(arguments);
  std::vector<const char*> options{"model", "gpu"};
  options.insert(options.end(), kLoad.begin(), kLoad.end());
  options.insert(options.end(), kTraining.begin(), kTraining.end());
  for (const char* option : options) {
    if (!arguments.has(option)) continue;
    throw sim::ConfigError(
        fmt::format("--{}: {} says all of it: leave the option out, or change it with --set",
                    option, arguments.text("FILE")));
  }
  return sim::io::YamlDocument::load(find_config("plans", arguments.text("FILE")));
}

// One answer into a file, or each into its own in a folder that is there.
void emit(const fs::path& target, const Plan& plan) {
  std::error_code error;
  if (!fs::is_directory(target, error)) {
    sim::io::write_file(target, plan.answers.front().scenario);
    return;
  }
  for (const PlanAnswer& answer : plan.answers)
    sim::io::write_file(target / (answer.roles.front() + ".yaml"), answer.scenario);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  sim::io::YamlDocument document = question(arguments);
  for (const std::string& assignment : arguments.all("set")) {
    const std::size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw sim::ConfigError(
          fmt::format("--set {}: expected key=value, such as targets.confidence=0.9", assignment));
    }
    document.set(assignment.substr(0, equals), assignment.substr(equals + 1));
  }
  if (arguments.has("most")) document.set("limits.gpus", arguments.text("most"), "--most");
  const PlanSpec spec = read_plan(document.root());
  Progress progress(console.err);
  const Plan plan =
      make_plan(spec, {.shipped = shipped(),
                       .traces = trace_cache(std::getenv),
                       .version = MOESIM_VERSION,
                       .clock = arguments.has("time") ? seconds : std::function<double()>{},
                       .stop = console.interrupted,
                       .progress = [&](const std::string& what, std::size_t done, std::size_t all) {
                         progress(what, done, all);
                       }});
  if (const auto file = arguments.find("rejected"))
    sim::io::write_file(*file, candidates_csv(plan));
  if (const auto target = arguments.find("emit"); target && !plan.answers.empty())
    emit(*target, plan);
  const sim::io::Json json = to_json(plan, spec);
  if (const auto html = arguments.find("html")) write_page(*html, plan_page(json), json);
  // --output are the tokens of a request here.
  write_result(arguments, arguments.json() ? sim::io::to_text(json) : plan_text(plan, spec),
               console, "to");
  const bool chosen = !plan.answers.empty() && plan.answers.front().roles.front() == "chosen";
  if (chosen) return sim::ExitCode::Ok;
  console.err << "moesim plan: nothing within the limits meets the targets with that confidence\n";
  return sim::ExitCode::Infeasible;
}

}  // namespace

Command plan_command() {
  return {
      .name = "plan",
      .summary = "the fewest or cheapest GPUs that carry a load, or train a model in time",
      .description =
          "FILE is a question, of a load or of a run of training (docs/guide/capacity.md); or the "
          "options say it. Every layout that "
          "the engine starts and that fits is thought of; those that are proved, or estimated "
          "beyond a margin that is checked, to be worse are left out, the others are run. Says how "
          "sure the answer is, why not fewer, and what the loss of a node does. Exit code 3 where "
          "nothing meets the targets within the limits, with what comes nearest.",
      .options =
          {{.name = "FILE",
            .help = "the question: a YAML file, or the name of one that ships",
            .is_file = true},
           {.name = "--model",
            .value = "MODEL",
            .help = "in place of FILE: a name, file or checkpoint's folder, or a hub id",
            .is_file = true},
           {.name = "--gpu",
            .value = "GPU[=PRICE]",
            .help = "h200, or a cluster to take nodes of; with a price of a GPU and hour: "
                    "h200=2.60",
            .repeated = true},
           {.name = "--rate", .value = "N", .help = "requests a second; of steps tokens a second"},
           {.name = "--input", .value = "N", .help = "tokens of a prompt"},
           {.name = "--output", .value = "N", .help = "tokens of an answer"},
           {.name = "--context",
            .value = "N",
            .help = "steps that decode alone: keys that a sequence sees"},
           {.name = "--prompt",
            .value = "N",
            .help = "steps that read prompts alone: tokens of a prompt"},
           {.name = "--ttft",
            .value = "TIME",
            .help = "to the first token at most: 2s; p99:2s of all requests together"},
           {.name = "--tpot",
            .value = "TIME",
            .help = "a further token at most: 80ms; p95:80ms, mean:60ms"},
           {.name = "--e2el", .value = "TIME", .help = "to the last token at most: 30s; p95:30s"},
           {.name = "--engine",
            .value = "ENGINE",
            .help = "a name or file of configs/engines",
            .is_file = true},
           {.name = "--training",
            .value = "TOKENS",
            .help = "a run of training on so many tokens, such as 14.8e12, in place of a load"},
           {.name = "--sequence", .value = "N", .help = "of training: tokens of a sequence"},
           {.name = "--global-batch", .value = "N", .help = "of training: sequences of a step"},
           {.name = "--days", .value = "N", .help = "of training: at most"},
           {.name = "--most", .value = "N", .help = "GPUs at most; 64 where nothing is said"},
           {.name = "--set",
            .value = "KEY=VALUE",
            .help = "replace a value of the question; may be given more than once",
            .repeated = true},
           {.name = "--emit",
            .value = "PATH",
            .help = "write the chosen plan as a scenario; into a folder: every answer",
            .is_file = true,
            .is_output = true},
           {.name = "--rejected",
            .value = "FILE",
            .help = "write a row for each candidate that is no answer, as CSV: code and "
                    "reason",
            .is_file = true,
            .is_output = true},
           {.name = "-o,--to",
            .value = "FILE",
            .help = "write the plan there instead of to standard output",
            .is_file = true,
            .is_output = true},
           {.name = "--time",
            .value = "",
            .help = "how long each stage took (stages[].wall_s), which differs from run to run; "
                    "without it wall_s is null"},
           html_option(),
           format_option()},
      .examples = {"moesim plan --model qwen3-235b-a22b --gpu h200=2.60 --rate 24 --input 2000 "
                   "--output 500 --ttft 2s --tpot 80ms --engine sglang",
                   "moesim plan question.yaml --emit chosen.yaml --rejected rejected.csv",
                   "moesim plan --model deepseek-v3 --gpu h800 --context 4096 --rate 200000 --tpot "
                   "50ms --most 128",
                   "moesim plan --model mixtral-8x7b --gpu h100 --training 2e11 --sequence 4096 "
                   "--global-batch 256 --days 15 --most 32"},
      .run = run,
      .ends_itself = true};
}

}  // namespace moesim::tools
