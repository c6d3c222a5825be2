// Whole services on a real model: what a run gives, and that it does not depend on anything else.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "tests/workloads/step/hand_scenario.h"
#include "workloads/run.h"
#include "workloads/run_serving.h"
#include "workloads/scenario.h"
#include "workloads/serving_capacity.h"

using namespace moesim;
using namespace moesim::workloads;
using namespace moesim::workloads::serving;
using moesim::tests::thrown;

namespace {

Scenario mixtral(std::vector<std::string> sets = {}) {
  sets.insert(sets.begin(), {"serving.requests.count=120", "serving.requests.warm_up=20",
                             "serving.iteration.draws=2", "serving.iteration.checks=8"});
  return load_scenario("configs/scenarios/mixtral-8x7b-serving-h100.yaml", sets,
                       {.engines = "configs/engines"});
}

}  // namespace

TEST_CASE("a service's report adds up") {
  const Scenario s = mixtral();
  Service service(s.deployment, *s.serving());
  const PlayedService played = service.play({.sample = std::chrono::seconds(1)});
  const ServingReport& r = played.report;
  CHECK(r.completed == 100);
  CHECK(r.failed == 0);
  CHECK(played.records.size() == 120);
  const auto& p = r.ttft_parts_ms;
  CHECK(p.client + p.router + p.queue + p.prefill + p.transfer + p.first_decode ==
        doctest::Approx(r.ttft.mean).epsilon(1e-12));
  CHECK(r.output_throughput * r.duration_s ==
        doctest::Approx(static_cast<double>(r.total_output_tokens)));
  sim::Time sent = sim::Time::min(), answered = sim::Time::min();
  for (const auto& record : played.records) {
    sent = std::max(sent, record.sent);
    answered = std::max(answered, record.last);
  }
  CHECK(r.drain_s == doctest::Approx(sim::to_seconds(answered - sent)));
  CHECK(r.drain_s > 0);
  CHECK(r.ttft.median <= r.ttft.p90);
  CHECK(r.itl.count == r.total_output_tokens - r.completed);  // every token but the first
  // Prices agree with the steps played again, far within what a run asks for.
  CHECK(error_of(service.cost().check()).mean_percent < 0.3);
  CHECK(service.capacity().capacity > r.request_throughput);
  CHECK(requests_csv(played.records)
            .starts_with("request,replica,rank,input_tokens,output_tokens,arrival_s,"));
}

TEST_CASE("single steps are what a lone request takes, and know nothing of who else is there") {
  const std::vector<std::string> lone{"serving.requests.arrivals={law: closed}",
                                      "serving.client.concurrency=1",
                                      "serving.requests.input={law: constant, value: 1000}",
                                      "serving.requests.output={law: constant, value: 65}",
                                      "serving.requests.count=6",
                                      "serving.requests.warm_up=1",
                                      "serving.iteration.draws=1",
                                      "serving.targets={ttft: 2 s}"};
  const Scenario s = mixtral(lone);
  Service service(s.deployment, *s.serving());
  const ServingReport played = service.play().report;
  const BareSteps one = service.bare_steps(1);
  const auto ms = [](sim::Duration time) { return sim::to_us(time) / 1000; };
  CHECK(played.ttft_parts_ms.prefill == doctest::Approx(ms(one.prompt)).epsilon(0.01));
  CHECK(played.tpot.mean == doctest::Approx(ms(one.decode)).epsilon(0.03));
  // Sixteen decode beside each other; a prompt is still read alone.
  const BareSteps many = service.bare_steps(16);
  CHECK(many.decode > one.decode);
  CHECK(many.prompt == one.prompt);
  // In passes of 500 tokens there are two, each of which reads the experts.
  std::vector<std::string> halves = lone;
  halves.push_back("serving.scheduler.tokens=500");
  const Scenario half = mixtral(halves);
  Service chunked(half.deployment, *half.serving());
  CHECK(chunked.bare_steps(1).prompt > one.prompt * 11 / 10);
}

TEST_CASE("a run does not depend on what was run before") {
  const Scenario s = mixtral();
  Service service(s.deployment, *s.serving());
  const auto first = service.play().records;
  (void)service.play({}, {.mean = true});
  CHECK(service.play().records == first);
  Service other(s.deployment, *s.serving());
  CHECK(other.play().records == first);
  // Twice the time an iteration: slower in all.
  const auto slow = service.play({}, {.decode_factor = 2, .prompt_factor = 2}).report;
  CHECK(slow.tpot.mean > 1.8 * service.play().report.tpot.mean);
}

