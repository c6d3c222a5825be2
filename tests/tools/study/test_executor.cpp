#include "tools/study/executor.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/study/point_id.h"
#include "tools/study/table.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::TemporaryFolder;
using moesim::tests::thrown;

namespace {

const std::filesystem::path kScenario = "configs/scenarios/mixtral-8x7b-decode-h100.yaml";

StudySpec study(const std::vector<std::string>& vary, const std::vector<std::string>& where = {}) {
  return read_study(kScenario,
                    {.vary = vary, .where = where, .set = {"network=bound", "step.count=1"}},
                    [](const std::string& name) { return std::filesystem::path(name); });
}

struct Run {
  SweepCounts counts;
  std::string csv;
};

Run run(const TemporaryFolder& folder, const StudySpec& spec, const std::string& name,
        SweepOptions options = {}) {
  options.version = "1.0";
  const auto file = folder.path() / name;
  Store store = std::filesystem::exists(file) ? Store::open(file, Store::Access::Write)
                                              : Store::create(file, spec, "1.0");
  const SweepCounts counts = sweep(spec, store, options);
  return {counts, to_csv(table_of(store, {}))};
}

}  // namespace

TEST_CASE("every point ends, and says how") {
  const TemporaryFolder folder;
  const auto spec = study({"step.batch_per_rank=1,1024,0", "parallelism.dp=8"},
                          {"step.batch_per_rank < 1024 or parallelism.ep == 8"});
  const Run r = run(folder, spec, "a.db");
  CHECK(r.counts.done == 1);
  CHECK(r.counts.infeasible == 1);  // 1,024 sequences of 2,048 keys
  CHECK(r.counts.invalid == 1);
  CHECK(r.counts.unmeasured.empty());
  const Store store = Store::open(folder.path() / "a.db");
  const auto points = store.points();
  CHECK(points[1].reason.find("GB") != std::string::npos);
  CHECK(points[1].metrics.size() == 5);
  CHECK(points[2].reason ==
        "--set: step.batch_per_rank: expected a whole number from 1 to 67108864, not \"0\"");
  CHECK(store.report(2).empty());
}

TEST_CASE("equal bytes on any number of threads, in shards, and stopped half-way") {
  const TemporaryFolder folder;
  const auto spec =
      study({"step.batch_per_rank=1..8", "kernels.all_to_all=nccl,deepep_low_latency"});
  const std::string one = run(folder, spec, "1.db").csv;
  for (const unsigned jobs : {2u, 7u})
    CHECK(run(folder, spec, std::to_string(jobs) + ".db", {.jobs = jobs}).csv == one);
  std::atomic<int> asked{0};
  const Run half = run(folder, spec, "half.db", {.jobs = 2, .stop = [&] { return ++asked > 6; }});
  CHECK(half.counts.stopped);
  CHECK(half.counts.done == 6);
  const Run whole = run(folder, spec, "half.db");
  CHECK_FALSE(whole.counts.stopped);
  CHECK(whole.csv == one);
  std::size_t rows = 0;
  for (const std::uint64_t shard : {0u, 1u, 2u}) {
    const Run part = run(folder, spec, "s" + std::to_string(shard), {.shard = shard, .shards = 3});
    rows += part.counts.done;
  }
  CHECK(rows == 16);
}

TEST_CASE("a run that several points ask for is played once, or taken over") {
  const TemporaryFolder folder;
  auto spec = study({"seed=1"});
  spec.axes = {{{"step.batch_per_rank", {"4", "5", "4"}}, {"name", {"a", "b", "c"}}}};
  int played = 0;
  const Run r =
      run(folder, spec, "a.db", {.progress = [&](std::uint64_t, std::uint64_t) { ++played; }});
  CHECK(r.counts.done == 3);
  const auto points = Store::open(folder.path() / "a.db").points();
  CHECK(points[0].id == points[2].id);
  CHECK(points[0].id != points[1].id);
  CHECK(points[0].metrics == points[2].metrics);
  const Store known = Store::open(folder.path() / "a.db");
  const auto wider = study({"step.batch_per_rank=4..6"});
  const Run extended = run(folder, wider, "b.db", {.known = {&known}});
  CHECK(extended.counts.taken_over == 2);
  CHECK(extended.csv == run(folder, wider, "c.db").csv);
}

TEST_CASE("an id is of what is run, not of where its files lie or what it is called") {
  const auto scenario = workloads::load_scenario(kScenario);
  auto renamed = scenario;
  renamed.name = "another";
  CHECK(point_id(scenario, "1") == point_id(renamed, "1"));
  CHECK(point_id(scenario, "1").size() == 32);
  // From another folder, and with its model and cluster by other paths.
  const TemporaryFolder folder;
  const auto copy = folder.path() / "copy.yaml";
  std::filesystem::copy_file(kScenario, copy);
  const std::string configs = std::filesystem::absolute("configs").string();
  CHECK(point_id(scenario, "1") ==
        point_id(workloads::load_scenario(copy,
                                          {"model=" + configs + "/models/mixtral-8x7b.yaml",
                                           "cluster=" + configs + "/clusters/h100-1x8.yaml",
                                           "routing.trace=" + configs + "/traces/mixtral-like.h5"}),
                 "1"));
  CHECK(point_id(scenario, "1") != point_id(scenario, "2"));
  CHECK(point_id(scenario, "1") != point_id(workloads::load_scenario(kScenario, {"seed=2"}), "1"));
}

