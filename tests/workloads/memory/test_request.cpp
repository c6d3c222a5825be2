// Questions of memory as YAML.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "workloads/memory/request.h"
#include "workloads/model/counts.h"

using namespace moesim;
using namespace moesim::workloads;
using sim::io::Json;
using sim::io::YamlDocument;

namespace {

Json asked(const std::string& text) {
  const YamlDocument document = YamlDocument::parse(text, "plan.yaml");
  const MemoryRequest request = read_memory_request(document.root());
  document.throw_errors();
  return answer(request);
}

const std::string kPlan =
    "model: configs/models/mixtral-8x7b.yaml\n"
    "device: configs/devices/h100.yaml\n";

std::string message_of(const std::string& text) {
  try {
    asked(text);
  } catch (const sim::ConfigError& error) {
    return error.what();
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("the parts of every stage sum to its peak") {
  const Json serving =
      asked(kPlan + "parallelism: {dp: 8, ep: 8}\nserving: {sequences: 32, context: 2048}\n");
  const Json& m = serving["memory"];
  std::int64_t sum = 0;
  for (const char* part : {"weights_bytes", "kv_cache_bytes", "activations_bytes", "buffers_bytes",
                           "graphs_bytes", "context_bytes"}) {
    sum += m[part].get<std::int64_t>();
  }
  CHECK(m["peak_bytes"] == sum);
  CHECK(m["fits"] == true);
  CHECK(serving["largest_batch_per_dp_rank"] > 32);

  const Json training =
      asked(kPlan + "parallelism: {tp: 2, pp: 2, dp: 2, ep: 4}\ntraining: {microbatches: 8}\n");
  REQUIRE(training["stages"].size() == 2);
  for (const Json& stage : training["stages"]) {
    std::int64_t parts = 0;
    for (const char* part :
         {"weights_bytes", "gradients_bytes", "optimizer_bytes", "activations_bytes",
          "temporaries_bytes", "buffers_bytes", "context_bytes"}) {
      parts += stage[part].get<std::int64_t>();
    }
    CHECK(stage["peak_bytes"] == parts);
  }
  CHECK(training["stages"][0]["activations_bytes"] > training["stages"][1]["activations_bytes"]);
}

TEST_CASE("ranks of a sharding group hold its parts once more than all of them would") {
  // dp 8 with one expert's replica each: dense parameters over two ranks take four times what they
  // take over eight; experts, which no replica shares, are whole either way.
  const auto optimizer = [](const std::string& group) {
    return asked(kPlan + "parallelism: {dp: 8, ep: 8}\ntraining: {" + group +
                 "}\n")["stages"][0]["optimizer_bytes"]
        .get<double>();
  };
  const ModelParams p = count_params(load_model("configs/models/mixtral-8x7b.yaml"));
  const double dense = 12 * static_cast<double>(p.total() - p.experts);
  CHECK(optimizer("sharding_group: 2") - optimizer("") == doctest::Approx(dense * (0.5 - 0.125)));
  CHECK(optimizer("sharding_group: 8") == optimizer(""));
  CHECK(message_of(kPlan + "parallelism: {dp: 8, ep: 8}\ntraining: {sharding_group: 3}\n") ==
        "plan.yaml:4:28: training.sharding_group: 3 does not divide dp x cp = 8 ranks");
}

TEST_CASE("a memory question knows every algorithm that a scenario does") {
  // Mixtral's rows have 4096 numbers: a slot of HybridEP's buffers is 2 x 4096 + 128 x 12 + 128 x 4
  // + 8 = 10,248 B. 16 multiprocessors are 8 channels of 256 slots and 20 B for each of 8 GPUs:
  // 167.9 MB, in pages of 2 MiB 81. NCCL's all-to-all takes 7 peers x 2 x 4 MiB.
  const auto buffers = [](const std::string& algorithm) {
    const Json plan =
        asked(kPlan +
              "parallelism: {dp: 8, ep: 8}\nserving: {sequences: 32, context: 2048, all_to_all: " +
              algorithm + "}\n");
    return plan["memory"]["buffers_bytes"].get<std::int64_t>();
  };
  CHECK(buffers("hybrid_ep") == 81 * 2'097'152);
  CHECK(buffers("nccl") == 7 * 8 * 1'048'576);
  CHECK(buffers("all_gather") > buffers("nccl"));
  CHECK(message_of(kPlan + "parallelism: {dp: 8, ep: 8}\nserving: {all_to_all: pplx}\n") ==
        "plan.yaml:4:23: serving.all_to_all: expected one of nccl, all_gather, deepep_normal, "
        "hybrid_ep, deepep_low_latency, not \"pplx\"");
}

TEST_CASE("a question that is wrong is refused with its place") {
  CHECK(message_of(kPlan) == "plan.yaml:1:1: expected exactly one of training and serving");
  CHECK(message_of(kPlan + "training: {microbatch: 8}\n") ==
        "plan.yaml:3:12: training: unknown key \"microbatch\"; did you mean \"micro_batch\"?");
  CHECK(message_of(kPlan + "parallelism: {ep: 3}\nserving: {}\n")
            .find("plan.yaml:3:14: parallelism: ") == 0);
  CHECK(
      message_of(kPlan + "keep_layers: 40\nserving: {}\n")
          .find("plan.yaml:3:14: keep_layers: expected a whole number from 1 to 32, not \"40\"") ==
      0);
}

TEST_CASE("a layout that no engine can start is refused") {
  // 32 heads over three ranks, experts of 14,336 likewise.
  CHECK(
      message_of(kPlan + "parallelism: {tp: 3}\nserving: {sequences: 1, context: 1024}\n") ==
      "plan.yaml:3:14: parallelism: 32 heads do not divide over tp = 3 ranks; tp 2 or 1 would do\n"
      "plan.yaml:3:14: parallelism: experts of width 14336 do not divide over etp = 3 ranks; etp 2 "
      "or 1 would do");
  CHECK(
      message_of(kPlan + "parallelism: {dp: 3, ep: 3}\nserving: {sequences: 1, context: 1024}\n") ==
      "plan.yaml:3:14: parallelism: 8 experts and 0 redundant ones do not divide over ep = 3 "
      "ranks; "
      "1 redundant ones would do");
  CHECK(message_of(kPlan + "parallelism: {pp: 33}\nserving: {sequences: 1, context: 1024}\n") ==
        "plan.yaml:3:14: parallelism: pp = 33 stages for 32 layers");
  // Eight key heads on sixteen ranks are replicated.
  CHECK(message_of(kPlan + "parallelism: {tp: 16}\nserving: {sequences: 1, context: 1024}\n") ==
        "nothing thrown");
}

TEST_CASE("groups of Mamba are divided whole, and one is on every rank") {
  const auto text = [](const char* model, const char* tp) {
    return fmt::format(
        "model: {}\ndevice: configs/devices/h200.yaml\n"
        "parallelism: {{tp: {}}}\nserving: {{sequences: 1, context: 1024}}\n",
        model, tp);
  };
  const char* const nemotron = "configs/models/nemotron-3-nano-30b-a3b.yaml";
  CHECK(message_of(text(nemotron, "8")) == "nothing thrown");
  CHECK(message_of(text(nemotron, "16")) ==
        "plan.yaml:3:14: parallelism: 8 groups of Mamba do not divide over tp = 16 ranks; tp 8 or "
        "4 would do");
  // Granite 4 H Small: 36 layers of 4096 x 2 x 128 numbers of B and C in 16 bits.
  const char* const granite = "tests/workloads/model/hugging_face/configs/granite-4.0-h-small.json";
  const auto attention = [&](const char* tp) {
    return asked(text(granite, tp))["memory"]["attention_bytes"].get<double>();
  };
  const ModelSpec model = load_model(granite);
  const MambaMixer& mamba = std::get<MambaMixer>(model.kinds.front().mixer);
  CHECK(mamba.groups == 1);
  const LayerParams layer = layer_params(model.kinds.front(), model.hidden);
  CHECK(layer.mixer.replicated == 4096 * 2 * 128);
  CHECK(attention("2") * 2 > attention("1") + 36 * 2.0 * 4096 * 2 * 128);
}

TEST_CASE("one mistake of a question of memory is told once, at its place") {
  CHECK(message_of(kPlan + "parallelism: {tp: -1}\nserving: {context: 1024}\n") ==
        "plan.yaml:3:19: parallelism.tp: expected a whole number from 1 to 1048576, not \"-1\"");
  CHECK(message_of("model: nowhere.json\ndevice: configs/devices/h200.yaml\nserving: {}\n")
            .find("plan.yaml:1:8: model: ") == 0);
  CHECK(message_of(kPlan + "engine: configs/engines/vllm-0.19.yaml\nserving: {context: 1000000}\n")
            .find("serving.context: ") != std::string::npos);
}

TEST_CASE("more than an exabyte a GPU is told, not counted") {
  CHECK(message_of(kPlan + "serving: {sequences: 1099511627776, context: 32768}\n")
            .find("memory: a GPU would hold more than an exabyte") == 0);
}

TEST_CASE("quantisation blocks that a layout cuts are told with their padding") {
  // 14,336 / 64 = 224 = 1.75 blocks of 128: 256.
  const Json cut = asked(kPlan +
                         "parallelism: {tp: 1, dp: 64, etp: 64}\n"
                         "serving: {weights: fp8_block, sequences: 1, context: 1024}\n");
  CHECK(cut["notes"] ==
        Json::array(
            {"experts of width 14336 over etp = 64 are 224 wide on a rank, no whole number of "
             "fp8_block's blocks of 128: engines refuse it or pad it to 256, 14 % more"}));
  CHECK(asked(kPlan + "serving: {weights: fp8_block, sequences: 1, context: 1024}\n")["notes"]
            .empty());
}

TEST_CASE("an engine is asked whether it starts, in its own words") {
  const Json answer =
      asked(kPlan +
            "engine: configs/engines/vllm-0.19.yaml\nprecision: {weights: fp8, kv_cache: fp8}\n"
            "parallelism: {tp: 4}\nserving: {fraction: 0.85, context: 8192, sequences: 64}\n");
  const Json& engine = answer["engine"];
  CHECK(engine["name"] == "vLLM 0.19");
  CHECK(engine["starts"] == true);
  CHECK(answer["memory"]["fits"] == true);
  CHECK(engine["fraction"] == 0.85);
  CHECK(engine["step_tokens"] == 8192);
  CHECK(engine["largest_batch_per_dp_rank"] == 64);
  // What the fraction holds are the parts.
  const Json& m = answer["memory"];
  CHECK(engine["budget_bytes"].get<std::int64_t>() == m["peak_bytes"].get<std::int64_t>());
  CHECK(m["kv_cache_bytes"] == engine["for_cache_bytes"]);
  CHECK(engine["log"] == "GPU KV cache size: " + engine["cache_tokens"].dump() + " tokens");
  CHECK(engine["flags"][0] == "--tensor-parallel-size 4");
  // Weights in other formats part by part, as a run has them.
  const Json mixed = asked(
      kPlan +
      "precision: {weights: fp8, experts: mxfp4}\nparallelism: {tp: 4}\nserving: {context: 8}\n");
  const Json fp8 = asked(kPlan + "parallelism: {tp: 4}\nserving: {weights: fp8, context: 8}\n");
  CHECK(mixed["memory"]["experts_bytes"] < fp8["memory"]["experts_bytes"]);
  CHECK(mixed["memory"]["attention_bytes"] == fp8["memory"]["attention_bytes"]);
}

TEST_CASE("an engine's options start it where the model's own context has no room") {
  const auto flags = [](const char* serving) {
    return asked(
        "model: configs/models/mixtral-8x7b.yaml\ndevice: configs/devices/h200.yaml\n"
        "engine: configs/engines/vllm-0.19.yaml\nserving: {" +
        std::string(serving) + "}\n")["engine"];
  };
  const auto says = [](const Json& engine, const std::string& flag) {
    return std::ranges::find(engine["flags"], Json(flag)) != engine["flags"].end();
  };
  // 32,768 tokens of 131,072 B are 4.3 GB beside 93.4 GB of weights: at 0.65 of 150.8 GB they have
  // no room.
  const Json narrow = flags("fraction: 0.65");
  CHECK(narrow["starts"] == true);
  CHECK(narrow["largest_context"].get<std::int64_t>() < 32'768);
  CHECK(says(narrow, "--max-model-len " + narrow["largest_context"].dump()));
  // What was asked for is said; where the model's own has room, vLLM takes it unsaid.
  CHECK(says(flags("fraction: 0.65, context: 1024"), "--max-model-len 1024"));
  CHECK(flags("fraction: 0.9")["flags"].dump().find("--max-model-len") == std::string::npos);
}

TEST_CASE("what an engine's options lack is told") {
  const auto notes = [](const char* layout) {
    return asked(kPlan + "engine: configs/engines/vllm-0.19.yaml\nparallelism: {" + layout +
                 "}\nserving: {context: 1024}\n")["notes"];
  };
  CHECK(
      notes("tp: 2, cp: 2, etp: 4") ==
      Json::array({"vLLM 0.19's file has no option for cp = 2: the options are those of cp = 1"}));
  CHECK(notes("tp: 4").empty());
}

TEST_CASE("a model or a scenario is told from a question of memory, once") {
  CHECK(message_of("model_type: mixtral\nhidden_size: 4096\nvocab_size: 32000\n") ==
        "plan.yaml:1:1: is a model, which `moesim card` tells of; a question of memory names one: "
        "{model: FILE, device: h200, serving: {context: 4096}}");
  CHECK(message_of("model: m.yaml\ncluster: h100-1x8\nnetwork: bound\nstep: {}\n")
            .starts_with("plan.yaml:1:1: is a scenario, whose memory `moesim run` reports; "));
}

TEST_CASE("what only an engine is asked, or is said twice, is refused with its place") {
  CHECK(message_of(kPlan + "serving: {fraction: 0.9}\n") ==
        "plan.yaml:3:21: serving.fraction: is asked of an engine: give engine: vllm, say");
  CHECK(message_of(kPlan +
                   "engine: configs/engines/vllm-0.19.yaml\nserving: {weights_loaded: 0 GiB}\n") ==
        "plan.yaml:4:27: serving.weights_loaded: expected what a GPU loads, such as 14.96 GiB");
  CHECK(message_of(kPlan + "engine: vllm\nserving: {context: 8}\n") ==
        "plan.yaml:3:9: engine: vllm: cannot be read: No such file or directory");
  CHECK(message_of(kPlan + "precision: {weights: fp8}\nserving: {weights: fp8}\n") ==
        "plan.yaml:4:20: serving.weights: is said by precision: leave out one of the two");
  CHECK(message_of(kPlan + "engine: configs/engines/vllm-0.19.yaml\ntraining: {}\n") ==
        "plan.yaml:3:9: engine: is of serving: what training keeps has its own keys");
  CHECK(
      message_of(kPlan + "engine: configs/engines/vllm-0.19.yaml\n"
                         "parallelism: {tp: 2, dp: 4, ep: 4, etp: 2}\nserving: {context: 8}\n") ==
      "plan.yaml:4:14: parallelism: ep = 4: vLLM 0.19 starts 1 or tp * dp = 8 (rules of its file)");
  CHECK(message_of(kPlan + "training: {virtual_stages: 4}\n") ==
        "plan.yaml:3:28: training.virtual_stages: is of schedule: interleaved: leave it out");
  CHECK(message_of(kPlan + "training: {schedule: interleaved}\n") ==
        "plan.yaml:3:22: training.schedule: interleaved needs virtual_stages: 2 or more");
  CHECK(message_of(kPlan + "training: {recompute: [mlp]}\n") ==
        "plan.yaml:3:23: training.recompute: mlp: Mixtral-8x7B has no dense feed-forward layers: "
        "leave it out");
  CHECK(message_of(kPlan + "training: {trainer: deepspeed}\n") ==
        "plan.yaml:3:21: training.trainer: expected one of megatron, torchtitan, not "
        "\"deepspeed\"");
}
