// Tables that say what was sent to measured engines: command lines, lengths, loads, traps.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "validation/serving/command_line.h"
#include "validation/serving/e2e_validation.h"
#include "validation/serving/measured_tables.h"
#include "validation/serving/option_pairs.h"

using namespace moesim;
using namespace moesim::validation;
using doctest::Approx;

namespace {

const std::string kLab =
    "model,hardware,versions,command,completed,duration_s,total_input_tokens,total_output_tokens,"
    "output_throughput,mean_ttft_ms,mean_tpot_ms,max_concurrency\n";
const std::string kRatio =
    "prefill_workers,decode_workers,isl,osl,num_prompts,request_rate,max_concurrency,completed,"
    "total_input_tokens,total_output_tokens,output_throughput,mean_ttft_ms,mean_tpot_ms\n";

const std::string kStages =
    "experiment,model,workload,stage,hardware,tp,dp,max_num_batched_tokens,cpu_offload,"
    "gpu_memory_utilization,ttft_mean_ms,itl_mean_ms,e2e_mean_ms\n";

const std::string kSweep =
    "run,draft_tokens,num_prompts,max_concurrency,completed,output_throughput,mean_ttft_ms,"
    "mean_tpot_ms,server_iter_tokens_avg\n";

E2eRows read_of(const std::string& name, const std::string& text) {
  const tests::TemporaryFolder folder;
  return read_measured({folder.file(name, text)});
}
E2eRows sweep(const std::string& lines) {
  return read_of("sweep.csv", kSweep + lines);
}
E2eRows stages(const std::string& lines) {
  return read_of("stages.csv", kStages + lines);
}
E2eRows lab(const std::string& lines) {
  return read_of("lab.csv", kLab + lines);
}
E2eRows ratio(const std::string& lines) {
  return read_of("ratio.csv", kRatio + lines);
}

// What is said of a file, without its folder.
std::string refused(const std::string& header, const std::string& lines) {
  const tests::TemporaryFolder folder;
  const auto file = folder.file("t.csv", header + lines);
  std::string what =
      tests::thrown<sim::InputError>([&] { (void)read_measured({std::filesystem::path(file)}); });
  return what.substr(what.rfind("t.csv"));
}

std::string problem(std::string_view command) {
  return read_command(command).problem;
}

E2ePrediction prediction(std::string model, std::string options, double measured,
                         double predicted) {
  E2ePrediction p;
  p.row.engine = "vllm";
  p.row.model = std::move(model);
  p.row.throughput = measured;
  p.throughput = predicted;
  p.throughput_low = 0.9 * predicted;
  p.throughput_high = 1.2 * predicted;
  p.row.load = MeasuredLoad{.name = "load", .options = std::move(options)};
  return p;
}

}  // namespace

TEST_CASE("a command line says which engine, how it is laid out, and what was set") {
  const StartedEngine vllm = read_command(
      "# EP, as TP8 does not fit\nVAR=1 vllm serve a/b-FP8 -tp 8 \\\n  --enable-expert-parallel "
      "--max-num-batched-tokens=16384 --gpu-memory-utilization 0.85 --async-scheduling");
  CHECK(vllm.problem == "");
  CHECK(vllm.engine == "vllm");
  CHECK(vllm.model == "a/b-FP8");
  CHECK(vllm.layout.tp == 8);
  CHECK(vllm.layout.ep == 8);
  CHECK(vllm.layout.etp == 1);
  CHECK(
      vllm.run ==
      RunOptions{.tokens = 16384, .memory_fraction = 0.85, .expert_parallel = true, .ahead = true});
  CHECK(vllm.options ==
        " -tp 8 --enable-expert-parallel --max-num-batched-tokens 16384 --gpu-memory-utilization "
        "0.85 --async-scheduling");
  // Experts in two parts over four ranks: each is divided in two. Ports and parsers change nothing.
  const StartedEngine sglang = read_command(
      "python3 -m sglang.launch_server --model-path m --host 0.0.0.0 --tp-size 4 --ep-size 2 "
      "--chunked-prefill-size 4096 --max-running-requests 64 --reasoning-parser x");
  CHECK(sglang.problem == "");
  CHECK(sglang.layout.ep == 2);
  CHECK(sglang.layout.etp == 2);
  CHECK(sglang.run == RunOptions{.sequences = 64, .chunk = 4096, .expert_parallel = true});
  const StartedEngine pipeline =
      read_command("python3 -m sglang.launch_server --model-path m --pp-size 4");
  CHECK(pipeline.layout.pp == 4);
  CHECK(pipeline.layout.gpus() == 4);
  const StartedEngine trtllm = read_command("trtllm-serve m --max_num_tokens 512 --tp_size 2");
  CHECK(trtllm.engine == "trtllm");
  CHECK(trtllm.run.tokens == 512);
  CHECK(trtllm.layout.etp == 2);
}