TEST_CASE("what is played again is what a lattice was asked for") {
  const auto reported = [](std::vector<std::string> sets) {
    const Scenario s = mixtral(std::move(sets));
    return Service(s.deployment, *s.serving()).play().report;
  };
  const ServingReport x = reported({"host.graphs=all"});
  const ServingReport y = reported({"host.graphs=all", "serving.iteration.cost=exact"});
  CHECK(x.tpot.mean == doctest::Approx(y.tpot.mean).epsilon(0.003));
  CHECK(x.ttft.mean == doctest::Approx(y.ttft.mean).epsilon(0.01));
  // Launched kernel by kernel, a pass takes a little longer than its GPUs or its host alone.
  const ServingReport longer = reported({}), launched = reported({"serving.iteration.cost=exact"});
  CHECK(longer.tpot.mean == doctest::Approx(launched.tpot.mean).epsilon(0.02));
  CHECK(longer.ttft.mean == doctest::Approx(launched.ttft.mean).epsilon(0.05));
}

TEST_CASE("replicas that follow the load are counted by the time that they are there") {
  const Scenario s =
      mixtral({"serving.autoscale={min: 1, max: 4, metric: requests, target: 8, "
               "every: 2 s, start: 1 s, settle: 4 s}",
               "serving.replicas=1"});
  const RunResult result = run(s, {});
  const ServingReport& r = result.serving->report;
  REQUIRE(r.scaled.size() == 1);
  const ScaledPool& pool = r.scaled[0];
  CHECK(pool.most_used > 1);
  CHECK(pool.most_used <= 4);
  CHECK(pool.started >= pool.most_used - 1);
  // Engines of two GPUs.
  CHECK(r.mean_gpus == doctest::Approx(2 * pool.mean));
  CHECK(r.gpus == 8);
  CHECK(pool.gpu_hours / pool.gpu_hours_of_most == doctest::Approx(pool.mean / 4));
  CHECK(result.report.tokens_per_s_per_gpu == doctest::Approx(r.output_throughput / r.mean_gpus));
  // One replica all the time is slower, four are faster.
  const auto fixed = [&](const char* replicas) {
    const Scenario same = mixtral({std::string("serving.replicas=") + replicas});
    return Service(same.deployment, *same.serving()).play().report;
  };
  CHECK(fixed("1").e2el.mean > r.e2el.mean);
  CHECK(fixed("4").e2el.mean < r.e2el.mean);
  CHECK(thrown<sim::ConfigError>([&] { (void)find_capacity(s, {}); }) ==
        "configs/scenarios/mixtral-8x7b-serving-h100.yaml: capacity is of engines whose number "
        "stays: leave out autoscale, or give replicas in its place");
}

TEST_CASE("a trace of equal requests, a second apart, carries what the law of that load does") {
  std::string rows = "arrival_s,input_tokens,output_tokens\n";
  for (int i = 0; i < 300; ++i) rows += std::to_string(i) + ",700,60\n";
  const tests::TemporaryFolder folder;
  const std::string file = folder.file("even.csv", rows).string();
  const std::vector<std::string> both{"serving.replicas=1", "serving.requests.warm_up=0",
                                      "serving.targets={ttft: 1 s, tpot: 30 ms}"};
  const auto with = [&](const std::string& requests) {
    std::vector<std::string> sets{"serving.requests=" + requests};
    sets.insert(sets.end(), both.begin(), both.end());
    return mixtral(std::move(sets));
  };
  const Scenario law = with(
      "{arrivals: {law: constant, rate: 1 /s}, count: 300, input: {law: constant, value: 700}, "
      "output: {law: constant, value: 60}}");
  const Scenario trace = with("{trace: " + file + ", format: moesim}");
  const ServingCapacity expected = find_capacity(law, {}), found = find_capacity(trace, {});
  CHECK(found.saturation.capacity == doctest::Approx(expected.saturation.capacity));
  CHECK(found.p50 == doctest::Approx(expected.p50).epsilon(0.01));
  CHECK(found.p10 == doctest::Approx(expected.p10).epsilon(0.01));
  CHECK(expected.p50 > 2);  // it was asked far from the trace's own pace

  // A run whose requests come at a rate is one of the law at that rate.
  const Scenario at_rate = with("{trace: " + file + ", format: moesim, rate: 7 /s}");
  Scenario same = law;
  auto question = *law.serving();
  set_rate(question, 7);
  same.question = question;
  CHECK(run(at_rate, {}).serving->report.ttft.mean ==
        doctest::Approx(run(same, {}).serving->report.ttft.mean));
}

