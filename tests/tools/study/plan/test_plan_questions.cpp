// What a plan may be asked beside the fewest and the cheapest: power, pools apart, statistics; and
// answers that do not trust themselves.
#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tests/tools/study/plan/small_plans.h"
#include "workloads/serving/service.h"

using namespace moesim;
using namespace moesim::tests;

TEST_CASE("an answer whose run does not trust itself is refused, unless nothing else is left") {
  const auto with_error = [](double most) {
    auto document = sim::io::YamlDocument::parse(kService, "plan.yaml");
    return tools::make_plan(tools::read_plan(document.root()),
                            {.most_error_percent = most, .shipped = tools::shipped()});
  };
  const auto error_of = [](const tools::PlanAnswer& a) {
    return a.run.serving->report.iteration_error.mean_percent;
  };
  const auto refused = [](const tools::Plan& p) {
    return std::ranges::count_if(p.candidates, [](const tools::Candidate& c) {
      return c.rejected && c.rejected->code == "self_check";
    });
  };
  const tools::Plan trusted = with_error(100);
  REQUIRE_FALSE(trusted.answers.empty());
  CHECK(refused(trusted) == 0);
  // Half of what the chosen one is off by: it is refused, with its numbers, for one that is off by
  // less; were there none, as of no error at all, it would be chosen still.
  const double error = error_of(trusted.answers.front());
  REQUIRE(error > 0);
  const tools::Plan other = with_error(error / 2);
  const tools::Candidate& first = other.candidates[trusted.answers.front().candidate];
  if (error_of(other.answers.front()) <= error / 2) {
    REQUIRE(first.rejected);
    CHECK(first.rejected->code == "self_check");
    CHECK(first.rejected->detail.starts_with(
        "its iterations, played again, differ from their prices by "));
    CHECK(other.answers.front().candidate != trusted.answers.front().candidate);
    CHECK_FALSE(tools::better(other.answers.front().offer, trusted.answers.front().offer));
  }
  const tools::Plan none = with_error(-1);
  CHECK(roles_and_engines(none) == roles_and_engines(trusted));
  CHECK(refused(none) == 0);
}

TEST_CASE("prompts may be read apart, by as many engines as feed those that generate") {
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string both = with(kService, "pp: [1]", "pp: [1], pools: [together, apart]");
  const tools::Plan staged = plan(both), all = plan(both, "search: {exhaustive: true}\n");
  REQUIRE_FALSE(staged.answers.empty());
  CHECK(roles_and_engines(staged) == roles_and_engines(all));
  // With more to choose from never more GPUs.
  CHECK(staged.answers.front().offer.gpus <= plan(kService).answers.front().offer.gpus);
  const tools::Plan apart = plan(with(kService, "pp: [1]", "pp: [1], pools: [apart]"));
  REQUIRE_FALSE(apart.answers.empty());
  const tools::PlanAnswer& answer = apart.answers.front();
  const tools::Candidate& group = apart.candidates[answer.candidate];
  CAPTURE(answer.scenario);
  REQUIRE(group.choice.prefill);
  CHECK(group.name.starts_with("prefill " + std::to_string(group.choice.prefill->engines) + " x "));
  CHECK(has(group.name, ", decode " + std::to_string(group.choice.decoders) + " x "));
  CHECK(answer.offer.gpus == answer.offer.engines * group.gpus());
  CHECK(has(answer.scenario, "pools: {prefill: {replicas: "));
  // The run has both pools, and meets the targets.
  REQUIRE(answer.run.serving);
  CHECK(answer.run.report.gpus == answer.offer.gpus);
  CHECK(answer.run.serving->report.transfer.count > 0);
  CHECK(answer.run.serving->report.attained.value_or(0) >= 0.99);
}

TEST_CASE("a statistic of all requests is what the answer's run meets") {
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string question =
      with(kService, "{ttft: 1 s, tpot: 30 ms}", "{ttft: {p95: 1 s}, tpot: {mean: 20 ms}}");
  const tools::Plan staged = plan(question), all = plan(question, "search: {exhaustive: true}\n");
  REQUIRE_FALSE(staged.answers.empty());
  CHECK(staged.answers.front().roles.front() == "chosen");
  CHECK(roles_and_engines(staged) == roles_and_engines(all));
  const auto& report = staged.answers.front().run.serving->report;
  CHECK_FALSE(report.attained);
  CHECK(report.ttft.p95 <= 1000);
  CHECK(report.tpot.mean <= 20);
  // What is asked of each of 99 % is asked of their p99, too: never more engines.
  const tools::Plan each = plan(kService),
                    p99 = plan(with(kService, "{ttft: 1 s, tpot: 30 ms}",
                                    "{ttft: {p99: 1 s}, tpot: {p99: 30 ms}}"));
  REQUIRE_FALSE(p99.answers.empty());
  CHECK(p99.answers.front().offer.gpus <= each.answers.front().offer.gpus);
}

