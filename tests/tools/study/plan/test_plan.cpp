// Plans of small spaces: what a staged search finds is what an exhaustive one does, and an answer's
// scenario is what was planned.
#include "tools/study/plan/plan.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/shipped.h"
#include "workloads/serving/service.h"

using namespace moesim;
using moesim::tests::call;
using moesim::tests::Called;
using moesim::tests::thrown;

namespace moesim::tools {
Command plan_command();
Command run_command();
}  // namespace moesim::tools

namespace {

tools::Plan plan(const std::string& text, const std::string& more = "") {
  auto document = sim::io::YamlDocument::parse(text + more, "plan.yaml");
  return tools::make_plan(tools::read_plan(document.root()), {.shipped = tools::shipped()});
}

// Mixtral decodes on up to eight H100.
constexpr const char* kDecode =
    "model: mixtral-8x7b\nload: {phase: decode, context: 2048, rate: 12000 /s}\n"
    "targets: {tpot: 15 ms}\ngpus: [{cluster: h100-1x8, price: 2 USD/h}]\nlimits: {gpus: 8}\n"
    "space: {pp: [1, 2]}\nrouting: {law: uniform}\n";
constexpr const char* kPrefill =
    "model: mixtral-8x7b\nload: {phase: prefill, prompt: 2048, rate: 60000 /s}\n"
    "targets: {ttft: 400 ms}\ngpus: [h100-1x8]\nlimits: {gpus: 8}\nspace: {pp: [1]}\n"
    "routing: {law: uniform}\n";
constexpr const char* kService =
    "model: mixtral-8x7b\n"
    "load: {arrivals: {law: poisson, rate: 30 /s}, input: 300, output: 60, count: 240, warm_up: "
    "40}\n"
    "targets: {ttft: 1 s, tpot: 30 ms}\ngpus: [h100-1x8]\nlimits: {gpus: 8}\n"
    "space: {tp: [1, 2, 4], pp: [1]}\nengine: vllm\nkernels: {moe: trtllm}\nrouting: {law: "
    "uniform}\n"
    "serving: {iteration: {draws: 1, checks: 4, error: 0.05}}\n";

std::vector<std::string> roles_and_engines(const tools::Plan& p) {
  std::vector<std::string> all;
  for (const tools::PlanAnswer& a : p.answers) {
    for (const std::string& role : a.roles)
      all.push_back(role + " " + std::to_string(a.offer.engines) + " x " +
                    p.candidates[a.candidate].name);
  }
  std::ranges::sort(all);
  return all;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a staged search has the answers of an exhaustive one") {
  for (const char* question : {kDecode, kPrefill, kService}) {
    CAPTURE(question);
    const tools::Plan staged = plan(question);
    const tools::Plan all = plan(question, "search: {exhaustive: true}\n");
    REQUIRE_FALSE(staged.answers.empty());
    CHECK(staged.answers.front().roles.front() == "chosen");
    CHECK(roles_and_engines(staged) == roles_and_engines(all));
    const auto measured = [](const tools::Plan& p) {
      return std::ranges::count_if(p.candidates,
                                   [](const auto& c) { return c.measured.has_value(); });
    };
    CHECK(measured(staged) < measured(all));
    // What was left out is worse than the answer, whatever it was left out for.
    const tools::Offer& best = all.answers.front().offer;
    for (const tools::Candidate& c : all.candidates)
      if (c.offer) CHECK_FALSE(tools::better(*c.offer, best));
  }
}

TEST_CASE("an answer's scenario is what moesim run reads, with the same figures") {
  for (const char* question : {kDecode, kService}) {
    CAPTURE(question);
    const tools::Plan found = plan(question);
    REQUIRE_FALSE(found.answers.empty());
    const tools::PlanAnswer& answer = found.answers.front();
    const moesim::tests::TemporaryFolder folder;
    const auto file = folder.file("chosen.yaml", answer.scenario);
    const Called run =
        call(tools::run_command(), {{"SCENARIO", {file.string()}}, {"format", {"json"}}});
    REQUIRE(run.code == sim::ExitCode::Ok);
    const auto json = nlohmann::json::parse(run.out);
    CHECK(json["step_time_us"]["mean"] == answer.run.report.step_time_us.mean);
    if (!answer.run.serving) {
      // The step is within the target, and the engine carries its tokens in it.
      CHECK(answer.run.report.step_time_us.mean <= 15000);
      CHECK(answer.run.report.tokens_per_s ==
            doctest::Approx(found.candidates[answer.candidate].measured->capacity.p50));
      continue;
    }
    CHECK(json["serving"]["p99_ttft_ms"] == answer.run.serving->report.ttft.p99);
    CHECK(json["serving"]["attained"].get<double>() >= 0.99);
  }
}

TEST_CASE("more load never takes fewer GPUs, a tighter target neither, another GPU never harms") {
  const auto gpus = [](const std::string& question) {
    const tools::Plan p = plan(question);
    return p.answers.empty() || p.answers.front().roles.front() != "chosen"
               ? std::int64_t{1000}
               : p.answers.front().offer.gpus;
  };
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string question = with(kDecode, ", price: 2 USD/h", "");
  const std::int64_t own = gpus(question);
  CHECK(own <= gpus(with(question, "12000", "18000")));
  CHECK(own <= gpus(with(question, "15 ms", "11 ms")));
  CHECK(gpus(with(question, "[{cluster: h100-1x8}]",
                  "[{cluster: h100-1x8}, {cluster: h200-1x8}]")) <= own);
}

TEST_CASE(
    "plan prints an answer that says how many, how sure, why not fewer and what a node does") {
  const moesim::tests::TemporaryFolder folder;
  const auto file = folder.file("plan.yaml", kDecode);
  const auto emitted = folder.path() / "chosen.yaml", rows = folder.path() / "rows.csv";
  const Called called = call(
      tools::plan_command(),
      {{"FILE", {file.string()}}, {"emit", {emitted.string()}}, {"rejected", {rows.string()}}});
  CAPTURE(called.out);
  CHECK(called.code == sim::ExitCode::Ok);
  CHECK(called.out.starts_with("mixtral-8x7b: 12000 tokens/s within TPOT 15 ms; "));
  for (const char* part :
       {"\n  chosen", " GPUs (1 node), ", "\n  carries   ", " tokens/s (80 %: ",
        "\n  sure      meets the targets with probability ", "\n  costs     ", " USD/h; ",
        "\n  spare     without one node it carries 0 tokens/s: not the load (spare: {nodes: 1} "
        "plans "
        "for that)\n",
        "\n  fewer     ", "\n  why not the others\n", "  memory      such as ",
        "\n  search    estimates are off by "}) {
    CAPTURE(part);
    CHECK(has(called.out, part));
  }
  CHECK(std::filesystem::exists(emitted));
  CHECK(std::filesystem::exists(rows));
}

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
    CHECK(chosen.power->stand_ins ==
          std::vector<std::string>{"hosts and network draw nothing (gpus: host: 350 W)"});
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

TEST_CASE("where nothing meets the targets the nearest is told, and what would do") {
  const moesim::tests::TemporaryFolder folder;
  const auto file = folder.file("plan.yaml", kDecode);
  // Ten times the load: more GPUs than there are.
  const Called many =
      call(tools::plan_command(), {{"FILE", {file.string()}}, {"set", {"load.rate=200000 /s"}}});
  CAPTURE(many.out);
  CHECK(many.code == sim::ExitCode::Infeasible);
  CHECK(has(many.out, "\n  nothing meets the targets within the limits\n"));
  CHECK(has(many.out, "  limit_gpus  such as "));
  CHECK(has(many.out, " tokens/s within 8 GPUs\n  would do  "));
  CHECK(has(many.out, " USD/h\n"));
  CHECK(many.err ==
        "moesim plan: nothing within the limits meets the targets with that confidence\n");
  // A token in a millisecond is beyond what any of them reads its weights in.
  const Called fast =
      call(tools::plan_command(), {{"FILE", {file.string()}}, {"set", {"targets.tpot=1 ms"}}});
  CAPTURE(fast.out);
  CHECK(fast.code == sim::ExitCode::Infeasible);
  CHECK(has(fast.out, "  floor_tpot  such as 8 H100 SXM, "));
  CHECK(has(fast.out, " at least, of 1 ms\n"));
  CHECK(has(fast.out, ": alone, a token takes "));
  CHECK(has(fast.out, "\n  would do  a longer TPOT\n"));
}

TEST_CASE("the options say what a file would") {
  const auto message = [](moesim::tests::Values values) {
    return thrown<sim::ConfigError>([&] { (void)call(tools::plan_command(), std::move(values)); });
  };
  CHECK(message({}) ==
        "plan: say a plan's file, or --model, --gpu and --rate, such as --model deepseek-v3 --gpu "
        "h200 --rate 24 --input 2000 --output 500 --ttft 2s --tpot 80ms; --model is missing");
  const moesim::tests::Values base{
      {"model", {"mixtral-8x7b"}}, {"gpu", {"h100=2.5"}}, {"rate", {"20"}}};
  CHECK(message(base) ==
        "plan: of a load of requests say --input and --output, of steps --context (decode) or "
        "--prompt (prefill); --input is missing");
  auto unknown = base;
  unknown["gpu"] = {"h999"};
  CHECK(message(unknown) == "--gpu h999: no cluster of it is known (moesim list clusters)");
  auto both = base;
  both["FILE"] = {"plan.yaml"};
  CHECK(message(both) ==
        "--model: plan.yaml says all of it: leave the option out, or change it with --set");
  auto wrong = base;
  wrong["context"] = {"2048"};
  wrong["tpot"] = {"20ms"};
  wrong["set"] = {"confidence"};
  CHECK(message(wrong) == "--set confidence: expected key=value, such as targets.confidence=0.9");
  wrong["set"] = {"space.pp=[1]"};
  wrong["most"] = {"4"};
  wrong["rate"] = {"3000"};
  const Called called = call(tools::plan_command(), wrong);
  CAPTURE(called.out);
  CHECK(called.code == sim::ExitCode::Ok);
  CHECK(called.out.starts_with("mixtral-8x7b: 3000 tokens/s within TPOT 20 ms; "));
}
