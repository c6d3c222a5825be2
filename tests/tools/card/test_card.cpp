#include "tests/support/call_command.h"
#include "tools/moesim/card/card.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/shipped.h"
#include "workloads/run.h"
#include "workloads/training/training_report.h"

using namespace moesim;
using namespace moesim::tools;
using sim::io::Json;

namespace {

std::string printed(tests::Values values) {
  const tests::Called called = tests::call(card_command(), std::move(values));
  CHECK(called.code == sim::ExitCode::Ok);
  CHECK(called.err.empty());
  return called.out;
}

Json card_of(const std::string& model) {
  return Json::parse(printed({{"MODEL", {model}}, {"format", {"json"}}}));
}

}  // namespace

TEST_CASE("memory of a training scenario is what its run plans, rank by rank") {
  const std::string file = "configs/scenarios/mixtral-8x7b-training-h100.yaml";
  const tests::Called called =
      tests::call(memory_command(), {{"FILE", {file}}, {"format", {"json"}}});
  CHECK(called.code == sim::ExitCode::Ok);
  const Json answer = Json::parse(called.out);
  const auto ranks = workloads::run(workloads::load_scenario(file, {}, shipped())).training->memory;
  REQUIRE(answer["stages"].size() == ranks.size());
  std::int64_t most = 0;
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    CHECK(answer["stages"][r]["peak_bytes"] == ranks[r].memory.peak());
    most = std::max(most, ranks[r].memory.peak());
  }
  CHECK(answer["memory"]["peak_bytes"] == most);
  const tests::Called text = tests::call(memory_command(), {{"FILE", {file}}});
  CHECK(text.out.starts_with("Mixtral-8x7B on H100"));
  CHECK(text.out.find("training: the fullest GPU (stage ") != std::string::npos);
}

TEST_CASE("a checkpoint's folder is the model of its config, and gives it its name") {
  const tests::TemporaryFolder folder;
  const auto checkpoint = folder.path() / "OLMoE-1B-7B";
  std::filesystem::create_directory(checkpoint);
  std::filesystem::copy_file("tests/workloads/model/hugging_face/configs/olmoe.json",
                             checkpoint / "config.json");
  const Json card = card_of(checkpoint.string());
  CHECK(card["model"] == "OLMoE-1B-7B");
  CHECK(card["total_params"] == card_of("olmoe-1b-7b")["total_params"]);
}

TEST_CASE("a model goes by its hub id, whatever the case of its letters") {
  CHECK(card_of("Qwen/Qwen3-32B")["model"] == "Qwen3-32B");
  CHECK(card_of("deepseek-ai/deepseek-r1")["model"] == "DeepSeek-V3");
}

