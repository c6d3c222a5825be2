// How `placement` says how often rebalancing pays.
#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "tools/moesim/placement/study_report.h"

using namespace moesim;
using namespace moesim::tools;

namespace {

// Four steps a window, intervals of one and of two windows, the last that were tried: a step with
// its share of the moves takes so long. Beside it a placement that is never moved.
std::string words(double one, double two, double unmoved, std::uint64_t moved = 5) {
  PlacementStudy study;
  workloads::StepQuestion question;
  question.count = 4;
  study.scenario.question = question;
  study.windows = 3;
  study.sources.begin = {0, 1};
  PlacementEntry eplb, linear;
  eplb.name = "eplb";
  eplb.moves.total = moved;
  eplb.report.step_time_us.mean = 90;
  eplb.intervals = {{.windows = 1, .rank_max_over_mean = 1.1, .step_us = 80, .with_moves_us = one},
                    {.windows = 2, .rank_max_over_mean = 1.2, .step_us = 85, .with_moves_us = two}};
  linear.name = "linear";
  linear.report.step_time_us.mean = unmoved;
  const std::string text = to_text(study, {linear, eplb}, "a trace");
  const std::size_t row = text.rfind("  eplb");
  return text.substr(row, text.find('\n', row) - row);
}

bool says(const std::string& row, const char* what) {
  return row.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("rebalancing pays every so many steps, or more where the last interval is the best") {
  CHECK(says(words(95, 99, 100), "every 4 steps "));
  CHECK_FALSE(says(words(95, 99, 100), "or more"));
  CHECK(says(words(99, 95, 100), "every 8 steps or more"));
}

TEST_CASE("where nothing pays no number of steps is said") {
  // A placement that stays is as fast, or nothing moves at all.
  CHECK(says(words(99, 95, 95), "none that was tried"));
  CHECK_FALSE(says(words(99, 95, 95), "steps"));
  CHECK(says(words(99, 95, 100, 0), "nothing moves"));
  CHECK_FALSE(says(words(99, 95, 100, 0), "steps"));
}

TEST_CASE("a placement says whose loss leaves every expert") {
  PlacementStudy study;
  study.scenario.question = workloads::StepQuestion{};
  study.sources.begin = {0, 1};
  const auto row = [&](std::optional<workloads::SurvivesReport> survives) {
    PlacementEntry entry;
    entry.name = "eplb";
    entry.report.survives = survives;
    const std::string text = to_text(study, {entry}, "a trace");
    const std::size_t at = text.find("  eplb");
    return text.substr(at, text.find('\n', at) - at);
  };
  CHECK(says(row(workloads::SurvivesReport{.any_gpu = true, .any_node = true}), "  any node "));
  CHECK(says(row(workloads::SurvivesReport{.any_gpu = true, .any_node = false}), "  any GPU "));
  CHECK(says(row(workloads::SurvivesReport{.any_gpu = false, .any_node = false}), "  none "));
}
