// Published cases: what a source measured of a configuration, and what we predict for it.
// validation/cases/*.yaml.
//
//   case: lmsys-h100-prefill-4k
//   source: {what: …, where: …, read: 2026-11}
//   scenario: {…}            a scenario inline, or the path of one; or another runner's key
//   measured:
//     - {metric: throughput.tokens_per_s_per_gpu, value: 6287.75, within: 15%}
//   assumed: [what the source does not state]
//
// A figure that is known to be missed says so, with the mechanism, and is no failure until it is
// met:
//     - {metric: dispatch_us, value: 50.5, within: 15%, known_miss: "kernels of their own; …"}
//
// A figure that a source measured of several options for one question says which:
//     - {metric: training.step_time_us, value: 457180, within: 8%, question: "recomputation of …"}
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "validation/choices.h"
#include "workloads/deployment/read.h"

namespace moesim::validation {

// Turns the value of one key of a case ("scenario", "exchange", "card") into a report that metrics
// are looked up in; `shipped`: what it may name.
struct CaseRunner {
  std::string_view key;
  std::function<sim::io::Json(const sim::io::YamlNode&, const workloads::Shipped& shipped)> run;
};
// All there are; a kind of case is added by adding its runner here.
std::span<const CaseRunner> case_runners();

struct CaseResult {
  std::string name, metric;
  double measured = 0, predicted = 0;
  double error_percent = 0;  // of predicted against measured
  double within_percent = 0;
  bool ok = false;              // within
  std::string known_miss = {};  // why it is not, as the case says; empty where it should be
  std::string question = {};    // that it is an option of; empty: of none
  bool training = false;        // it is of a step of training

  // Met, and not listed as a miss; or missed, and listed.
  bool as_stated() const { return ok == known_miss.empty(); }
};

// Options by question, the more the better: one over a time ("…_us"), other figures as they are.
Questions questions_of(const std::vector<CaseResult>& results);

// "ok", "missed, as known", "MISSED" or "MET, BUT LISTED AS A MISS".
std::string_view verdict(const CaseResult& result);

// Throws ConfigError for a case file with mistakes, for a metric that is not in the report, and
// what the runner throws. A file holds one case. `report`, where not null, becomes what the runner
// gave, for who wants more of it than was measured.
std::vector<CaseResult> run_case(const std::filesystem::path& file, sim::io::Json* report = nullptr,
                                 const workloads::Shipped& shipped = {});

// The number at a path, "a.b[2].c". Throws ConfigError, prefixed by `where`, with the keys there
// are.
double number_at(const sim::io::Json& report, std::string_view path, const std::string& where);

}  // namespace moesim::validation
