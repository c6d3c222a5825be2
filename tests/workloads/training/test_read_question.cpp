#include "workloads/training/read_question.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "workloads/scenario.h"
#include "workloads/training/step_time.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

// Mixtral on 64 H100, but for what is given.
Scenario scenario(const std::string& training,
                  const std::string& parallelism = "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}",
                  const std::string& lines = "", const std::string& model = "mixtral-8x7b") {
  auto document =
      sim::io::YamlDocument::parse("name: test\nmodel: configs/models/" + model +
                                       ".yaml\ncluster: configs/clusters/h100-8x8.yaml\n"
                                       "parallelism: " +
                                       parallelism + "\ntraining: {" + training + "}\n" + lines,
                                   "x.yaml");
  return read_scenario(document.root());
}

std::string error_of(const std::string& training,
                     const std::string& parallelism = "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}",
                     const std::string& lines = "", const std::string& model = "mixtral-8x7b") {
  return tests::thrown<sim::ConfigError>(
      [&] { (void)scenario(training, parallelism, lines, model); });
}

constexpr const char* kBatch = "sequence: 4096, global_batch: 256";
std::string with(const std::string& more) {
  return std::string(kBatch) + ", " + more;
}

}  // namespace

TEST_CASE("a number of stages that is none is one mistake, with and without a layout") {
  CHECK(error_of(with("schedule: interleaved, virtual_stages: 9v"))
            .find("training.virtual_stages: ") != std::string::npos);
  CHECK(error_of(with("schedule: interleaved, virtual_stages: 9v, layout: \"Et|tL\""))
            .find("training.virtual_stages: ") != std::string::npos);
  CHECK(error_of(with("schedule: interleaved, virtual_stages: 0")).find('\n') == std::string::npos);
}

TEST_CASE("what a question of training leaves open is as Megatron-Core has it") {
  const TrainingQuestion q = *scenario(kBatch).training();
  CHECK(q.micro_batches(4) == 64);
  CHECK(q.schedule == ScheduleName::OneFOneB);
  CHECK(q.sharding == Sharding::Optimizer);
  CHECK_FALSE(q.overlap.gradients);
  CHECK(q.accumulate_bytes == 4);
  CHECK(q.draws == 8);
  CHECK_FALSE(q.brief);
  // What Transformer Engine takes on Hopper, unless it is told otherwise.
  CHECK(q.attention == hardware::TrainingCore::CuDnn);
  CHECK(scenario(with("attention: flash_attention_3")).training()->attention ==
        hardware::TrainingCore::FlashAttention3);
  REQUIRE(q.stages.size() == 4);
  CHECK(q.stages[0] == StageContent{.embedding = true, .layers = 8});
  CHECK(q.stages[3] == StageContent{.first_layer = 24, .layers = 8, .loss = true});
}

