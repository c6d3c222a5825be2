#include "workloads/scenario.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "workloads/run.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

// Mixtral on 8 H100, but for the lines given.
Scenario scenario(const std::string& lines = "",
                  const std::string& step = "{phase: decode, batch_per_rank: 4, context: 128}",
                  const std::string& parallelism = "{dp: 8, ep: 8}") {
  auto document = sim::io::YamlDocument::parse(
      "name: test\n"
      "model: configs/models/mixtral-8x7b.yaml\n"
      "cluster: configs/clusters/h100-1x8.yaml\n"
      "parallelism: " +
          parallelism + "\nstep: " + step + "\n" + lines,
      "x.yaml");
  return read_scenario(document.root());
}

}  // namespace

TEST_CASE("what a scenario does not say has its default") {
  const Scenario s = scenario();
  CHECK(s.name == "test");
  CHECK(s.deployment.model.name == "Mixtral-8x7B");
  CHECK(s.deployment.layout.ep == 8);
  CHECK(s.deployment.layout.tp == 1);
  CHECK(s.deployment.routing.law == Law::Uniform);
  CHECK(s.deployment.network.fidelity == hardware::Fidelity::Fluid);
  CHECK(s.deployment.formats.experts == hardware::Precision::BF16);
  CHECK(s.step()->count == 1);
  CHECK(s.deployment.seed == 1);
}

TEST_CASE("weights of one precision are those that engines quantise") {
  const Scenario s = scenario("precision: {weights: fp8, kv_cache: fp8, experts: int4}");
  CHECK(s.deployment.formats.attention == hardware::Precision::FP8);
  CHECK(s.deployment.formats.experts == hardware::Precision::INT4);
  CHECK(s.deployment.formats.other == hardware::Precision::BF16);
  CHECK(s.deployment.formats.kv_cache == hardware::Precision::FP8);
}

TEST_CASE("a network may say its tolerance") {
  const Scenario s = scenario("network: {fidelity: fluid, tolerance: 0}");
  CHECK(s.deployment.network.tolerance == 0);
  CHECK(scenario("network: bound").deployment.network.fidelity == hardware::Fidelity::Bound);
}

TEST_CASE("a law has the skew that is usual for it") {
  CHECK(scenario("routing: {law: power_law}").deployment.routing.skew == 1.01);
  CHECK(scenario("routing: {law: zipf, skew: 0.5}").deployment.routing.skew == 0.5);
  CHECK(scenario("routing: {law: balanced, skew: 0.5}").deployment.routing.law == Law::Balanced);
}

TEST_CASE("all mistakes of a scenario are told at once, each with its place") {
  CHECK_THROWS_WITH_AS(scenario("netwrok: bound\nrouting: {law: uniform, skew: -2}\nseed: -1"),
                       "x.yaml:6:1: unknown key \"netwrok\"; did you mean \"network\"?\n"
                       "x.yaml:7:31: routing.skew: expected a number from 0 to 10, not \"-2\"\n"
                       "x.yaml:8:7: seed: expected a whole number of at least 0, not \"-1\"",
                       sim::ConfigError);
}

TEST_CASE("a scenario may keep a part of its model") {
  const Scenario first = scenario("keep_layers: 4");
  CHECK(first.deployment.model.layer_count() == 4);
  CHECK(resolved(first)["keep_layers"].dump() == "[0,1,2,3]");
  CHECK(scenario("keep_layers: [0, 31]").deployment.model.layer_count() == 2);
  CHECK_FALSE(resolved(scenario()).contains("keep_layers"));
  CHECK_THROWS_WITH_AS(scenario("keep_layers: 33"),
                       "x.yaml:6:14: keep_layers: expected a whole number from 1 to 32, not \"33\"",
                       sim::ConfigError);
}

TEST_CASE("a trace goes round where the scenario does not say otherwise") {
  const Scenario s = scenario("routing: {trace: configs/traces/mixtral-like.h5}");
  CHECK(s.deployment.routing.mapping.tokens == TokenMapping::Auto);
  CHECK(s.deployment.routing.mapping.layers == LayerMapping::Exact);
}

