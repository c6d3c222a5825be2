#include "tools/moesim/card/card.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/error.h"
#include "tools/moesim/shipped.h"

namespace moesim::tools {

namespace {

hardware::Precision precision_of(const std::string& name) {
  return *hardware::parse_precision(name);  // one of the option's choices
}

std::vector<std::string> precision_names() {
  return {hardware::kPrecisionNames.begin(), hardware::kPrecisionNames.end()};
}

workloads::Engine engine_of(const std::string& name) {
  return workloads::load_engine(find_config("engines", name));
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  workloads::CardOptions options;
  for (const std::string& name : arguments.all("precision")) {
    options.precisions.push_back(precision_of(name));
  }
  if (arguments.has("kv-cache")) options.kv_cache = precision_of(arguments.text("kv-cache"));
  if (arguments.has("context")) {
    options.context = arguments.integer("context", 1, std::int64_t{1} << 24);
  }
  if (arguments.has("serving-context")) {
    options.serving_context = arguments.integer("serving-context", 1, std::int64_t{1} << 24);
  }
  std::vector<std::string> devices = arguments.all("device");
  if (devices.empty()) devices = {"a100", "h100", "h200", "b200"};
  for (const std::string& device : devices) {
    options.devices.push_back(hardware::load_device(find_config("devices", device)));
  }
  if (arguments.has("engine")) options.engine = engine_of(arguments.text("engine"));
  std::vector<workloads::ModelCard> cards;
  for (const std::string& name : arguments.all("MODEL")) {
    const workloads::ModelSpec model = workloads::load_model(find_config("models", name));
    if (model.max_context > 0 && options.serving_context > model.max_context &&
        arguments.has("serving-context")) {
      throw sim::ConfigError(fmt::format("--serving-context {}: {} takes {} tokens at most",
                                         options.serving_context, model.name, model.max_context));
    }
    cards.push_back(make_card(model, options));
  }
  const std::string format = arguments.text("format");
  if (format != "json") {
    console.out << to_table(cards, format == "markdown" ? TableStyle::Markdown : TableStyle::Text);
    return sim::ExitCode::Ok;
  }
  if (cards.size() == 1) {
    console.out << sim::io::to_text(to_json(cards.front()));
    return sim::ExitCode::Ok;
  }
  sim::io::Json json = sim::io::Json::object();
  json["schema_version"] = 1;
  json["models"] = sim::io::Json::array();
  for (const workloads::ModelCard& card : cards) json["models"].push_back(to_json(card));
  console.out << sim::io::to_text(json);
  return sim::ExitCode::Ok;
}

}  // namespace

Command card_command() {
  return {
      .name = "card",
      .summary = "a model by its numbers: sizes, FLOP, bytes, memory, and the GPUs that hold it",
      .description =
          "Total and active parameters by part, what a token costs, what it caches, the weights in "
          "every precision, and the fewest GPUs that hold them. Two models are put side by side. "
          "Embedding, head, router and norms stay in 16 bits at precisions below.",
      .options =
          {{.name = "MODEL",
            .value = "",
            .help = "a model's .yaml, a Hugging Face config.json, or a name in configs/models",
            .required = true,
            .repeated = true,
            .is_file = true},
           {.name = "--precision",
            .value = "PRECISION",
            .help = "of the weights, to look for GPUs with; default: as the checkpoint stores them",
            .repeated = true,
            .choices = precision_names()},
           {.name = "--kv-cache",
            .value = "PRECISION",
            .help = "of the cache; default: as the checkpoint says, else bf16",
            .choices = precision_names()},
           {.name = "--context",
            .value = "TOKENS",
            .help = "for FLOP and bytes a token: a prompt's length, a cache's length; default: "
                    "1024, or what the model takes"},
           {.name = "--serving-context",
            .value = "TOKENS",
            .help =
                "for memory: what each sequence caches; default: 4096, or what the model takes"},
           {.name = "--device",
            .value = "DEVICE",
            .help = "to look for; a device's .yaml or a name in configs/devices; default: a100, "
                    "h100, h200, b200",
            .repeated = true,
            .is_file = true},
           {.name = "--engine",
            .value = "ENGINE",
            .help = "whose rules a layout has to meet: a file, or a name in configs/engines",
            .is_file = true},
           {.name = "--format",
            .value = "FORMAT",
            .help = "how the result is printed",
            .fallback = "text",
            .choices = {"text", "json", "markdown"}}},
      .examples = {"moesim card mixtral-8x7b",
                   "moesim card deepseek-v3 qwen3-235b-a22b --precision fp8",
                   "moesim card path/to/config.json --device h20 --format json"},
      .run = run,
  };
}

}  // namespace moesim::tools