TEST_CASE("a command line that is not understood says why") {
  CHECK(problem("--max-model-len=32768") == "its command starts no engine that is known");
  CHECK(problem("vllm bench m") == "its command starts no engine that is known");
  CHECK(problem("vllm serve -tp 2") == "its command names no model");
  CHECK(problem("vllm serve m --enforce-eager") ==
        "its command has an option that is not known: --enforce-eager");
  // An option of another engine.
  CHECK(problem("trtllm-serve m --async-scheduling") ==
        "its command has an option that is not known: --async-scheduling");
  CHECK(problem("vllm serve m extra") == "its command has a word that is not known: extra");
  for (const char* value : {"", " x", " 0", " -1", " 2x", " 1.5"}) {
    CAPTURE(value);
    CHECK(problem(std::string("vllm serve m -tp") + value) ==
          "its command gives no value that fits -tp");
  }
  CHECK(problem("vllm serve m --gpu-memory-utilization 1.01") ==
        "its command gives no value that fits --gpu-memory-utilization");
  CHECK(problem("python3 -m sglang.launch_server --model m --tp 4 --ep 3") ==
        "its command has 4 ranks for 3 parts of experts");
}

TEST_CASE("what an engine does by itself depends on its version") {
  const auto of = [](const char* engine, const char* version, const RunOptions& run = {}) {
    StartedEngine started{.engine = engine, .run = run};
    add_defaults(version, started);
    return started.run;
  };
  // vLLM schedules ahead by itself from 0.14, before where it is told to.
  CHECK(of("vllm", "0.13.9") == RunOptions{.ahead = false});
  CHECK(of("vllm", "0.14.0") == RunOptions{});
  CHECK(of("vllm", "1.0") == RunOptions{});
  CHECK(of("vllm", "0.11.0", {.ahead = true}) == RunOptions{.ahead = true});
  CHECK(of("sglang", "0.5.4") == RunOptions{});
  CHECK(of("trtllm", "1.2") == RunOptions{.cache = "bf16"});
}

