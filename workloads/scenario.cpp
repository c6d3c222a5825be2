#include "workloads/scenario.h"

#include <fmt/format.h>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "workloads/deployment/check.h"
#include "workloads/serving/read_question.h"
#include "workloads/step/read_step.h"
#include "workloads/training/read_question.h"

namespace moesim::workloads {
namespace {

using sim::io::YamlDocument;
using sim::io::YamlNode;

// A problem is told at the value that it is about, or where that is left out, at the whole.
void note(const YamlNode& node, const std::vector<Problem>& problems) {
  for (const Problem& problem : problems) {
    const auto found = node.find(problem.key);
    (found ? *found : node).error(problem.text);
  }
}

// What of a trace passes take that hold prompts, or decodes, alone (routing.phase: own).
TokenPhase own_phase(const StepQuestion& question) {
  bool prompts = question.refill.prompt > 0, decodes = false;
  for (const RankBatch& rank : question.ranks)
    for (const BatchShape& part : rank)
      (part.phase == StepPhase::Prefill ? prompts : decodes) = true;
  if (prompts && decodes) return TokenPhase::Own;  // there is no one phase
  return prompts ? TokenPhase::Prefill : TokenPhase::Decode;
}

void settle_phase(const YamlNode& node, Scenario& s) {
  TokenPhase& phase = s.deployment.routing.mapping.phase;
  if (phase != TokenPhase::Own || s.serving() != nullptr) return;  // of pools each has its own
  phase = s.step() != nullptr ? own_phase(*s.step()) : TokenPhase::Prefill;
  if (phase == TokenPhase::Own)
    node.at("routing").error(
        "phase: own: the step holds prompts and decodes: any, prefill or decode would do");
}

}  // namespace

Scenario read_scenario(const YamlNode& node, const Shipped& shipped) {
  std::vector<std::string_view> keys{"name", "step", "serving", "training"};
  keys.insert(keys.end(), deployment_keys().begin(), deployment_keys().end());
  node.allow_only(keys);
  Scenario s;
  s.name = node.at("name").text();
  s.inputs.scenario = node.document_name();
  s.deployment = read_deployment(node, shipped, s.inputs);
  const auto serving = node.find("serving"), training = node.find("training");
  if (serving && node.find("step")) {
    serving->error("a scenario asks one thing: leave out step or serving");
  }
  if (training && (serving || node.find("step"))) {
    training->error("a scenario asks one thing: leave out training, or step and serving");
  }
  if (training) {
    // Stages are cut of a model and a layout that are there.
    node.throw_errors();
    note(node, check(s.deployment));
    node.throw_errors();
    // How often GPUs stop is asked of a run alone.
    const bool runs = training->find("run").has_value();
    s.question = read_training_question(
        *training, s.deployment,
        runs ? hardware::own_reliability_of(s.inputs.cluster, s.inputs.cluster_changes, false)
             : std::nullopt);
    training_host(s.deployment.host);
    training_kernels(s.deployment.kernels);
  } else if (serving) {
    s.question = serving::read_question(*serving, s.deployment, s.inputs.defaults);
  } else {
    s.question = read_step(node.at("step"));
  }
  settle_phase(node, s);
  node.throw_errors();
  note(node, check(s.deployment));
  node.throw_errors();
  if (!training) note(node, check_host(s.deployment.host));
  note(node, std::visit([&](const auto& asked) { return check(s.deployment, asked); }, s.question));
  node.throw_errors();
  if (auto* asked = std::get_if<serving::ServingQuestion>(&s.question)) {
    if (auto* trace = std::get_if<serving::RequestTrace>(&asked->requests))
      serving::read_facts(*trace);
  }
  return s;
}

void apply_overrides(YamlDocument& document, const std::vector<std::string>& overrides) {
  for (const std::string& assignment : overrides) {
    const std::size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw sim::ConfigError(
          fmt::format("--set {}: expected key=value, such as step.batch_per_rank=64", assignment));
    }
    document.set(assignment.substr(0, equals), assignment.substr(equals + 1));
  }
}

YamlDocument open_scenario(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides) {
  YamlDocument document = YamlDocument::load(file);
  apply_overrides(document, overrides);
  return document;
}

Scenario load_scenario(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                       const Shipped& shipped) {
  return read_scenario(open_scenario(file, overrides).root(), shipped);
}

}  // namespace moesim::workloads