TEST_CASE("every key of training is read, and told as it is used") {
  const Scenario s = scenario(
      with("micro_batch: 2, schedule: interleaved, virtual_stages: 2, layout: 'Et*4|(t*4|)*6t*4L', "
           "sharding: weights, sharding_group: 2, recompute: [moe_act, layernorm], "
           "gradients: {accumulate: bf16, reduce: bf16, bucket: 1000}, "
           "optimizer: {kind: adam, master: fp32, moments: bf16, parameters: fp32}, "
           "context: all_to_all, capacity: {factor: 1.5, pad: true, drop: probability}, "
           "overlap: {gradients: true, parameters: true, tensor: true}, "
           "attention: cudnn, clocks: brief, draws: 3, mfu_precision: fp8, run: {tokens: 1e12, "
           "checkpoint: "
           "{every: optimal, "
           "blocks: 30 s}, failures: {gpu_mtbf: 50000 h, detect: 5 min, restart: 10 min}}"));
  CHECK(to_json(*s.training()).dump() ==
        R"({"sequence":4096,"micro_batch":2,"global_batch":256,"schedule":"interleaved",)"
        R"("virtual_stages":2,"layout":"Et*4|(t*4|)*6t*4L","prediction":0,"sharding":"weights",)"
        R"("sharding_group":2,"recompute":["moe_act","layernorm"],)"
        R"("gradients":{"accumulate":"bf16","reduce":"bf16","bucket":1000},)"
        R"("optimizer":{"kind":"adam","master":"fp32","moments":"bf16","parameters":"fp32"},)"
        R"("context":"all_to_all","capacity":{"factor":1.5,"pad":true},"attention":"cudnn",)"
        R"("clocks":"brief",)"
        R"("overlap":{"gradients":true,"parameters":true,"tensor":true,"expert":false,)"
        R"("delay_weight_gradients":false,"shared_expert":false},"draws":3,"mfu_precision":"fp8",)"
        R"("run":{"tokens":1000000000000.0,"checkpoint_blocks_s":30.0,"gpu_mtbf_s":180000000.0,)"
        R"("detect_s":300.0,"restart_s":600.0}})");
  CHECK(resolved(s)["training"]["draws"] == 3);
}

TEST_CASE("a capacity that is not filled up says who is dropped, and exchanges what they hold") {
  const auto told = [](const std::string& keys, const std::string& lines = "") {
    return to_json(*scenario(with(keys), "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}", lines).training());
  };
  CHECK(told("capacity: {factor: 1, pad: false}").at("capacity").dump() ==
        R"({"factor":1.0,"pad":false,"drop":"probability"})");
  CHECK(told("capacity: {factor: 1, pad: false, drop: position}").at("capacity").at("drop") ==
        "position");
  CHECK_FALSE(told("draws: 1").contains("exchange_sms"));
  CHECK(told("exchange_sms: 24", "kernels: {all_to_all: deepep_normal}\n").at("exchange_sms") ==
        24);
}

TEST_CASE("what is late is read, and told where something is") {
  const auto told = [](const std::string& keys) {
    return to_json(*scenario(with(keys)).training());
  };
  CHECK_FALSE(told("draws: 1").contains("jitter"));
  CHECK_FALSE(told("jitter: {kernel: 0}").contains("jitter"));
  CHECK(told("jitter: {kernel: 0.03}").at("jitter").dump() == R"({"kernel":0.03,"steps":1000})");
  CHECK(told("jitter: {stalls: {every: 1000, takes: 3}, steps: 50}").at("jitter").dump() ==
        R"({"kernel":0.0,"steps":50,"stalls":{"every":1000.0,"takes":3.0}})");
  CHECK(error_of(with("jitter: {}")) ==
        "x.yaml:5:55: training.jitter: says of nothing that it is late: kernel: 0.03, or stalls: "
        "{every: 1000, takes: 3}");
  CHECK(error_of(with("jitter: {kernel: 3%}")) ==
        "x.yaml:5:64: training.jitter.kernel: expected a number from 0 to 1, not \"3%\"");
  CHECK(error_of(with("jitter: {kernel: 2}")) ==
        "x.yaml:5:64: training.jitter.kernel: expected a number from 0 to 1, not \"2\"");
  CHECK(error_of(with("jitter: {kernel: 0.1, steps: 0}")) ==
        "x.yaml:5:76: training.jitter.steps: expected a whole number from 1 to 1000000, not \"0\"");
  CHECK(error_of(with("jitter: {stalls: {every: 1000}}")) ==
        "x.yaml:5:64: training.jitter.stalls: key \"takes\" is missing");
  CHECK(error_of(with("jitter: {sigma: 0.1}")) ==
        "x.yaml:5:56: training.jitter: unknown key \"sigma\"; known are kernel, stalls, steps");
}