TEST_CASE("a row of the lab is a load, an engine with its options, and three figures") {
  const E2eRows read =
      lab("x/M,4 × NVIDIA H100 SXM GPUs on a single node.,vLLM: v0.11.0; SGLang: v0.5.4.post2,vllm "
          "serve "
          "x/M-FP8 -tp 4,1000,100,215000,200000,2000,16000,130,\n"
          "GPT-OSS-20B,A single NVIDIA A100 SXM 80GB GPU.,vLLM: v0.11.0; SGLang: v0.5.4.post2,vllm "
          "serve "
          "openai/gpt-oss-20b,500,50,1999249,20000,400,9000,,\n"
          "x/M,NVIDIA H200,vLLM v0.17.1; SGLang v0.5.9,python3 -m sglang.launch_server --model "
          "M,100,20,23000,2000,100,70,18,4\n");
  REQUIRE(read.rows.size() == 3);
  CHECK(read.skipped.empty());
  const E2eRow& a = read.rows[0];
  CHECK(a.name == "lab.csv:2");
  CHECK(a.engine == "vllm");
  CHECK(a.version == "0.11.0");
  CHECK(a.model == "x/M");
  CHECK(a.system == "h100_sxm");
  CHECK(a.precision == "fp8");
  CHECK(a.mode == "all at once");
  CHECK(a.concurrency == 1000);
  CHECK(a.ttft_ms == 16000);
  CHECK(a.tpot_ms == 130);
  CHECK(a.throughput == 2000);
  REQUIRE(a.load);
  CHECK(a.load->at_once);
  CHECK(a.load->requests == 1000);
  CHECK(a.load->name == "ShareGPT, 1000 requests");
  // Means 215 and 200, deviations as large: medians 215 / sqrt 2 = 152.028 and 141.421; p90 is
  // exp(1.281552 sqrt(ln 2)) = exp(1.066963) = 2.906538 times that.
  CHECK(a.load->input == "{law: log_normal, median: 152.028, p90: 441.875}");
  CHECK(a.load->output == "{law: log_normal, median: 141.421, p90: 411.046}");
  CHECK(a.load->run.ahead == false);
  const E2eRow& b = read.rows[1];
  CHECK(b.precision == "fp4");
  CHECK(b.tpot_ms == 0);
  CHECK_FALSE(b.load->run.tokens);  // on an A100 the engine's file has others
  // 3998.498 and 40 tokens each.
  CHECK(b.load->name == "4000 tokens, 500 requests");
  CHECK(b.load->input == "3998");
  CHECK(b.load->output == "40");
  const E2eRow& c = read.rows[2];
  CHECK(c.engine == "sglang");
  CHECK(c.version == "0.5.9");
  CHECK(c.model == "x/M");  // of the page, where the command has a folder's name
  CHECK(c.mode == "closed loop");
  CHECK(c.concurrency == 4);
  CHECK_FALSE(c.load->at_once);
  CHECK(c.load->name == "ShareGPT, 100 requests, 4 clients");
}

TEST_CASE("prompts of a random profile have one length, and so have their outputs") {
  const E2eRows read =
      lab("x/M,NVIDIA H100,vLLM: v0.11.0,vllm serve x/M,500,10,999120,47000,4700,1,1,\n"
          "x/M,NVIDIA H100,vLLM: v0.11.0,vllm serve x/M,1000,10,127400,4000,400,1,1,\n"
          "x/M,NVIDIA H100,vLLM: v0.11.0,vllm serve x/M,1000,10,127300,4000,400,2,1,\n");
  REQUIRE(read.rows.size() == 3);
  // 1998.24 and 94 tokens each.
  CHECK(read.rows[0].load->name == "2000 tokens, 500 requests");
  CHECK(read.rows[0].load->input == "1998");
  CHECK(read.rows[0].load->output == "94");
  // 127.4 is 0.47 % off 128, 127.3 is 0.55.
  CHECK(read.rows[1].load->name == "128 tokens, 1000 requests");
  CHECK(read.rows[2].load->name == "ShareGPT, 1000 requests");
}

TEST_CASE("rows of the lab that cannot be what they say are counted by reason") {
  const std::string good = ",vLLM: v0.11.0,vllm serve x/M,1000,10,128000,4000,400,1,1,\n";
  const E2eRows read =
      lab("x/M,NVIDIA H100" + good + "x/M,NVIDIA H100" + good + "x/M,NVIDIA H200" + good +
          "x/M,NVIDIA B300" + good + "x/N,NVIDIA H100" + good +
          "x/M,NVIDIA H100,vLLM: v0.11.0,vllm serve x/M -tp 2,1000,10,128000,4000,400,1,1,\n"
          "x/M,NVIDIA H100,vLLM: v0.11.0,--x,1000,10,128000,4000,400,1,1,\n"
          // 4,000 tokens in 10 s are 400 a second, and 409 is 2.25 % more.
          "x/M,NVIDIA H100,vLLM: v0.11.0,vllm serve x/M,1000,10,128000,4000,409,1,1,\n"
          "x/M,NVIDIA H100,vLLM: v0.11.0,vllm serve x/M,1000,10,128000,4000,407,1,1,\n");
  CHECK(read.rows.size() == 3);
  std::vector<std::string> reasons;
  for (const SkippedRows& one : read.skipped) {
    CHECK(one.n == 1);
    reasons.push_back(one.reason);
  }
  CHECK(reasons == std::vector<std::string>{"all figures equal to another row's",
                                            "its throughput is not tokens over time",
                                            "x/M: its command starts no engine that is known",
                                            "x/M: its command takes more GPUs than its page has",
                                            "x/M: its hardware is not known",
                                            "x/N: its command is of another model than its page"});
}

