// Runs without a scenario's file, and the file that they mean.
#include "tests/support/call_command.h"
#include "tools/moesim/described_scenario.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/command.h"
#include "tools/moesim/shipped.h"
#include "workloads/scenario.h"

namespace moesim::tools {
Command run_command();
Command init_command();
Command list_command();
}  // namespace moesim::tools

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::call;
using moesim::tests::Called;
using moesim::tests::thrown;
using moesim::tests::Values;
using nlohmann::ordered_json;

namespace {

std::string wrong(const Command& command, const Values& values) {
  return thrown<sim::ConfigError>([&] { call(command, values); });
}

}  // namespace

TEST_CASE("what was not said is announced, a line each, and is among the report's defaults") {
  const Called output = call(run_command(), {{"model", {"mixtral-8x7b"}},
                                             {"cluster", {"h100:1x8"}},
                                             {"batch", {"16"}},
                                             {"set", {"network=bound"}},
                                             {"format", {"json"}}});
  CHECK(output.code == sim::ExitCode::Ok);
  CHECK(
      output.err ==
      "default: parallelism tp 1, dp 8, ep 8: the experts over all GPUs, the least tp that fits "
      "(--layout)\n"
      "default: routing trace mixtral-like: made up, of this model's shape (--set routing=…)\n"
      "default: phase decode: a step that gives every sequence a token (--phase)\n"
      "default: context 4096: keys that each of them sees (--context)\n"
      "default: precision weights bf16, experts bf16, activations bf16, cache bf16: as the model "
      "is stored (--set precision.weights=fp8)\n"
      "default: kernels trtllm for GEMM, trtllm for experts, trtllm for attention, nccl for tokens "
      "to experts: --engine has its own (--set kernels.all_to_all=…)\n");
  const auto json = ordered_json::parse(output.out);
  REQUIRE(json["defaults"].size() == 6);
  CHECK("default: " + json["defaults"][3].get<std::string>() ==
        "default: context 4096: keys that each of them sees (--context)");
  CHECK(json["manifest"]["command"] ==
        "moesim run --model mixtral-8x7b --cluster h100:1x8 --batch 16 --set network=bound");
  CHECK(json["title"] == "mixtral-8x7b decode on h100:1x8, with network=bound");
  CHECK(json["scenario"]["parallelism"]["ep"] == 8);
  CHECK(json["scenario"]["step"]["batch_per_rank"] == 16);
}

TEST_CASE("the file that init writes is the scenario that the same options run") {
  const tests::TemporaryFolder folder;
  for (const Values& options :
       {Values{{"model", {"mixtral-8x7b"}}, {"cluster", {"h100:2x8"}}, {"context", {"1024"}}},
        Values{{"model", {"llama-2-70b"}}, {"cluster", {"h200-1x8"}}, {"phase", {"prefill"}}},
        Values{{"model", {"qwen3-30b-a3b"}}, {"engine", {"vllm-0.19"}}, {"layout", {"tp2"}}}}) {
    const auto file = folder.path() / (options.at("model")[0] + ".yaml");
    Values init = options;
    init["output"] = {file.string()};
    const Called written = call(init_command(), init);
    CHECK(written.out == "");
    CHECK(written.err.find("default: ") == 0);
    Values by_file{{"SCENARIO", {file.string()}}, {"set", {"network=bound"}}, {"format", {"json"}}};
    Values by_words = options;
    by_words["set"] = {"network=bound"};
    by_words["format"] = {"json"};
    auto a = ordered_json::parse(call(run_command(), by_file).out);
    auto b = ordered_json::parse(call(run_command(), by_words).out);
    for (auto* json : {&a, &b}) {
      json->erase("defaults");  // of the file all is said
      json->erase("manifest");
    }
    CHECK(a == b);
    // It replaces nothing.
    CHECK(wrong(init_command(), init) ==
          file.string() + ": is there already, and init replaces nothing");
  }
}

TEST_CASE("a file of init has a comment beside what was chosen") {
  const Called output = call(init_command(), {{"model", {"mixtral-8x7b"}}});
  CHECK(output.out.find("# Made by: moesim init --model mixtral-8x7b\n") == 0);
  CHECK(output.out.find("\nmodel: mixtral-8x7b ") != std::string::npos);
  CHECK(output.out.find("# moesim list models\n") != std::string::npos);
  CHECK(output.out.find("parallelism: {tp: 1, dp: 8, ep: 8} ") != std::string::npos);
  CHECK(output.out.find("routing: {trace: mixtral-like} ") != std::string::npos);
  CHECK(output.out.find("step:\n  phase: decode ") != std::string::npos);
  CHECK(output.out.find("  batch_per_rank: 32 ") != std::string::npos);
}

