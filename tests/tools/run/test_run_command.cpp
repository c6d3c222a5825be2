#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/json.h"
#include "tests/support/call_command.h"
#include "tests/support/thrown.h"
#include "tools/moesim/command.h"
#include "workloads/step/phases.h"

namespace moesim::tools {
Command run_command();
Command config_command();
}  // namespace moesim::tools

using namespace moesim;
using moesim::tests::call;
using moesim::tests::Called;
using tools::Arguments;

namespace {

const std::string kMixtral = "configs/scenarios/mixtral-8x7b-decode-h100.yaml";

}  // namespace

TEST_CASE("the JSON of a run has every key that others rely on") {
  const Called output =
      call(tools::run_command(), {{"SCENARIO", {kMixtral}}, {"format", {"json"}}});
  CHECK(output.code == sim::ExitCode::Ok);
  // Nothing but how far it is, where a run takes more than a second.
  CHECK(std::regex_replace(output.err, std::regex("step \\d+ of \\d+\n"), "") == "");
  const auto json = sim::io::parse_json(output.out, "report");
  for (const char* pointer : {"/schema_version",
                              "/scenario/name",
                              "/step_time_us/mean",
                              "/step_time_us/p50",
                              "/step_time_us/p90",
                              "/step_time_us/p99",
                              "/throughput/tokens_per_s",
                              "/throughput/tokens_per_s_per_gpu",
                              "/memory/weights_bytes",
                              "/memory/kv_cache_bytes",
                              "/memory/activations_bytes",
                              "/memory/buffers_bytes",
                              "/memory/context_bytes",
                              "/memory/peak_bytes",
                              "/memory/capacity_bytes",
                              "/memory/fits",
                              "/expert_load/max_over_mean",
                              "/expert_load/normalised_entropy",
                              "/expert_load/dead_experts",
                              "/rank_load/max_over_mean",
                              "/links/0/name",
                              "/links/0/kind",
                              "/links/0/bytes",
                              "/links/0/busy_fraction",
                              "/bottleneck/0/what",
                              "/interval/step_time_us/p10",
                              "/interval/step_time_us/p90",
                              "/provenance/0/origin",
                              "/provenance/0/source",
                              "/manifest/version",
                              "/manifest/seed",
                              "/manifest/command",
                              "/manifest/inputs/0/xxh64"}) {
    CAPTURE(pointer);
    CHECK(json.contains(nlohmann::ordered_json::json_pointer(pointer)));
  }
  for (const std::string_view phase : workloads::kPhaseNames) {
    CAPTURE(phase);
    CHECK(json["phases_us"][std::string(phase)].contains("busy"));
    CHECK(json["phases_us"][std::string(phase)].contains("exposed"));
  }
  CHECK(json["expert_load"]["per_layer"].size() == 32);
}

TEST_CASE("an engine that ships is found by its name, with or without its version") {
  const auto defaults = [](const std::string& engine) {
    const Called output = call(tools::run_command(),
                               {{"SCENARIO", {kMixtral}},
                                {"format", {"json"}},
                                {"set", {"network=bound", "step.count=1", "engine=" + engine}}});
    return sim::io::parse_json(output.out, "report")["defaults"];
  };
  CHECK(defaults("sglang") ==
        nlohmann::ordered_json{"engine sglang: sglang-0.5.6.yaml, the newest of its files"});
  CHECK(defaults("sglang-0.4.6").empty());
  const Called text =
      call(tools::run_command(),
           {{"SCENARIO", {kMixtral}}, {"set", {"network=bound", "step.count=1", "engine=sglang"}}});
  CHECK(text.out.find("  notes\n    engine sglang: sglang-0.5.6.yaml, the newest of its files\n") !=
        std::string::npos);
  const Called config =
      call(tools::config_command(), {{"SCENARIO", {kMixtral}}, {"set", {"engine=sglang"}}});
  CHECK(config.out.find("engine: configs/engines/sglang-0.5.6.yaml ") != std::string::npos);
}

TEST_CASE("the manifest has a hash of every file that the run was made from") {
  // The scenario, its model, cluster, device, the device's fits, and the trace.
  const auto json = nlohmann::ordered_json::parse(
      call(tools::run_command(), {{"SCENARIO", {kMixtral}}, {"format", {"json"}}}).out);
  std::vector<std::string> names;
  for (const auto& input : json["manifest"]["inputs"]) {
    names.push_back(std::filesystem::path(input["path"].get<std::string>()).filename().string());
  }
  CHECK(names == std::vector<std::string>{"mixtral-8x7b-decode-h100.yaml", "mixtral-8x7b.yaml",
                                          "h100-1x8.yaml", "h100.yaml", "h100.fitted.yaml",
                                          "mixtral-like.h5"});
}