TEST_CASE("all draws are those of a trace") {
  const std::string mapping = "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}";
  const std::string trace = "trace: configs/traces/mixtral-like.h5";
  const Scenario all =
      scenario(with("draws: all"), mapping, "routing: {" + trace + ", tokens: exact}\n");
  CHECK(all.training()->draws == kAllDraws);
  CHECK(to_json(*all.training()).at("draws") == "all");
  CHECK(error_of(with("draws: all")) ==
        "x.yaml:5:11: training: draws: all is of a trace: what a law or loads by rank draw has no "
        "end: draws: 64 would do");
  CHECK(error_of(with("draws: all"), mapping, "routing: {" + trace + ", tokens: repeat}\n") ==
        "x.yaml:5:11: training: draws: all: what is resampled or repeated has no end: draws: 64, "
        "or routing.tokens: exact, would do");
  CHECK(error_of(with("draws: none")) ==
        "x.yaml:5:54: training.draws: expected a whole number from 1 to 1048576, not \"none\"");
}

TEST_CASE("failures that a run does not tell are its cluster's, where its file says so") {
  const auto run = [](const std::string& keys, const std::string& reliability) {
    auto document = sim::io::YamlDocument::parse(
        "name: test\nmodel: configs/models/mixtral-8x7b.yaml\n"
        "cluster: {file: configs/clusters/h100-8x8.yaml" +
            reliability +
            "}\nparallelism: {tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}\n"
            "training: {sequence: 4096, global_batch: 256, run: {tokens: 1e12" +
            keys + "}}\n",
        "x.yaml");
    return *read_scenario(document.root()).training()->run;
  };
  const std::string ours = ", reliability: {gpu_hours: 900, restart: 36 s, source: our log}";
  CHECK(run("", "").gpu_mtbf_s == 0);
  CHECK(run("", "").failures_source.empty());
  const RunPlan stated = run(", checkpoint: {every: optimal, blocks: 30 s}", ours);
  CHECK(stated.gpu_mtbf_s == 900 * 3600.0);
  CHECK(stated.restart_s == doctest::Approx(36));
  CHECK(stated.detect_s == 0);
  CHECK(stated.failures_source == "cluster h100-8x8: our log");
  // What the scenario says goes before.
  const RunPlan own = run(", failures: {gpu_mtbf: 50000 h}", ours);
  CHECK(own.gpu_mtbf_s == 50000 * 3600.0);
  CHECK(own.restart_s == 0);
  CHECK(own.failures_source.empty());
  // What the file leaves out is somebody else's, and said to be.
  CHECK(run("", ", reliability: {gpu_hours: 900}").failures_source ==
        std::string("cluster h100-8x8; restart of ") + hardware::kReliabilitySource);
}

TEST_CASE("a run with failures and no checkpoint has one that is assumed, and else what is told") {
  const auto run = [](const std::string& keys) {
    return *scenario(with("run: {tokens: 1e12" + keys + "}")).training()->run;
  };
  const std::string failures = ", failures: {gpu_mtbf: 50000 h}";
  CHECK(run(failures).assumed_detect);
  CHECK(run(failures).assumed_restart);
  const RunPlan detected = run(", failures: {gpu_mtbf: 50000 h, detect: 0 s}");
  CHECK_FALSE(detected.assumed_detect);
  CHECK(detected.assumed_restart);
  CHECK_FALSE(run("").assumed_detect);
  CHECK(run(failures).assumed_checkpoint);
  CHECK(run(failures).blocks_s == 30);
  CHECK_FALSE(run(failures).every_s);
  CHECK_FALSE(run("").assumed_checkpoint);
  CHECK(run("").blocks_s == 0);
  const RunPlan told = run(failures + ", checkpoint: {every: 10 min, blocks: 0 s}");
  CHECK_FALSE(told.assumed_checkpoint);
  CHECK(told.every_s == 600);
  CHECK(told.blocks_s == 0);
  // What is not given is no number.
  CHECK(to_json(*scenario(with("run: {tokens: 1e12}")).training()).at("run").dump() ==
        R"({"tokens":1000000000000.0})");
}

