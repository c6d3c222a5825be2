#include "tools/study/compare.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/random.h"
#include "tests/support/thrown.h"
#include "workloads/deployment/check.h"
#include "workloads/run.h"
#include "workloads/step/read_step.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::thrown;
using sim::io::Json;
using workloads::Scenario;

namespace {

Scenario mixtral() {
  Scenario s =
      workloads::load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml",
                               {"network=bound", "step.count=1", "routing={law: uniform}"});
  s.deployment.model.layers.resize(2);
  return s;
}

Json report_of(const Scenario& s) {
  return workloads::to_json(workloads::run(s), s);
}

Comparison compared(const Scenario& a, const Scenario& b) {
  return compare_reports(report_of(a), "a", report_of(b), "b");
}

std::int64_t where_sum(const Comparison& c) {
  std::int64_t sum = 0;
  for (const WhereShare& share : c.where) sum += share.ps;
  return sum;
}
std::int64_t why_sum(const Comparison& c) {
  std::int64_t sum = 0;
  for (const WhyShare& share : c.why) sum += share.ps;
  return sum;
}

// Any of the things that people change.
Scenario changed(Scenario s, sim::Random& random) {
  workloads::Deployment& d = s.deployment;
  const workloads::Parallelism layouts[] = {{.dp = 8, .ep = 8},
                                            {.dp = 8, .ep = 4},
                                            {.tp = 2, .dp = 4, .ep = 8},
                                            {.tp = 8, .etp = 8},
                                            {.tp = 4, .dp = 2, .ep = 4, .etp = 2}};
  if (random.below(4) == 0) d.layout = layouts[random.below(5)];
  if (random.below(2) == 0) {
    s.question = workloads::decode_question(1 + static_cast<std::int64_t>(random.below(64)),
                                            128 << random.below(6));
  }
  if (random.below(6) == 0) s.question = workloads::prefill_question(256, 128);
  if (random.below(6) == 0) d.routing = {.law = workloads::Law::Zipf, .skew = 0.8};
  if (random.below(6) == 0) d.overlap.two_batch = true;
  if (random.below(6) == 0) d.host.per_step = std::chrono::microseconds(random.below(2000));
  if (random.below(7) == 0) d.formats.kv_cache = hardware::Precision::FP8;
  if (random.below(7) == 0) d.placement.experts = "round_robin";
  if (random.below(7) == 0) d.tokens = hardware::MulticastAlgorithm::DeepEpLowLatency;
  if (random.below(4) == 0) d.network.fidelity = hardware::Fidelity::Fluid;
  return s;
}

bool can_be(const Scenario& s) {
  return workloads::check(s.deployment).empty() &&
         workloads::check(s.deployment, *s.step()).empty();
}

}  // namespace

TEST_CASE("what is not mixed is called what it is") {
  const Scenario steps = mixtral();
  Scenario training = steps, service = steps;
  training.question = workloads::TrainingQuestion{};
  service.question = workloads::serving::ServingQuestion{};
  Comparison c;
  const auto refused = [&](const Scenario& other) {
    return thrown<sim::ConfigError>([&] { explain(steps, other, c); });
  };
  CHECK(refused(training) ==
        "--why: a step of training is not mixed with another: compare without --why tells the time "
        "of both, part by part");
  CHECK(refused(service) == "--why: a service is not mixed with another: compare steps of both");
}

TEST_CASE("a run and itself differ in nothing") {
  const Scenario a = mixtral();
  Comparison c = compared(a, a);
  explain(a, a, c);
  CHECK(c.where.empty());
  CHECK(c.why.empty());
  CHECK(c.keys.empty());
  CHECK(c.figures.empty());
  CHECK(c.flags.empty());
  CHECK(c.difference_ps() == 0);
}

TEST_CASE("where and why sum to the difference of 200 random pairs, to the picosecond") {
  const Scenario base = mixtral();
  int pairs = 0;
  for (std::uint64_t seed = 0; pairs < 200; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "pairs");
    const Scenario a = changed(base, random), b = changed(base, random);
    if (!can_be(a) || !can_be(b)) continue;
    ++pairs;
    const Json report_a = report_of(a), report_b = report_of(b);
    Comparison c = compare_reports(report_a, "a", report_b, "b");
    explain(a, b, c);
    CHECK(c.a_ps == std::llround(report_a["step_time_us"]["mean"].get<double>() * 1e6));
    CHECK(where_sum(c) == c.difference_ps());
    if (!parts_between(a, b).empty() || c.difference_ps() != 0)
      CHECK(why_sum(c) == c.difference_ps());
    // The other way round everything has the other sign.
    const Comparison back = compare_reports(report_b, "b", report_a, "a");
    REQUIRE(back.where.size() == c.where.size());
    CHECK(where_sum(back) == -where_sum(c));
    CHECK(back.difference_ps() == -c.difference_ps());
    for (std::size_t i = 0; i < c.where.size(); ++i) {
      CHECK(back.where[i].ps == -c.where[i].ps);
      CHECK(back.where[i].phase == c.where[i].phase);
    }
  }
}

TEST_CASE("one changed key gets all of the difference") {
  const Scenario a = mixtral();
  Scenario b = a;
  b.question = workloads::decode_question(32, 4096);  // in place of 2,048
  Comparison c = compared(a, b);
  explain(a, b, c);
  REQUIRE(c.why.size() == 1);
  CHECK(c.why[0].part == "load");
  CHECK(c.why[0].ps == c.difference_ps());
  REQUIRE(c.why[0].keys.size() == 1);
  CHECK(c.why[0].keys[0].key == "step.context");
  CHECK(c.why[0].keys[0].a == "2048");
  CHECK(c.why[0].keys[0].b == "4096");
  // Twice the keys are twice the bytes of the cache: attention, and nothing else.
  for (const WhereShare& share : c.where) {
    if (share.phase != "attention") CHECK(std::abs(share.ps) <= 1);  // what was rounded
  }
}

