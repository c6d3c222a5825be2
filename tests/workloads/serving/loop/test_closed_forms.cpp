// Services that queueing theory knows.
#include <doctest/doctest.h>

#include "tests/workloads/serving/hand_service.h"
#include "workloads/serving/requests/law_stream.h"

using namespace moesim;
using namespace moesim::tests;
using namespace moesim::workloads::serving;

namespace {

constexpr std::int64_t kMany = 40'000;

RequestLaws poisson(double rate) {
  return {.arrivals = {.law = ArrivalLaw::Poisson, .stages = {{.from = rate, .to = rate}}},
          .input = constant_length(1),
          .output = constant_length(1),
          .count = kMany};
}

// One sequence at a time.
LoopRules one_server() {
  LoopRules rules = one_replica();
  rules.serving.replica.scheduler.sequences = 1;
  rules.keep_iterations = false;
  return rules;
}

double mean_wait_ms(const LoopRules& rules, const RequestLaws& laws, HandCost cost,
                    std::int64_t from = 0) {
  LawStream stream(laws, 11);
  ServingLoop loop(rules, stream, cost);
  loop.run();
  double sum = 0, count = 0;
  for (const RequestRecord& r : loop.records()) {
    if (r.id < from) continue;
    sum += static_cast<double>((r.scheduled - r.queued).count()) * 1e-9;
    ++count;
  }
  return sum / count;
}

double throughput(LoopRules rules, std::int64_t clients, sim::Duration think, HandCost cost) {
  rules.client = {.concurrency = clients, .think = think};
  LawStream stream({.arrivals = {.law = ArrivalLaw::Closed},
                    .input = constant_length(1),
                    .output = constant_length(1),
                    .count = 2000},
                   1);
  ServingLoop loop(rules, stream, cost);
  loop.run();
  return 2000 / sim::to_seconds(loop.records().back().last - sim::Time{});
}

}  // namespace

TEST_CASE("one server of constant time: rate x S^2 / (2 (1 - load))") {
  // 50 a second, 10 ms each: load a half, 50 x 1e-4 / (2 x 0.5) = 5 ms. Of 40,000 waits, which hang
  // together over some ten requests, the mean lies within a few percent.
  CHECK(mean_wait_ms(one_server(), poisson(50), HandCost(10ms, 0us)) ==
        doctest::Approx(5).epsilon(0.05));
}

TEST_CASE("one server of uneven times: the mean square counts") {
  // 1 to 2,000 tokens of 10 us: E[S^2] = (20 ms)^2 / 3. 50 x 1.333e-4 / (2 x 0.5) = 6.67 ms.
  RequestLaws laws = poisson(50);
  laws.input = uniform_length(1, 2000);
  CHECK(mean_wait_ms(one_server(), laws, HandCost(0us, 10us)) ==
        doctest::Approx(6.67).epsilon(0.06));
}

TEST_CASE("nobody waits where all come evenly and are served in time") {
  RequestLaws laws = poisson(50);
  laws.arrivals.law = ArrivalLaw::Constant;
  CHECK(mean_wait_ms(one_server(), laws, HandCost(20ms, 0us)) == 0);
}