TEST_CASE("a row of workers apart is two pools, and outputs are as long as they were") {
  const E2eRows read = ratio(
      "1,2,128,2048,500,inf,64,500,63996,350000,7000,230,10\n"
      "1,2,2048,128,500,inf,64,500,1023101,50000,2000,880,9\n"
      "1,1,2048,32784,500,inf,128,380,777966,13680,7.5,1256,10\n"
      "1,1,2048,128,500,4,128,500,777966,13680,7.5,1256,10\n");
  REQUIRE(read.rows.size() == 2);
  const E2eRow& a = read.rows[0];
  CHECK(a.mode == "1P2D");
  CHECK(a.gpus() == 6);
  CHECK(a.workers == 2);
  REQUIRE(a.prefill);
  CHECK(a.prefill->workers == 1);
  CHECK(a.prefill->layout.tp == 2);
  CHECK(a.concurrency == 64);
  CHECK_FALSE(a.load->at_once);
  CHECK(a.load->requests == 500);
  CHECK(a.load->input == "128");
  // 700 on average: 1 to 1,399. 100 of at most 128: 72 to 128.
  CHECK(a.load->output == "{law: uniform, low: 1, high: 1399}");
  CHECK(read.rows[1].load->output == "{law: uniform, low: 72, high: 128}");
  REQUIRE(read.skipped.size() == 2);
  CHECK(read.skipped[0].reason == "requests came by a rate whose law is not said");
  CHECK(read.skipped[1].reason == "the run did not complete all its prompts");
}

TEST_CASE("a table with what cannot be is refused with its line") {
  CHECK(refused(kLab, "x/M,H100,v,vllm serve x/M,0,10,1,1,1,1,1,\n") ==
        "t.csv:2: completed: expected 1 or more, not 0");
  CHECK(refused(kLab, "x/M,H100,v,vllm serve x/M,1,10,1,1,1,-5,1,\n") ==
        "t.csv:2: mean_ttft_ms: expected more than 0, or nothing, not -5");
  CHECK(refused(kLab, "x/M,H100,v,vllm serve x/M,1,ten,1,1,1,5,1,\n") ==
        "t.csv:2: duration_s: expected a number, not \"ten\"");
  const std::string good = "1,1,128,2048,500,inf,64,500,63996,350000,7000,230,10\n";
  CHECK(refused(kRatio, good + "0,1,128,2048,500,inf,64,500,63996,350000,7000,230,10\n") ==
        "t.csv:3: prefill_workers: expected 1 or more, not 0");
  CHECK(refused(kRatio, good + "1,1,128,2048,500,inf,64,500,63996,350000,7000,0,10\n") ==
        "t.csv:3: mean_ttft_ms: expected more than 0, not 0");
}

TEST_CASE("tables that leave the load to their kind are not mixed with those that say it") {
  const tests::TemporaryFolder folder;
  const auto own = folder.file("lab.csv", kLab), other = folder.file("e2e.csv", "case\n");
  CHECK(tests::thrown<sim::InputError>([&] {
          (void)read_measured({own, other});
        }) ==
        "some tables say what was sent to the engines and some leave it to their kind: give those "
        "of one kind at a time");
  CHECK(read_measured({own, own}).rows.empty());
}