TEST_CASE("conditions see what the scenario says, and measures that no report has are told") {
  const TemporaryFolder folder;
  auto spec = study({"step.batch_per_rank=1..2"}, {"step.batch_per_rank * parallelism.ep > 8"});
  spec.measures = {"step_time_us.mean", "step_time.mean"};
  const Run r = run(folder, spec, "a.db");
  CHECK(r.counts.left_out == 1);
  CHECK(r.counts.unmeasured == std::vector<std::string>{"step_time.mean"});
  auto unknown = study({"step.batch_per_rank=1..2"}, {"paralelism.ep > 8"});
  CHECK(thrown<sim::ConfigError>([&] { run(folder, unknown, "b.db"); }) ==
        "--where, column 1: there is no value \"paralelism.ep\"");
}

TEST_CASE("what no point can be is told before anything is played") {
  const auto wrong = [](const StudySpec& spec) {
    return thrown<sim::ConfigError>([&] { check_points(spec, {.version = "1.0"}); });
  };
  CHECK(wrong(study({"step.bach=1..3"})) ==
        "no point of 3 can be played, all for one reason: --set: step: unknown key \"bach\"; did "
        "you mean \"batch\"?");
  CHECK(wrong(study({"step.batch_per_rank=1..4"}, {"step.batch_per_rank > 4"})) ==
        "no point of 4 meets the conditions");
  CHECK(wrong(study({"step.batch_per_rank=1..4"}, {"step.batch_per_rank > 4 GB"})) ==
        "--where, column 21: step.batch_per_rank (a number without a unit) and 4 GB (a size) are "
        "of different kinds: a number without a unit would do");
  // Different reasons, or one point that can be: rows say the rest.
  check_points(study({"step.batch_per_rank=0,-1"}), {.version = "1.0"});
  check_points(study({"step.batch_per_rank=0,1"}), {.version = "1.0"});
  // The study is meant, not the shard.
  check_points(study({"step.batch_per_rank=0,1"}), {.shard = 0, .shards = 2, .version = "1.0"});
}

TEST_CASE("a service's point had lost what is of a service") {
  const TemporaryFolder folder;
  const auto spec = read_study("configs/scenarios/mixtral-8x7b-serving-h100.yaml",
                               {.vary = {"serving.requests.count=40"},
                                .set = {"serving.requests.warm_up=10", "serving.iteration.draws=2",
                                        "serving.iteration.checks=2"}},
                               [](const std::string& name) { return std::filesystem::path(name); });
  CHECK(spec.measures[0] == "serving.request_throughput");
  const Run r = run(folder, spec, "a.db", {.shipped = {.engines = "configs/engines"}});
  CHECK(r.counts.done == 1);
  CHECK(r.counts.unmeasured.empty());
  CHECK(Store::open(folder.path() / "a.db").points()[0].metrics.size() == 6);
}

TEST_CASE("points that are played elsewhere are the same, and nothing that differs is kept") {
  const TemporaryFolder folder;
  // Each run twice, in other words; the third does not fit; the fourth is none.
  const auto spec = study(
      {"step.batch_per_rank=1,2,1024,0", "routing={law: zipf, skew: 0.5},{law: zipf, skew: 0.50}"});
  const Run here = run(folder, spec, "here.db");
  StudyInputs inputs({}, {});
  std::atomic<int> asked{0};
  const auto elsewhere = [&](std::size_t thread, const PointRun& point) {
    CHECK(thread < 2);
    CHECK(point.overrides[0] == "network=bound");
    ++asked;
    return play_point(point, inputs, "1.0");
  };
  const Run there = run(folder, spec, "there.db", {.jobs = 2, .play = elsewhere});
  CHECK(there.csv == here.csv);
  CHECK(asked == 3);  // of eight: three are known, two are no scenario
  CHECK(there.counts.done == 4);
  for (const std::uint64_t ord : {0u, 1u, 2u, 5u})
    CHECK(Store::open(folder.path() / "there.db").report(ord) ==
          Store::open(folder.path() / "here.db").report(ord));

  const Point none = play_point({kScenario, {"step.batch_per_rank=0"}}, inputs, "1.0");
  CHECK(none.id.empty());
  CHECK(none.status == PointStatus::Invalid);

  const auto other = [&](std::size_t, const PointRun& point) {
    return play_point(point, inputs, "1.1");
  };
  const std::string here_id = Store::open(folder.path() / "here.db").points()[0].id;
  const std::string there_id =
      play_point({kScenario,
                  {"network=bound", "step.count=1", "step.batch_per_rank=1",
                   "routing={law: zipf, skew: 0.5}"}},
                 inputs, "1.1")
          .id;
  CHECK(thrown<sim::Error>([&] { run(folder, spec, "other.db", {.play = other}); }) ==
        "point 0: who played it has other files or another version than who asked: " + there_id +
            " there, " + here_id + " here");
  CHECK(Store::open(folder.path() / "other.db").points().empty());
}

TEST_CASE("a point that ended was lost with one before it that had not") {
  // The first point waits for the second to be kept, as another process sees it.
  const TemporaryFolder folder;
  const auto spec = study({"step.batch_per_rank=1,2"});
  StudyInputs inputs({}, {});
  std::atomic<bool> first_waits{false};
  std::size_t seen = 0;
  const auto elsewhere = [&](std::size_t, const PointRun& point) {
    if (point.overrides.back() == "step.batch_per_rank=1") {
      first_waits = true;
      for (int i = 0; i < 2000 && seen == 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        try {
          seen = Store::open(folder.path() / "a.db").ords().size();
        } catch (const sim::ConfigError&) {
          // It is being written; a later look will say what is in it.
        }
      }
    }
    return play_point(point, inputs, "1.0");
  };
  CHECK(run(folder, spec, "a.db", {.jobs = 2, .play = elsewhere}).counts.done == 2);
  CHECK(first_waits);
  CHECK(seen == 1);
}
