// `serving:` from YAML: an engine's defaults, what overrides them, and every mistake.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "workloads/deployment/all_to_all.h"
#include "workloads/scenario.h"
#include "workloads/serving/read_question.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace moesim::workloads;
using namespace moesim::workloads::serving;

namespace {

std::string configs(const std::string& file) {
  return std::filesystem::absolute("configs/" + file).string();
}

std::string text_of(const std::string& serving, const std::string& more = {}) {
  return "name: x\nmodel: " + configs("models/mixtral-8x7b.yaml") +
         "\ncluster: " + configs("clusters/h100-1x8.yaml") +
         "\nparallelism: {tp: 2}\nnetwork: bound\n" + more + "serving:\n" + serving;
}

Scenario read(const std::string& text) {
  return read_scenario(sim::io::YamlDocument::parse(text, "s").root(),
                       {.engines = "configs/engines"});
}

std::string mistake(const std::string& serving, const std::string& more = {}) {
  return tests::thrown<sim::ConfigError>([&] { (void)read(text_of(serving, more)); });
}

const std::string kRequests =
    "  requests: {arrivals: {law: poisson, rate: 2 /s}, input: 10, output: 5, count: 9}\n";

}  // namespace

TEST_CASE("a pool may have kernels of its own, and those that there are not are told there") {
  const auto pools = [](const std::string& prefill) {
    return kRequests + "  pools: {prefill: {replicas: 1, kernels: " + prefill +
           "}, decode: {replicas: 1}}\n";
  };
  const Scenario s = read(text_of(pools("{all_to_all: deepep_normal, moe: trtllm}"),
                                  "engine: sglang-0.5.6\nkernels: {all_to_all: deepep}\n"));
  const Deployment reads = deployment_of(s.deployment, *s.serving()->prefill),
                   generates = deployment_of(s.deployment, s.serving()->pool);
  CHECK(all_to_all_name(reads) == "deepep_normal");
  CHECK(all_to_all_name(generates) == "deepep");
  CHECK(reads.kernels.moe == "trtllm");
  CHECK(generates.kernels.moe == "sglang");
  CHECK(reads.kernels.gemm == generates.kernels.gemm);
  CHECK(reads.all_reduce == generates.all_reduce);
  CHECK(mistake(pools("{moe: mine}")).starts_with("s:8:"));
  CHECK(mistake(pools("{moe: mine}")).find("serving.pools.prefill.kernels.moe: ") !=
        std::string::npos);
  CHECK(mistake(kRequests + "  kernels: {moe: trtllm}\n").find("unknown") != std::string::npos);
}

TEST_CASE("of pools apart each takes a trace's tokens of its own phase, where that is asked for") {
  const std::string own =
      "routing: {trace: " + configs("traces/mixtral-like.h5") + ", phase: own}\n";
  const Scenario s =
      read(text_of(kRequests + "  pools: {prefill: {replicas: 1}, decode: {replicas: 1}}\n", own));
  const auto phase = [&](const Pool& pool) {
    return deployment_of(s.deployment, pool).routing.mapping.phase;
  };
  CHECK(phase(*s.serving()->prefill) == TokenPhase::Prefill);
  CHECK(phase(s.serving()->pool) == TokenPhase::Decode);
  CHECK(mistake(kRequests, own) ==
        "s:6:10: routing: phase: own: engines' passes hold prompts and generated tokens: any, "
        "prefill or decode, or serving.pools apart, would do");
}