TEST_CASE("a run that does not fit says so and ends with the code for infeasible") {
  // 2,000 sequences of 32,768 tokens, 128 KiB a token: 8.6 TB of cache on each GPU.
  const Called output =
      call(tools::run_command(),
           {{"SCENARIO", {kMixtral}},
            {"set", {"step={phase: decode, batch_per_rank: 2000, context: 32768}"}}});
  CHECK(output.code == sim::ExitCode::Infeasible);
  CHECK(output.out.find("DOES NOT FIT") != std::string::npos);
}

TEST_CASE("a report can be written to a file, whole") {
  const auto file = std::filesystem::temp_directory_path() / "moesim-test-report.json";
  const Called output =
      call(tools::run_command(),
           {{"SCENARIO", {kMixtral}}, {"format", {"json"}}, {"output", {file.string()}}});
  CHECK(output.out.empty());
  CHECK(sim::io::read_json(file)["gpus"] == 8);
  std::filesystem::remove(file);
}

TEST_CASE("a report for a folder that is not there is refused and nothing is written") {
  CHECK_THROWS_WITH_AS(
      call(tools::run_command(), {{"SCENARIO", {kMixtral}}, {"output", {"nowhere/report.json"}}}),
      "nowhere/report.json: cannot be written: No such file or directory", sim::Error);
}

TEST_CASE(
    "a fault that cannot be is one mistake, of who said it, and the cluster's file is right") {
  const auto message = [](const std::string& faults) {
    return tests::thrown<sim::ConfigError>([&] {
      (void)call(tools::run_command(),
                 {{"SCENARIO", {kMixtral}}, {"set", {"cluster.faults=" + faults}}});
    });
  };
  CHECK(message("[{node: 3, absent: true}]") ==
        "--set: cluster.faults[0].node: expected a whole number from 0 to 0, not \"3\"");
  CHECK(message("[{gpu: 1, absent: true}, {gpu: 8, absent: true}, {gpu: 9, absent: true}]") ==
        "--set: cluster.faults[1].gpu: expected a whole number from 0 to 7, not \"8\"\n"
        "--set: cluster.faults[2].gpu: expected a whole number from 0 to 7, not \"9\"");
  // What is right of itself, and leaves nothing.
  CHECK(message("[{node: 0, absent: true}]") == "--set: cluster.faults: no device is left");
}

TEST_CASE("config says of every value where it comes from") {
  const Called output =
      call(tools::config_command(), {{"SCENARIO", {kMixtral}}, {"set", {"step.context=512"}}});
  CHECK(output.code == sim::ExitCode::Ok);
  const auto line_of = [&](const std::string& key) {
    const std::size_t at = output.out.find(key);
    return output.out.substr(at, output.out.find('\n', at) - at);
  };
  CHECK(line_of("step.context: 512").ends_with("# --set"));
  CHECK(line_of("parallelism.tp: 1").ends_with("# default"));
  CHECK(line_of("parallelism.ep: 8").ends_with("# " + kMixtral + ":5"));
}

TEST_CASE("a value that stands for several is the origin of each") {
  // `weights` says the format of four parts, `network: fluid` its fidelity, `balancer: eplb` the
  // placement; edp follows from the other dimensions.
  const auto json = nlohmann::ordered_json::parse(
      call(tools::config_command(), {{"SCENARIO", {kMixtral}},
                                     {"format", {"json"}},
                                     {"set", {"precision.weights=fp8", "placement.balancer=eplb"}}})
          .out);
  const auto& origins = json["origins"];
  CHECK(origins["precision.experts"] == "--set");
  CHECK(origins["precision.dense"] == "--set");
  CHECK(origins["precision.other"] == "as the model is stored");
  CHECK(origins["placement.experts"] == "--set");
  CHECK(origins["network.fidelity"] == kMixtral + ":8");
  CHECK(origins["network.tolerance"] == "default");
  CHECK(origins["parallelism.edp"] == "follows");
  CHECK(json["precision"]["experts"] == "fp8");
}

TEST_CASE("a scenario that ships is found by its name") {
  const auto origin = [](const std::string& scenario) {
    return call(tools::config_command(), {{"SCENARIO", {scenario}}}).out;
  };
  CHECK(origin("Mixtral-8x7B-decode-h100") == origin(kMixtral));
}