TEST_CASE("the card of Mixtral 8x7B has the figures that people look for") {
  const Json card = card_of("mixtral-8x7b");
  CHECK(card["total_params"] == 46'702'792'704);
  CHECK(card["active_params"] == 12'879'925'248);
  CHECK(card["experts"] == 8);
  CHECK(card["top_k"] == 2);
  CHECK(card["shared_experts"] == 0);
  CHECK(card["kv_bytes_per_token"] == 131'072);
  CHECK(card["weight_bytes"]["bf16"] == 93'405'585'408);
  // 2 x (active less the embedding's 131,072,000 and the norms' 266,240) of weights, and attention
  // over 1024 keys: 32 layers x 2 x 1024 x 32 x 256.
  const std::int64_t weights = 2 * (12'879'925'248 - 131'072'000 - 266'240);
  CHECK(card["flops_per_token"]["decode"] == weights + 32LL * 2 * 1024 * 32 * 256);
}

TEST_CASE("DeepSeek-V3 caches 70.27 KB a token and has 671 B parameters of which 36.6 B work") {
  const Json card = card_of("DeepSeek-V3");
  CHECK(card["kv_bytes_per_token"] == 70'272);
  CHECK(card["total_params"] == 671'026'404'352 + 14'848);
  CHECK(card["shared_experts"] == 1);
  CHECK(card["params"]["prediction_modules"] > 11'000'000'000);
}

TEST_CASE("every model that ships has a card, and its parts sum to its total") {
  for (const auto& entry : std::filesystem::directory_iterator(shipped_folder("models"))) {
    if (entry.path().extension() != ".yaml") continue;
    CAPTURE(entry.path().string());
    const Json card = Json::parse(
        printed({{"MODEL", {entry.path().string()}}, {"device", {"h200"}}, {"format", {"json"}}}));
    std::int64_t sum = 0;
    for (const auto& [name, value] : card["params"].items()) {
      if (name == "total" || name == "active" || name == "idle_experts" ||
          name == "prediction_modules")
        continue;
      sum += value.get<std::int64_t>();
    }
    CHECK(sum == card["params"]["total"].get<std::int64_t>());
    CHECK(card["memory"].size() == 1);
    CHECK(card["memory"][0]["gpus"] > 0);
    if (card["memory"][0]["gpus"] > 0) {
      CHECK(card["memory"][0]["peak_bytes"] <= card["memory"][0]["capacity_bytes"]);
      CHECK(card["memory"][0]["headroom_bytes"].get<std::int64_t>() ==
            card["memory"][0]["capacity_bytes"].get<std::int64_t>() -
                card["memory"][0]["peak_bytes"].get<std::int64_t>());
    }
  }
}

TEST_CASE("fewer bits never need more GPUs") {
  const Json card = Json::parse(printed({{"MODEL", {"deepseek-v3"}},
                                         {"precision", {"bf16", "fp8_block", "nvfp4"}},
                                         {"device", {"h200"}},
                                         {"format", {"json"}}}));
  REQUIRE(card["memory"].size() == 3);
  CHECK(card["memory"][0]["gpus"] >= card["memory"][1]["gpus"]);
  CHECK(card["memory"][1]["gpus"] >= card["memory"][2]["gpus"]);
}

TEST_CASE("two models stand side by side, as text and as Markdown") {
  const std::string text = printed({{"MODEL", {"mixtral-8x7b", "llama-2-70b"}}});
  CHECK(text.find("total parameters") < text.find("46.7 B"));
  CHECK(text.find("46.7 B") < text.find("68.98 B"));
  const std::string markdown =
      printed({{"MODEL", {"mixtral-8x7b", "llama-2-70b"}}, {"format", {"markdown"}}});
  CHECK(markdown.find("| total parameters | 46.7 B | 68.98 B |") != std::string::npos);
  CHECK(markdown.find("|  | Mixtral-8x7B | Llama-2-70B |\n| --- | --- | --- |\n") == 0);
  const Json both =
      Json::parse(printed({{"MODEL", {"mixtral-8x7b", "llama-2-70b"}}, {"format", {"json"}}}));
  CHECK(both["models"].size() == 2);
}

TEST_CASE("a model that is not there is an error that names what may have been meant") {
  CHECK_THROWS_WITH_AS(
      printed({{"MODEL", {"mixtral-8x7"}}}),
      "\"mixtral-8x7\" is neither a file nor one of configs/models; did you mean mixtral-8x7b?",
      sim::ConfigError);
  CHECK_THROWS_WITH_AS(printed({{"MODEL", {"deepseek"}}}),
                       "\"deepseek\" is neither a file nor one of configs/models; did you mean "
                       "deepseek-v2 or deepseek-v2-lite or deepseek-v3?",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(printed({{"MODEL", {"nothing-like-it"}}}),
                       "\"nothing-like-it\" is neither a file nor one of configs/models",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(printed({{"MODEL", {"llama-2-70b"}}, {"context", {"5000"}}}),
                       "--context: Llama-2-70B takes at most 4096 tokens, not 5000",
                       sim::ConfigError);
}

TEST_CASE("GPUs are looked for by layouts that the engine can start") {
  // 93 GB of Mixtral take two H100: its experts over both, or where an engine has none of that,
  // divided over them.
  const tests::TemporaryFolder folder;
  const std::string engine =
      folder.file("e-1.0.yaml", "name: E\nsource: test\nrules: {ep: 1}\n").string();
  const auto card = [&](std::map<std::string, std::vector<std::string>> more) {
    more.insert({{"MODEL", {"mixtral-8x7b"}}, {"device", {"h100"}}, {"format", {"text"}}});
    return printed(std::move(more));
  };
  CHECK(card({}).find("TP2 EP2") != std::string::npos);
  CHECK(card({{"engine", {"vllm"}}}).find("TP2 EP2") != std::string::npos);
  CHECK(card({{"engine", {engine}}}).find("EP2") == std::string::npos);
  CHECK_THROWS_WITH_AS(card({{"engine", {"vlm"}}}),
                       "\"vlm\" is neither a file nor one of configs/engines; did you mean vllm?",
                       sim::ConfigError);
}

TEST_CASE("memory takes names, and an engine of one's own does not hide those that ship") {
  const tests::TemporaryFolder folder;
  folder.file("engines/mine-1.0.yaml",
              "name: Mine\nsource: test\nmemory: {fraction: 0.5, of: card, block: 16}\n");
  const auto asked = [&](const std::string& engine) {
    const auto plan =
        folder.file("plan.yaml", "model: mixtral-8x7b\ndevice: h100\nengine: " + engine +
                                     "\nparallelism: {tp: 4}\nserving: {context: 4096}\n");
    setenv("MOESIM_CONFIGS", folder.path().c_str(), 1);
    const tests::Called called =
        tests::call(memory_command(), {{"FILE", {plan.string()}}, {"format", {"json"}}});
    unsetenv("MOESIM_CONFIGS");
    return std::string(Json::parse(called.out)["engine"]["name"]);
  };
  CHECK(asked("mine") == "Mine");
  CHECK(asked("VLLM") == "vLLM 0.19");
  CHECK(asked("sglang-0.5.6") == "SGLang 0.5.6");
  CHECK(
      tests::thrown<sim::ConfigError>([&] { asked("min"); }) ==
      (folder.path() / "plan.yaml").string() +
          ":3:9: engine: \"min\" is neither a file nor one of configs/engines; did you mean mine?");
  unsetenv("MOESIM_CONFIGS");
}
