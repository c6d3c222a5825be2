#include "tools/study/plan/plan_spec.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim;
using moesim::tests::thrown;
using tools::PlanSpec;

namespace {

PlanSpec read(const std::string& text) {
  return tools::read_plan(sim::io::YamlDocument::parse(text, "plan.yaml").root());
}

std::string mistakes(const std::string& text) {
  return thrown<sim::ConfigError>([&] { (void)read(text); });
}

constexpr const char* kService =
    "model: mixtral-8x7b\n"
    "load: {arrivals: {law: poisson, rate: 24 /s}, input: 2000, output: 500}\n"
    "targets: {ttft: 2 s, tpot: 80 ms}\n";

}  // namespace

TEST_CASE("a plan of a service, with what is left out") {
  const PlanSpec spec = read(std::string(kService) +
                             "gpus: [h100-8x8, {cluster: 'h200:4x8'}]\nrouting: {law: uniform}\n");
  CHECK(spec.title == "mixtral-8x7b");
  CHECK_FALSE(spec.steps);
  CHECK(spec.demand.rate == 24);
  CHECK(spec.load_text == "{arrivals: {law: poisson, rate: 24 /s}, input: 2000, output: 500}");
  CHECK(text_of(spec.targets) == "TTFT 2 s, TPOT 80 ms");
  CHECK(spec.targets_text == "{ttft: 2 s, tpot: 80 ms, attained: 0.99}");
  CHECK(spec.demand.confidence == 0.8);
  CHECK(spec.demand.limits.gpus == 64);
  // Without prices the fewest GPUs.
  CHECK(spec.demand.objective == tools::Objective::Gpus);
  CHECK(spec.demand.spare == tools::Spare::None);
  REQUIRE(spec.gpus.size() == 2);
  CHECK(spec.gpus[0].cluster == "h100-8x8");
  CHECK(spec.gpus[1].cluster == "\"h200:4x8\"");
  using Base = std::vector<std::pair<std::string, std::string>>;
  CHECK(spec.base ==
        Base{{"model", "mixtral-8x7b"}, {"routing", "{law: uniform}"}, {"network", "bound"}});
}

TEST_CASE("a plan of steps, with all that can be said") {
  const PlanSpec spec = read(
      "name: sizing\nmodel: mixtral-8x7b\nload: {phase: decode, context: 4096, rate: 50000 /s}\n"
      "targets: {tpot: 50 ms, confidence: 0.9}\n"
      "gpus: [{cluster: h100-8x8, price: 2.5 EUR/h}]\n"
      "limits: {gpus: 32, cost: 60 EUR/h}\n"
      "space: {tp: [2, 1], pp: [1], etp: [tp], ep: [1, 8], redundant: [0, 8], two_batch: [false, "
      "true]}\n"
      "vary: {precision.kv_cache: [bf16, fp8]}\nspare: {nodes: 1}\nnetwork: fluid\n"
      "search: {margin: 0.2, finalists: 3, exhaustive: true}\n");
  CHECK(spec.title == "sizing");
  REQUIRE(spec.steps);
  CHECK(spec.steps->decode);
  CHECK(spec.steps->length == 4096);
  CHECK(spec.demand.rate == 50000);
  CHECK(spec.demand.objective == tools::Objective::Cost);
  CHECK(spec.currency == "EUR");
  CHECK(spec.gpus.front().price == 2.5);
  CHECK(spec.demand.limits.cost == 60);
  CHECK(spec.space.layouts.tp == std::vector<std::int64_t>{1, 2});
  CHECK_FALSE(spec.space.layouts.etp_one);
  CHECK(spec.space.layouts.ep == std::vector<std::int64_t>{1, 8});
  CHECK(spec.space.two_batch == std::vector<bool>{false, true});
  REQUIRE(spec.vary.size() == 1);
  CHECK(spec.vary.front().values == std::vector<std::string>{"bf16", "fp8"});
  CHECK(spec.demand.spare == tools::Spare::Node);
  CHECK(spec.margin == 0.2);
  CHECK(spec.finalists == 3);
  CHECK(spec.exhaustive);
}

TEST_CASE("power: hosts, what cooling adds, a limit, the objective") {
  const PlanSpec spec = read(std::string(kService) +
                             "gpus: [{cluster: h100-8x8, host: 350 W}, h200-8x8]\npue: 1.2\n"
                             "limits: {power: 25 kW}\nobjective: power\n");
  CHECK(spec.gpus[0].host_w == 350);
  CHECK_FALSE(spec.gpus[1].host_w);
  CHECK(spec.pue == 1.2);
  CHECK(spec.demand.limits.power == 25000);
  CHECK(spec.demand.objective == tools::Objective::Power);
  CHECK(mistakes(std::string(kService) + "gpus: [a]\nlimits: {power: 25}\n") ==
        "plan.yaml:5:17: limits.power: expected a power such as 350 W or 250 kW, not \"25\"");
}

