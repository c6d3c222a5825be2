// Runs a scenario. A function: no globals, no environment, no host clock; equal scenarios give
// equal reports, to the byte.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "sim/op_graph.h"
#include "sim/timeline.h"
#include "workloads/report/report.h"
#include "workloads/scenario.h"

namespace moesim::workloads {

namespace serving {
struct PlayedService;
}
class StepPlayer;
struct TrainingReport;

struct RunOptions {
  bool keep_timeline = false;  // of the first step
  // Steps are played by so many threads; the result is the same.
  std::size_t threads = 1;
  // Called when a step is played, one after another, on the caller's thread, which decides whether
  // to tell anyone.
  // Of a service: with the requests that are answered, of 0.
  std::function<void(std::int64_t step, std::int64_t steps)> progress = {};
  // Of a service: how often its state is written down; and, once true, that it is to stop and
  // report what is done.
  std::optional<sim::Duration> sample = {};
  std::function<bool()> stop = {};
};

// What a timeline is drawn from.
struct Recording {
  sim::OpGraph graph;
  sim::Timeline timeline;
};

struct RunResult {
  Report report;  // of a service: of a sample of its iterations
  std::optional<Recording> recording;
  std::shared_ptr<const serving::PlayedService> serving;  // null: something else was asked for
  std::shared_ptr<const TrainingReport> training;         // likewise
};

// Throws ConfigError, InputError for what the scenario names (a trace that does not fit the model),
// DeadlockError.
RunResult run(const Scenario& scenario, const RunOptions& options = {});

// All that a run says: the report, and of a service or of training its own under "serving" or
// "training".
sim::io::Json to_json(const RunResult& result, const Scenario& scenario);

// The files that a scenario rests on, in a fixed order, each with a hash of its contents. Throws
// InputError where one cannot be read.
std::vector<InputFile> inputs_of(const Scenario& scenario);

// What every report says of its scenario: its name and seed, notes of the model, what was chosen by
// default, and these files. Throws as inputs_of() does.
void write_scenario(const Scenario& scenario, Report& report);

// What the player's placement survives, and whether it has replicas; none without experts.
std::optional<SurvivesReport> survives_of(const StepPlayer& player, const Deployment& deployment);

}  // namespace moesim::workloads
