// An engine's file: each part read, each mistake told whole, and what a step does not play.
#include <doctest/doctest.h>

#include <string>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "workloads/deployment/engine.h"
#include "workloads/deployment/read.h"
#include "workloads/run.h"
#include "workloads/scenario.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace moesim::workloads;

namespace {

const std::string kHead = "name: An engine 1.0\nsource: made for a test\n";

Engine engine(const std::string& parts) {
  const tests::TemporaryFolder folder;
  return load_engine(folder.file("an-engine-1.0.yaml", kHead + parts));
}

// What is wrong, without the folder's name before each line.
std::string mistakes(const std::string& text) {
  const tests::TemporaryFolder folder;
  try {
    (void)load_engine(folder.file("e-1.yaml", text));
  } catch (const sim::ConfigError& error) {
    std::string told = error.what();
    const std::string before = folder.path().string() + "/";
    for (std::size_t at = told.find(before); at != std::string::npos; at = told.find(before)) {
      told.erase(at, before.size());
    }
    return told;
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("an engine's file may say nothing but whose it is and where that is from") {
  const Engine e = engine("");
  CHECK(e.name == "An engine 1.0");
  CHECK(e.source == "made for a test");
  CHECK(e.file.filename() == "an-engine-1.0.yaml");
  CHECK(e.kernels.on("hopper").kernels.gemm.empty());
  CHECK_FALSE(e.composition.quantisation);
  CHECK_FALSE(e.graphs);
  CHECK_FALSE(e.memory);
  CHECK_FALSE(e.scheduler);
  CHECK(e.rules.empty());
  CHECK(notes_of(e).empty());
}

TEST_CASE("an engine's file says whose it is and where that is from") {
  CHECK(mistakes("host: {per_step: 1 ms}\n") ==
        "e-1.yaml:1:1: key \"name\" is missing\ne-1.yaml:1:1: key \"source\" is missing");
  CHECK(mistakes(kHead + "shedule: {tokens: 1}\n") ==
        "e-1.yaml:3:1: unknown key \"shedule\"; did you mean \"scheduler\"?");
}

TEST_CASE("kernels and host of an engine are read") {
  const Engine e = engine(
      "kernels: {gemm: vllm, moe: flashinfer, attention: flash_attention_3, all_reduce: vllm, "
      "all_to_all: deepep_low_latency, on: {blackwell: {moe: trtllm_gen, all_reduce: trtllm}}}\n"
      "host: {per_step: 1 ms, per_sequence: 2 us, per_draft: 3 us, per_request: 4 us, "
      "per_launch: 5 us, "
      "overlapped: true, graphs: decode}\n");
  const KernelNames hopper = e.kernels.on("hopper");
  CHECK(hopper.kernels.gemm == "vllm");
  CHECK(hopper.kernels.moe == "flashinfer");
  CHECK(hopper.kernels.attention == "flash_attention_3");
  CHECK(hopper.all_reduce == "vllm");
  CHECK(hopper.all_to_all == "deepep_low_latency");
  // What a generation has otherwise, and the rest as everywhere.
  const KernelNames blackwell = e.kernels.on("blackwell");
  CHECK(blackwell.kernels.gemm == "vllm");
  CHECK(blackwell.kernels.moe == "trtllm_gen");
  CHECK(blackwell.all_reduce == "trtllm");
  CHECK(blackwell.all_to_all == "deepep_low_latency");
  CHECK(e.host.engine == "An engine 1.0");
  CHECK(e.host.per_step == 1000us);
  CHECK(e.host.per_sequence == 2us);
  CHECK(e.host.per_draft == 3us);
  CHECK(e.host.per_request == 4us);
  CHECK(e.host.per_launch == 5us);
  CHECK(e.host.overlapped);
  CHECK(e.host.graphs == Graphs::Decode);
  CHECK(notes_of(e).empty());  // a step plays them
}

TEST_CASE("what a block is made of is read, and what of it is not played is told") {
  const Engine e = engine(
      "composition:\n"
      "  quantisation: fused\n"
      "  tensor_parallel: reduce_scatter\n"
      "  experts_in_tensor_group: replicated\n"
      "  shared_experts_beside_up_to: 256\n"
      "  moe: [{tokens_up_to: 64, kernels: flashinfer}, {kernels: triton}]\n");
  CHECK(quantisation_of(e.composition, hardware::Precision::NVFP4) == Quantisation::Fused);
  CHECK(e.composition.shared_beside_up_to == 256);
  CHECK(e.composition.tensor_parallel == TensorParallel::ReduceScatter);
  CHECK(e.composition.experts_in_tensor_group == ExpertsInTensorGroup::Replicated);
  REQUIRE(e.composition.moe.size() == 2);
  CHECK(e.composition.moe[0].tokens_up_to == 64);
  CHECK(e.composition.moe[0].kernels == "flashinfer");
  CHECK_FALSE(e.composition.moe[1].tokens_up_to);
  CHECK(e.composition.moe[1].kernels == "triton");
  CHECK(notes_of(e) ==
        std::vector<std::string>{
            "engine file an-engine-1.0: its composition is not played by a step: moe by tokens "
            "(played: kernels.moe)"});
  CHECK(notes_of(engine("composition: {quantisation: fused}\n")).empty());
}

TEST_CASE("quantisation is of a format, and a model's family may be composed otherwise") {
  const Engine e = engine(
      "composition:\n"
      "  quantisation: {fp8: fused, nvfp4: once_for_qkv}\n"
      "  experts_in_tensor_group: replicated\n"
      "  of: {qwen3: {quantisation: per_product}}\n");
  using hardware::Precision;
  CHECK(quantisation_of(e.composition, Precision::FP8) == Quantisation::Fused);
  CHECK(quantisation_of(e.composition, Precision::NVFP4) == Quantisation::OnceForQkv);
  CHECK(quantisation_of(e.composition, Precision::FP8Block) == Quantisation::PerProduct);
  const Composition& qwen3 = e.composition_of.at("qwen3");
  CHECK(quantisation_of(qwen3, Precision::FP8) == Quantisation::PerProduct);
  CHECK(experts_in_tensor_group(qwen3) == ExpertsInTensorGroup::Replicated);
  // A scenario's model has its family's.
  const tests::TemporaryFolder folder;
  (void)folder.file("an-engine-1.0.yaml",
                    kHead +
                        "composition: {quantisation: fused, of: {qwen3: {quantisation: "
                        "per_product}}}\n");
  const auto fp8_of = [&](const char* model) {
    const auto document = sim::io::YamlDocument::parse(
        std::string("model: configs/models/") + model +
            ".yaml\ncluster: configs/clusters/h100-1x8.yaml\nengine: an-engine\n",
        "s");
    Inputs inputs;
    const Deployment d =
        read_deployment(document.root(), {.engines = folder.path().string()}, inputs);
    document.throw_errors();
    return quantisation_of(d.engine.composition, Precision::FP8);
  };
  CHECK(fp8_of("qwen3-32b") == Quantisation::PerProduct);
  CHECK(fp8_of("llama-3.1-70b") == Quantisation::Fused);
}

TEST_CASE("a format or a word of quantisation that there is not is told") {
  CHECK(mistakes(kHead + "composition: {quantisation: {fp9: fused, nvfp4: late}}\n") ==
        "e-1.yaml:3:30: composition.quantisation: unknown key \"fp9\"; did you mean \"fp8\"?\n"
        "e-1.yaml:3:49: composition.quantisation.nvfp4: expected one of fused, once_for_qkv, "
        "per_product, not \"late\"");
}

TEST_CASE("kernels by tokens ascend, and the last has all that are left") {
  CHECK(mistakes(kHead + "composition:\n"
                         "  quantisation: late\n"
                         "  moe:\n"
                         "    - {tokens_up_to: 64, kernels: a}\n"
                         "    - {tokens_up_to: 32, kernels: b}\n"
                         "    - {kernels: c}\n"
                         "    - {tokens_up_to: 128, kernels: d}\n") ==
        "e-1.yaml:4:17: composition.quantisation: expected one of fused, once_for_qkv, "
        "per_product, not \"late\"\n"
        "e-1.yaml:7:22: composition.moe[1].tokens_up_to: expected more than the 64 of the line "
        "before, not 32\n"
        "e-1.yaml:8:7: composition.moe[2]: has every number of tokens, so that what follows never "
        "counts: give tokens_up_to\n"
        "e-1.yaml:9:7: composition.moe[3]: says nothing of larger batches: leave out the last "
        "tokens_up_to");
}

TEST_CASE("graphs are numbers of tokens and ranges of them") {
  const Engine e = engine("graphs: {sizes: [1, 2, 4, \"8..24+8\", \"32..64+16\"], pad: false}\n");
  REQUIRE(e.graphs);
  CHECK(e.graphs->sizes == std::vector<std::int64_t>{1, 2, 4, 8, 16, 24, 32, 48, 64});
  CHECK_FALSE(e.graphs->pad);
  CHECK_FALSE(e.graphs->alike);
  CHECK(engine("graphs: {alike: true}\n").graphs->alike);
  CHECK(engine("graphs: {sizes: [\"8..8+8\"]}\n").graphs->sizes == std::vector<std::int64_t>{8});
  CHECK(notes_of(e) ==
        std::vector<std::string>{"engine file an-engine-1.0: its graphs are not played by a step: "
                                 "no batch is padded to their sizes"});
}

TEST_CASE("what an engine chooses by its cards is the first line that fits them") {
  const Engine any = engine(
      "graphs: {sizes: [1, \"8..32+8\"], up_to: 16}\nscheduler: {chunk: 100}\n"
      "by_card:\n  - {memory_below: 60 GiB, ranks_below: 4, chunk: 200, graphs_up_to: 8}\n"
      "  - {memory_below: 60 GiB, graphs_up_to: 24}\n"
      "  - {named: A100, tokens: 2048, sequences: 256}\n");
  using Sizes = std::vector<std::int64_t>;
  const auto on = [&](const char* name, sim::Bytes memory, std::int64_t ranks) {
    hardware::Device card;
    card.name = name;
    card.memory = memory;
    return started_on(any, card, {.tp = ranks});
  };
  const Engine few = on("L40S", 59_GiB, 3), many = on("L40S", 59_GiB, 4),
               large = on("H100 SXM", 60_GiB, 1), a100 = on("A100 SXM 80GB", 80_GiB, 1);
  CHECK(few.graphs->captured() == Sizes{1, 8});
  CHECK(few.scheduler->chunk == 200);
  CHECK(many.graphs->captured() == Sizes{1, 8, 16, 24});
  CHECK(many.scheduler->chunk == 100);  // of which the line says nothing
  CHECK(large.graphs->captured() == Sizes{1, 8, 16});
  CHECK(large.scheduler->chunk == 100);
  CHECK_FALSE(large.scheduler->tokens);
  CHECK(a100.scheduler->tokens == 2048);
  CHECK(a100.scheduler->sequences == 256);
  CHECK(mistakes(kHead + "by_card:\n  - {chunk: 0}\n  - {cards: 2}\n").find("by_card") !=
        std::string::npos);
}

TEST_CASE("dp ranks are of one engine where they share experts") {
  CHECK(dp_of_engine({.dp = 8, .ep = 8}) == 8);
  CHECK(dp_of_engine({.tp = 2, .dp = 4, .ep = 2}) == 1);  // each engine's two ranks have them all
  CHECK(dp_of_engine({.tp = 4, .dp = 3, .ep = 3}) == 3);
  CHECK(dp_of_engine({.dp = 8, .ep = 0}) == 1);  // a mistake that was told
}

TEST_CASE("what an engine leaves of a card is read, instead of a fraction") {
  const Engine any = engine(
      "memory:\n  leaves:\n    - {bytes: 1 GiB}\n    - {bytes: 1 GiB, per: rank, at_least: 2}\n");
  hardware::Device card;
  card.memory = 16_GiB;
  CHECK(*fraction_of(any, card, {}) == 0.813);                  // 13 / 16
  CHECK(*fraction_of(any, card, {.tp = 2, .pp = 2}) == 0.688);  // 11 / 16
  CHECK(*fraction_of(any, card, {.tp = 64}) == 0.001);          // none is left
  CHECK_FALSE(fraction_of(engine("memory: {block: 1}\n"), card, {}));
  CHECK(mistakes(kHead + "memory:\n  fraction: 0.9\n  leaves:\n    - {bytes: 1 GiB}\n") ==
        "e-1.yaml:6:5: memory.leaves: expected a fraction or what is left, not both");
}

TEST_CASE("a range of graphs that does not reach its end, or goes back, is a mistake") {
  const std::string expected =
      ": expected tokens from 1 to 65536, such as 8, or a range whose steps reach its end, such as "
      "\"8..256+8\", not ";
  CHECK(mistakes(kHead + "graphs:\n"
                         "  sizes:\n"
                         "    - \"8..20+8\"\n"
                         "    - \"8..16\"\n"
                         "    - 0\n"
                         "    - 65537\n"
                         "    - \"8..16+0\"\n"
                         "    - 8x\n"
                         "    - 32\n"
                         "    - \"16..64+16\"\n") ==
        "e-1.yaml:5:7: graphs.sizes[0]" + expected + "\"8..20+8\"\n" +
            "e-1.yaml:6:7: graphs.sizes[1]" + expected + "\"8..16\"\n" +
            "e-1.yaml:7:7: graphs.sizes[2]" + expected + "\"0\"\n" +
            "e-1.yaml:8:7: graphs.sizes[3]" + expected + "\"65537\"\n" +
            "e-1.yaml:9:7: graphs.sizes[4]" + expected + "\"8..16+0\"\n" +
            "e-1.yaml:10:7: graphs.sizes[5]" + expected + "\"8x\"\n" +
            "e-1.yaml:12:7: graphs.sizes[7]: expected more than the 32 before it, not "
            "\"16..64+16\"");
}

TEST_CASE("an engine's part of the memory is read") {
  const Engine e = engine("memory: {fraction: 0.9, of: free, reserve: 2 GB, block: 16}\n");
  REQUIRE(e.memory);
  CHECK(e.memory->fraction == 0.9);
  CHECK(e.memory->of == FractionOf::Free);
  CHECK(e.memory->reserve == 2_GB);
  CHECK(e.memory->block == 16);
  CHECK(notes_of(e) ==
        std::vector<std::string>{"engine file an-engine-1.0: its memory is not played by a step: "
                                 "its plan takes what the step needs"});
  CHECK(mistakes(kHead + "memory: {fraction: 0, of: gpu, reserve: 2, block: 0}\n") ==
        "e-1.yaml:3:20: memory.fraction: expected a fraction above 0, such as 0.9\n"
        "e-1.yaml:3:27: memory.of: expected one of card, free, not \"gpu\"\n"
        "e-1.yaml:3:41: memory.reserve: expected a number with a unit, such as 80 GiB, not \"2\"\n"
        "e-1.yaml:3:51: memory.block: expected a whole number from 1 to 1099511627776, not \"0\"");
}

TEST_CASE("an engine's scheduler is read") {
  const Engine e = engine(
      "scheduler: {tokens: 8192, sequences: 1024, chunked: true, order: longest_prefix,\n"
      "  prefill_interval: 2, ahead: true, receive_interval: 30,\n"
      "  batch_wait: {iterations: 20, timeout: 10 ms, share: 0.5}, stream_interval: 10,\n"
      "  expert_parallel: false}\n");
  REQUIRE(e.scheduler);
  CHECK(e.scheduler->tokens == 8192);
  CHECK(e.scheduler->sequences == 1024);
  CHECK(e.scheduler->chunked == true);
  CHECK(e.scheduler->order == RequestOrder::LongestPrefix);
  CHECK(e.scheduler->prefill_interval == 2);
  CHECK(e.scheduler->ahead == true);
  CHECK(e.scheduler->receive_interval == 30);
  REQUIRE(e.scheduler->batch_wait);
  CHECK(e.scheduler->batch_wait->iterations == 20);
  CHECK(e.scheduler->batch_wait->timeout == 10'000us);
  CHECK(e.scheduler->batch_wait->share == 0.5);
  CHECK(e.scheduler->stream_interval == 10);
  CHECK(e.scheduler->expert_parallel == false);
  CHECK(notes_of(e) == std::vector<std::string>{
                           "engine file an-engine-1.0: its scheduler is not played by a step"});
  CHECK(mistakes(kHead + "scheduler:\n  order: lifo\n  chunked: 1\n  tokens: 0\n"
                         "  batch_wait: {share: 2, timeouts: 1 ms}\n") ==
        "e-1.yaml:4:10: scheduler.order: expected one of fcfs, priority, longest_prefix, not "
        "\"lifo\"\n"
        "e-1.yaml:5:12: scheduler.chunked: expected true or false, not \"1\"\n"
        "e-1.yaml:6:11: scheduler.tokens: expected a whole number from 1 to 1099511627776, not "
        "\"0\"\n"
        "e-1.yaml:7:23: scheduler.batch_wait.share: expected a number from 0 to 1, not \"2\"\n"
        "e-1.yaml:7:26: scheduler.batch_wait: unknown key \"timeouts\"; did you mean \"timeout\"?");
}

TEST_CASE("the layouts that an engine can start are kept as its file has them") {
  const Engine e = engine("rules: {ep: [1, \"tp * dp\"], tp: \"divides heads\"}\n");
  CHECK(e.rules == LayoutRules{{"ep", {"1", "tp * dp"}}, {"tp", {"divides heads"}}});
  CHECK(notes_of(e).empty());
  CHECK(engine("rules: {whole_blocks: [fp8_block]}\n").rules ==
        LayoutRules{{"whole_blocks", {"fp8_block"}}});
  CHECK(
      mistakes(kHead + "rules: {tp: up to 8, whole_blocks: fp9}\n") ==
      "e-1.yaml:3:13: rules.tp: expected a number or a rule, such as \"tp * dp\", not \"up to 8\"\n"
      "e-1.yaml:3:36: rules.whole_blocks: expected one of fp64, fp32, tf32, bf16, fp16, fp8, "
      "fp8_block, int8, int4, mxfp4, nvfp4, not \"fp9\"; did you mean \"fp8\"?");
  CHECK(mistakes(kHead + "rules: {tpp: 1, ep: [\"\", [2]], cp: {most: 2}}\n") ==
        "e-1.yaml:3:9: rules: unknown key \"tpp\"; did you mean \"tp\"?\n"
        "e-1.yaml:3:22: rules.ep[0]: expected a number or a rule, such as \"tp * dp\", not \"\"\n"
        "e-1.yaml:3:26: rules.ep[1]: expected a text, not a list\n"
        "e-1.yaml:3:36: rules.cp: expected a text, not a map");
}

TEST_CASE("a report says what of its engine's file was not played") {
  const tests::TemporaryFolder folder;
  const auto file =
      folder.file("vllm-0.19.yaml", "name: vLLM\nsource: x\nscheduler: {tokens: 8192}\n");
  const Scenario s = load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml",
                                   {"network=bound", "step.count=1", "engine=" + file.string()});
  CHECK(run(s).report.notes ==
        std::vector<std::string>{"engine file vllm-0.19: its scheduler is not played by a step"});
  CHECK(run(s).report.defaults.empty());
}
