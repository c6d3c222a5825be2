// A study as it is asked for: a scenario, what varies, what follows from that, which points count.
//
//   base: deepseek-v3-decode-h800-ep128        # a scenario's name or file; or an inline
//   `scenario:` vary:
//     step.batch_per_rank: 1..256*2            # read_values() of axis.h, or a list
//     parallelism.ep: [8, 16, 32, 64]
//   zip: [{parallelism.tp: [1, 2, 4], parallelism.dp: [128, 64, 32]}]      # vary together
//   derive: {placement.redundant: "parallelism.ep * 1"}                    # expression.h
//   where: ["parallelism.ep <= parallelism.tp * parallelism.dp"]
//   measure: [step_time_us.mean, throughput.tokens_per_s_per_gpu]          # columns of the store
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sim/io/json.h"
#include "tools/study/axis.h"
#include "tools/study/expression.h"

namespace moesim::tools {

struct Derived {
  std::string key;
  Expression expression;
};

struct StudySpec {
  std::filesystem::path base = {};           // the scenario's file
  std::vector<std::string> sets = {};        // KEY=VALUE that hold for all points
  std::vector<std::vector<Axis>> axes = {};  // in order, the first the slowest; those of one entry
                                             // vary together
  std::vector<Derived> derived = {};         // one after another
  std::vector<Expression> where = {};        // all must hold
  std::vector<std::string> measures = {};    // paths in a report's JSON
  std::vector<std::string> notes = {};       // what was read otherwise than it stands there

  // Points before `where`. Throws ConfigError where there are more than kMostStudyPoints.
  std::uint64_t size() const;
};

// What a command line adds to a file's study, or says without one.
struct StudyOptions {
  std::vector<std::string> vary = {}, zip = {}, derive = {}, where = {}, measure = {}, set = {};
};

// `file` is a study, or a scenario that the options vary. Throws ConfigError that lists every
// mistake: of axes that differ in length, keys given twice, nothing that varies.
// `find_scenario` turns a name into a file. A value that an axis says twice, as 4 and 4.0, is kept
// once, with a note.
StudySpec read_study(const std::filesystem::path& file, const StudyOptions& options,
                     const std::function<std::filesystem::path(const std::string&)>& find_scenario);

// As it will be played, for the store: equal studies have equal JSON.
sim::io::Json to_json(const StudySpec& spec);

// One point: what is set, in order, axes first.
using Assignments = std::vector<std::pair<std::string, std::string>>;
// REQUIRES: ord < spec.size()
Assignments assignments_of(const StudySpec& spec, std::uint64_t ord);
// With what is derived; `base` says what no axis does. Throws ConfigError.
Assignments complete(const StudySpec& spec, Assignments assignments, const Lookup& base);
// Whether all conditions hold. Throws ConfigError.
bool counts(const StudySpec& spec, const Assignments& assignments, const Lookup& base);

// What a report or a resolved scenario says at a dotted path, "links[0].bytes"; nothing where it
// says nothing, or no scalar.
std::optional<Value> find_value(const sim::io::Json& json, std::string_view path);

}  // namespace moesim::tools