TEST_CASE("whose tokens a step takes of a trace is settled by what the step holds") {
  const std::string own = "routing: {trace: configs/traces/mixtral-like.h5, phase: own}";
  const auto phase = [](const Scenario& s) { return s.deployment.routing.mapping.phase; };
  CHECK(phase(scenario("routing: {trace: configs/traces/mixtral-like.h5}")) == TokenPhase::Any);
  CHECK(phase(scenario(own)) == TokenPhase::Decode);
  CHECK(phase(scenario(own, "{phase: prefill, tokens_per_rank: 128, prompt: 128}")) ==
        TokenPhase::Prefill);
  CHECK_THROWS_WITH_AS(
      scenario(own, "{batch: [{decode: 4, context: 128}, {prefill: 1, tokens: 64}]}"),
      "x.yaml:6:10: routing: phase: own: the step holds prompts and decodes: any, prefill or "
      "decode "
      "would do",
      sim::ConfigError);
}

TEST_CASE("a trace and a law exclude each other, and a mapping needs a trace") {
  CHECK_THROWS_WITH_AS(
      scenario("routing: {law: zipf, trace: x.h5}"),
      "x.yaml:6:16: routing.law: belongs to a routing without a trace: leave out one of the two",
      sim::ConfigError);
  CHECK_THROWS_WITH_AS(
      scenario("routing: {law: zipf, tokens: repeat}"),
      "x.yaml:6:30: routing.tokens: says how a trace is mapped, but there is none: "
      "give routing.trace",
      sim::ConfigError);
}

TEST_CASE("loads of ranks are a routing of their own") {
  const Scenario s = scenario("routing: {rank_loads: [3, 1, 1, 1, 1, 1, 1, 1]}");
  CHECK(s.deployment.routing.ranks.loads == std::vector<double>{3, 1, 1, 1, 1, 1, 1, 1});
  CHECK(resolved(s)["routing"].dump() == R"({"rank_loads":[3.0,1.0,1.0,1.0,1.0,1.0,1.0,1.0]})");
  const Scenario busiest = scenario("routing: {max_over_mean: 1.3}");
  CHECK(busiest.deployment.routing.ranks.max_over_mean == 1.3);
  CHECK(resolved(busiest)["routing"].dump() == R"({"max_over_mean":1.3})");
}

TEST_CASE("a run's ranks have the loads that the scenario gives them") {
  // 5 of 16 parts over 8 ranks: 2.5 times the mean of 4,096 rows, to within five deviations of
  // sqrt(16,384 x 0.625 x 0.375) = 62 rows: 0.08.
  const char* prefill = "{phase: prefill, tokens_per_rank: 2048, prompt: 2048}";
  const RunResult given =
      run(scenario("network: bound\nrouting: {rank_loads: [1, 5, 3, 2, 2, 1, 1, 1]}", prefill));
  CHECK(std::abs(given.report.rank_max_over_mean - 2.5) < 0.08);
  const RunResult busiest = run(scenario("network: bound\nrouting: {max_over_mean: 1.3}", prefill));
  CHECK(std::abs(busiest.report.rank_max_over_mean - 1.3) < 0.06);
}