TEST_CASE("a run of no tokens, and times that are none or endless, are refused in their places") {
  const auto error = [](const std::string& run) { return error_of(with("run: {" + run + "}")); };
  const auto wrong = [](int column, const std::string& key, const std::string& text) {
    return "x.yaml:5:" + std::to_string(column) + ": training.run." + key + ": expected a time " +
           (text[0] == '0' ? "above zero " : "") + "with a unit, such as 50000 h, not \"" + text +
           "\"";
  };
  CHECK(error("tokens: 0").starts_with("x.yaml:5:61: training.run.tokens: expected "));
  CHECK(error("failures: {gpu_mtbf: 0 h}") == wrong(74, "failures.gpu_mtbf", "0 h"));
  CHECK(error("failures: {gpu_mtbf: inf h}") == wrong(74, "failures.gpu_mtbf", "inf h"));
  CHECK(error("failures: {gpu_mtbf: 1e300 d}") == wrong(74, "failures.gpu_mtbf", "1e300 d"));
  CHECK(error("checkpoint: {every: 0 s, blocks: 30 s}") == wrong(73, "checkpoint.every", "0 s"));
  CHECK(error("checkpoint: {every: inf h, blocks: 30 s}") ==
        wrong(73, "checkpoint.every", "inf h"));
  CHECK(error("checkpoint: {every: nan s, blocks: 30 s}") ==
        wrong(73, "checkpoint.every", "nan s"));
  CHECK(error("checkpoint: {every: 30 s, blocks: 30 s}") ==
        "x.yaml:5:73: training.run.checkpoint.every: a checkpoint that blocks as long as its "
        "interval leaves no time for steps");
  CHECK(error("checkpoint: {blocks: 0 s}, failures: {gpu_mtbf: 50000 h}") ==
        "x.yaml:5:65: training.run.checkpoint: a checkpoint that does not block has no best "
        "interval: give every, such as 30 min");
  CHECK(error("failures: {gpu_mtbf: 50000 h, restart: inf min}") ==
        "x.yaml:5:92: training.run.failures.restart: expected a time with a unit, such as 50000 h, "
        "not \"inf min\"");
}

TEST_CASE("a scenario asks one thing") {
  CHECK(
      error_of(kBatch, "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}",
               "step: {phase: decode, batch_per_rank: 1, context: 8}\n") ==
      "x.yaml:5:11: training: a scenario asks one thing: leave out training, or step and serving");
}

TEST_CASE("MFU is over a peak that the device has") {
  CHECK(error_of(with("mfu_precision: nvfp4")) ==
        "x.yaml:5:62: training.mfu_precision: H100 SXM has no peak in nvfp4: one of fp64, fp32, "
        "tf32, bf16, fp16, fp8, fp8_block, int8 would do");
  CHECK(scenario(with("mfu_precision: fp8_block")).training()->mfu_precision ==
        hardware::Precision::FP8Block);
  CHECK(scenario(kBatch).training()->mfu_precision == hardware::Precision::BF16);
}

TEST_CASE("mistakes in the keys of training are told with their places") {
  CHECK(error_of(with("shedule: gpipe")) ==
        "x.yaml:5:47: training: unknown key \"shedule\"; did you mean \"schedule\"?");
  CHECK(error_of(with("schedule: 2f2b")) ==
        "x.yaml:5:57: training.schedule: expected one of none, gpipe, 1f1b, interleaved, zb_h1, "
        "zb_v, dualpipe, dualpipe_v, not \"2f2b\"");
  CHECK(error_of(with("clocks: slow")) ==
        "x.yaml:5:55: training.clocks: expected one of sustained, brief, not \"slow\"");
  CHECK(error_of(with("prediction: 1")) ==
        "x.yaml:5:59: training.prediction: Mixtral-8x7B has 0 prediction layers");
  CHECK(
      error_of(with("run: {failures: {gpu_mtbf: 50000}}")) ==
      "x.yaml:5:74: training.run.failures.gpu_mtbf: expected a time with a unit, such as 50000 h, "
      "not \"50000\"");
  CHECK(error_of(with("run: {checkpoint: {blocks: 30 s}}")) ==
        "x.yaml:5:65: training.run.checkpoint: without failures there is no best interval: give "
        "every, such as 30 min");
}

