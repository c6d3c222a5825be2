#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/yaml_reader.h"
#include "sim/units_text.h"
#include "tools/moesim/card/card.h"
#include "tools/moesim/shipped.h"
#include "workloads/memory/request.h"
#include "workloads/run.h"
#include "workloads/training/training_report.h"

namespace moesim::tools {

namespace {

using sim::io::Json;

// "weights_bytes" as "weights", with its amount.
std::string line(const std::string& key, const Json& value) {
  if (!key.ends_with("_bytes")) return {};
  const auto bytes = value.get<std::int64_t>();
  const std::string amount =
      bytes < 0 ? "-" + sim::to_text(sim::Bytes(-bytes)) : sim::to_text(sim::Bytes(bytes));
  std::string label = key.substr(0, key.size() - 6);
  for (char& c : label) c = c == '_' ? ' ' : c;
  return fmt::format("  {:<16} {:>12}\n", label, amount);
}

// Whether the engine starts, what its cache holds, and its own words for it.
std::string engine_text(const workloads::MemoryRequest& request, const Json& answer) {
  const Json& e = answer["engine"];
  const auto number = [&](const char* key) { return e[key].get<std::int64_t>(); };
  std::string text =
      fmt::format("{} on {}, {} at a fraction of {}: a GPU\n\n", request.model.name,
                  request.device.name, request.engine->name, e["fraction"].get<double>());
  for (const auto& [key, value] : answer["memory"].items()) text += line(key, value);
  if (e["starts"].get<bool>()) {
    text += fmt::format(
        "\n  starts{}: {} tokens of cache a dp rank\n",
        number("context") > 0 ? fmt::format(" with a context of {}", number("context")) : "",
        number("cache_tokens"));
  } else {
    text += fmt::format("\n  does not start: {}\n", e["why"].get<std::string>());
  }
  text += fmt::format("  longest context {}, largest batch of a dp rank {} (of {})\n",
                      number("largest_context"), number("largest_batch_per_dp_rank"),
                      number("sequences"));
  if (e["starts"].get<bool>() && !e["least_fraction"].is_null()) {
    text +=
        fmt::format("  starts from a fraction of {:.3f} on\n", e["least_fraction"].get<double>());
  }
  std::string flags;
  for (const auto& flag : e["flags"]) flags += (flags.empty() ? "" : " ") + flag.get<std::string>();
  if (!flags.empty()) {
    const auto engines = e["engines"].get<std::int64_t>();
    text += fmt::format("  {}: {}\n",
                        engines > 1 ? fmt::format("options of each of {} engines", engines)
                                    : std::string("its options"),
                        flags);
  }
  if (const auto log = e["log"].get<std::string>(); !log.empty() && e["starts"].get<bool>()) {
    text += fmt::format("  its log says: {}\n", log);
  }
  for (const auto& note : answer["notes"])
    text += fmt::format("  note: {}\n", note.get<std::string>());
  return text;
}

std::string to_text(const workloads::MemoryRequest& request, const Json& answer) {
  if (request.engine) return engine_text(request, answer);
  const Json& memory = answer["memory"];
  std::string text =
      fmt::format("{} on {}, {}: the fullest GPU (stage {} of {})\n\n", request.model.name,
                  request.device.name, request.trains ? "training" : "serving",
                  answer["fullest_stage"].get<std::int64_t>() + 1, answer["stages"].size());
  for (const auto& [key, value] : memory.items()) text += line(key, value);
  text += memory["fits"].get<bool>() ? "\n  fits\n" : "\n  does not fit\n";
  if (answer.contains("largest_batch_per_dp_rank")) {
    text += fmt::format("  largest batch of a dp rank {}, longest context {}\n",
                        answer["largest_batch_per_dp_rank"].get<std::int64_t>(),
                        answer["largest_context"].get<std::int64_t>());
  }
  if (answer.contains("notes")) {
    for (const auto& note : answer["notes"]) {
      text += fmt::format("  note: {}\n", note.get<std::string>());
    }
  }
  return text;
}

// What a run of it plans with: a device of its own is a memory question's, a cluster a scenario's.
bool is_training_scenario(const sim::io::YamlNode& root) {
  return root.find("training") && root.find("cluster");
}

// By pipeline rank, with the micro-batches in flight of the schedule as it is played.
sim::ExitCode answer_scenario(const sim::io::YamlDocument& document, const Arguments& arguments,
                              Console console) {
  const workloads::Scenario scenario = workloads::read_scenario(document.root(), shipped());
  const workloads::TrainingPlan plan = workloads::run(scenario, {}).training->plan();
  const Json answer = workloads::answer(plan);
  workloads::MemoryRequest asked;
  asked.model.name = scenario.deployment.model.name;
  asked.device.name = scenario.deployment.cluster.device.name;
  asked.trains = true;
  console.out << (arguments.json() ? sim::io::to_text(answer) : to_text(asked, answer));
  return plan.fits() ? sim::ExitCode::Ok : sim::ExitCode::Infeasible;
}

}  // namespace

Command memory_command() {
  return {
      .name = "memory",
      .summary = "what a layout takes of each GPU's memory, serving or training, part by part",
      .description =
          "Reads a file with model, device, parallelism and either serving or training "
          "(their keys: workloads/README.md) and prints the fullest GPU; with --format json every "
          "pipeline stage. A scenario of training is answered by pipeline rank, as its run plans. "
          "With `engine:` it answers whether that engine starts at a fraction of "
          "the "
          "GPU's memory, with which context and batch, and names its options and its log's line. "
          "Ends with exit code 3 where it does not fit, or does not start.",
      .options = {{.name = "FILE",
                   .value = "",
                   .help = "the question, a .yaml file",
                   .required = true,
                   .is_file = true},
                  format_option()},
      .examples = {"moesim memory configs/memory/llama-3-70b-training-b200.yaml",
                   "moesim memory plan.yaml --format json"},
      .run =
          [](const Arguments& arguments, Console console) {
            const auto document =
                sim::io::YamlDocument::load(find_config("memory", arguments.text("FILE")));
            if (is_training_scenario(document.root()))
              return answer_scenario(document, arguments, console);
            const auto request = workloads::read_memory_request(document.root(), shipped());
            document.throw_errors();
            const Json answer = workloads::answer(request);
            console.out << (arguments.json() ? sim::io::to_text(answer) : to_text(request, answer));
            return answer["memory"]["fits"].get<bool>() ? sim::ExitCode::Ok
                                                        : sim::ExitCode::Infeasible;
          },
  };
}

}  // namespace moesim::tools
