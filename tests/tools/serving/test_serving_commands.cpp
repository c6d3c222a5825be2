// `moesim capacity` and `moesim validate serving`, as a user calls them.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/serving/serving_commands.h"
#include "tools/moesim/serving/serving_exit.h"

namespace moesim::tools {
Command run_command();
}

using namespace moesim;
using moesim::tests::call;
using moesim::tests::Called;
using moesim::tests::Values;

namespace {

// The shipped Mixtral service, with few requests.
Values mixtral(std::vector<std::string> sets = {}) {
  sets.insert(sets.end(), {"serving.requests.count=60", "serving.requests.warm_up=10",
                           "serving.iteration.draws=1", "serving.iteration.checks=4"});
  return {{"SCENARIO", {"configs/scenarios/mixtral-8x7b-serving-h100.yaml"}}, {"set", sets}};
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr const char* kRows =
    "case,engine,engine_version,model,system,precision,mode,isl,osl,concurrency,tp_size,"
    "attention_dp_size,moe_tp_size,moe_ep_size,silicon_ttft_ms,silicon_tpot_ms\n";

constexpr const char* kOptions =
    "engine,engine_version,model,system,precision,mode,isl,osl,date_from,concurrency_min,"
    "concurrency_max,tp,ep,dp_attention,max_num_tokens,max_num_seqs,chunk,kv_cache_dtype,"
    "memory_fraction,recv_interval,batch_wait_iters,batch_wait_ratio,expert_parallel,speculation,"
    "attention_dp_balance,moe_backend\n";

}  // namespace

TEST_CASE("a capacity says what was asked, what is carried, and where the question ends") {
  // Targets that every run attains: the search ends at the estimate of the saturation, and says so.
  const Called easy = call(
      tools::capacity_command(),
      mixtral({"serving.targets={ttft: 1000 s}", "model=qwen3-30b-a3b", "routing={law: uniform}"}));
  CAPTURE(easy.out);
  CHECK(easy.code == sim::ExitCode::Ok);
  CHECK(easy.out.starts_with(
      "Mixtral 8x7B serving on 8 H100, vLLM, with serving.targets={ttft: 1000 s}, "
      "model=qwen3-30b-a3b, routing={law: uniform}, serving.requests.count=60"));
  // The title is the file's, and what was played is said beside it.
  CHECK(has(easy.out, "\n  Qwen3-30B-A3B: 4 engines of 2 H100 SXM, tp 2, etp 2\n"));
  CHECK(has(easy.out, " requests/s within TTFT 1000 s, 99.0 % of requests   (80 % interval "));
  // So few requests are over soon: it is not told that more may be carried, but less.
  CHECK(has(easy.out,
            "                this is the estimate of its saturation, beyond which no rate is "
            "asked\n"));
  CHECK(has(easy.out, "of more of them (serving.requests.count) less is carried\n"));
  CHECK(has(easy.out, "  saturation    at about "));
  CHECK(has(easy.out, "  when GPUs go  "));
  CHECK(
      has(easy.out,
          "\n                50700 GPU-hours to a stop, 600 s to be back (reliability: Llama 3, "));

  Values values = mixtral({"serving.targets={ttft: 1 s, tpot: 12 ms}"});
  values["format"] = {"json"};
  const Called tight = call(tools::capacity_command(), values);
  CHECK(tight.code == sim::ExitCode::Ok);
  const auto json = nlohmann::json::parse(tight.out)["capacity"];
  CHECK(json["capped"]["p50"] == false);
  CHECK(json["partial"] == false);
  CHECK(json["what"] == "Mixtral-8x7B: 4 engines of 2 H100 SXM, tp 2, etp 2");
  const double p50 = json["rate_per_s"]["p50"];
  CHECK(json["attained_at"] == p50);
  // Halved until what attains and what does not are 1 % apart.
  CHECK(json["missed_at"].get<double>() <= 1.01 * p50);
  CHECK(json["rate_per_s"]["p10"].get<double>() <= p50);
  CHECK(json["rate_per_s"]["p90"].get<double>() >= p50);
  CHECK(json["runs"].get<int>() > 10);
  // Four engines of two GPUs, of which one stops with a GPU; 8 GPUs, each lost 1/6 h of 50,700.
  const auto& lost = json["availability"]["lost"];
  CHECK(lost[0]["capacity_per_s"].get<double>() == doctest::Approx(p50));
  CHECK(lost[1]["capacity_per_s"].get<double>() == doctest::Approx(0.75 * p50));
  CHECK(lost[1]["probability"].get<double>() == doctest::Approx(8.0 / 6 / 50700).epsilon(1e-4));
  // Two are of one engine in one of seven ways.
  CHECK(lost[2]["capacity_per_s"].get<double>() == doctest::Approx((0.75 + 6 * 0.5) / 7 * p50));
  CHECK(json["availability"]["goodput_per_s"].get<double>() ==
        doctest::Approx(p50 * (1 - 0.25 * 8.0 / 6 / 50700)).epsilon(1e-6));
  CHECK(json["availability"]["source"].get<std::string>().starts_with("Llama 3, 16,384 H100"));
}

TEST_CASE("an elastic engine that loses a GPU carries less, and more than none") {
  // Mixtral over eight ranks, each expert twice. A GPU is lost a tenth of the time.
  const auto capacity = [](bool elastic) {
    Values values =
        mixtral({"serving.targets={ttft: 1 s, tpot: 40 ms}", "parallelism={dp: 8, ep: 8}",
                 "serving.replicas=1", "placement={experts: eplb, redundant: 8, survive: gpu}",
                 "cluster.reliability={gpu_hours: 10, restart: 10 s, recovery: 360 s}",
                 std::string("engine.elastic=") + (elastic ? "true" : "false")});
    values["format"] = {"json"};
    values["restart"] = {"3600 s"};
    const Called called = call(tools::capacity_command(), values);
    CAPTURE(called.err);
    CHECK(called.code == sim::ExitCode::Ok);
    return nlohmann::json::parse(called.out)["capacity"];
  };
  const auto stops = capacity(false), goes_on = capacity(true);
  CHECK(stops["rate_per_s"] == goes_on["rate_per_s"]);
  const double whole = stops["rate_per_s"]["p50"];
  CHECK(stops["availability"]["gpu_hours_to_a_stop"] == 10);
  CHECK(stops["availability"]["source"] ==
        "the command line; gpu_hours, recovery of cluster h100-1x8");
  CHECK(stops["availability"]["lost"][1]["capacity_per_s"] == 0);
  const double one = goes_on["availability"]["lost"][1]["capacity_per_s"];
  // 54 of 60 minutes with seven ranks.
  CHECK(one > 0.6 * 0.9 * whole);
  CHECK(one < 0.9 * whole);
  CHECK(goes_on["availability"]["lost"][2]["capacity_per_s"].get<double>() < one);
  CHECK(goes_on["availability"]["goodput_per_s"].get<double>() >
        stops["availability"]["goodput_per_s"].get<double>());
  Values wrong = mixtral({"serving.targets={ttft: 1000 s}"});
  wrong["restart"] = {"600"};
  CHECK(moesim::tests::thrown<sim::ConfigError>([&] {
          (void)call(tools::capacity_command(), wrong);
        }) == "--restart: expected a time such as 600 s, not \"600\"");
}

TEST_CASE("a capacity that is broken off says what it knew, and ends with 5") {
  // Asked in each run and after it.
  const auto after = [](int runs) {
    auto asked = std::make_shared<int>(0);
    return [asked, runs] { return ++*asked > runs; };
  };
  const Called at_once = call(tools::capacity_command(), mixtral(), after(0));
  CHECK(at_once.code == sim::ExitCode::Partial);
  CHECK(has(at_once.out,
            "  carries       nothing is known yet within TTFT 2 s, TPOT 80 ms, 99.0 % of "
            "requests\n                broken off in run 1\n"));
  CHECK(at_once.err ==
        "moesim capacity: broken off in run 1: what is printed is of those before\n");

  Values values = mixtral({"serving.targets={ttft: 1 s, tpot: 12 ms}"});
  values["format"] = {"json"};
  // Far enough for some runs of the first search, and not for all of it.
  const Called later = call(tools::capacity_command(), values, after(12));
  const auto json = nlohmann::json::parse(later.out);
  CAPTURE(later.err);
  CHECK(later.code == sim::ExitCode::Partial);
  CHECK(json["capacity"]["partial"] == true);
  CHECK(json["capacity"]["rate_per_s"]["p50"].is_null());
  CHECK(json["capacity"]["missed_at"].get<double>() > 0);
  CHECK_FALSE(json.contains("serving"));
  CHECK(json["capacity"]["runs"].get<int>() > 1);
}

TEST_CASE("a run whose iterations differ when played again, or that was broken off, ends with 5") {
  const auto ended = [](double mean_percent, bool partial) {
    workloads::serving::ServingReport report;
    report.partial = partial;
    report.iteration_error.mean_percent = mean_percent;
    std::ostringstream err;
    const sim::ExitCode code = tools::exit_of(report, err);
    return std::pair(static_cast<int>(code), err.str());
  };
  CHECK(ended(1, false) == std::pair(0, std::string()));
  CHECK(
      ended(1.001, false) ==
      std::pair(5, std::string("moesim run: iterations played again differ by 1.00 % on average, "
                               "more than 1 %: a smaller serving.iteration.error, or cost: exact, "
                               "would do\n")));
  const std::string broken = "moesim run: broken off: the report is of what was done\n";
  CHECK(ended(2, true) == std::pair(5, broken));
  // So does the command.
  int asked = 0;
  const Called called = call(tools::run_command(), mixtral(), [&] { return ++asked > 3; });
  CHECK(called.code == sim::ExitCode::Partial);
  CHECK(has(called.err, broken));
  CHECK(has(called.out, "BROKEN OFF"));
  CHECK(call(tools::run_command(), mixtral()).code == sim::ExitCode::Ok);
}

TEST_CASE("a capacity without targets, or that nothing attains, is told so") {
  CHECK(tests::thrown<sim::InfeasibleError>([&] {
          call(tools::capacity_command(), mixtral({"serving.targets={ttft: 1 us}"}));
        }).find("no rate attains TTFT 1 us, 99.0 % of requests: at ") != std::string::npos);
  CHECK(tests::thrown<sim::ConfigError>([&] {
          call(tools::capacity_command(), mixtral({"serving.requests.arrivals={law: closed}",
                                                   "serving.client={concurrency: 8}"}));
        }) ==
        "configs/scenarios/mixtral-8x7b-serving-h100.yaml: capacity is a rate: expected a scenario "
        "with serving.requests.arrivals.rate, or with a trace whose requests come one after "
        "another");
}

TEST_CASE("measured engines are played with the options that their runs had") {
  const tests::TemporaryFolder folder;
  const std::string rows = folder.file(
      "rows.csv", std::string(kRows) +
                      "a,vllm,0.19.0,openai/gpt-oss-120b,h200_sxm,fp4,agg,1024,256,4,1,1,1,1,"
                      "100,5\n"
                      "b,vllm,0.19.0,openai/gpt-oss-120b,h200_sxm,fp4,agg,1024,256,16,1,1,1,1,"
                      "200,8\n"
                      "c,vllm,0.19.0,openai/gpt-oss-120b,h200_sxm,fp4,disagg,1024,256,16,1,1,1,"
                      "1,200,8\n"
                      "d,vllm,0.19.0,nobody/knows,h200_sxm,fp4,agg,1024,256,16,1,1,1,1,200,8\n");
  const std::string options = folder.file(
      "options.csv", std::string(kOptions) +
                         "vllm,0.19.0,openai/gpt-oss-120b,h200_sxm,fp4,agg,*,*,2026-01-01,16,*,1,1,"
                         "off,1024,C,,auto,0.9,,,,off,,,\n");
  const auto played = [&](bool with) {
    Values values{{"FILE", {rows}}, {"format", {"json"}}, {"rows", {""}}};
    if (with) values["options"] = {options};
    const Called outcome = call(tools::validate_serving_command(), values);
    CHECK(outcome.code == sim::ExitCode::Ok);
    return nlohmann::json::parse(outcome.out);
  };
  const auto plain = played(false), asked = played(true);
  CHECK(plain["n"] == 2);
  CHECK(plain["by"]["options"]["not asked"]["tpot"]["n"] == 2);
  CHECK(asked["by"]["options"]["known"]["tpot"]["n"] == 1);
  CHECK(asked["by"]["options"]["none fits"]["tpot"]["n"] == 1);
  const auto ttft = [](const nlohmann::json& json, const std::string& name) {
    for (const auto& one : json["worst"]) {
      if (one["case"] == name) return one["predicted_ttft_ms"].get<double>();
    }
    return 0.0;
  };
  // Both are of Hopper, of one engine: its bias is the generation's, and judged by its own bar.
  const auto& hopper = plain["bars"]["generations"]["Hopper"];
  CHECK(hopper["tpot"]["n"] == 2);
  CHECK(hopper["by_engine"]["vllm"]["bias"] == hopper["tpot"]["bias"]);
  CHECK(hopper["by_engine"]["vllm"]["bias"] == plain["tpot"]["bias"]);
  CHECK(hopper["by_engine"]["vllm"]["met"] == (std::abs(plain["tpot"]["bias"].get<double>()) <= 5));
  CHECK(plain["bars"]["generations"]["Blackwell"]["tpot"]["met"].is_null());
  CHECK(plain["bars"]["cache_binds"]["throughput"]["n"] == 0);
  // Of the cache's tokens both clients want a few in a hundred: their TTFT counts.
  for (const auto& one : plain["worst"]) {
    CHECK(one["counts_for_ttft"] == true);
    CHECK(one["cache_demand"].get<double>() < 0.1);
  }
  // The row of 4 has no options; that of 16 has a budget for one prompt at a time where the engine
  // takes eight.
  CHECK(ttft(plain, "a") == ttft(asked, "a"));
  CHECK(ttft(plain, "b") != ttft(asked, "b"));
  std::map<std::string, int> skipped;
  for (const auto& one : asked["skipped"]) skipped[one["reason"]] = one["n"];
  CHECK(skipped ==
        std::map<std::string, int>{{"prefill and decode apart: how many engines is not said", 1},
                                   {"no model file is called or has the alias nobody/knows", 1}});
  const Called text = call(tools::validate_serving_command(), {{"FILE", {rows}}});
  CHECK(has(text.out, "error in %"));
  CHECK(has(text.out, "  by engine\n  vllm "));
  CHECK(has(text.out, "\n  TPOT by generation, error in %"));
  CHECK(has(text.out, "\n  Hopper vllm   "));
  CHECK(has(text.out,
            "\n  where the cache binds: clients want more tokens of it than there is room for\n  "
            "tokens/s                                              none\n"));
  CHECK(has(text.out, "      1  prefill and decode apart: how many engines is not said\n"));
  CHECK(tests::thrown<sim::ConfigError>([&] {
          call(tools::validate_serving_command(), {{"FILE", {rows}}, {"model", {"mine.yaml"}}});
        }) == "--model mine.yaml: expected ID=FILE, such as Qwen/Qwen3-32B=mine.yaml");
}

TEST_CASE("a table that says what was sent is compared by throughput, too, and by option pairs") {
  const tests::TemporaryFolder folder;
  const std::string begin =
      "GPT-OSS-20B,A single NVIDIA H100 SXM GPU.,vLLM: v0.11.0,vllm serve openai/gpt-oss-20b";
  const std::string lab = folder
                              .file("lab.csv",
                                    "model,hardware,versions,command,completed,duration_s,"
                                    "total_input_tokens,total_output_tokens,output_throughput,"
                                    "mean_ttft_ms,mean_tpot_ms,max_concurrency\n" +
                                        begin + ",40,1,5120,400,400,100,10,\n" + begin +
                                        " --max-num-seqs 2,40,4,5120,400,100,2000,,\n" + begin +
                                        " --enforce-eager,40,4,5120,400,100,2000,20,\n"
                                        "Qwen/Qwen3-32B,NVIDIA H100,vLLM: v0.11.0,vllm serve "
                                        "Qwen/Qwen3-32B,40,4,5120,400,100,2000,20,\n")
                              .string();
  const auto json = nlohmann::json::parse(
      call(tools::validate_serving_command(), {{"FILE", {lab}}, {"format", {"json"}}}).out);
  CHECK(json["throughput"]["n"] == 2);
  CHECK(json["ttft"]["n"] == 2);
  CHECK(json["tpot"]["n"] == 1);
  CHECK(json["by"]["mode"]["all at once"]["throughput"]["n"] == 2);
  // Two at a time are slower than forty, as measured.
  CHECK(json["pairs"]["one_engine"]["throughput"] == nlohmann::json({{"pairs", 1}, {"right", 1}}));
  CHECK(json["pairs"]["all"]["tpot"]["pairs"] == 0);
  REQUIRE(json["rows"].size() == 2);
  const auto& two = json["rows"][1];
  CHECK(two["options"] == " --max-num-seqs 2");
  CHECK(two["mean_tpot_ms"]["measured"].is_null());
  CHECK(two["output_throughput"]["predicted"].get<double>() <
        json["rows"][0]["output_throughput"]["predicted"].get<double>());
  // 40 requests of 10 tokens: what was answered is in the rate.
  CHECK(two["output_throughput"]["interval80"][0].get<double>() <=
        two["output_throughput"]["predicted"].get<double>());
  std::map<std::string, int> skipped;
  for (const auto& one : json["skipped"]) skipped[one["reason"]] = one["n"];
  CHECK(skipped ==
        std::map<std::string, int>{
            {"GPT-OSS-20B: its command has an option that is not known: --enforce-eager", 1},
            {"a dense model, Qwen/Qwen3-32B", 1}});
  const Called text = call(tools::validate_serving_command(), {{"FILE", {lab}}});
  CHECK(has(text.out, "error in %; in the 80 % interval"));
  CHECK(has(text.out,
            "\n  options of one engine      tokens/s 1 of 1   TPOT 0 of 0   TTFT 1 of 1\n"));
  CHECK(has(text.out, "; 128 tokens, 40 requests; --max-num-seqs 2\n"));
  CHECK(has(text.out, "      1  a dense model, Qwen/Qwen3-32B\n"));
  CHECK(tests::thrown<sim::ConfigError>([&] {
          call(tools::validate_serving_command(), {{"FILE", {lab}}, {"full", {"true"}}});
        }) ==
        "--full: the rows of this table say themselves what was sent and started: leave it out");
}