TEST_CASE("what can only be changed together is one part") {
  // 16 GPUs on a cluster of 8 cannot be; the cluster alone can, but its layout waits for it.
  const Scenario a = mixtral();
  Scenario b = a;
  b.deployment.cluster = hardware::load_cluster("configs/clusters/h100-2x8.yaml");
  b.deployment.layout = {.dp = 16, .ep = 8};
  CHECK(parts_between(a, b) == std::vector<Part>{Part::Cluster, Part::Layout});
  Comparison c = compared(a, b);
  explain(a, b, c);
  REQUIRE(c.why.size() == 1);
  CHECK(c.why[0].part == "cluster and layout");
  CHECK(c.why[0].ps == c.difference_ps());
}

TEST_CASE("another device on the same links is the device alone") {
  const Scenario a = mixtral();
  Scenario b = a;
  b.deployment.cluster = hardware::load_cluster("configs/clusters/h200-1x8.yaml");
  CHECK(parts_between(a, b) == std::vector<Part>{Part::Device});
}

TEST_CASE("beyond the bound network the difference is the network model's") {
  const Scenario a = mixtral();
  Scenario b = a;
  b.deployment.network.fidelity = hardware::Fidelity::Fluid;
  Comparison c = compared(a, b);
  explain(a, b, c);
  if (c.difference_ps() != 0) {
    REQUIRE(c.why.size() == 1);
    CHECK(c.why[0].part == "network model");
    CHECK(c.why[0].ps == c.difference_ps());
  }
}

TEST_CASE("cells of a layer that the other does not have say so") {
  const Scenario a = mixtral();
  Scenario b = a;
  b.deployment.model.layers.resize(1);
  const Comparison c = compared(a, b);
  for (const WhereShare& share : c.where)
    if (share.layer == 1) CHECK(share.only == "A");
  CHECK(where_sum(c) == c.difference_ps());
}

TEST_CASE("the largest parts are those that make 95 % of all") {
  // 60 + 30 are 90 of 100; with 8 they are 98.
  CHECK(largest_that_matter({60, -30, 8, 2}) == 3);
  CHECK(largest_that_matter({95, 5}) == 1);
  CHECK(largest_that_matter({}) == 0);
}

TEST_CASE("what is no report of a run is refused, with its name") {
  const Json report = report_of(mixtral());
  const auto message = [&](const Json& other) {
    return thrown<sim::InputError>([&] { compare_reports(report, "a.json", other, "b.json"); });
  };
  CHECK(message(Json{{"algbw_GBps", 1}}) ==
        "b.json: no report of a run: expected what moesim run --format json prints");
  Json old = report;
  old.erase("time");
  CHECK(message(old) ==
        "b.json: a report of an older version, without time[]: run its scenario again");
  Json service = report;
  service["serving"] = Json::object();
  const auto unlike = [&](const Json& other) {
    return thrown<sim::ConfigError>([&] { compare_reports(report, "a.json", other, "b.json"); });
  };
  CHECK(unlike(service) == "a.json is of steps, b.json of a service: they have no time in common");
  Json training = report;
  training["training"] = Json::object();
  CHECK(unlike(training) == "a.json is of steps, b.json of training: they have no time in common");
  Json broken = report;
  broken["time"] = 5;
  CHECK(message(broken).starts_with("a.json, b.json: not whole reports of a run: "));
}

TEST_CASE("training is compared by the sums of its mean rank") {
  // Two ranks of 100 us: 40 + 30 + 10 + 10 idle + 5 exchanged + 5; and 10 of the first pass less
  // for 10 more idle. B has 10 more of the first pass and 5 less idle on both.
  const auto rank = [](double f, double bubble) {
    return Json{{"f_us", f},        {"b_us", 30},          {"w_us", 10},
                {"fb_us", 0},       {"bubble_us", bubble}, {"exposed_us", {{"expert", 5}}},
                {"optimizer_us", 5}};
  };
  Json a{{"scenario", Json::object()}, {"step_time_us", {{"mean", 100}}}};
  a["training"]["ranks"] = {rank(40, 10), rank(30, 20)};
  Json b = a;
  b["step_time_us"]["mean"] = 105;
  b["training"]["ranks"] = {rank(50, 5), rank(40, 15)};
  const Comparison c = compare_reports(a, "a", b, "b");
  CHECK(c.difference_ps() == 5'000'000);
  REQUIRE(c.where.size() == 2);
  CHECK(c.where[0].phase == "forward");
  CHECK(c.where[0].ps == 10'000'000);
  CHECK(c.where[1].phase == "idle");
  CHECK(c.where[1].reason == "bubble");
  CHECK(c.where[1].ps == -5'000'000);
}

TEST_CASE("what makes two runs less alike than their figures look is flagged") {
  const Json a = report_of(mixtral());
  Json b = a;
  b["scenario"]["step"]["phase"] = "prefill";
  b["manifest"]["version"] = "9";
  b["extrapolated"]["share"] = 0.25;
  b["memory"]["fits"] = false;
  const auto flags = compare_reports(a, "a", b, "b").flags;
  CHECK(flags ==
        std::vector<std::string>{
            "tokens of A are of decode, those of B of prefill",
            "A was made by version " + a["manifest"]["version"].get<std::string>() + ", B by 9",
            "25.0 % of B lies outside what its cost models were fitted on", "B does not fit"});
}