TEST_CASE("a layout is said in part or whole, and what follows from the cluster is told") {
  const auto layout = [&](const std::string& text) {
    const Called output = call(run_command(), {{"model", {"mixtral-8x7b"}},
                                               {"cluster", {"h100:1x8"}},
                                               {"layout", {text}},
                                               {"set", {"network=bound"}},
                                               {"format", {"json"}}});
    auto p = ordered_json::parse(output.out)["scenario"]["parallelism"];
    std::string sizes;
    for (const char* key : {"tp", "dp", "ep", "etp"}) sizes += key + p[key].dump();
    return std::pair(sizes, output.err.substr(0, output.err.find('\n')));
  };
  CHECK(layout("tp2") == std::pair<std::string, std::string>{
                             "tp2dp4ep8etp1",
                             "default: parallelism dp 4, ep 8: over all GPUs of the cluster "
                             "(--layout)"});
  // All of it is said: the first line is the routing's.
  CHECK(layout("tp1-dp8-ep4").first == "tp1dp8ep4etp1");
  CHECK(layout("tp1-dp8-ep4").second.starts_with("default: routing "));
}

TEST_CASE("what cannot be meant is refused, with what would do") {
  const Command run = run_command();
  CHECK(wrong(run, {}) ==
        "say a scenario (moesim list scenarios), or --model and --cluster, such as --model "
        "deepseek-v3 --cluster h100:16x8");
  CHECK(wrong(run, {{"SCENARIO", {"x.yaml"}}, {"batch", {"8"}}}) ==
        "x.yaml: a scenario says all of it: leave out --batch 8, or change it with --set");
  const auto with = [&](const std::string& option, const std::string& value) {
    return wrong(run, {{"model", {"mixtral-8x7b"}}, {option, {value}}});
  };
  CHECK(with("tokens", "64") ==
        "--tokens: belongs to --phase prefill; decode has --batch and --context");
  CHECK(wrong(run, {{"model", {"mixtral-8x7b"}}, {"phase", {"prefill"}}, {"context", {"64"}}}) ==
        "--context: belongs to --phase decode; prefill has --tokens and --prompt");
  CHECK(with("batch", "many") ==
        "--batch: expected a whole number from 1 to 67108864, not \"many\"");
  CHECK(with("set", "parallelism.tp=2") ==
        "--set parallelism.tp=2: without a scenario's file the layout is said by --layout, such as "
        "--layout tp1-dp8-ep8");
  const std::string sizes =
      "; expected sizes such as tp1-dp128-ep128, of tp, pp, cp, dp, ep and etp";
  CHECK(with("layout", "tp") == "--layout tp: \"tp\" is no size" + sizes);
  CHECK(with("layout", "tp0") == "--layout tp0: \"tp0\" is no size" + sizes);
  CHECK(with("layout", "zp2") == "--layout zp2: there is no \"zp\"" + sizes);
  CHECK(with("layout", "tp2-tp4") == "--layout tp2-tp4: \"tp\" is said twice" + sizes);
  CHECK(with("layout", "tp3") == "--layout tp3: tp x pp x cp = 3 does not divide 8 GPUs" + sizes);
  CHECK(with("cluster", "h100:2x4") ==
        "--cluster: cluster: \"h100:2x4\": nodes of clusters of h100 have 8 GPUs, such as "
        "h100:2x8");
  CHECK(with("cluster", "h10:1x8") ==
        "--cluster: cluster: \"h10:1x8\": no cluster of \"h10\" is known (moesim list clusters)");
  CHECK(with("cluster", "h100") ==
        "--cluster: cluster: \"h100\" is neither a file nor one of configs/clusters; did you mean "
        "h100:1x8 (device : nodes x GPUs a node)?");
  CHECK(with("cluster", "h100:1x99999999") ==
        "--cluster: cluster: \"h100:1x99999999\": expected nodes and GPUs a node of at most 7 "
        "digits");
  CHECK(wrong(run, {{"model", {""}}}) ==
        "--model: expected a name or a file, not \"\"; moesim list models");
  CHECK(with("cluster", "l40s:2x8") ==
        "--cluster: cluster: \"l40s:2x8\": clusters of l40s have one node");
  CHECK(wrong(run, {{"model", {"mixtral-8x7"}}}) ==
        "--model: model: \"mixtral-8x7\" is neither a file nor one of configs/models; did you mean "
        "mixtral-8x7b?");
}

TEST_CASE("so many nodes of a cluster are those of one that ships, under a name of their own") {
  const auto cluster = [](const std::string& text) {
    const auto json = ordered_json::parse(
        call(run_command(), {{"model", {"mixtral-8x7b"}},
                             {"cluster", {text}},
                             {"set", {"network=bound", "routing={law: balanced}"}},
                             {"format", {"json"}}})
            .out);
    return std::pair(json["gpus"].get<int>(), json["scenario"]["cluster"].get<std::string>());
  };
  CHECK(cluster("h100:1x8") == std::pair<int, std::string>{8, "configs/clusters/h100-1x8.yaml"});
  // No cluster of three nodes ships: the largest with as many GPUs a node, resized.
  CHECK(cluster("h100:3x8") == std::pair<int, std::string>{24, "configs/clusters/h100-128x8.yaml"});
  CHECK(cluster("H800:2x8").second == "configs/clusters/h800-2x8.yaml");
}