TEST_CASE("who comes while iterations of length T run waits T / 2") {
  // One request that never ends keeps iterations of 10 ms going, however full.
  LoopRules rules = one_replica();
  rules.keep_iterations = false;
  std::vector<Request> all{request(0us, 1, 500'000)};
  LawStream law(poisson(20), 3);
  for (int i = 0; i < 20'000; ++i) {
    Request r = law.take();
    all.push_back(r);
  }
  ListStream stream(all);
  HandCost cost(10ms, 0us);
  ServingLoop loop(rules, stream, cost);
  double sum = 0, count = 0;
  loop.run();
  for (const RequestRecord& r : loop.records()) {
    if (r.id == 0) continue;
    sum += static_cast<double>((r.scheduled - r.queued).count()) * 1e-9;
    ++count;
  }
  CHECK(sum / count == doctest::Approx(5).epsilon(0.02));  // 2.9 ms / sqrt(20,000) = 0.02 ms
}

TEST_CASE("a closed loop gives min(N / (s + z), 1 / s)") {
  // s = 10 ms, z = 30 ms: two clients 50 a second, eight 100. (The first answers come early.)
  const HandCost cost(10ms, 0us);
  CHECK(throughput(one_server(), 2, 30ms, cost) == doctest::Approx(50).epsilon(0.002));
  CHECK(throughput(one_server(), 8, 30ms, cost) == doctest::Approx(100).epsilon(0.002));
}

TEST_CASE("two replicas chosen at random are two queues of half the rate") {
  LoopRules rules = one_server();
  rules.serving.replicas = 2;
  rules.serving.router.policy = RouterPolicy::Random;
  CHECK(mean_wait_ms(rules, poisson(100), HandCost(10ms, 0us)) == doctest::Approx(5).epsilon(0.06));
}

TEST_CASE("the less a router knows, the longer one waits") {
  // At 160 a second of 200, 1 to 2,000 tokens of 10 us each: by chance each queue has
  // 80 x 1.333e-4 / (2 x 0.2) = 26.7 ms; by turns less, by what is known less again.
  LoopRules rules = one_server();
  rules.serving.replicas = 2;
  RequestLaws laws = poisson(160);
  laws.input = uniform_length(1, 2000);
  const auto wait = [&](RouterPolicy policy) {
    rules.serving.router.policy = policy;
    return mean_wait_ms(rules, laws, HandCost(0us, 10us));
  };
  const double random = wait(RouterPolicy::Random), turns = wait(RouterPolicy::RoundRobin),
               two = wait(RouterPolicy::PowerOfTwo), least = wait(RouterPolicy::LeastRequests),
               tokens = wait(RouterPolicy::LeastTokens);
  CHECK(random == doctest::Approx(26.7).epsilon(0.15));
  CHECK(turns < random);
  CHECK(two < turns);
  CHECK(least < turns);
  CHECK(tokens < turns);
}

TEST_CASE("B requests in a closed loop are a steady step with refill") {
  // A request has 50 iterations, 1 ms each shared by B, and 100 + 49 tokens of 10 us: with 8 in
  // flight 50 / 8 + 1.49 = 7.74 ms a request.
  LoopRules rules = one_replica();
  rules.client.concurrency = 8;
  LawStream stream({.arrivals = {.law = ArrivalLaw::Closed},
                    .input = constant_length(100),
                    .output = constant_length(50),
                    .count = 800},
                   1);
  HandCost cost;
  ServingLoop loop(rules, stream, cost);
  loop.run();
  const double each = sim::to_seconds(loop.records().back().last - sim::Time{}) / 800;
  CHECK(each == doctest::Approx(7.74e-3).epsilon(0.005));
}

TEST_CASE("a few blocks fewer, and the wait for the first token is several times as long") {
  // 64 sequences of up to 200 tokens are 832 blocks of 16. The cliff is where they stop fitting.
  LoopRules rules = one_replica();
  rules.keep_iterations = false;
  const auto p99 = [&](std::int64_t blocks) {
    rules.serving.replica.blocks = blocks;
    rules.client.concurrency = 64;
    LawStream stream({.arrivals = {.law = ArrivalLaw::Closed},
                      .input = constant_length(100),
                      .output = uniform_length(50, 100),
                      .count = 2000},
                     5);
    HandCost cost;
    ServingLoop loop(rules, stream, cost);
    loop.run();
    std::vector<sim::Duration> ttft;
    for (const RequestRecord& r : loop.records()) {
      if (r.id >= 64) ttft.push_back(r.ttft());
    }
    std::sort(ttft.begin(), ttft.end());
    return static_cast<double>(ttft[ttft.size() * 99 / 100].count());
  };
  const double enough = p99(832), fewer = p99(560);
  CHECK(p99(1664) == enough);  // more than enough changes nothing
  CHECK(fewer > 3 * enough);
}

TEST_CASE("apart over an infinite link two pools are a tandem of queues") {
  // Servers of constant time in a row: all that a request waits is what it would wait at the slower
  // one alone (Friedman 1965), whichever comes first: 50 x 1e-4 / (2 x 0.5) = 5 ms of 10 ms. Behind
  // the slower one nobody waits: requests leave it no closer than its time.
  struct Wait {
    double all_ms = 0;
    sim::Duration most_behind{};
  };
  const auto tandem = [](sim::Duration reading, sim::Duration decoding) {
    LoopRules rules = one_server();
    rules.serving.replica.scheduler.kind = SchedulerKind::Sglang;
    rules.prefill = rules.serving;
    // The first token comes along; the second is one pass.
    rules.transfer = {.mode = TransferMode::Push, .sender = 1e9 * 1_GBps, .receiver = 1e9 * 1_GBps};
    RequestLaws laws = poisson(50);
    laws.output = constant_length(2);
    LawStream stream(laws, 11);
    HandCost first(reading, 0us), second(decoding, 0us);
    ServingLoop loop(rules, stream, second, &first);
    loop.run();
    Wait wait;
    for (const RequestRecord& r : loop.records()) {
      const sim::Duration waited = r.latency() - reading - decoding;
      wait.all_ms += static_cast<double>(waited.count()) * 1e-9;
      wait.most_behind = std::max(wait.most_behind, r.last - r.moved - decoding);
    }
    wait.all_ms /= static_cast<double>(loop.records().size());
    return wait;
  };
  const Wait slow_first = tandem(10ms, 5ms), slow_second = tandem(5ms, 10ms);
  CHECK(slow_first.all_ms == doctest::Approx(5).epsilon(0.05));
  CHECK(slow_first.most_behind == 0us);
  CHECK(slow_second.all_ms == doctest::Approx(5).epsilon(0.05));
  CHECK(slow_second.most_behind > 10ms);
}