TEST_CASE("layouts that are not the model's are refused, with the layout's place") {
  CHECK(error_of(with("layout: 'Et|t|tL'")) ==
        "x.yaml:5:55: training.layout: 4 stages (pipeline ranks times virtual stages), not 3; "
        "32 layers \"t\", as the model has, not 3");
  CHECK(error_of(with("layout: 'Et|x'")) ==
        "x.yaml:5:55: training.layout: column 4: expected E, t, m, L, | or a group, not \"x\"");
  CHECK(error_of(with("layout: 'Et*8|t*8|t*8|t*8L', account_for: [loss]")) ==
        "x.yaml:5:89: training.account_for: layout says which layers a stage has: leave out "
        "account_for");
  CHECK(error_of(with("schedule: interleaved, virtual_stages: 9")) ==
        "x.yaml:5:11: training: 36 stages for 32 layers: 32 or fewer pipeline ranks times virtual "
        "stages would do, or a layout with empty stages");
}

TEST_CASE("what a schedule cannot do is told with what would do") {
  CHECK(error_of("sequence: 4096, global_batch: 258") ==
        "x.yaml:5:11: training: global_batch: 258 sequences are no whole number of micro-batches "
        "of 1 on 4 dp ranks: a multiple of 4 would do");
  CHECK(error_of("sequence: 4098, global_batch: 256") ==
        "x.yaml:5:11: training: sequence: 4098 tokens do not divide over tp x cp = 4 ranks");
  // Of 8 ranks each has the k-th and the k-th last of 16 pieces; 8,200 are 8 x 1,025.
  CHECK(error_of("sequence: 8200, global_batch: 256", "{cp: 8, dp: 8, ep: 8}") ==
        "x.yaml:5:11: training: sequence: 8200 tokens do not divide into the 2 x cp = 16 pieces "
        "that ranks take of a causal mask: a multiple of 16 would do");
  CHECK(error_of(with("schedule: none")) ==
        "x.yaml:5:11: training: schedule: none is of one stage, not of pp = 4: 1f1b would do");
  CHECK(error_of("sequence: 4096, global_batch: 24, schedule: dualpipe") ==
        "x.yaml:5:11: training: schedule: dualpipe needs at least 8 micro-batches, two for each "
        "pipeline rank, not 6");
  CHECK(error_of(with("virtual_stages: 2")) ==
        "x.yaml:5:11: training: schedule: virtual_stages is for the schedule interleaved; 1f1b has "
        "its own number of chunks");
  CHECK(
      error_of(with("overlap: {expert: true}")) ==
      "x.yaml:5:11: training: schedule: overlap.expert weaves a forward and a backward pass, which "
      "1f1b has none of at one time: interleaved, dualpipe and dualpipe_v do");
  CHECK(error_of(with("schedule: interleaved, virtual_stages: 2, recompute: [moe], "
                      "overlap: {expert: true}")) ==
        "x.yaml:5:11: training: overlap.expert cannot recompute full or moe, which exchange again: "
        "recompute: [moe_act, layernorm] would do");
  CHECK(error_of(with("overlap: {delay_weight_gradients: true}")) ==
        "x.yaml:5:11: training: overlap.delay_weight_gradients is a part of overlap.expert: set "
        "both");
  CHECK(error_of(with("exchange_sms: 24")) ==
        "x.yaml:5:11: training: exchange_sms: kernels of nccl hold as many multiprocessors as they "
        "need: kernels: {all_to_all: deepep_normal} or hybrid_ep would take 24");
  CHECK(error_of(with("exchange_sms: 132")) ==
        "x.yaml:5:61: training.exchange_sms: expected a whole number from 1 to 131, not \"132\"");
  CHECK(error_of(with("sharding_group: 3")) ==
        "x.yaml:5:11: training: sharding_group: 3 does not divide dp x cp = 4 ranks");
  CHECK(error_of(with("sharding_group: 2, sharding: none")) ==
        "x.yaml:5:11: training: sharding_group is of ranks that share, and sharding: none shares "
        "nothing: leave it out");
  for (const std::string sharding : {"gradients", "weights"})
    CHECK(
        error_of(with("sharding_group: 1, sharding: " + sharding)) ==
        "x.yaml:5:11: training: sharding_group: a group of 1 shares nothing: sharding: none would "
        "do");
  CHECK(error_of(with("overlap: {shared_expert: true}")) ==
        "x.yaml:5:11: training: overlap.shared_expert: Mixtral-8x7B has no shared experts");
  CHECK(error_of(with("optimizer: {parameters: fp8}")) ==
        "x.yaml:5:11: training: optimizer.parameters: fp8 is of products in 8 bits, and these are "
        "in 16: bf16 would do");
}