TEST_CASE("a row that gives its load is played so, with what was set") {
  E2eOptions options{.configs = "configs"};
  options.model_file = [](const std::string&) { return "m.yaml"; };
  const auto has = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find(part) != std::string::npos);
  };
  const E2eRow a = lab("x/M,4 × NVIDIA A100,vLLM: v0.11.0,vllm serve x/M -tp 2 -pp "
                       "2,1000,10,128000,4000,400,1,1,\n")
                       .rows.at(0);
  const std::string at_once = scenario_of(a, options, a.load->run);
  has(at_once, "cluster: {file: configs/clusters/a100-1x8.yaml, gpus_per_node: 4}\n");
  has(at_once, "parallelism: {tp: 2, dp: 1, ep: 1, etp: 2, pp: 2}\n");
  has(at_once, "  requests: {arrivals: {law: at_once}, input: 128, output: 4, count: 1000}\n");
  has(at_once, "  scheduler: {ahead: false}\n");
  has(at_once, "host: {overlapped: false}\n");
  CHECK(at_once.find("client") == std::string::npos);
  const E2eRow b = ratio("1,1,128,2048,500,inf,64,500,63996,350000,7000,230,10\n").rows.at(0);
  const std::string closed = scenario_of(b, options);
  has(closed, "cluster: configs/clusters/h200-1x4.yaml\n");
  has(closed,
      "  requests: {arrivals: {law: closed}, input: 128, output: {law: uniform, low: 1, high: "
      "1399}, count: 500}\n  client: {concurrency: 64}\n");
  has(closed, "pools: {prefill: {replicas: 1,");
  CHECK(closed.find("overlapped") == std::string::npos);
  CHECK(closed.find("graphs") == std::string::npos);
  has(scenario_of(b, options, {.graphs = 100}), "  graphs: {up_to: 100}\n");
}

TEST_CASE("errors are of what was measured, and options beside each other of one load") {
  E2ePrediction failed = prediction("m", "d", 100, 1);
  failed.failed = "refused";
  const std::vector<E2ePrediction> all{
      prediction("m", "a", 100, 110),
      prediction("m", "b", 200, 150),
      prediction("m", "c", 150, 140),
      prediction("m", "a", 300, 100),  // a repeat of the first: no option of its own
      prediction("n", "a", 1, 2),
      failed};
  const E2eSummary summary = summarise_e2e(all);
  CHECK(summary.tpot.n == 0);
  CHECK(summary.ttft.n == 0);
  // Errors +10, -25, -6.67, -66.67, +100 %: the median of sizes is 25, of errors -6.67. Intervals
  // of 0.9 to 1.2 times hold 100 of 99 to 132 and 150 of 126 to 168; not 200 of 135 to 180, 300 of
  // 90 to 120, nor 1 of 1.8 to 2.4.
  CHECK(summary.throughput.n == 5);
  CHECK(summary.throughput.median == Approx(25));
  CHECK(summary.throughput.bias == Approx(-20.0 / 3));
  CHECK(summary.throughput.coverage80 == Approx(40));
  CHECK(summary.by.at("load").at("load").throughput.n == 5);
  CHECK(summary.by.at("model").at("n").throughput.bias == Approx(100));
  // a, b, c of m: 100, 200, 150 and 110, 150, 140: three pairs, all right.
  const OptionPairs pairs = option_pairs(all, Beside::OneEngine);
  CHECK(pairs.throughput.pairs == 3);
  CHECK(pairs.throughput.right == 3);
  CHECK(pairs.tpot.pairs == 0);
  // Of another engine, slower than predicted: beside a, b, c three more pairs, and 90 is predicted
  // above the 110 and 140 of a (100) and c (150) and the 150 of b (200): all wrong.
  std::vector<E2ePrediction> more = all;
  more.push_back(prediction("m", "a", 90, 160));
  more.back().row.engine = "sglang";
  CHECK(option_pairs(more, Beside::OneEngine).throughput.pairs == 3);
  CHECK(option_pairs(more, Beside::All).throughput.pairs == 6);
  CHECK(option_pairs(more, Beside::All).throughput.right == 3);
}