TEST_CASE("a cache that could not hold the longest request ends before the run") {
  const Scenario s = mixtral({"serving.requests.input={law: constant, value: 1000}",
                              "serving.requests.output={law: constant, value: 24}",
                              "serving.requests.prefix={turns: 1}", "serving.kv.blocks=63"});
  CHECK(
      tests::thrown<sim::InfeasibleError>([&] { Service(s.deployment, *s.serving()); }) ==
      "replicas: the longest request is never served: 1000 tokens in and 24 out need 64 blocks of "
      "16 tokens, the cache has 63");
}

TEST_CASE("blocks are what the engine's part of the card leaves") {
  const Scenario s = mixtral();
  const CachePlan plan = plan_cache(s.deployment, s.serving()->pool, 1000);
  // 32 layers x 8 heads / 2 x 128 x 2 (keys, values) x 2 bytes = 65,536 bytes a token on each GPU.
  CHECK(plan.bytes_per_token == doctest::Approx(65'536).epsilon(0.03));  // whole blocks of 1,000
  const GpuMemory& gpu = plan.memory.gpu();
  const double room = 0.9 * static_cast<double>(plan.memory.capacity) -
                      static_cast<double>(gpu.peak() - gpu.kv_cache);
  CHECK(static_cast<double>(plan.blocks) ==
        doctest::Approx(room / (plan.bytes_per_token * 16)).epsilon(1e-4));
}

TEST_CASE("a service says which blocks its ranks cut, and what of its engine it does not play") {
  // Qwen3-30B-A3B has experts of 768: over etp = 4, 192, which is padded to 256, 64 / 192 more.
  Scenario s = mixtral(
      {"model=configs/models/qwen3-30b-a3b.yaml", "parallelism={tp: 4}", "serving.replicas=1",
       "precision.weights=fp8_block", "engine=configs/engines/trtllm-1.2.yaml",
       "routing={law: balanced}", "serving.requests.input={law: constant, value: 100}",
       "serving.requests.output={law: constant, value: 10}", "serving.requests.prefix={turns: 1}"});
  s.deployment.engine.composition.moe = {{.tokens_up_to = {}, .kernels = "triton"}};
  const std::vector<std::string> expected{
      "engine file trtllm-1.2: its composition is not played by a step: moe by tokens (played: "
      "kernels.moe)",
      "experts of width 768 over etp = 4 are 192 wide on a rank, no whole number of fp8_block's "
      "blocks of 128: engines refuse it or pad it to 256, 33 % more"};
  CHECK(run(s, {}).report.notes == expected);
  CHECK(find_capacity(s, {}).at.notes == expected);
}

TEST_CASE("a service says that its engines are priced as the first one, where a GPU is slow") {
  const auto said = [](std::vector<std::string> sets) {
    const auto notes = run(mixtral(std::move(sets)), {}).report.notes;
    return std::ranges::count(
        notes,
        "engines are priced as one on the first 2 GPUs: a slow GPU of cluster.faults counts for "
        "all engines if it is among those, and for none elsewhere");
  };
  CHECK(said({"cluster.faults=[{gpu: 7, speed: 0.5}]"}) == 1);
  CHECK(said({"cluster.faults=[{gpu: 0, speed: 0.5}]", "serving.replicas=1"}) == 0);
  CHECK(said({}) == 0);
}

TEST_CASE("a service's report is JSON: its interval per GPU was infinite") {
  const Scenario s = mixtral();
  const RunResult result = run(s, {});
  const auto json = sim::io::parse_json(sim::io::to_text(to_json(result.report, resolved(s))), "x");
  const auto& band = json["interval"]["tokens_per_s_per_gpu"];
  const double mean = json["throughput"]["tokens_per_s_per_gpu"];
  CHECK(mean > 0);
  CHECK(band["p10"] <= mean * 1.001);
  CHECK(band["p90"] >= mean * 0.999);
}

TEST_CASE(
    "intervals are runs at the ends of what models and structure say; first tokens have more") {
  // Logarithms as squares: 0.3 of the models and 0.4 of the structure are 0.5.
  const double deviation = 0.4 / kTenthDeviation;
  const CostBand both =
      with_structure({.decode_low = std::exp(-0.3), .prompt_high = std::exp(0.3)}, deviation);
  CHECK(both.decode_low == doctest::Approx(std::exp(-0.5)));
  CHECK(both.decode_high == doctest::Approx(std::exp(0.4)));
  CHECK(both.prompt_low == doctest::Approx(std::exp(-0.4)));
  CHECK(both.prompt_high == doctest::Approx(std::exp(0.5)));

  const Scenario s = mixtral();
  Service service(s.deployment, *s.serving());
  ServingReport r = service.play().report;
  write_intervals(service, {}, {}, r);
  const double end = std::exp(kTenthDeviation * kTokenStructure);
  const ServingReport slow = service.play({}, {.decode_factor = end, .prompt_factor = end}).report;
  const ServingReport fast =
      service.play({}, {.decode_factor = 1 / end, .prompt_factor = 1 / end}).report;
  CHECK(r.interval.at("mean_tpot_ms").p90 == doctest::Approx(slow.tpot.mean));
  CHECK(r.interval.at("mean_tpot_ms").p10 == doctest::Approx(fast.tpot.mean));
  CHECK(r.interval.at("output_throughput").p10 ==
        doctest::Approx(std::min(slow.output_throughput, r.output_throughput)));
  const double beyond = kTenthDeviation * std::sqrt(kFirstStructure * kFirstStructure -
                                                    kTokenStructure * kTokenStructure);
  CHECK(r.interval.at("mean_ttft_ms").p90 ==
        doctest::Approx(r.ttft.mean *
                        std::exp(std::hypot(std::log(slow.ttft.mean / r.ttft.mean), beyond))));
  CHECK(r.interval.at("mean_ttft_ms").p10 ==
        doctest::Approx(r.ttft.mean *
                        std::exp(-std::hypot(std::log(fast.ttft.mean / r.ttft.mean), beyond))));
}

TEST_CASE("requests that are all warm-up were a service that answers nobody") {
  CHECK(thrown<sim::ConfigError>([] { mixtral({"serving.requests.warm_up=120"}); }) ==
        "--set: serving.requests.warm_up: all 120 requests are warm-up: expected fewer than count");
}

TEST_CASE("a pass without a graph takes no less than the host does to launch it") {
  // Embedding, and a dense layer's norm, two products and activation: five launches of 100 us, then
  // the layer of one token: 4 us + 8,000 + 2,004,000 + 3,000 + 1,003,000 B (hand_scenario.h).
  using testing::hand_deployment;
  auto d = hand_deployment(
      testing::hand_model({testing::layer_of(NoMixer{}, testing::hand_dense())}), {});
  d.host.per_launch = std::chrono::microseconds(100);
  d.host.graphs = Graphs::Decode;
  const sim::Duration host{507'018'000};
  CHECK(launching(d) == host);
  Pool pool;
  pool.scheduler.tokens = 64;
  pool.scheduler.sequences = 8;
  pool.graphs.sizes = {1, 2, 4};
  StepCost cost(d, pool, {.draws = 1, .checks = 1});
  BatchPlan prompt;
  prompt.chunks = {{.tokens = 2}};
  BatchPlan decode;
  decode.decodes = 2;
  decode.keys = 2;
  BatchPlan beyond = decode;  // the largest graph
  beyond.decodes = beyond.keys = 5;
  const auto of = [&](const BatchPlan& plan) { return cost.of(std::vector{plan}, 0); };
  CHECK(of(prompt) == host);
  // Two tokens of a graph: embedding 1.008 and the layer 7.036.
  CHECK(of(decode) == sim::Duration{8'044'000});
  CHECK(of(beyond) == host);
  // A pass that keeps the GPU busy for longer takes as long as that.
  // (Of one token that is launched so quickly 0.01 + 1.004 + 7.018: 8.032.)
  d.host.per_launch = std::chrono::nanoseconds(10);
  StepCost quick(d, pool, {.draws = 1, .checks = 1});
  CHECK(quick.of(std::vector{prompt}, 0) == sim::Duration{8'044'000});
  // With graphs for all nothing is launched.
  d.host.graphs = Graphs::All;
  CHECK(launching(d) == sim::Duration{});
}

TEST_CASE("the tail of the gaps is parted among routing, composition and queues") {
  // p99 - p50 is 10 ms; without the routing's draws 7; of the passes alone 2. So 3 / 10, 2 / 10 and
  // 5 / 10, and 20 / 10 over 17 / 10 by routing.
  ServingReport own, even;
  own.itl = {.median = 10, .p99 = 20};
  even.itl = {.median = 10, .p99 = 17};
  even.itl_passes = {.median = 10, .p99 = 12};
  const auto tail = itl_tail(own, even);
  REQUIRE(tail);
  CHECK(tail->tail_ms == 10);
  CHECK(tail->routing == doctest::Approx(0.3));
  CHECK(tail->composition == doctest::Approx(0.2));
  CHECK(tail->queues == doctest::Approx(0.5));
  CHECK(tail->p99_over_p50 == 2);
  CHECK(tail->p99_over_p50_by_routing == doctest::Approx(2 / 1.7));
  own.itl.p99 = 10;  // all alike: there is nothing to part
  CHECK_FALSE(itl_tail(own, even));
}

TEST_CASE("a run says what its tail is of, with runs of its own") {
  const Scenario s = mixtral();
  const RunResult result = run(s, {});
  const ServingReport& r = result.serving->report;
  REQUIRE(r.itl_tail);
  Service service(s.deployment, *s.serving());
  const ServingReport even = service.play({}, {.mean = true}).report;
  CHECK(r.itl_tail->routing ==
        doctest::Approx(1 - (even.itl.p99 - even.itl.median) / (r.itl.p99 - r.itl.median)));
  CHECK(r.itl_tail->routing + r.itl_tail->composition + r.itl_tail->queues == doctest::Approx(1));
  // vLLM reads prompts beside decodes: almost all is what is in a pass.
  CHECK(r.itl_tail->composition > 0.8);
  CHECK(to_json(r)["itl_tail"]["composition"] == r.itl_tail->composition);
}

TEST_CASE("an engine carries what its graphs do where more sequences are launched one by one") {
  const auto saturation = [](std::vector<std::string> sets) {
    // Hardly any prompts, which are launched one by one, too.
    sets.insert(sets.end(), {"engine=sglang", "host={per_launch: 20 ms, graphs: decode}",
                             "serving.graphs={up_to: 8}", "serving.requests.input=10",
                             "serving.requests.output=1000"});
    const Scenario s = mixtral(std::move(sets));
    return Service(s.deployment, *s.serving()).capacity({});
  };
  const auto all = saturation({}), few = saturation({"serving.scheduler={sequences: 8}"}),
             fewer = saturation({"serving.scheduler={sequences: 4}"});
  CHECK(all.by == "replicas: 8 sequences a dp rank have a graph");
  CHECK(all.capacity == doctest::Approx(few.capacity));
  CHECK(few.by == "replicas: 8 sequences a dp rank run at once");
  CHECK(fewer.capacity < few.capacity);
}

TEST_CASE("of clients who wait for their answers the load is told, and what the engines carry") {
  const auto closed = [](const char* clients) {
    return run(mixtral({"serving.requests.arrivals={law: closed}",
                        std::string("serving.client={concurrency: ") + clients + "}"}),
               {})
        .serving->report;
  };
  const ServingReport few = closed("8"), more = closed("16");
  CHECK(few.what.find("; a closed loop of 8 clients, about 400 (log-normal) tokens in, ") !=
        std::string::npos);
  CHECK(few.what.find("in flight") == std::string::npos);
  // What the engines carry is not the clients'; what the clients bring is.
  CHECK(few.saturation->capacity == doctest::Approx(more.saturation->capacity));
  CHECK(few.saturation->by.find("clients") == std::string::npos);
  CHECK(few.saturation->distance > more.saturation->distance);
  CHECK(more.saturation->distance > 0.5);
  const ServingReport think = run(mixtral({"serving.requests.arrivals={law: closed, think: 2 s}",
                                           "serving.client={concurrency: 8}"}),
                                  {})
                                  .serving->report;
  CHECK(think.what.find("; a closed loop of 8 clients, each 2 s after an answer, about ") !=
        std::string::npos);
  const ServingReport held =
      run(mixtral({"serving.requests.arrivals={law: at_once}", "serving.client={concurrency: 8}"}),
          {})
          .serving->report;
  CHECK(held.what.find("; all requests at once, ") != std::string::npos);
  CHECK(held.what.ends_with(", 8 in flight at most"));
}

TEST_CASE("a wait for company that is not played is said") {
  const auto notes = [](const char* wait) {
    return run(mixtral({std::string("serving.scheduler={batch_wait: ") + wait + "}"}), {})
        .report.notes;
  };
  const std::string said =
      "replicas: batch_wait.timeout of 10 ms is not played: no request waits for that time";
  CHECK(std::ranges::count(notes("{iterations: 2, timeout: 10 ms, share: 0.5}"), said) == 1);
  CHECK(notes("{iterations: 2, share: 0.5}") == notes("{}"));
  CHECK(std::ranges::count(notes("{}"), said) == 0);
}