TEST_CASE("pools, and how often a GPU stops") {
  const PlanSpec spec = read(std::string(kService) +
                             "gpus: [a]\nspace: {pools: [apart]}\nreliability: {gpu_hours: 1000, "
                             "restart: 36 s, recovery: 18 s}\n");
  CHECK(spec.space.apart);
  CHECK_FALSE(spec.space.together);
  CHECK(spec.reliability.gpu_hours == 1000);
  CHECK(*spec.reliability.restart_h == doctest::Approx(0.01));
  CHECK(*spec.reliability.recovery_h == doctest::Approx(0.005));
  CHECK(mistakes(std::string(kService) +
                 "gpus: [a]\nspace: {pools: [apart]}\nserving: {kv: {memory: 0.8}}\n") ==
        "plan.yaml:6:15: serving.kv: is of one pool: a plan of pools apart takes the engine's");
}

TEST_CASE("a plan with all that it may say") {
  const PlanSpec spec = read(R"(
model: deepseek-v3
load: {arrivals: {law: poisson, rate: 24 /s}, input: {law: constant, value: 2000}, output: {law: constant, value: 500}}
targets: {ttft: {p99: 2 s}, tpot: {p99: 80 ms}, attained: 0.99, confidence: 0.8}
gpus:
  - {cluster: h200-8x8, price: 2.60 USD/h, host: 350 W}
  - {cluster: gb200-nvl72, price: 3.30 USD/h}
limits: {gpus: 64, cost: 400 USD/h, power: 250 kW}
space: {tp: [1, 2, 4, 8], pp: [1, 2, 4], cp: [1], etp: [1, tp], ep: any, pools: [together, apart], redundant: [0, 32], two_batch: [false, true]}
vary: {precision.kv_cache: [bf16, fp8]}
routing: {trace: deepseek-like}
engine: sglang
objective: cost
spare: {nodes: 1}
search: {keep: 24, finalists: 5, margin: 12 %, exhaustive: false}
)");
  CHECK(spec.keep == 24);
  CHECK(spec.margin == doctest::Approx(0.12));
  CHECK(spec.finalists == 5);
  CHECK(spec.demand.limits.power == 250000);
  CHECK(spec.gpus.size() == 2);
  CHECK(spec.space.apart);
}

TEST_CASE("a part may be said in percent") {
  const PlanSpec spec = read(
      "model: m\nload: {arrivals: {law: poisson, rate: 1 /s}, input: 8, output: 8}\n"
      "targets: {ttft: 1 s, attained: 99 %, confidence: 85%}\ngpus: [a]\nsearch: {margin: 0.2}\n");
  CHECK(spec.targets.attained == doctest::Approx(0.99));
  CHECK(spec.demand.confidence == doctest::Approx(0.85));
  CHECK(spec.margin == 0.2);
  CHECK(mistakes(std::string(kService) + "gpus: [a]\nsearch: {margin: 500 %}\n") ==
        "plan.yaml:5:18: search.margin: expected a part from 0.001 to 4, or as much in percent, "
        "such as 400 %, not \"500 %\"");
  CHECK(mistakes(std::string(kService) + "gpus: [a]\nsearch: {margin: 1x %}\n") ==
        "plan.yaml:5:18: search.margin: expected a part from 0.001 to 4, or as much in percent, "
        "such as 400 %, not \"1x %\"");
}