TEST_CASE("stages of a constant rate are rows, with what their workload is known to send") {
  const E2eRows read = stages(
      "9,m/a,general,-1,H100,2,1,2048,True,0.9,68.9,20.3,5038\n"
      "9,m/a,general,1,H100,2,1,2048,True,0.9,71,20.7,5136\n"
      "32,m/a,codegen,0,H100,2,2,1024,False,0.95,63,18.4,4519\n"
      "12,m/a,reasoning,0,H100,2,1,2048,True,0.9,103035,37.6,156421\n"
      "27,m/a,general-lite,0,H100,2,1,1024,False,0.9,60,18,4000\n"
      "40,m/a,poems,0,H100,2,1,1024,False,0.9,60,18,4000\n");
  REQUIRE(read.rows.size() == 2);
  const E2eRow& general = read.rows[0];
  CHECK(general.system == "h100_sxm");
  CHECK(general.layout.etp == 2);
  CHECK(general.tpot_ms == 20.7);
  CHECK(general.concurrency == 103);  // 20 /s of 5.136 s each
  REQUIRE(general.load);
  CHECK(general.load->rate == 20);
  CHECK(general.load->requests == 12000);  // ten minutes
  // Five users of each of nine system prompts, who send 571 tokens again and again.
  CHECK(general.load->prefixes == 45);
  CHECK(general.load->prefix_tokens == 570);
  CHECK(general.load->input == "1");
  CHECK(general.load->run == RunOptions{.tokens = 2048, .sequences = 128, .memory_fraction = 0.9});
  CHECK(read.rows[1].gpus() == 4);
  CHECK(read.rows[1].workers == 2);  // engines of two GPUs each
  CHECK(read.rows[1].load->rate == 5);
  std::vector<std::string> reasons;
  for (const SkippedRows& s : read.skipped) reasons.push_back(s.reason);
  CHECK(reasons ==
        std::vector<std::string>{"a whole run, whose stages are rows",
                                 "its load was too much: two thirds of the requests failed",
                                 "the rate of its stage is not said",
                                 "what the workload \"poems\" sends is not known"});
  const std::string text = scenario_of(
      general, {.model_file = [](const std::string&) { return "m.yaml"; }, .configs = "configs"},
      general.load->run);
  CHECK(text.find("arrivals: {law: constant, rate: 20 /s}") != std::string::npos);
  CHECK(text.find("prefix: {groups: 45, tokens: 570}") != std::string::npos);
  CHECK(text.find("prefix_cache: true") != std::string::npos);
  CHECK(refused(kStages, "9,m/a,general,1,H100,2,1,2048,True,0.9,0,20.7,5136\n") ==
        "t.csv:2: ttft_mean_ms: expected more than 0, not 0");
}

TEST_CASE("runs of a sweep with as many clients and prompts are one row, of their mean") {
  const E2eRows read = sweep(
      "a,0,40,4,40,510,390,7.2,34\nb,0,40,4,40,516,396,7.1,34\nc,0,40,4,40,519,402,7.0,34\n"
      "d,0,4,4,4,490,880,6.5,34\ne,3,40,4,40,700,390,5,34\nf,0,40,8,39,700,390,5,34\n");
  REQUIRE(read.rows.size() == 2);
  CHECK(read.rows[0].throughput == Approx(515));
  CHECK(read.rows[0].ttft_ms == Approx(396));
  CHECK(read.rows[0].tpot_ms == Approx(7.1));
  CHECK(read.rows[0].concurrency == 4);
  CHECK(read.rows[0].load->requests == 40);
  // 0.8 of 8,192 and of 1,024 are 6,553.6 and 819.2.
  CHECK(read.rows[0].load->input == "{law: uniform, low: 6553, high: 8192}");
  CHECK(read.rows[0].load->output == "{law: uniform, low: 819, high: 1024}");
  CHECK(read.rows[1].load->requests == 4);
  REQUIRE(read.skipped.size() == 3);
  CHECK(read.skipped[0].n == 2);  // "a run with as many clients ..."
  CHECK(read.skipped[1].reason == "it drafted tokens");
  CHECK(read.skipped[2].reason == "the run did not complete all its prompts");
  CHECK(refused(kSweep, "a,0,40,0,40,510,390,7.2,34\n") ==
        "t.csv:2: max_concurrency: expected 1 or more, not 0");
}