TEST_CASE("loads of ranks that say nothing, or something twice, are refused") {
  CHECK_THROWS_WITH_AS(scenario("routing: {law: zipf, max_over_mean: 1.3}"),
                       "x.yaml:6:16: routing.law: belongs to a routing by a law, not by loads of "
                       "ranks: leave out one of the two",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(
      scenario("routing: {rank_loads: [1, 1], max_over_mean: 1.3}"),
      "x.yaml:6:46: routing.max_over_mean: rank_loads say it already: leave out one of the two",
      sim::ConfigError);
  CHECK_THROWS_WITH_AS(scenario("routing: {trace: x.h5, rank_loads: [1]}"),
                       "x.yaml:6:36: routing.rank_loads: belongs to a routing without a trace: "
                       "leave out one of the two",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(scenario("routing: {rank_loads: [0, 0]}"),
                       "x.yaml:6:23: routing.rank_loads: expected the load of each "
                       "expert-parallel rank, such as [3, 1, 2, 2]",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(scenario("routing: {rank_loads: [1e300]}"),
                       "x.yaml:6:24: routing.rank_loads[0]: expected a number from 0 to 1e+18, not "
                       "\"1e300\"",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(
      scenario("routing: {max_over_mean: 0.5}"),
      "x.yaml:6:26: routing.max_over_mean: expected a number from 1 to 1048576, not "
      "\"0.5\"",
      sim::ConfigError);
  CHECK_THROWS_WITH_AS(scenario("routing: {rank_loads: [1, 2]}"),
                       "x.yaml:6:10: routing: rank_loads: has 2 loads for ep = 8 ranks",
                       sim::ConfigError);
}

TEST_CASE("an all-to-all that there is not is refused where it stands") {
  CHECK_THROWS_WITH_AS(
      scenario("kernels: {all_to_all: deep_ep}"),
      "x.yaml:6:23: kernels.all_to_all: expected one of nccl, all_gather, "
      "deepep_normal, hybrid_ep, deepep_low_latency, deepep, not \"deep_ep\"; did you mean "
      "\"deepep\"?",
      sim::ConfigError);
}

TEST_CASE("experts that do not divide over the ranks are refused with what would do") {
  // 8 experts and 3 more over 8 ranks: no redundant one would do.
  CHECK_THROWS_WITH_AS(scenario("placement: {redundant: 3}"),
                       "x.yaml:6:12: placement: 8 experts and 3 redundant ones do not divide over "
                       "ep = 8 ranks; placement.redundant: 0 would do",
                       sim::ConfigError);
}

TEST_CASE("a size that cannot be read is one mistake") {
  CHECK_THROWS_WITH_AS(
      scenario("", "{phase: decode, batch_per_rank: 4, context: 128}", "{tp: two}"),
      "x.yaml:4:19: parallelism.tp: expected a whole number from 1 to 1048576, not \"two\"",
      sim::ConfigError);
}

TEST_CASE("a layout that does not divide is refused where it stands") {
  CHECK_THROWS_WITH_AS(
      scenario("", "{phase: decode, batch_per_rank: 4, context: 128}", "{dp: 6, ep: 4}"),
      "x.yaml:4:14: parallelism: etp x ep = 1 x 4 does not divide the 6 GPUs of a "
      "stage (tp x cp x dp = 1 x 1 x 6); an ep that divides 6 would",
      sim::ConfigError);
}

TEST_CASE("experts are divided with the dense part where nothing else is said of them") {
  const std::string step = "{phase: decode, batch_per_rank: 4, context: 128}";
  CHECK(scenario("", step, "{tp: 8}").deployment.layout.etp == 8);
  CHECK(scenario("", step, "{tp: 8, etp: 1}").deployment.layout.etp == 1);
  CHECK(scenario("", step, "{tp: 4, dp: 2, ep: 8}").deployment.layout.etp == 1);
}

TEST_CASE("a model without experts is divided by tp alone, whatever etp says") {
  const auto dense = [](const std::string& parallelism) {
    auto document = sim::io::YamlDocument::parse(
        "name: test\nmodel: configs/models/llama-2-70b.yaml\n"
        "cluster: configs/clusters/h100-1x8.yaml\nparallelism: " +
            parallelism + "\nstep: {phase: decode, batch_per_rank: 4, context: 128}\n",
        "x.yaml");
    return read_scenario(document.root()).deployment.layout.etp;
  };
  CHECK(dense("{tp: 8}") == 8);
  CHECK(dense("{tp: 8, pp: 1, dp: 1, ep: 1, etp: 1, cp: 1}") == 8);
  CHECK_THROWS_WITH_AS(dense("{dp: 8, ep: 8}"),
                       "x.yaml:4:14: parallelism: Llama-2-70B has no experts: leave out ep",
                       sim::ConfigError);
}

TEST_CASE("a layout larger than the cluster is refused") {
  CHECK_THROWS_WITH_AS(scenario("", "{phase: decode, batch_per_rank: 4, context: 128}", "{dp: 16}"),
                       "x.yaml:3:10: cluster: the layout needs 16 GPUs, the cluster has 8",
                       sim::ConfigError);
}

TEST_CASE("a step has the keys of its phase and no others") {
  CHECK_THROWS_WITH_AS(
      scenario("", "{phase: prefill, tokens_per_rank: 64, context: 128}"),
      "x.yaml:5:54: step.context: belongs to decode; prefill has tokens_per_rank and prompt",
      sim::ConfigError);
  CHECK_THROWS_WITH_AS(
      scenario("", "{phase: decode, batch_per_rank: 4, context: 128, prompt: 3}"),
      "x.yaml:5:64: step.prompt: belongs to prefill; decode has batch_per_rank and context",
      sim::ConfigError);
}

TEST_CASE("a prefill holds whole prompts") {
  CHECK_THROWS_WITH_AS(scenario("", "{phase: prefill, tokens_per_rank: 1000, prompt: 300}"),
                       "x.yaml:5:7: step: tokens_per_rank 1000 is no whole number of prompts of "
                       "300; 900 would be",
                       sim::ConfigError);
}

TEST_CASE("a context beyond the model's is refused") {
  CHECK_THROWS_WITH_AS(
      scenario("", "{phase: decode, batch_per_rank: 1, context: 40000}"),
      "x.yaml:5:7: step: a context of 40000 tokens, but Mixtral-8x7B has at most 32768",
      sim::ConfigError);
}

TEST_CASE("a file that a scenario names and that is not there is named") {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: nowhere.yaml\ncluster: configs/clusters/h100-1x8.yaml\n"
      "step: {phase: decode, batch_per_rank: 1, context: 1}",
      "x.yaml");
  CHECK_THROWS_WITH_AS(read_scenario(document.root()),
                       "x.yaml:2:8: model: nowhere.yaml: cannot be read: No such file or directory",
                       sim::ConfigError);
}

TEST_CASE("an override is key=value") {
  CHECK_THROWS_WITH_AS(
      load_scenario("configs/scenarios/deepseek-v3-decode-h800-ep128.yaml", {"network"}),
      "--set network: expected key=value, such as step.batch_per_rank=64", sim::ConfigError);
}

TEST_CASE("the resolved scenario holds every value, the derived edp too") {
  const auto json = resolved(scenario("routing: {law: zipf}"));
  CHECK(json["parallelism"]["edp"] == 1);
  CHECK(json["routing"].dump() == R"({"law":"zipf","skew":1.0})");
  CHECK(json["step"].dump() == R"({"phase":"decode","batch_per_rank":4,"context":128,"count":1})");
  CHECK(json["network"].dump() == R"({"fidelity":"fluid","tolerance":0.01})");
}

TEST_CASE("a decode with prompts beside it is half-way through its output") {
  const Scenario s =
      scenario("", "{phase: decode, batch_per_rank: 4, refill: {prompt: 1000, output: 500}}");
  CHECK(s.step()->ranks.front().front().kv_length == 1250);
  CHECK(s.step()->refill.chunk == 1000);
  CHECK(scenario("", "{phase: decode, batch_per_rank: 4, refill: {prompt: 20000, output: 5}}")
            .step()
            ->refill.chunk == 8192);
}

TEST_CASE("no more tokens can be gained than were drafted and one") {
  CHECK_THROWS_WITH_AS(
      scenario(
          "",
          "{phase: decode, batch_per_rank: 4, context: 9, speculation: {draft: 2, accepted: 4}}"),
      "x.yaml:5:88: step.speculation.accepted: 4 tokens a step of 2 drafted and one of the model's "
      "own",
      sim::ConfigError);
}

TEST_CASE("prompts beside a decode belong to decode") {
  CHECK_THROWS_WITH_AS(
      scenario("", "{phase: prefill, tokens_per_rank: 64, refill: {prompt: 3, output: 4}}"),
      "x.yaml:5:53: step.refill: belongs to decode; prefill has tokens_per_rank and prompt",
      sim::ConfigError);
}

TEST_CASE("a host is read from its engine's file, and what the scenario says of it counts") {
  const Scenario none = scenario();
  CHECK(none.deployment.host.per_step == sim::Duration{});
  CHECK(none.deployment.host.graphs == Graphs::All);
  const Scenario s = scenario(
      "engine: configs/engines/sglang-0.4.6.yaml\nhost: {overlapped: true, per_step: 2 ms}");
  CHECK(s.deployment.host.engine == "SGLang, scheduler not overlapped");
  CHECK(s.deployment.host.overlapped);
  CHECK(s.deployment.host.per_step == std::chrono::milliseconds(2));
  CHECK(s.deployment.host.per_draft == std::chrono::microseconds(2700));
  CHECK(s.deployment.host.graphs == Graphs::Decode);
  CHECK_THROWS_WITH_AS(scenario("host: {per_stepp: 1 ms}"),
                       "x.yaml:6:8: host: unknown key \"per_stepp\"; did you mean \"per_step\"?",
                       sim::ConfigError);
}

TEST_CASE("a balanced law does not drift") {
  CHECK(scenario("routing: {law: uniform, drift: 0.2}").deployment.routing.drift == 0.2);
  CHECK(scenario("routing: {law: balanced, drift: 0.2}").deployment.routing.drift == 0);
}

TEST_CASE(
    "an all-reduce is asked for by name, and follows the engine of the GEMMs where it is not") {
  CHECK(scenario("kernels: {all_reduce: nccl, gemm: vllm}").deployment.all_reduce ==
        hardware::AllReduceLibrary::Nccl);
  CHECK(scenario("kernels: {gemm: sglang}").deployment.all_reduce ==
        hardware::AllReduceLibrary::Sglang);
  CHECK(scenario("kernels: {gemm: deepgemm}").deployment.all_reduce ==
        hardware::AllReduceLibrary::Trtllm);
  CHECK(scenario("").deployment.all_reduce == hardware::AllReduceLibrary::Trtllm);
  CHECK_THROWS_WITH_AS(scenario("kernels: {all_reduce: mscclpp}"),
                       "x.yaml:6:23: kernels.all_reduce: expected one of trtllm, vllm, sglang, "
                       "nccl, not \"mscclpp\"",
                       sim::ConfigError);
}

TEST_CASE(
    "HybridEP's numbers were reported as NCCL's fits, and every all-reduce as TensorRT-LLM's") {
  const auto sources = [](const std::string& kernels, const std::string& layout) {
    std::string text;
    const std::string step = "{phase: decode, batch_per_rank: 4, context: 128}";
    const Scenario asked = scenario("network: bound\nkernels: " + kernels, step, layout);
    for (const auto& one : run(asked).report.provenance) text += one.source + "\n";
    return text;
  };
  const auto has = [](const std::string& text, const char* what) {
    return text.find(what) != std::string::npos;
  };
  const std::string hybrid = sources("{all_to_all: hybrid_ep}", "{dp: 8, ep: 8}");
  CHECK(has(hybrid,
            "hybrid_ep hybrid_ep dispatch by defaults: HybridEP's public rows, "
            "docs/README_Hybrid-EP.md at 94a9f8f6"));
  CHECK_FALSE(has(hybrid, "nccl"));
  const std::string vllm = sources("{all_reduce: vllm}", "{tp: 8}");
  CHECK(has(vllm, "custom_allreduce vllm graph: "));
  CHECK_FALSE(has(vllm, "custom_allreduce trtllm"));
  CHECK(has(sources("{all_to_all: deepep_low_latency}", "{dp: 8, ep: 8}"),
            "deepep_ll deepep dispatch: "));
}

namespace {

// Names stand for files of configs.
const Shipped kNames{.find = [](const std::string& kind, const std::string& name) {
  if (name == "mixtral-8x7" || name == "h100") {
    throw sim::ConfigError("\"" + name + "\" is neither a file nor one of configs/" + kind +
                           "; did you mean another?");
  }
  return std::filesystem::path("configs") / kind / (name + ".yaml");
}};

Scenario named(const std::string& model, const std::string& cluster,
               const std::vector<std::string>& overrides = {}) {
  auto document =
      sim::io::YamlDocument::parse("name: test\nmodel: " + model + "\ncluster: " + cluster +
                                       "\nparallelism: {dp: 8, ep: 8}\n"
                                       "step: {phase: decode, batch_per_rank: 4, context: "
                                       "128}\n",
                                   "x.yaml");
  apply_overrides(document, overrides);
  return read_scenario(document.root(), kNames);
}

std::string wrong(const std::string& model, const std::string& cluster,
                  const std::vector<std::string>& overrides = {}) {
  try {
    named(model, cluster, overrides);
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("models and clusters that ship go by their names") {
  CHECK(named("mixtral-8x7b", "h100-1x8").deployment.model.name == "Mixtral-8x7B");
  CHECK(named("configs/models/mixtral-8x7b.yaml", "h100-1x8").deployment.cluster.ranks() == 8);
  CHECK(named("x", "h100-1x8", {"model=mixtral-8x7b"}).deployment.model.name == "Mixtral-8x7B");
  CHECK(wrong("mixtral-8x7", "h100-1x8") ==
        "x.yaml:2:8: model: \"mixtral-8x7\" is neither a file nor one of configs/models; did you "
        "mean "
        "another?");
  CHECK(
      wrong("mixtral-8x7b", "h100") ==
      "x.yaml:3:10: cluster: \"h100\" is neither a file nor one of configs/clusters; did you mean "
      "another?");
}

TEST_CASE("what --set says of the cluster reaches into its file") {
  const auto bandwidth = [](const Scenario& s) {
    return s.deployment.cluster.scale_up.bandwidth.bytes_per_second();
  };
  CHECK(bandwidth(named("mixtral-8x7b", "h100-1x8", {"cluster.scale_up.bandwidth=100 GB/s"})) ==
        100e9);
  // The same in the scenario itself.
  const Scenario inline_one =
      named("mixtral-8x7b", "{file: h100-1x8, scale_up: {bandwidth: 100 GB/s}}");
  CHECK(bandwidth(inline_one) == 100e9);
  REQUIRE(inline_one.inputs.cluster_changes.size() == 1);
  CHECK(inline_one.inputs.cluster_changes[0].path == "scale_up.bandwidth");
  CHECK(inline_one.inputs.cluster_changes[0].value == "'100 GB/s'");
  const Scenario slow =
      named("mixtral-8x7b", "h100-1x8", {"cluster.faults=[{gpu: 3, speed: 0.5}]"});
  CHECK(slow.deployment.cluster.speed_of(3) == 0.5);
  // Who says it is named: the scenario's line, or the option.
  const std::string inline_wrong =
      wrong("mixtral-8x7b", "{file: h100-1x8, scale_up: {bandwith: 1 GB/s}}");
  CAPTURE(inline_wrong);
  CHECK(inline_wrong ==
        "x.yaml:3:37: cluster.scale_up: unknown key \"bandwith\"; did you mean \"bandwidth\"?");
  CHECK(wrong("mixtral-8x7b", "h100-1x8", {"cluster.scale_up.bandwith=1 GB/s"}) ==
        "--set: cluster.scale_up: unknown key \"bandwith\"; did you mean \"bandwidth\"?");
}

TEST_CASE("ep alone says which dp would do") {
  try {
    scenario("", "{phase: decode, batch_per_rank: 4, context: 128}", "{ep: 8}");
    FAIL("nothing thrown");
  } catch (const sim::ConfigError& error) {
    CHECK(
        std::string(error.what()) ==
        "x.yaml:4:14: parallelism: ep = 8 needs 8 GPUs to spread the experts over, the layout has "
        "1: add dp: 8");
  }
}

TEST_CASE("heads that do not divide over tp are refused before anything is played") {
  try {
    scenario("", "{phase: decode, batch_per_rank: 4, context: 128}", "{tp: 3}");
    FAIL("nothing thrown");
  } catch (const sim::ConfigError& error) {
    CHECK(
        std::string(error.what()) ==
        "x.yaml:4:14: parallelism: 32 heads do not divide over tp = 3 ranks; tp 2 or 1 would do\n"
        "x.yaml:4:14: parallelism: experts of width 14336 do not divide over etp = 3 ranks; etp 2 "
        "or 1 would do");
  }
}

TEST_CASE("a step of more tokens than a machine can route is refused before it is played") {
  // 8,000,000 on each of 8 ranks.
  try {
    scenario("", "{phase: decode, batch_per_rank: 8000000, context: 128}");
    FAIL("nothing thrown");
  } catch (const sim::ConfigError& error) {
    CHECK(
        std::string(error.what()) ==
        "x.yaml:5:7: step: 6.4e+07 tokens in a step over dp = 8 ranks; at most 8388608 are routed");
  }
  CHECK_NOTHROW(scenario("", "{phase: decode, batch_per_rank: 1048576, context: 128}"));
}

TEST_CASE("kernels and skews that there are not are told with their place") {
  const auto told = [](const std::string& lines) {
    try {
      scenario(lines);
    } catch (const sim::ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("nothing thrown");
  };
  CHECK(told("kernels: {moe: foo}")
            .starts_with("x.yaml:6:16: kernels.moe: there is no implementation \"foo\"; those "
                         "known are roofline"));
  CHECK(told("routing: {law: zipf, skew: 99}") ==
        "x.yaml:6:28: routing.skew: expected a number from 0 to 10, not \"99\"");
}