TEST_CASE("DualPipe weaves its passes unless it is told that it does not") {
  const auto overlap = [](const std::string& more) {
    return scenario("sequence: 4096, global_batch: 256, " + more).training()->overlap;
  };
  CHECK_FALSE(overlap("schedule: 1f1b").expert);
  for (const std::string schedule : {"schedule: dualpipe", "schedule: dualpipe_v"}) {
    CHECK(overlap(schedule).expert);
    CHECK_FALSE(overlap(schedule + ", overlap: {expert: false}").expert);
  }
  // Without experts there is no exchange of tokens to hide.
  CHECK_FALSE(scenario("sequence: 4096, global_batch: 256, schedule: dualpipe",
                       "{tp: 4, pp: 4, dp: 4}", "", "llama-3-70b")
                  .training()
                  ->overlap.expert);
  CHECK(error_of(with("schedule: dualpipe, recompute: [full]")) ==
        "x.yaml:5:11: training: overlap.expert cannot recompute full or moe, which exchange again: "
        "recompute: [moe_act, layernorm], or overlap: {expert: false}, would do");
}

TEST_CASE("what is recomputed must be there") {
  const auto lacks = [](const std::string& module, const std::string& what,
                        const std::string& model = "mixtral-8x7b",
                        const std::string& layout = "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}") {
    return error_of(with("recompute: [" + module + "]"), layout, "", model) ==
           "x.yaml:5:11: training: recompute: " + module + ": " + what + ": leave it out";
  };
  CHECK(lacks("mlp", "Mixtral-8x7B has no dense feed-forward layers"));
  CHECK(lacks("shared_experts", "Mixtral-8x7B has no shared experts"));
  CHECK(lacks("mla_up_proj", "Mixtral-8x7B has no latent attention"));
  const std::string dense = "{tp: 4, pp: 4, dp: 4}";
  CHECK(lacks("moe", "Llama-3-70B has no experts", "llama-3-70b", dense));
  CHECK(lacks("moe_act", "Llama-3-70B has no experts", "llama-3-70b", dense));
  // What is there is taken.
  CHECK(scenario(with("recompute: [moe, core_attn, moe_act]")).training()->recompute.core_attn);
  CHECK(scenario(with("recompute: [mlp]"), dense, "", "llama-3-70b").training()->recompute.mlp);
  CHECK(scenario(with("recompute: [mla_up_proj, mlp, shared_experts]"), "{dp: 64, ep: 64}", "",
                 "moonlight-16b-a3b")
            .training()
            ->recompute.shared_experts);
}

