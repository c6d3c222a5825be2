#include "tools/moesim/routed_scenario.h"
#include "tools/moesim/sized_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/shipped.h"

namespace moesim::tools {
namespace {

using namespace workloads;

constexpr std::int64_t kContext = 4096;  // of a sequence in decode

// In single quotes, as YAML text; a quote in a name is doubled.
std::string absolute(const std::string& file) {
  std::string text;
  for (const char c : std::filesystem::absolute(file).lexically_normal().string()) {
    text += c;
    if (c == '\'') text += c;
  }
  return "'" + text + "'";
}

std::int64_t most_that_divide(std::int64_t slots, std::int64_t ranks) {
  ranks = std::min(slots, ranks);
  while (slots % ranks != 0) --ranks;
  return ranks;
}

}  // namespace

Scenario routed_scenario(const RoutedQuestion& question) {
  const ModelSpec model = load_model(question.model);
  const MoeFfn* moe = model.largest_moe();
  if (moe == nullptr)
    throw sim::ConfigError(fmt::format("{}: has no experts to place", question.model));
  const std::int64_t ranks = question.ranks > 0
                                 ? question.ranks
                                 : most_that_divide(moe->experts + question.redundant,
                                                    named_cluster(question.cluster, {}).ranks());
  const std::int64_t longest = model.max_context > 0 ? model.max_context : kContext;
  const std::int64_t context = std::min(kContext, longest);
  // Prompts as long as they may be, as many as make up the tokens.
  std::int64_t prompt = std::min(question.tokens, longest);
  while (question.tokens % prompt != 0) --prompt;
  // What a trace costs is asked of all its tokens alike: one that is short goes round.
  const std::string text = fmt::format(
      "name: routing\nmodel: {}\ncluster: {}\nparallelism: {{dp: {}, ep: {}}}\n"
      "routing: {{trace: {}, tokens: repeat}}\nnetwork: {}\nkernels: {{all_to_all: {}}}\nstep: "
      "{{phase: {}, {}: {}, {}, count: {}}}\n",
      absolute(question.model), absolute(question.cluster), ranks, ranks, absolute(question.trace),
      question.network, question.prefill ? "deepep_normal" : "deepep_low_latency",
      question.prefill ? "prefill" : "decode",
      question.prefill ? "tokens_per_rank" : "batch_per_rank", question.tokens,
      question.prefill ? fmt::format("prompt: {}", prompt) : fmt::format("context: {}", context),
      question.steps);
  auto document = sim::io::YamlDocument::parse(text, "the scenario");
  apply_overrides(document, question.overrides);
  return read_scenario(document.root(), shipped());
}

std::vector<Option> routed_options() {
  return {
      {.name = "--ranks",
       .value = "N",
       .help =
           "expert-parallel GPUs; as many as there are and divide the experts, where not given"},
      {.name = "--redundant",
       .value = "N",
       .help = "redundant expert slots of each layer",
       .fallback = "0"},
      {.name = "--phase",
       .value = "PHASE",
       .help = "of the step",
       .fallback = "decode",
       .choices = {"decode", "prefill"}},
      {.name = "--tokens", .value = "N", .help = "tokens of a GPU in a step", .fallback = "128"},
      {.name = "--steps", .value = "N", .help = "steps of a window", .fallback = "4"},
      {.name = "--network",
       .value = "FIDELITY",
       .help = "of the step's time",
       .fallback = "bound",
       .choices = {"bound", "fluid"}},
      {.name = "--set",
       .value = "KEY=VALUE",
       .help = "a scenario's value, such as routing.layers=cycle",
       .repeated = true},
  };
}

RoutedQuestion routed_question(const Arguments& arguments) {
  RoutedQuestion question;
  if (arguments.has("ranks")) question.ranks = arguments.integer("ranks", 1, kMostGpus);
  question.redundant = arguments.integer("redundant", 0, kMostExperts);
  question.prefill = arguments.text("phase") == "prefill";
  question.tokens = arguments.integer("tokens", 1, 1'000'000);
  question.steps = arguments.integer("steps", 1, 1000);
  question.network = arguments.text("network");
  question.overrides = arguments.all("set");
  return question;
}

}  // namespace moesim::tools