TEST_CASE("by power the answer draws the least, and what stands in is said") {
  for (const char* text : {kDecode, kService}) {
    const std::string question = std::string(text) + "objective: power\n";
    const tools::Plan staged = plan(question), all = plan(question, "search: {exhaustive: true}\n");
    CAPTURE(question);
    REQUIRE_FALSE(staged.answers.empty());
    CHECK(roles_and_engines(staged) == roles_and_engines(all));
    const tools::PlanAnswer& chosen = staged.answers.front();
    for (const tools::Candidate& c : all.candidates)
      if (c.offer) CHECK(chosen.offer.power <= c.offer->power);
    // Between a card that waits and its limit; joules are watts over tokens a second.
    REQUIRE(chosen.power);
    CHECK(chosen.power->gpu_w > 74);
    CHECK(chosen.power->gpu_w < 700);
    CHECK(chosen.power->total_w ==
          doctest::Approx(chosen.power->gpu_w * static_cast<double>(chosen.offer.gpus)));
    const double tokens = text == kDecode ? 12000 : 30 * 60;
    CHECK(chosen.power->per_token_j == doctest::Approx(chosen.power->total_w / tokens));
    std::vector<std::string> stand_ins{"hosts and network draw nothing (gpus: host: 350 W)"};
    if (text == kDecode) {
      stand_ins.insert(stand_ins.begin(),
                       "cards wait between full batches; smaller ones at once would draw more");
    }
    CHECK(chosen.power->stand_ins == stand_ins);
  }
  // A host and cooling are the user's.
  const tools::Plan with = plan(std::string(kDecode) + "pue: 1.5\n", "objective: power\n");
  REQUIRE(with.answers.front().power);
  const tools::PlanPower& power = *with.answers.front().power;
  CHECK(power.total_w ==
        doctest::Approx(1.5 * power.gpu_w * static_cast<double>(with.answers.front().offer.gpus)));
  CHECK(thrown<sim::ConfigError>([] {
          (void)plan(
              "model: mixtral-8x7b\nload: {phase: decode, context: 2048, rate: 12 /s}\n"
              "targets: {tpot: 15 ms}\ngpus: [tpu-v4-4x4x4]\nlimits: {gpus: 8}\n"
              "routing: {law: uniform}\nobjective: power\n");
        }) ==
        "a plan by power: nothing is known of what TPU v4 draws: give power: {limit: 700 W, "
        "source: …} in its device file");
}

TEST_CASE("a trace of equal requests at equal gaps is planned as the law of that load is") {
  const TemporaryFolder folder;
  std::string rows = "arrival_s,input_tokens,output_tokens\n";
  for (int i = 0; i < 240; ++i) rows += std::to_string(2 * i) + ",300,60\n";
  const std::string file = folder.file("even.csv", rows).string();
  const auto with = [](const std::string& load) {
    std::string text = kService;
    const std::size_t from = text.find("load: "), to = text.find('\n', from);
    return text.replace(from, to - from, "load: " + load);
  };
  const tools::Plan law = plan(with(
      "{arrivals: {law: constant, rate: 30 /s}, input: 300, output: 60, count: 240, warm_up: 40}"));
  const tools::Plan trace =
      plan(with("{trace: " + file + ", format: moesim, rate: 30 /s, warm_up: 40}"));
  REQUIRE_FALSE(law.answers.empty());
  REQUIRE_FALSE(trace.answers.empty());
  CHECK(roles_and_engines(trace) == roles_and_engines(law));
  const tools::PlanAnswer &a = law.answers.front(), &b = trace.answers.front();
  CHECK(b.offer.capacity == doctest::Approx(a.offer.capacity).epsilon(0.03));
  // The answer's run is of the whole trace at the rate that is asked for.
  CHECK(b.run.serving->report.completed == a.run.serving->report.completed);
  CHECK(b.run.serving->report.ttft.mean == doctest::Approx(a.run.serving->report.ttft.mean));
}