TEST_CASE("interleaved takes as many micro-batches chunk by chunk as it is told") {
  const auto asked = [](const std::string& more) {
    return with("schedule: interleaved, virtual_stages: 2" + more);
  };
  const auto group = [&](const std::string& more) {
    const Scenario s = scenario(asked(more));
    return shape_of(*s.training(), s.deployment.layout).group;
  };
  CHECK(group("") == 0);
  CHECK(group(", micro_batch_group: 8") == 8);
  CHECK(to_json(*scenario(asked(", micro_batch_group: 8")).training())["micro_batch_group"] == 8);
  CHECK(error_of(asked(", micro_batch_group: 2")) ==
        "x.yaml:5:11: training: schedule: interleaved takes at least as many micro-batches at once "
        "as there are ranks: 4, not 2");
  CHECK(error_of(with("micro_batch_group: 8")) ==
        "x.yaml:5:11: training: micro_batch_group is of interleaved, which takes so many "
        "micro-batches chunk by chunk: leave it out");
}

TEST_CASE("kernels of training are named as its own, and others are refused") {
  const std::string layout = "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}";
  const auto kernels = [&](const std::string& names, const std::string& more = "") {
    return scenario(kBatch + more, layout, "kernels: {" + names + "}\n");
  };
  const auto refused = [&](const std::string& names, const std::string& more = "") {
    return error_of(kBatch + more, layout, "kernels: {" + names + "}\n");
  };
  const Scenario own = kernels("moe: transformer_engine, attention: flash_attention_3");
  CHECK(own.training()->attention == hardware::TrainingCore::FlashAttention3);
  CHECK(own.deployment.kernels.attention.empty());
  CHECK(own.deployment.kernels.moe.empty());
  CHECK(kernels("attention: cudnn", ", attention: cudnn").training()->attention ==
        hardware::TrainingCore::CuDnn);
  CHECK(refused("attention: cudnn", ", attention: flash_attention_3") ==
        "x.yaml:5:58: training.attention: kernels.attention says cudnn: leave one of them out");
  for (const std::string name : {"sglang", "roofline", "deepgemm"}) {
    CHECK(refused("moe: " + name) ==
          "x.yaml:6:16: kernels.moe: training computes experts as a product each, by the kernels "
          "of kernels.gemm: leave it out, or transformer_engine, not \"" +
              name + "\"");
  }
  CHECK(refused("attention: vllm") ==
        "x.yaml:6:22: kernels.attention: attention is trained by flash_attention_3 or cudnn or "
        "flash_attention_2 (training.attention), not \"vllm\"");
  CHECK(refused("gemm: cudnn").starts_with("x.yaml:6:17: kernels.gemm: there is no "));
  // 4,096 tokens of a sequence over tp 4 are 1,024 of a rank; DeepEP's low latency has room for
  // 256.
  CHECK(refused("all_to_all: deepep_low_latency")
            .find("all_to_all: deepep_low_latency takes 256 tokens of a rank at most, not 1024: "
                  "deepep_normal would do") != std::string::npos);
  // Megatron-Core's names of exchanges.
  CHECK(kernels("all_to_all: allgather").deployment.tokens ==
        hardware::MulticastAlgorithm::AllGather);
  CHECK(kernels("all_to_all: hybridep").deployment.tokens ==
        hardware::MulticastAlgorithm::HybridEp);
}