TEST_CASE("a device is found by its name, in a cluster's file and where it is changed") {
  const tests::TemporaryFolder folder;
  std::ifstream in(find_config("clusters", "h100-1x8"));
  std::ostringstream text;
  text << in.rdbuf();
  std::string named = text.str();
  const std::size_t at = named.find("device:");
  named.replace(at, named.find('\n', at) - at, "device: h200");
  const auto run_with = [&](const std::string& set) {
    const Called output = call(run_command(), {{"SCENARIO", {"mixtral-8x7b-decode-h100"}},
                                               {"set", {set, "network=bound", "step.count=1"}},
                                               {"format", {"json"}}});
    return ordered_json::parse(output.out)["step_time_us"]["mean"].get<double>();
  };
  const double of_path = run_with("cluster.device=" + find_config("devices", "h200").string());
  CHECK(run_with("cluster.device=h200") == of_path);
  CHECK(run_with("cluster=" + folder.file("mine.yaml", named).string()) == of_path);
  CHECK(thrown<sim::ConfigError>([&] {
          run_with("cluster.device=h2000");
        }).find("; did you mean h200?") != std::string::npos);
}

TEST_CASE("a checkpoint that was downloaded is found by its id") {
  const tests::TemporaryFolder hub;
  const std::string folder = "hub/models--someone--Own-Model/";
  hub.file(folder + "refs/main", "abc123\n");
  hub.file(folder + "snapshots/abc123/config.json",
           R"({"model_type": "mixtral", "architectures": ["MixtralForCausalLM"],
  "hidden_size": 4096, "vocab_size": 32000, "num_hidden_layers": 4, "num_attention_heads": 32,
  "num_key_value_heads": 8, "intermediate_size": 14336, "num_local_experts": 8,
  "num_experts_per_tok": 2, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "max_position_embeddings": 32768, "rms_norm_eps": 1e-5, "hidden_act": "silu"})");
  hub.file(folder + "snapshots/0ld/config.json", "{}");
  setenv("HF_HOME", hub.path().c_str(), 1);
  const Called found =
      call(run_command(),
           {{"model", {"someone/Own-Model"}}, {"set", {"network=bound"}}, {"format", {"json"}}});
  const std::string message = wrong(run_command(), {{"model", {"someone/Else"}}});
  unsetenv("HF_HOME");
  CHECK(ordered_json::parse(found.out)["expert_load"]["per_layer"].size() == 4);
  CHECK(message ==
        "--model: model: \"someone/Else\" is neither a file nor one of configs/models, "
        "nor a checkpoint in " +
            (hub.path() / "hub/models--someone--Else").string() +
            " (hf download someone/Else config.json would bring it)");
}

TEST_CASE("configurations are found in each folder of MOESIM_CONFIGS, the first that has them") {
  const tests::TemporaryFolder first, second;
  std::ostringstream model;
  model << std::ifstream("configs/models/mixtral-8x7b.yaml").rdbuf();
  second.file("models/mine.yaml", model.str());
  setenv("MOESIM_CONFIGS", (first.path().string() + ":" + second.path().string()).c_str(), 1);
  const Called found = call(list_command(), {{"KIND", {"models"}}, {"TEXT", {"mine"}}});
  unsetenv("MOESIM_CONFIGS");
  CHECK(found.out.starts_with(
      "mine  Mixtral-8x7B: 46.7 B parameters, 12.9 B active, 2 of 8 experts"));
  CHECK(found.out.find((second.path() / "models/mine.yaml").string()) != std::string::npos);
}

TEST_CASE("a list has a line for each thing of its kind, and says what is wrong with one") {
  for (const char* kind : {"models", "clusters", "devices", "engines", "scenarios", "traces"}) {
    CAPTURE(kind);
    const Called output = call(list_command(), {{"KIND", {kind}}, {"format", {"json"}}});
    const auto json = ordered_json::parse(output.out);
    CHECK(json[kind].size() > 2);
    for (const auto& entry : json[kind]) {
      CHECK(entry["what"].get<std::string>().find("cannot be read") == std::string::npos);
      CHECK(std::filesystem::is_regular_file(entry["file"].get<std::string>()));
    }
  }
  const Called traces = call(list_command(), {{"KIND", {"traces"}}, {"TEXT", {"MIXTRAL"}}});
  CHECK(
      traces.out ==
      "mixtral-like  8192 tokens, 32 MoE layers, 2 of 8 experts  configs/traces/mixtral-like.h5\n");
  const Called device = call(list_command(), {{"KIND", {"devices"}}, {"TEXT", {"h200"}}});
  CHECK(
      device.out ==
      "h200           H200 SXM: 143771 MiB, 4.8 TB/s        configs/devices/h200.yaml\n"
      "h200.measured  h200.measured: 143155 MiB, 4800 GB/s  configs/devices/h200.measured.yaml\n");
  const Called none = call(list_command(), {{"KIND", {"traces"}}, {"TEXT", {"nothing"}}});
  CHECK(none.out == "");
  CHECK(none.err == "moesim list: no traces with \"nothing\"\n");
  CHECK(wrong(list_command(), {{"KIND", {"modles"}}}) ==
        "list: expected one of models, clusters, devices, engines, scenarios, traces, not "
        "\"modles\"; did you mean \"models\"?");
}
