// Plans of small spaces: what a staged search finds is what an exhaustive one does, and an answer's
// scenario is what was planned.
#include "tools/study/plan/plan.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tests/tools/study/plan/small_plans.h"
#include "tools/study/plan/measure.h"
#include "workloads/serving/service.h"

using namespace moesim;
using namespace moesim::tests;

namespace moesim::tools {
Command plan_command();
Command run_command();
}  // namespace moesim::tools

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
  CHECK(has(many.out, " tokens/s within the limits (8 GPUs)\n  would do  "));
  CHECK(has(many.out, " USD/h\n"));
  // After what a slow machine tells of its progress.
  CHECK(many.err.ends_with(
      "moesim plan: nothing within the limits meets the targets with that confidence\n"));
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
        "h200 --rate 24 --input 2000 --output 500 --ttft 2s --tpot 80ms, or --training in place of "
        "--rate; --model is "
        "missing");
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

TEST_CASE("the options say what a file would of a run of training") {
  const auto message = [](moesim::tests::Values values) {
    return thrown<sim::ConfigError>([&] { (void)call(tools::plan_command(), std::move(values)); });
  };
  moesim::tests::Values run{
      {"model", {"mixtral-8x7b"}}, {"gpu", {"h100-4x8"}}, {"training", {"2e11"}}};
  CHECK(message(run) ==
        "plan: of a run of training say --training (tokens of all of it), --sequence, "
        "--global-batch and --days, such as --training 2e11 --sequence 4096 --global-batch 256 "
        "--days 15; --sequence is missing");
  run["sequence"] = {"4096"};
  run["global-batch"] = {"256"};
  auto days_alone = run;
  days_alone.erase("training");
  days_alone["days"] = {"15"};
  CHECK(has(message(days_alone), "--training is missing"));
  run["days"] = {"15"};
  auto load = run;
  load["rate"] = {"20"};
  CHECK(message(load) == "--rate: is of a load, and --training of a run: leave one of them out");
  auto file = run;
  file.erase("model");
  file.erase("gpu");
  file["FILE"] = {"plan.yaml"};
  CHECK(message(file) ==
        "--training: plan.yaml says all of it: leave the option out, or change it with --set");
  run["most"] = {"32"};
  run["set"] = {
      "space={tp: [1], pp: [4], ep: [8], etp: [\"1\"], micro_batch: [1], recompute: [none], "
      "schedule: [1f1b]}",
      "routing={law: balanced}"};
  run["format"] = {"json"};
  const Called by_options = call(tools::plan_command(), run);
  const moesim::tests::TemporaryFolder folder;
  const auto same = folder.file(
      "plan.yaml",
      "model: mixtral-8x7b\ntraining: {tokens: 2e11, sequence: 4096, global_batch: 256}\n"
      "targets: {days: 15}\ngpus: [{cluster: h100-4x8}]\nlimits: {gpus: 32}\n"
      "space: {tp: [1], pp: [4], ep: [8], etp: [\"1\"], micro_batch: [1], recompute: [none], "
      "schedule: [1f1b]}\nrouting: {law: balanced}\n");
  const Called by_file =
      call(tools::plan_command(), {{"FILE", {same.string()}}, {"format", {"json"}}});
  CHECK(by_options.code == by_file.code);
  auto a = nlohmann::json::parse(by_options.out), b = nlohmann::json::parse(by_file.out);
  CHECK(a["plan"]["answers"].size() > 0);
  CHECK(a["plan"]["answers"] == b["plan"]["answers"]);
}

TEST_CASE("an engine that goes on without a GPU is told to, and what it then carries") {
  const moesim::tests::TemporaryFolder folder;
  const auto file =
      folder.file("plan.yaml",
                  "model: mixtral-8x7b\nload: {phase: decode, context: 2048, rate: 8000 /s}\n"
                  "targets: {tpot: 25 ms}\ngpus: [h100-1x8]\nlimits: {gpus: 8}\n"
                  "space: {tp: [1], pp: [1], ep: [8], redundant: [8]}\nrouting: {law: uniform}\n"
                  "engine: {elastic: true}\nplacement: {experts: eplb, survive: gpu}\n"
                  "reliability: {gpu_hours: 100, restart: 3600 s, recovery: 360 s}\n");
  const auto answer = [&](std::vector<std::string> set) {
    const Called called =
        call(tools::plan_command(),
             {{"FILE", {file.string()}}, {"set", std::move(set)}, {"format", {"json"}}});
    REQUIRE(called.code == sim::ExitCode::Ok);
    return nlohmann::json::parse(called.out)["plan"]["answers"][0];
  };
  const auto elastic = answer({}), stops = answer({"engine.elastic=false"});
  CHECK(elastic["capacity_per_s"] == stops["capacity_per_s"]);
  const auto &goes_on = elastic["availability"], &down = stops["availability"];
  CHECK(down["lost"][1]["capacity_per_s"] == 0);
  // Nine tenths of the time with seven of eight ranks, whose experts have all rows of the lost one.
  const double whole = elastic["capacity_per_s"]["p50"];
  CHECK(goes_on["lost"][1]["capacity_per_s"].get<double>() > 0.5 * 0.9 * whole);
  CHECK(goes_on["lost"][1]["capacity_per_s"].get<double>() < 0.9 * 7 / 8 * whole);
  // Up with none lost, 0.99^8, and nine tenths of the time with one, 8 x 0.01 x 0.99^7.
  CHECK(goes_on["available"].get<double>() ==
        doctest::Approx(0.922745 + 0.9 * 0.074565).epsilon(1e-5));
  CHECK(down["available"].get<double>() == doctest::Approx(0.922745).epsilon(1e-5));
  CHECK(has(call(tools::plan_command(), {{"FILE", {file.string()}}}).out,
            "\n  elastic   with a GPU lost it carries "));
}

TEST_CASE("what an engine carries does not depend on what was estimated") {
  // TensorRT-LLM's scheduler: an estimate of nothing once had it measured in a run of 200 requests,
  // which ended before the engine was full.
  const std::string text =
      "name: s\nmodel: mixtral-8x7b\ncluster: h100-1x4\nparallelism: {tp: 4}\n"
      "engine: trtllm\nrouting: {law: uniform}\n"
      "serving:\n  requests: {arrivals: {law: poisson, rate: 9 /s}, input: 500, "
      "output: 300, count: 200}\n  targets: {ttft: 2 s, tpot: 30 ms}\n";
  const workloads::Scenario s =
      workloads::read_scenario(sim::io::YamlDocument::parse(text, "s").root(), tools::shipped());
  const auto measured = [&](double capacity, double token_s) {
    return tools::measure_service(s.deployment, *s.serving(),
                                  {.capacity = capacity, .token_s = token_s, .first_s = 0.1},
                                  false);
  };
  const tools::MeasuredEngine known = measured(30, 0.02), unknown = measured(0.3, 0.001);
  CHECK(known.requests.count > 400);
  CHECK(static_cast<double>(unknown.requests.count) >
        0.6 * static_cast<double>(known.requests.count));
  CHECK(unknown.capacity.p50 == doctest::Approx(known.capacity.p50).epsilon(0.1));
}