TEST_CASE("a service takes what its engine's file says, then what the scenario says") {
  const Scenario s = read(text_of(
      kRequests +
          "  scheduler: {sequences: 7}\n  kv: {memory: 0.8, prefix_cache: false}\n  replicas: "
          "2\n  targets: {ttft: 2 s}\n",
      "engine: vllm-0.19\nkernels: {moe: trtllm}\n"));
  const ServingQuestion& q = *s.serving();
  CHECK(q.pool.scheduler.kind == SchedulerKind::Vllm);
  CHECK(q.pool.scheduler.tokens == 8192);  // the file's
  CHECK(q.pool.scheduler.ahead);
  CHECK(q.pool.scheduler.sequences == 7);  // the scenario's
  CHECK(q.pool.graphs.sizes.back() == 512);
  CHECK(q.pool.graphs.mixed);
  CHECK(q.pool.graphs.alike);
  CHECK(q.pool.cache.fraction == 0.8);
  CHECK(q.pool.cache.block == 16);
  CHECK_FALSE(q.pool.scheduler.prefix_cache);
  CHECK(q.client.send == s.deployment.host.per_request);  // the file's, too
  CHECK(q.client.send > sim::Duration{});
  CHECK(q.pool.replicas == 2);
  CHECK(q.pool.layout.tp == 2);
  CHECK(q.gpus() == 4);
  CHECK(*q.targets.ttft == 2s);
  CHECK(q.targets.attained == 0.99);
  CHECK(s.inputs.defaults.empty());
}

TEST_CASE(
    "an engine's graphs and tokens are those of its cards, unless the scenario says its own") {
  const auto pool = [](const std::string& cluster, const std::string& layout,
                       const std::string& more = "", const std::string& engine = "sglang-0.5.6") {
    return read("name: x\nmodel: " + configs("models/mixtral-8x7b.yaml") + "\ncluster: " +
                configs("clusters/" + cluster + ".yaml") + "\nparallelism: " + layout +
                "\nnetwork: bound\nengine: " + engine + "\nserving:\n" + kRequests + more)
        .serving()
        ->pool;
  };
  // srt/server_args.py: of 60 to 160 GB 256 sequences below --tp-size 4, else 512, and 8,192
  // tokens; above 512 and 16,384.
  CHECK(pool("h200-1x8", "{tp: 2}").graphs.sizes.back() == 256);
  CHECK(pool("h200-1x8", "{tp: 8}").graphs.sizes.back() == 512);
  CHECK(pool("h200-1x8", "{dp: 8, ep: 8}").graphs.sizes.back() == 512);
  CHECK(pool("h200-1x8", "{tp: 8}").scheduler.chunk == 8192);
  CHECK(pool("b200-1x8", "{tp: 2}").graphs.sizes.back() == 512);
  CHECK(pool("b200-1x8", "{tp: 2}").scheduler.chunk == 16384);
  const Pool own =
      pool("b200-1x8", "{tp: 2}", "  graphs: {up_to: 1000}\n  scheduler: {chunk: 64}\n");
  CHECK(own.graphs.sizes.back() == 992);  // 544 and every 32nd from there
  CHECK(own.graphs.pad);
  CHECK(own.scheduler.chunk == 64);
  // vllm/engine/arg_utils.py: 70 GiB and more, but for an A100.
  CHECK(pool("h100-1x8", "{tp: 8}", "", "vllm-0.19").scheduler.tokens == 8192);
  CHECK(pool("a100-1x8", "{tp: 8}", "", "vllm-0.19").scheduler.tokens == 2048);
  CHECK(pool("a100-1x8", "{tp: 8}", "", "vllm-0.19").scheduler.sequences == 256);
}

TEST_CASE("ranks that are alike are said again") {
  const Scenario s = read(text_of(kRequests + "  graphs: {sizes: [4], alike: true}\n", ""));
  CHECK(s.serving()->pool.graphs.alike);
  CHECK(to_json(*s.serving()).dump().find("\"alike\":true") != std::string::npos);
}

