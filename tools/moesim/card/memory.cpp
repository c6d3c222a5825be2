#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/yaml_reader.h"
#include "sim/units_text.h"
#include "tools/moesim/card/card.h"
#include "workloads/memory/request.h"

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

std::string to_text(const workloads::MemoryRequest& request, const Json& answer) {
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

}  // namespace

Command memory_command() {
  return {
      .name = "memory",
      .summary = "what a layout takes of each GPU's memory, serving or training, part by part",
      .description =
          "Reads a file with model, device, parallelism and either serving or training "
          "(their keys: workloads/README.md) and prints the fullest GPU; with --format json every "
          "pipeline stage. Ends with exit code 3 where it does not fit.",
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
            const auto document = sim::io::YamlDocument::load(arguments.text("FILE"));
            const auto request = workloads::read_memory_request(document.root());
            document.throw_errors();
            const Json answer = workloads::answer(request);
            console.out << (arguments.json() ? sim::io::to_text(answer) : to_text(request, answer));
            return answer["memory"]["fits"].get<bool>() ? sim::ExitCode::Ok
                                                        : sim::ExitCode::Infeasible;
          },
  };
}

}  // namespace moesim::tools