TEST_CASE("a scenario that is not there is an error that names what may have been meant") {
  // By its name and as the documents write it: one letter is wrong.
  for (const std::string wrong :
       {"llama-2-70b-decode-h10", "configs/scenarios/llama-2-70b-decode-h10.yaml"}) {
    const std::string message =
        "\"" + wrong +
        "\" is neither a file nor one of configs/scenarios; did you mean llama-2-70b-decode-h100?";
    CHECK_THROWS_WITH_AS(call(tools::run_command(), {{"SCENARIO", {wrong}}}), message.c_str(),
                         sim::ConfigError);
    CHECK_THROWS_WITH_AS(call(tools::config_command(), {{"SCENARIO", {wrong}}}), message.c_str(),
                         sim::ConfigError);
  }
  // A folder is no file.
  CHECK_THROWS_WITH_AS(call(tools::run_command(), {{"SCENARIO", {"configs"}}}),
                       "\"configs\" is a folder; expected a file or a name of configs/scenarios",
                       sim::ConfigError);
}

TEST_CASE("what does not fit stood last, under a throughput, with nothing on standard error") {
  // 100 sequences of 32,768 keys of Mixtral: 100 x 32,768 x 131,072 B of cache, 429 GB.
  const Called output = call(
      tools::run_command(),
      {{"SCENARIO", {kMixtral}},
       {"set", {"step={phase: decode, batch_per_rank: 100, context: 32768}", "network=bound"}}});
  CHECK(output.code == sim::ExitCode::Infeasible);
  const std::size_t refused = output.out.find("DOES NOT FIT  needs ");
  REQUIRE(refused != std::string::npos);
  CHECK(refused < output.out.find("  step "));
  CHECK(output.out.find("What follows is what it would be.") < output.out.find("  step "));
  // 85.52 GB less 15 GB of weights and the like hold 16 sequences of 4.295 GB.
  CHECK(
      output.err ==
      "moesim run: does not fit: needs 444.6 GB of 85.52 GB on the fullest GPU: 16 sequences a dp "
      "rank would fit (step.batch_per_rank)\n");
}

TEST_CASE("a title said H100 after the cluster was changed") {
  const Called output = call(
      tools::run_command(), {{"SCENARIO", {kMixtral}},
                             {"set", {"cluster=configs/clusters/h200-1x8.yaml", "network=bound"}}});
  CHECK(output.out.starts_with(
      "Mixtral 8x7B decode on 8 H100, with cluster=configs/clusters/h200-1x8.yaml, network=bound\n"
      "  Mixtral-8x7B on 8 of 8 H200 SXM (dp 8, ep 8): decode, 32 sequences of 2048 keys a dp "
      "rank\n"));
}

TEST_CASE("a run outside what was fitted was silent") {
  const auto run = [](const std::string& change) {
    const Called output =
        call(tools::run_command(), {{"SCENARIO", {kMixtral}},
                                    {"set", {change, "network=bound", "step.count=1"}},
                                    {"format", {"json"}}});
    return sim::io::parse_json(output.out, "report");
  };
  const auto plain = run("seed=1");
  CHECK(plain.at("extrapolated").at("share").get<double>() < 0.05);
  CHECK(plain.at("stand_ins").empty());
  const auto fp4 = run("precision.weights=nvfp4");
  // Projections and experts; the attention core reads its cache in bf16 as before.
  CHECK(fp4.at("extrapolated").at("share").get<double>() > 0.4);
  CHECK(fp4.at("stand_ins").at(0).at("asked") == "trtllm nvfp4");
  // B200 has fits of its own, whose table has no 8 experts of 14336: half of the step is theirs.
  const double b200 =
      run("cluster=configs/clusters/b200-1x8.yaml").at("extrapolated").at("share").get<double>();
  CHECK(b200 > 0.4);
  CHECK(b200 < 0.6);
  // TensorRT-LLM's time to the digit, and SGLang's: who answered is told.
  CHECK(run("kernels.moe=deepgemm").at("stand_ins").at(0).at("asked") == "deepgemm bf16");
  CHECK(run("kernels.moe=vllm").at("stand_ins").empty());
}

TEST_CASE("an .svg draws a schedule of training, and nothing else") {
  CHECK_THROWS_WITH_AS(
      call(tools::run_command(),
           {{"SCENARIO", {kMixtral}}, {"timeline", {"never.svg"}}, {"format", {"text"}}}),
      "--timeline: an .svg draws the schedule of a step of training; .json would do here",
      sim::ConfigError);
}