TEST_CASE(
    "what text takes to become tokens goes with an engine's request, unless a sending is given") {
  const auto client = [](const std::string& more, const std::string& engine) {
    return read(text_of(kRequests + more, engine)).serving()->client;
  };
  const std::string vllm = "engine: vllm-0.19\nkernels: {moe: trtllm}\n";
  // 13 ms, of which 4 are the front end's, and 3.5 us a token: 1,000 tokens take 12.5 ms beside it.
  CHECK(client("", vllm).front_end == 4ms);
  CHECK(client("", vllm).sending(1000) == 12'500us);
  CHECK(client("", "").sending(1000) == 0us);
  CHECK(client("  client: {send: 2 ms}\n", vllm).sending(1000) == 2ms);
  CHECK(client("  client: {send: 2 ms, per_token: 1 us}\n", vllm).sending(1000) == 3ms);
  CHECK(client("  client: {per_token: 1 us}\n", "").sending(1000) == 1ms);
  CHECK(client("  client: {send: 2 ms}\n", vllm).front_end == 0us);
  CHECK(client("  client: {send: 2 ms, front_end: 3 ms}\n", vllm).front_end == 3ms);
  CHECK(client("  client: {front_end: 3 ms}\n", vllm).sending(1000) == 12'500us);
}

TEST_CASE("a service without an engine is told whose rules it gets") {
  const Scenario s = read(text_of(kRequests));
  CHECK(s.inputs.defaults ==
        std::vector<std::string>{
            "scheduler: vLLM's order, 8192 tokens and 1024 sequences an iteration, no host (no "
            "engine of vllm, sglang or trtllm is named)"});
}

TEST_CASE("dp ranks that share no experts are engines of their own") {
  Scenario s =
      read("name: x\nmodel: " + configs("models/mixtral-8x7b.yaml") +
           "\ncluster: " + configs("clusters/h100-1x8.yaml") +
           "\nparallelism: {tp: 2, dp: 4, etp: 2}\nnetwork: bound\nserving:\n" + kRequests);
  CHECK(s.serving()->pool.replicas == 4);
  CHECK(s.serving()->pool.layout.dp == 1);
  s = read("name: x\nmodel: " + configs("models/mixtral-8x7b.yaml") +
           "\ncluster: " + configs("clusters/h100-1x8.yaml") +
           "\nparallelism: {dp: 8, ep: 8}\nnetwork: bound\nserving:\n" + kRequests);
  CHECK(s.serving()->pool.replicas == 1);
  CHECK(s.serving()->pool.layout.dp == 8);
}

TEST_CASE("replicas that follow the load") {
  Scenario s = read(text_of(
      kRequests + "  autoscale: {min: 2, max: 4, metric: rate, target: 1.5 /s, every: 30 s}\n"));
  const Pool& pool = s.serving()->pool;
  REQUIRE(pool.scale);
  CHECK(pool.replicas == 2);  // from the start
  CHECK(s.serving()->gpus() == 8);
  CHECK(pool.scale->metric == ScaleMetric::Rate);
  CHECK(pool.scale->target == 1.5);
  CHECK(pool.scale->every == 30s);
  CHECK(pool.scale->start == 120s);
  CHECK(pool.scale->settle == 300s);
  // Four engines of a dp rank each are one replica, twice at most.
  s = read("name: x\nmodel: " + configs("models/mixtral-8x7b.yaml") +
           "\ncluster: " + configs("clusters/h100-1x8.yaml") +
           "\nparallelism: {dp: 4, etp: 1}\nnetwork: bound\nserving:\n" + kRequests +
           "  autoscale: {max: 2}\n  replicas: 2\n");
  CHECK(s.serving()->pool.together == 4);
  CHECK(s.serving()->pool.replicas == 8);
  CHECK(s.serving()->pool.most_replicas() == 8);
  const std::string pools =
      "  pools: {prefill: {replicas: 1}, decode: {autoscale: {max: 3, metric: requests, target: "
      "8}}}\n";
  s = read(text_of(kRequests + pools));
  CHECK(s.serving()->pool.scale->most == 3);
  CHECK_FALSE(s.serving()->prefill->scale);
  CHECK(s.serving()->gpus() == 8);

  const auto said = [](const std::string& scale) {
    return mistake(kRequests + "  autoscale: " + scale + "\n");
  };
  CHECK(said("{max: 5}") == "s:7:3: serving: its engines take 10 GPUs, the cluster has 8");
  CHECK(said("{min: 0, max: 2}") ==
        "s:8:20: serving.autoscale.min: a pool without any replica is not simulated: expected 1 or "
        "more");
  CHECK(said("{min: 3, max: 2}") == "s:8:28: serving.autoscale.max: expected min, 3, or more");
  CHECK(said("{max: 2, metric: rate}") ==
        "s:8:14: serving.autoscale: target: missing: the requests a second that a replica carries, "
        "such as 4 /s (moesim capacity tells)");
  CHECK(said("{max: 2, metric: requests}") ==
        "s:8:14: serving.autoscale: target: missing: how many requests a replica is to have at "
        "once, such as 64");
  CHECK(said("{max: 2, every: 0 s}") ==
        "s:8:30: serving.autoscale.every: expected a time above zero, such as 60 s");
  CHECK(mistake(kRequests + "  autoscale: {max: 2}\n  replicas: 3\n") ==
        "s:9:13: serving.replicas: expected 1 to 2, as autoscale says");
  CHECK(mistake(kRequests + pools + "  autoscale: {max: 2}\n") ==
        "s:9:14: serving.autoscale: each pool has its own: give pools.decode.autoscale and the "
        "like");
}

TEST_CASE("SGLang's cache and weights take what its chunk, graphs and ranks leave of a card") {
  const auto pool = [](const std::string& cluster, const std::string& layout,
                       const std::string& more = "") {
    return read("name: x\nmodel: " + configs("models/mixtral-8x7b.yaml") + "\ncluster: " +
                configs("clusters/" + cluster + ".yaml") + "\nparallelism: " + layout +
                "\nnetwork: bound\nengine: sglang-0.5.6\nserving:\n" + kRequests + more)
        .serving()
        ->pool;
  };
  // H200: 143,771 MiB, H100: 81,559. 512 + 8,192 x 1.5 + 512 x 2 + 8 x 128 = 14,848 MiB.
  CHECK(pool("h200-1x8", "{tp: 8}").cache.fraction == 0.897);
  CHECK(pool("h100-1x8", "{tp: 8}").cache.fraction == 0.818);
  // Below four ranks its graphs end at 256: 512 + 12,288 + 512 + 2 x 128 = 13,568.
  CHECK(pool("h200-1x8", "{tp: 2}").cache.fraction == 0.906);
  // Of its chunk before it is divided, and 4.5 x 512 x 8 = 18,432 beside: 33,280.
  CHECK(pool("h200-1x8", "{dp: 8, ep: 8}").cache.fraction == 0.769);
  // 3 x 256 x 8 where graphs are no larger than 300: 512 + 12,288 + 512 + 1,024 + 6,144 = 20,480.
  CHECK(pool("h200-1x8", "{dp: 8, ep: 8}", "  graphs: {up_to: 256}\n").cache.fraction == 0.858);
  // A chunk of 2,048 at least, and 10 GiB at least of a card of more than 60.
  CHECK(pool("h100-1x8", "{tp: 8}", "  scheduler: {chunk: 64}\n").cache.fraction == 0.874);
  CHECK(pool("h200-1x8", "{tp: 8}", "  kv: {memory: 0.8}\n").cache.fraction == 0.8);
}

TEST_CASE("a fraction that nobody starts an engine with is taken from recipes, and said") {
  // 147,456 MiB for graphs of 64 dp ranks alone are more than the card has.
  const auto of = [](const char* more) {
    return read("name: x\nmodel: " + configs("models/deepseek-v3.yaml") +
                "\ncluster: " + configs("clusters/h100-16x8.yaml") +
                "\nparallelism: {dp: 64, ep: 64}\nnetwork: bound\nengine: "
                "sglang-0.5.6\nserving:\n" +
                kRequests + more);
  };
  const Scenario s = of("");
  CHECK(s.serving()->pool.cache.fraction == 0.8);
  CHECK(std::ranges::any_of(s.inputs.defaults, [](const std::string& text) {
    return text.find("kv.memory of replicas: 0.8, as recipes have it") == 0;
  }));
  CHECK(of("  kv: {memory: 0.3}\n").serving()->pool.cache.fraction == 0.3);
}

TEST_CASE("dp ranks that share no experts are engines of their own, with chunks of their own") {
  const Scenario s = read("name: x\nmodel: " + configs("models/mixtral-8x7b.yaml") +
                          "\ncluster: " + configs("clusters/h200-1x8.yaml") +
                          "\nparallelism: {dp: 8}\nnetwork: bound\nengine: "
                          "sglang-0.5.6\nserving:\n" +
                          kRequests);
  const Pool& pool = s.serving()->pool;
  CHECK(pool.replicas == 8);
  CHECK(pool.scheduler.chunk == 8192);
  CHECK(pool.scheduler.conservativeness == 1);
  CHECK(pool.graphs.sizes.back() == 256);  // --tp-size 1
  // 512 + 12,288 + 512 + 128 = 13,440 MiB of 143,771
  CHECK(pool.cache.fraction == 0.907);
}

TEST_CASE("SGLang divides its chunk by the dp ranks") {
  const Scenario s =
      read("name: x\nmodel: " + configs("models/mixtral-8x7b.yaml") +
           "\ncluster: " + configs("clusters/h100-1x8.yaml") +
           "\nparallelism: {dp: 8, ep: 8}\nnetwork: bound\nengine: sglang-0.5.6\nserving:\n" +
           kRequests);
  CHECK(s.serving()->pool.scheduler.chunk == 1024);
  CHECK(s.serving()->pool.scheduler.conservativeness == 0.3);
}

TEST_CASE("pools have layouts of their own") {
  const Scenario s =
      read(text_of(kRequests + "  pools:\n    prefill: {replicas: 2, scheduler: {tokens: 100}}\n   "
                               " decode: {parallelism: {tp: "
                               "4}}\n  transfer: {setup: 1 ms, post: 3 us, layerwise: true}\n"));
  const ServingQuestion& q = *s.serving();
  REQUIRE(q.prefill);
  CHECK(q.prefill->replicas == 2);
  CHECK(q.prefill->scheduler.tokens == 100);
  CHECK(q.pool.layout.tp == 4);
  CHECK(q.pool.scheduler.tokens == 8192);
  CHECK(q.gpus() == 8);
  CHECK(q.transfer.mode == TransferMode::Pull);
  CHECK(q.transfer.setup == 1ms);
  CHECK(q.transfer.layerwise);
}

TEST_CASE("stages, ramps and laws of requests are read") {
  const auto laws = [](const std::string& requests) {
    return std::get<RequestLaws>(
        read(text_of("  requests: {" + requests + ", input: 10, output: 5}\n"))
            .serving()
            ->requests);
  };
  RequestLaws l =
      laws("arrivals: {law: gamma, burstiness: 0.5}, stages: [{rate: 8 /s, for: 600 s}]");
  CHECK(l.arrivals.shape == 0.5);
  REQUIRE(l.arrivals.stages.size() == 1);
  CHECK(l.arrivals.stages[0].time == 600s);
  l = laws("arrivals: {law: constant}, ramp: {from: 0 /s, to: 4 /s, over: 10 s}, for: 20 s");
  REQUIRE(l.arrivals.stages.size() == 2);
  CHECK(l.arrivals.stages[0].to == 4);
  CHECK(l.until == 20s);
}

TEST_CASE("what is wrong with a service is told with its place") {
  CHECK(mistake("  requests: {arrivals: {law: poisson, rate: 2 /s}, input: 10, output: 5}\n") ==
        "s:7:13: serving.requests: requests would come for ever: give count, or for: 600 s");
  CHECK(mistake("  requests: {arrivals: {law: closed}, input: 10, output: 5, count: 4}\n") ==
        "s:7:3: serving: a closed loop has so many requests in flight: give client.concurrency");
  CHECK(mistake(
            "  requests: {arrivals: {law: poisson, rate: 2}, input: 10, output: 5, count: 4}\n") ==
        "s:7:45: serving.requests.arrivals.rate: expected a rate such as 24 /s, not \"2\"");
  CHECK(mistake("  requests: {arrivals: {law: poisson}, input: 10, output: 5, count: 4}\n") ==
        "s:7:13: serving.requests: expected one of arrivals.rate, stages and ramp, to say how many "
        "requests come a second");
  CHECK(
      mistake("  requests: {arrivals: {law: at_once, rate: 2 /s}, input: 10, output: 5, count: "
              "4}\n") ==
      "s:7:45: serving.requests.arrivals.rate: all requests are there at once: leave the rate out");
  CHECK(
      mistake("  requests: {arrivals: {law: poisson, rate: 2 /s, shape: 2}, input: 10, output: 5, "
              "count: 4}\n") ==
      "s:7:58: serving.requests.arrivals.shape: belongs to the law weibull");
  CHECK(mistake(kRequests + "  replicas: 5\n") ==
        "s:7:3: serving: its engines take 10 GPUs, the cluster has 8");
  CHECK(mistake(kRequests + "  transfer: {setup: 1 ms}\n") ==
        "s:8:13: serving.transfer: nothing is sent where prompts are read in the same place: give "
        "pools");
  CHECK(mistake(kRequests + "  speculation: {draft: 2, accepted: [0.5]}\n") ==
        "s:8:37: serving.speculation.accepted: expected the chances of 2 drafted tokens, not 1");
  CHECK(mistake(kRequests + "  speculation: {draft: 1, accepted: [0.5]}\n") ==
        "s:7:3: serving: speculation: the model has no layers that predict further tokens");
  CHECK(mistake(kRequests + "  targets: {attained: 0.9}\n") ==
        "s:8:12: serving.targets: expected at least one of ttft, tpot, e2el");
  CHECK(
      mistake(kRequests + "  kv: {host: {size: 4 GB}}\n") ==
      "s:8:21: serving.kv.host.size: a cache in the host's memory is not simulated: leave it out");
  CHECK(mistake(kRequests + "  shedule: {}\n") ==
        "s:8:3: serving: unknown key \"shedule\"; did you mean \"scheduler\"?");
  CHECK(mistake(kRequests, "step: {phase: decode, batch_per_rank: 1, context: 8}\n") ==
        "s:8:3: serving: a scenario asks one thing: leave out step or serving");
}

TEST_CASE("targets of each request, and of statistics over all of them") {
  using workloads::serving::Statistic;
  using workloads::serving::TimeOf;
  const auto read = [](const std::string& text) {
    const auto document = sim::io::YamlDocument::parse(text, "t");
    const auto targets = workloads::serving::read_targets(document.root());
    document.throw_errors();
    return targets;
  };
  const auto both =
      read("{ttft: {each: 5 s, p50: 1 s}, tpot: {mean: 60 ms, p95: 80 ms}, itl: {p99: 1 s}}");
  CHECK(both.ttft == sim::Duration(5s));
  CHECK_FALSE(both.tpot);
  REQUIRE(both.statistics.size() == 4);
  CHECK(both.statistics[0].of == TimeOf::Ttft);
  CHECK(both.statistics[0].statistic == Statistic::P50);
  CHECK(both.statistics[2].statistic == Statistic::P95);
  CHECK(both.statistics[2].most == sim::Duration(80ms));
  CHECK(text_of(both) == "TTFT 5 s, p50 TTFT 1 s, mean TPOT 60 ms, p95 TPOT 80 ms, p99 ITL 1 s");
  // The tightest, whatever it is asked of.
  CHECK(tightest(both, TimeOf::Ttft) == sim::Duration(1s));
  CHECK(tightest(both, TimeOf::Tpot) == sim::Duration(60ms));
  CHECK_FALSE(tightest(both, TimeOf::E2el));
  CHECK(read("{tpot: {p99: 1 s}}").of_requests() == false);
  CHECK(read("{tpot: {p99: 1 s}}").any());
  CHECK(mistake(kRequests + "  targets: {itl: 20 ms, ttft: {p98: 1 s}}\n") ==
        "s:8:12: serving.targets: expected at least one of ttft, tpot, e2el\n"
        "s:8:18: serving.targets.itl: is of gaps, not of requests: expected a statistic, such as "
        "{p99: 200 ms}\n"
        "s:8:32: serving.targets.ttft: unknown key \"p98\"; did you mean \"p90\"?");
}

TEST_CASE("shares of a service may be percentages: an error of 0.5 % was refused") {
  const ServingQuestion q =
      *read(text_of(kRequests + "  iteration: {error: 0.5 %}\n  targets: {ttft: 2 s, "
                                "attained: 99 %}\n  kv: {memory: 80%, watermark: 1 %}\n"
                                "  scheduler: {batch_wait: {share: 50 %}}\n",
                    ""))
           .serving();
  CHECK(q.iteration.error == 0.005);
  CHECK(q.targets.attained == 0.99);
  CHECK(q.pool.cache.fraction == 0.8);
  CHECK(q.pool.scheduler.watermark == 0.01);
  CHECK(q.pool.scheduler.batch_wait.share == 0.5);
}
