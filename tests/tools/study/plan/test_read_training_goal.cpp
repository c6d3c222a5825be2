#include "tools/study/plan/read_training_goal.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/thrown.h"

using namespace moesim;
using moesim::tests::thrown;
using tools::PlanSpec;
using tools::Recomputing;
using workloads::ScheduleName;

namespace {

PlanSpec read(const std::string& text) {
  return tools::read_plan(sim::io::YamlDocument::parse(text, "plan.yaml").root());
}

std::string mistakes(const std::string& text) {
  return thrown<sim::ConfigError>([&] { (void)read(text); });
}

constexpr const char* kRun =
    "model: mixtral-8x7b\ngpus: [h100-8x8]\ntargets: {days: 10}\n"
    "training: {sequence: 4096, global_batch: 256, tokens: 8.64e9}\n";

}  // namespace

TEST_CASE("a run of training, with what is left out") {
  const PlanSpec spec = read(kRun);
  REQUIRE(spec.training);
  CHECK(spec.training->tokens == 8.64e9);
  CHECK(spec.training->days == 10);
  // 8.64e9 / (10 x 86,400 s).
  CHECK(spec.demand.rate == doctest::Approx(10000));
  CHECK(spec.demand.tokens == 8.64e9);
  CHECK(spec.demand.confidence == 0.8);
  CHECK(spec.margin == 0.05);
  CHECK(spec.training->text ==
        "{sequence: 4096, global_batch: 256, run: {tokens: 8.64e9, checkpoint: {every: optimal, "
        "blocks: 30 s}}}");
  CHECK_FALSE(spec.training->failures_told);
  CHECK(spec.space.layouts.pp == std::vector<std::int64_t>{1, 2, 4, 8, 16});
  CHECK(spec.space.training.micro_batch == std::vector<std::int64_t>{1, 2, 4});
  CHECK(spec.space.training.recompute.size() == 3);
  CHECK(spec.space.training.schedules.size() == 6);
}

TEST_CASE("a run of training, with all that can be said") {
  const PlanSpec spec = read(
      "model: m\ngpus: [a]\ntargets: {days: 2.5, confidence: 0.9}\n"
      "training: {sequence: 8, global_batch: 2, tokens: 1e6, sharding: weights, run: "
      "{checkpoint: {every: 1 h, blocks: 5 s}, failures: {gpu_mtbf: 9 h}}}\n"
      "space: {pp: [4], micro_batch: [2, 1, 2], recompute: [full, none, full], schedule: "
      "[gpipe, zb_v, gpipe], virtual_stages: [3]}\nsearch: {margin: 0.3}\n");
  CHECK(spec.demand.confidence == 0.9);
  CHECK(spec.margin == 0.3);
  CHECK(spec.training->text ==
        "{sequence: 8, global_batch: 2, sharding: weights, run: {tokens: 1e6, checkpoint: {every: "
        "1 h, blocks: 5 s}, failures: {gpu_mtbf: 9 h}}}");
  CHECK(spec.space.layouts.pp == std::vector<std::int64_t>{4});
  CHECK(spec.space.training.micro_batch == std::vector<std::int64_t>{1, 2});
  CHECK(spec.space.training.recompute ==
        std::vector<Recomputing>{Recomputing::Full, Recomputing::None});
  CHECK(spec.space.training.schedules ==
        std::vector<ScheduleName>{ScheduleName::GPipe, ScheduleName::ZbV});
  CHECK(spec.space.training.virtual_stages == std::vector<std::int64_t>{3});
  // How often a GPU stops may be the plan's word, too.
  CHECK(spec.training->failures_told);
  const PlanSpec by_plan = read(std::string(kRun) + "reliability: {gpu_hours: 9, restart: 36 s}\n");
  CHECK_FALSE(by_plan.training->failures_told);
  CHECK(by_plan.reliability.gpu_hours == 9);
}

TEST_CASE("every mistake of a plan of training is told where it is") {
  CHECK(mistakes("model: m\ngpus: [a]\ntargets: {day: 3}\n"
                 "training: {sequence: 8, micro_batch: 2, layout: Et|tL}\n") ==
        "plan.yaml:3:11: targets: unknown key \"day\"; did you mean \"days\"?\n"
        "plan.yaml:4:11: training: key \"tokens\" is missing\n"
        "plan.yaml:4:38: training.micro_batch: is searched: say it under space, such as space: "
        "{micro_batch: [2]}\n"
        "plan.yaml:4:49: training.layout: stages are searched: leave it out (account_for says what "
        "counts as a layer)");
  const std::string run = kRun;
  CHECK(mistakes(run + "load: {phase: decode}\nserving: {}\nspare: {nodes: 1}\n") ==
        "plan.yaml:5:7: load: a run of training is planned: leave it out\n"
        "plan.yaml:6:10: serving: a run of training is planned: leave it out\n"
        "plan.yaml:7:8: spare: a run that loses a GPU starts again: training.run.failures says how "
        "often");
  CHECK(mistakes("model: m\ngpus: [a]\ntargets: {days: 1}\nreliability: {gpu_hours: 5}\n"
                 "training: {tokens: 5, run: {tokens: 5, failures: {gpu_mtbf: 1 h}}}\n") ==
        "plan.yaml:5:37: training.run.tokens: is the plan's: say training.tokens\n"
        "plan.yaml:5:50: training.run.failures: the plan's reliability says so too: leave one of "
        "them out");
  CHECK(mistakes(run + "space: {recompute: [], schedule: [], redundant: [8]}\n") ==
        "plan.yaml:5:20: space.recompute: expected at least one\n"
        "plan.yaml:5:34: space.schedule: expected at least one\n"
        "plan.yaml:5:38: space: unknown key \"redundant\"; known are tp, pp, cp, etp, ep, "
        "micro_batch, recompute, schedule, virtual_stages");
  CHECK(mistakes(run + "vary: {training.schedule: [1f1b], training.sharding: [none]}\n") ==
        "plan.yaml:5:27: vary.training.schedule: is searched: say it under space, or gpus");
  CHECK(mistakes("model: m\ngpus: [a]\ntargets: {ttft: 1 s}\nload: {phase: decode, context: 8, "
                 "rate: 5 /s}\nspace: {micro_batch: [1]}\n")
            .find("space: unknown key \"micro_batch\"") != std::string::npos);
}