TEST_CASE("the host of a job launches every kernel, unless it is told otherwise") {
  const auto host = [](const std::string& lines) {
    return scenario(kBatch, "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}", lines).deployment.host;
  };
  CHECK(host("").graphs == Graphs::None);
  CHECK(host("").per_operation > sim::Duration{});
  CHECK(host("host: {graphs: all}\n").graphs == Graphs::All);
  CHECK_THROWS_WITH(host("host: {graphs: decode}\n"),
                    doctest::Contains("graphs: decode is of serving: none, all or a list of attn"));
  const Host own = host("host: {per_operation: 7 us, graphs: [attn, moe_router]}\n");
  CHECK(own.per_operation == sim::Duration(7'000'000));
  CHECK(own.graphs == Graphs::None);
  CHECK(own.is_recorded(GraphScope::Attention));
  CHECK(own.is_recorded(GraphScope::Router));
  CHECK_FALSE(own.is_recorded(GraphScope::Preprocess));
  CHECK(error_of(kBatch, "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}", "host: {graphs: [experts]}\n") ==
        "x.yaml:6:17: host.graphs[0]: expected one of attn, mlp, moe_router, moe_preprocess, "
        "shared_experts, not \"experts\"");
  const auto served = [](const std::string& asked) {
    auto document = sim::io::YamlDocument::parse(
        "name: test\nmodel: configs/models/mixtral-8x7b.yaml\ncluster: "
        "configs/clusters/h100-1x8.yaml\nparallelism: {tp: 8}\nstep: {phase: decode, "
        "batch_per_rank: 1, context: 10}\nhost: " +
            asked + "\n",
        "x.yaml");
    return tests::thrown<sim::ConfigError>([&] { (void)read_scenario(document.root()); });
  };
  CHECK(served("{per_operation: 7 us}") ==
        "x.yaml:6:7: host: per_operation is of training: leave it out");
  CHECK(served("{graphs: [attn]}") ==
        "x.yaml:6:7: host: a list of graphs is of training: none, decode or all would do");
}

TEST_CASE("the parts of a run whose routing drifts are told in order") {
  const auto run = [](const std::string& parts) {
    return error_of(with("run: {routing: [" + parts + "]}"));
  };
  CHECK(run("{from: 10%, trace: a.h5}") ==
        "x.yaml:5:70: training.run.routing[0].from: the first part of a run is from 0");
  CHECK(run("{from: 0, trace: a.h5}, {from: 0%, trace: b.h5}") ==
        "x.yaml:5:94: training.run.routing[1].from: parts of a run are told in order, each from "
        "later on");
  CHECK(run("{from: 120%, trace: a.h5}") ==
        "x.yaml:5:70: training.run.routing[0].from: expected a part of the run, such as 20%, not "
        "\"120%\"");
  CHECK(run("") ==
        "x.yaml:5:62: training.run.routing: expected at least one part: {from: 0, trace: "
        "early.h5}");
  CHECK(error_of(
            with("capacity: {factor: 1, pad: true}, run: {routing: [{from: 0, trace: a.h5}]}")) ==
        "x.yaml:5:11: training: run.routing: without experts, or with a capacity that is filled "
        "up, the routing makes no step longer: leave it out");
}

TEST_CASE("what is no part of training is refused") {
  CHECK(error_of(kBatch, "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}", "overlap: {two_batch: true}\n") ==
        "x.yaml:6:10: overlap: training has its own: training.overlap.expert, shared_expert");
  CHECK(error_of(kBatch, "{tp: 4, pp: 4, dp: 4, ep: 8, etp: 1, order: tp-cp-dp-ep-pp}") ==
        "x.yaml:4:14: parallelism: training plays one expert group for all, which has to be a "
        "stage's first ranks: not so in the order tp-cp-dp-ep-pp; tp-cp-ep-dp-pp would do");
  CHECK(error_of("sequence: 512, global_batch: 256", "{pp: 2, dp: 4}", "", "t5-base") ==
        "x.yaml:4:14: parallelism: T5-Base has an encoder, which is trained in one stage, by whole "
        "sequences: pp 1 and cp 1 would do, not 2 and 1");
  CHECK(error_of(kBatch, "{tp: 1, dp: 8}", "precision: {experts: int4}\n") ==
        "x.yaml:6:12: precision: products in int4 have no backward pass here: precision: {weights: "
        "bf16} would do");
}
