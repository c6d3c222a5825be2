// What is asked, of what: a deployment and a question. configs/scenarios/*.yaml; the keys are in
// workloads/README.md.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "sim/io/json.h"
#include "workloads/deployment/deployment.h"
#include "workloads/deployment/read.h"
#include "workloads/serving/question.h"
#include "workloads/step/step_question.h"
#include "workloads/training/question.h"

namespace moesim::sim::io {
class YamlDocument;
class YamlNode;
}  // namespace moesim::sim::io

namespace moesim::workloads {

// To add one: its alternative here, its key and reader in scenario.cpp, its visit in run.cpp.
using Question = std::variant<StepQuestion, serving::ServingQuestion, TrainingQuestion>;

struct Scenario {
  std::string name;
  Inputs inputs;
  Deployment deployment;
  Question question;

  const StepQuestion* step() const { return std::get_if<StepQuestion>(&question); }
  const serving::ServingQuestion* serving() const {
    return std::get_if<serving::ServingQuestion>(&question);
  }
  const TrainingQuestion* training() const { return std::get_if<TrainingQuestion>(&question); }
  StepQuestion* step() { return std::get_if<StepQuestion>(&question); }
};

// Reads a scenario with `key=value` overrides applied; throws ConfigError that lists every mistake,
// InputError for a file that cannot be read.
Scenario load_scenario(const std::filesystem::path& file,
                       const std::vector<std::string>& overrides = {}, const Shipped& shipped = {});
// The two halves of it: the document with its overrides, and what it says.
sim::io::YamlDocument open_scenario(const std::filesystem::path& file,
                                    const std::vector<std::string>& overrides);
// A node of any document: a whole file, or a scenario inside another. Paths are relative to the
// document's folder. Throws ConfigError that lists every mistake of the document so far.
Scenario read_scenario(const sim::io::YamlNode& node, const Shipped& shipped = {});

// Sets `key=value` pairs of the command line in a document. Throws ConfigError for what is no pair.
void apply_overrides(sim::io::YamlDocument& document, const std::vector<std::string>& overrides);

// Every value of the scenario, defaults included, as it will be used.
sim::io::Json resolved(const Scenario& scenario);

}  // namespace moesim::workloads