TEST_CASE("every mistake of a plan is told where it is") {
  CHECK(mistakes("model: m\nload: {phase: decode, context: 8, rate: 5}\ntargets: {ttft: 1 s}\n"
                 "gpus: []\n") ==
        "plan.yaml:2:41: load.rate: expected a rate such as 24 /s, not \"5\"\n"
        "plan.yaml:3:10: targets: steps that decode have a tpot, and nothing else\n"
        "plan.yaml:4:7: gpus: expected at least one kind of GPU");
  CHECK(mistakes("model: m\nload: {phase: prefill, prompt: 8, rate: 5 /s}\ntargets: {tpot: 1 s}\n"
                 "gpus: [h100-1x8]\n") ==
        "plan.yaml:3:10: targets: steps that read prompts have a ttft, and nothing else");
  const std::string prefix = kService;
  CHECK(mistakes(prefix + "gpus: [{cluster: a, price: 2 USD/h}, {cluster: b, price: 3 EUR/h}]\n") ==
        "plan.yaml:4:58: gpus[1].price: is in EUR, and another price in USD: say all in one");
  CHECK(mistakes(prefix + "gpus: [{cluster: a, price: 2}]\n") ==
        "plan.yaml:4:28: gpus[0].price: expected a price such as 2.60 USD/h, not \"2\"");
  CHECK(mistakes(prefix + "gpus: [a]\nobjective: cost\nlimits: {cost: 3 USD/h}\n") ==
        "plan.yaml:5:12: objective: not every kind of GPU has a price: give gpus: [{cluster: …, "
        "price: 2.60 USD/h}]\n"
        "plan.yaml:6:16: limits.cost: no kind of GPU has a price: give gpus: [{cluster: …, price: "
        "2.60 USD/h}]");
  CHECK(mistakes(prefix + "gpus: [a]\nspare: {}\nvary: {cluster.nodes: [1]}\n") ==
        "plan.yaml:5:8: spare: expected nodes: 1 or gpus: 1\n"
        "plan.yaml:6:23: vary.cluster.nodes: is searched: say it under space, or gpus");
  CHECK(mistakes(prefix + "gpus: [a]\nparallelism: {tp: 2}\n") ==
        "plan.yaml:5:1: unknown key \"parallelism\"; known are name, load, targets, gpus, limits, "
        "space, vary, objective, spare, search, serving, pue, reliability, training, model, "
        "keep_layers, "
        "precision, "
        "routing, "
        "placement, kernels, network, overlap, engine, host, power, seed");
  CHECK(mistakes(prefix + "gpus: [a]\npower: {host: 350 W, pue: 1.2}\n") ==
        "plan.yaml:5:15: power.host: is of a kind of GPU: say gpus: [{cluster: …, host: 350 W}]\n"
        "plan.yaml:5:27: power.pue: is the plan's: say pue: 1.2");
}

TEST_CASE("a value as YAML: words stay, others are quoted, files are whole") {
  const moesim::tests::TemporaryFolder folder;
  folder.file("lengths.csv", "input_length\n5\n");
  const auto file =
      folder.file("plan.yaml", "a: {b: [1, two words, 'x: y', -5], c: lengths.csv, d: none.csv}\n");
  const auto document = sim::io::YamlDocument::load(file);
  CHECK(tools::yaml_text(document.root().at("a")) ==
        "{b: [1, two words, \"x: y\", \"-5\"], c: " + (folder.path() / "lengths.csv").string() +
            ", d: none.csv}");
}

TEST_CASE("a plan of a trace is for the rate at which its requests come on average") {
  const tests::TemporaryFolder folder;
  // Three requests in 4 s: two gaps, 0.5 a second.
  const std::string file =
      folder.file("t.csv", "arrival_s,input_tokens,output_tokens\n0,100,10\n1,300,20\n4,200,30\n")
          .string();
  const auto plan = [](const std::string& load) {
    return "model: mixtral-8x7b\nload: " + load + "\ntargets: {ttft: 2 s}\ngpus: [h100-8x8]\n";
  };
  const PlanSpec own = read(plan("{trace: " + file + ", format: moesim}"));
  CHECK(own.demand.rate == doctest::Approx(0.5));
  REQUIRE(own.trace);
  CHECK(own.trace->facts.mean_input == 200);
  CHECK(own.counts_requests);
  CHECK(own.load_text == "{trace: " + file + ", format: moesim}");

  const PlanSpec faster = read(plan("{trace: " + file + ", format: moesim, rate: 24 /s}"));
  CHECK(faster.demand.rate == doctest::Approx(24));
  CHECK(faster.trace->scale == doctest::Approx(48));

  const std::string at_once =
      folder.file("once.csv", "arrival_s,input_tokens,output_tokens\n0,100,10\n0,300,20\n")
          .string();
  CHECK(mistakes(plan("{trace: " + at_once + ", format: moesim}")) ==
        "plan.yaml:2:15: load.trace: a plan is for a rate, and all of its requests come at once: "
        "expected arrivals: {law: poisson, rate: 24 /s}, and the lengths of the trace as tables");
  CHECK(mistakes(plan("{trace: " + file + ", format: moesim, rate: 24 /s, scale: 2}")) ==
        "plan.yaml:2:" + std::to_string(39 + file.size()) +
            ": load.rate: says what scale says: leave out one of them");
}
