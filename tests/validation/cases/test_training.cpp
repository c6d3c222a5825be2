#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/io/csv.h"
#include "tests/validation/cases/published.h"
#include "validation/compare/cases.h"

namespace {

// Of two cases' figures: one over the other, as measured and as predicted.
struct Ratio {
  double measured = 0, predicted = 0;
  double points() const { return 100 * std::abs(predicted - measured); }
};

Ratio ratio_of(const std::string& over, const std::string& under, const std::string& metric) {
  const auto table = moesim::sim::io::CsvTable::read("tests/golden/cases/training.csv");
  const std::size_t name = table.column("case"), what = table.column("metric"),
                    was = table.column("measured"), is = table.column("predicted");
  Ratio ratio{1, 1};
  int found = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, what) != metric) continue;
    const std::string_view one = table.text(row, name);
    const double power = one == "training-" + over ? 1 : one == "training-" + under ? -1 : 0;
    ratio.measured *= std::pow(table.number(row, was), power);
    ratio.predicted *= std::pow(table.number(row, is), power);
    found += power != 0;
  }
  REQUIRE(found == 2);
  return ratio;
}

constexpr const char* kStep = "training.step_time_us";

}  // namespace

TEST_CASE("published steps of training are as near as their cases say") {
  moesim::tests::check_cases("training");
}

TEST_CASE("what a dispatcher, recomputation and overlap change is told within 5 points") {
  struct Row {
    const char *over, *under, *metric;
  };
  constexpr const char *kForward = "training.stages[0].f_us",
                       *kBackward = "training.stages[0].bw_us";
  for (const Row& row : {
           Row{"moelayer-8h100-deepseek-a2a-bf16", "moelayer-8h100-deepseek-deepep-bf16", kForward},
           Row{"moelayer-8h100-deepseek-a2a-bf16", "moelayer-8h100-deepseek-deepep-bf16",
               kBackward},
           Row{"moelayer-8h100-deepseek-a2a-fp8", "moelayer-8h100-deepseek-deepep-fp8", kForward},
           Row{"moelayer-8h100-deepseek-a2a-fp8", "moelayer-8h100-deepseek-deepep-fp8", kBackward},
           Row{"moelayer-8h100-mixtral-a2a-fp8", "moelayer-8h100-mixtral-deepep-fp8", kForward},
           Row{"moelayer-8h100-mixtral-a2a-fp8", "moelayer-8h100-mixtral-deepep-fp8", kBackward},
           Row{"moelayer-8h100-mixtral-a2a-bf16", "moelayer-8h100-mixtral-hybridep-bf16", kForward},
           Row{"moonlight16b-8h100-mla-up-proj", "moonlight16b-8h100-none", kStep},
           Row{"moonlight16b-8h100-moe-act", "moonlight16b-8h100-none", kStep},
           Row{"qwen3-30b-16h100-a2a-overlap-wgrad", "qwen3-30b-16h100-a2a-nooverlap", kStep},
           Row{"qwen3-30b-16h100-hybridep-nooverlap", "qwen3-30b-16h100-a2a-nooverlap", kStep},
       }) {
    CAPTURE(std::string(row.over));
    CAPTURE(std::string(row.metric));
    CHECK(ratio_of(row.over, row.under, row.metric).points() < 5);
  }
}

TEST_CASE("the mapping of Qwen3-235B that is quicker comes out as the quicker one") {
  const Ratio ratio =
      ratio_of("zoo-qwen3-235b-h100-fsdp-tp2ep8", "zoo-qwen3-235b-h100-tp2ep32pp8", kStep);
  CHECK(ratio.measured < 1);
  CHECK(ratio.predicted < 1);
  CHECK(ratio.points() < 5);
}

TEST_CASE("what an untrained router costs is told within 5 points, at lengths it was not set by") {
  // TFLOPS with experts as busy by chance over those with the router's own: 295 / 237, 335 / 277,
  // 368 / 320. The router's skew is set at the first one.
  for (const std::string length : {"16k", "32k", "64k"}) {
    CAPTURE(length);
    const std::string name = "zoo-qwen3-235b-h100-long" + length;
    const Ratio ratio = ratio_of(name, name + "-untrained", "training.tflops_per_gpu");
    CHECK(ratio.measured > 1);
    CHECK(ratio.points() < 5);
  }
}

TEST_CASE("intervals of steps hold 80 to 97 percent of what was measured") {
  int inside = 0, all = 0;
  for (const auto& entry : std::filesystem::directory_iterator("validation/cases")) {
    if (!entry.path().filename().string().starts_with("training-")) continue;
    moesim::sim::io::Json report;
    const moesim::validation::CaseResult first =
        moesim::validation::run_case(entry.path(), &report).front();
    if (first.metric.find("stages") != std::string::npos) continue;  // a pass, not a step
    // A rate is as much less as the step is longer.
    const double ratio = first.metric.ends_with("_us") ? first.measured / first.predicted
                                                       : first.predicted / first.measured;
    const double step = report.at("training").at("step_time_us").get<double>() * ratio;
    const auto& interval = report.at("interval").at("step_time_us");
    inside += step >= interval.at("p10").get<double>() && step <= interval.at("p90").get<double>();
    ++all;
  }
  CAPTURE(inside);
  REQUIRE(all >= 20);
  CHECK(inside >= 0.80 * all);
  CHECK(inside <= 0.97 * all);
}
