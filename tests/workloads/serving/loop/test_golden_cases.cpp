// Services worked out by hand, to the picosecond. An iteration takes 1 ms and 10 us for each token
// of the fullest rank; nothing is planned ahead, unless said.
#include <doctest/doctest.h>

#include "tests/workloads/serving/hand_service.h"

using namespace moesim;
using namespace moesim::tests;
using namespace moesim::workloads::serving;

namespace {

// Prompts are read by a replica of their own, alike; a token's cache has 1 MB.
void read_apart(LoopRules& rules, TransferMode mode, sim::Bandwidth receiver) {
  rules.prefill = rules.serving;
  rules.transfer = {.mode = mode,
                    .setup = 500us,
                    .bytes_per_token = 1e6,
                    .sender = 50_GBps,
                    .receiver = receiver};
}

}  // namespace

TEST_CASE("one request: its prompt, then a token an iteration") {
  // 100 tokens: 1 + 1.00 ms. Then 1.01 ms each.
  const Served s = serve_list(one_replica(), {request(0us, 100, 4)});
  CHECK(s.ends == in_us({2000, 3010, 4020, 5030}));
  CHECK(s.records.at(0).ttft() == 2ms);
  CHECK(s.records.at(0).latency() - s.records.at(0).ttft() == 3 * 1010us);  // tpot 1.01 ms
  CHECK(s.counters.gaps.count() == 3);
  CHECK(s.counters.gaps.mean() == 1.01e9);
}

TEST_CASE("vLLM fills the budget with the next prompt, and decodes beside it") {
  // 64 tokens of A; 36 of A and 28 of B; A's second token and the last 22 of B; one of each.
  LoopRules rules = one_replica();
  rules.serving.replica.scheduler.tokens = 64;
  const Served s = serve_list(rules, {request(0us, 100, 3), request(0us, 50, 2)});
  CHECK(s.ends == in_us({1640, 3280, 4510, 5530}));
  CHECK(s.records.at(0).ttft() == 3280us);
  CHECK(s.records.at(0).latency() == 5530us);
  CHECK(s.records.at(1).ttft() == 4510us);
  CHECK(s.records.at(1).latency() == 5530us);
}

TEST_CASE("SGLang reads prompts first and alone") {
  // As before, but B's last 22 tokens are an iteration of their own, and A decodes after it.
  LoopRules rules = one_replica(SchedulerKind::Sglang);
  rules.serving.replica.scheduler.chunk = 64;
  const Served s = serve_list(rules, {request(0us, 100, 3), request(0us, 50, 2)});
  CHECK(s.ends == in_us({1640, 3280, 4500, 5520, 6530}));
  CHECK(s.records.at(0).ttft() == 3280us);
  CHECK(s.records.at(0).latency() == 6530us);
  CHECK(s.records.at(1).ttft() == 4500us);
  CHECK(s.records.at(1).latency() == 5520us);
}

TEST_CASE("a full cache preempts the last one, which reads all again") {
  // 6 blocks of 4 tokens. A and B hold 3 each until both have 12 tokens, at 5.24. A's 13th needs a
  // fourth block: B gives way, and waits until A is done: its 8 + 5 tokens need 4 blocks.
  LoopRules rules = one_replica();
  rules.serving.replica.blocks = 6;
  rules.serving.replica.block = 4;
  const Served s = serve_list(rules, {request(0us, 8, 9), request(0us, 8, 9)});
  CHECK(s.ends ==
        in_us({1160, 2180, 3200, 4220, 5240, 6250, 7260, 8270, 9280, 10410, 11420, 12430, 13440}));
  CHECK(s.records.at(0).latency() == 9280us);
  CHECK(s.records.at(0).preemptions == 0);
  CHECK(s.records.at(1).latency() == 13440us);
  CHECK(s.records.at(1).preemptions == 1);
  CHECK(s.records.at(1).recomputed == 12);
  // B's longest gap is from its fifth token, at 5.24, to its sixth, at 10.41.
  CHECK(s.counters.gaps.quantile(1) == doctest::Approx(5170e6).epsilon(1e-3));
}

TEST_CASE("TensorRT-LLM admits only who can end") {
  // 8 + 9 tokens take 4 blocks: B's do not fit beside A's.
  LoopRules rules = one_replica(SchedulerKind::Trtllm);
  rules.serving.replica.blocks = 6;
  rules.serving.replica.block = 4;
  const Served s = serve_list(rules, {request(0us, 8, 9), request(0us, 8, 9)});
  CHECK(s.ends == in_us({1080, 2090, 3100, 4110, 5120, 6130, 7140, 8150, 9160, 10240, 11250, 12260,
                         13270, 14280, 15290, 16300, 17310, 18320}));
  CHECK(s.records.at(1).ttft() == 10240us);
  CHECK(s.records.at(1).latency() == 18320us);
  CHECK(s.records.at(1).preemptions == 0);
}

TEST_CASE("TensorRT-LLM that uses all it can pauses the latest") {
  // Both start, as with vLLM; at 5.24 A's 13th token needs a block: B is paused. It starts again as
  // soon as its 13 tokens have room beside A, which is when A is done.
  LoopRules rules = one_replica(SchedulerKind::Trtllm);
  rules.serving.replica.scheduler.admission = workloads::Admission::MaxUtilization;
  rules.serving.replica.blocks = 6;
  rules.serving.replica.block = 4;
  const Served s = serve_list(rules, {request(0us, 8, 9), request(0us, 8, 9)});
  CHECK(s.records.at(0).latency() == 9280us);
  CHECK(s.records.at(1).latency() == 13440us);
  CHECK(s.records.at(1).preemptions == 1);
}

TEST_CASE("dp ranks wait for the slowest, and one without work runs along") {
  // Until 2.11 rank 1 has nothing. The third iteration is B's prompt: 2.00 ms for both.
  LoopRules rules = one_replica();
  rules.serving.replica.ranks = 2;
  const Served s = serve_list(rules, {request(0us, 10, 4), request(1500us, 100, 2)});
  CHECK(s.ends == in_us({1100, 2110, 4110, 5120}));
  CHECK(s.counters.dummies == 2);
  CHECK(s.records.at(0).rank == 0);
  CHECK(s.records.at(1).rank == 1);
  CHECK(s.counters.gaps.quantile(1) == doctest::Approx(2000e6).epsilon(1e-3));
  CHECK(s.records.at(1).ttft() == 2610us);
  CHECK(s.records.at(1).latency() == 3620us);
}

TEST_CASE("that all are done is agreed on in every so-many-th iteration") {
  // 3 iterations of work, and the fourth, in which they agree, has none: 1 ms, on both ranks.
  LoopRules rules = one_replica();
  rules.serving.replica.ranks = 2;
  rules.serving.replica.agree_every = 4;
  const Served s = serve_list(rules, {request(0us, 10, 3)});
  CHECK(s.ends == in_us({1100, 2110, 3120, 4120}));
  CHECK(s.counters.dummies == 3 + 2);
}

TEST_CASE("a long prompt is made tokens longer, and a short one that was sent later overtakes it") {
  // 100 us and 10 us a token: A (100 tokens, at 0) reaches the engine at 1.1 ms, B (10, at 0.5 ms)
  // at 0.7 ms. B is read until 0.7 + 1 + 0.1 = 1.8 ms, then A until 1.8 + 1 + 1 = 3.8 ms.
  LoopRules rules = one_replica();
  rules.client.send = 100us;
  rules.client.per_token = 10us;
  const Served s = serve_list(rules, {request(0us, 100, 1), request(500us, 10, 1)});
  CHECK(s.ends == in_us({1800, 3800}));
  CHECK(s.records.at(0).queued == sim::Time{1100us});
  CHECK(s.records.at(0).ttft() == 3800us);
  CHECK(s.records.at(1).queued == sim::Time{700us});
  CHECK(s.records.at(1).ttft() == 1300us);
}

TEST_CASE("a prefill interval of 2 puts a prompt off for one decode") {
  LoopRules rules = one_replica();
  const std::vector<Request> both{request(0us, 10, 6), request(500us, 100, 2)};
  Served s = serve_list(rules, both);
  CHECK(s.ends == in_us({1100, 3110, 4130, 5140, 6150, 7160}));
  CHECK(s.records.at(1).ttft() == 2610us);
  rules.serving.replica.scheduler.prefill_interval = 2;
  s = serve_list(rules, both);
  CHECK(s.ends == in_us({1100, 2110, 4120, 5140, 6150, 7160}));
  CHECK(s.records.at(1).ttft() == 3620us);
}

TEST_CASE("more than one iteration can admit is not put off") {
  // The budget of 50 is less than B's 100 tokens: as with an interval of 1.
  LoopRules rules = one_replica();
  rules.serving.replica.scheduler.tokens = 50;
  const std::vector<Request> both{request(0us, 10, 6), request(500us, 100, 2)};
  const Served one = serve_list(rules, both);
  rules.serving.replica.scheduler.prefill_interval = 2;
  CHECK(serve_list(rules, both).records.at(1).scheduled == one.records.at(1).scheduled);
}

TEST_CASE("full blocks of a prompt that came before are not read again") {
  // Blocks of 4. Of 10 tokens 8 are in full blocks: 2 are left. Of 8 tokens one must be computed,
  // so that only the first block counts.
  LoopRules rules = one_replica();
  rules.serving.replica.block = 4;
  const auto twice = [](std::int64_t tokens) {
    Request first = request(0us, tokens, 1), second = request(50'000us, tokens, 1);
    first.prompt = second.prompt = {{7, tokens}};
    return std::vector<Request>{first, second};
  };
  Served s = serve_list(rules, twice(10));
  CHECK(s.records.at(1).cached == 8);
  CHECK(s.records.at(1).ttft() == 1020us);
  s = serve_list(rules, twice(8));
  CHECK(s.records.at(1).cached == 4);
  CHECK(s.records.at(1).ttft() == 1040us);
  rules.serving.replica.scheduler.prefix_cache = false;
  CHECK(serve_list(rules, twice(10)).records.at(1).cached == 0);
}

TEST_CASE("a drafted token that is always right halves the passes") {
  // 10 tokens, then passes of 2, each worth 2 tokens: 5 tokens in three iterations.
  LoopRules rules = one_replica();
  rules.serving.replica.scheduler.draft = 1;
  rules.serving.replica.accepted = {1.0};
  const Served s = serve_list(rules, {request(0us, 10, 5)});
  CHECK(s.ends == in_us({1100, 2120, 3140}));
  CHECK(s.records.at(0).latency() - s.records.at(0).ttft() == 4 * 510us);  // tpot 0.51 ms
  CHECK(s.counters.gaps.count() == 2);                                     // two events
  CHECK(s.counters.gaps.mean() == 1.02e9);
  CHECK(s.counters.accepted == 2);
}

TEST_CASE("prefill and decode apart: vLLM pulls, and computes the last token again") {
  // Prompt until 2.00; 100 MB at 50 GB/s and 0.5 ms: there at 4.50.
  LoopRules rules = one_replica();
  read_apart(rules, TransferMode::Pull, 50_GBps);
  Served s = serve_list(rules, {request(0us, 100, 3)});
  CHECK(s.ends == in_us({5510, 6520, 7530}));
  CHECK(s.records.at(0).prefilled == sim::Time{2ms});
  CHECK(s.records.at(0).moved == sim::Time{4500us});
  CHECK(s.records.at(0).ttft() == 5510us);
  CHECK(s.records.at(0).latency() == 7530us);
}

TEST_CASE("prefill and decode apart: SGLang sends the first token with the cache") {
  LoopRules rules = one_replica(SchedulerKind::Sglang);
  read_apart(rules, TransferMode::Push, 50_GBps);
  const Served s = serve_list(rules, {request(0us, 100, 3)});
  CHECK(s.ends == in_us({5510, 6520}));
  CHECK(s.records.at(0).ttft() == 4500us);
  CHECK(s.records.at(0).latency() == 6520us);
}

TEST_CASE("SGLang: a cache that came joins the next pass of those that run") {
  // A's is there at 4.50. B's prompt is read from 2 to 4, and its cache there at 6.50: in A's
  // second pass. They decode together from 6.52 on, in 1.02 ms.
  LoopRules rules = one_replica(SchedulerKind::Sglang);
  read_apart(rules, TransferMode::Push, 50_GBps);
  const Served s = serve_list(rules, {request(0us, 100, 5), request(2ms, 100, 2)});
  CHECK(s.records.at(1).moved == sim::Time{6500us});
  CHECK(s.ends == in_us({5510, 6520, 7540, 8550}));
  CHECK(s.records.at(1).last == sim::Time{7540us});
}

TEST_CASE("SGLang: where caches join a dp rank it sits out what the others decode meanwhile") {
  // A and B begin together at 4.50, on ranks of their own, where nothing is decoded meanwhile. C's
  // cache is there at 6.50, on A's rank: in the pass from 6.52 to 7.53 B has its last token, alone.
  LoopRules rules = one_replica(SchedulerKind::Sglang);
  rules.serving.replica.ranks = 2;
  rules.serving.replica.choice = workloads::RankChoice::RoundRobin;
  read_apart(rules, TransferMode::Push, 50_GBps);
  const Served s =
      serve_list(rules, {request(0us, 100, 4), request(0us, 100, 4), request(2ms, 100, 3)});
  CHECK(s.records.at(2).moved == sim::Time{6500us});
  CHECK(s.ends == in_us({5510, 6520, 7530, 8550, 9560}));
  CHECK(s.records.at(0).last == sim::Time{8550us});
  CHECK(s.records.at(1).last == sim::Time{7530us});
  CHECK(s.records.at(2).last == sim::Time{9560us});
}

TEST_CASE("who arrives while an iteration runs is in the one after the next, planned ahead") {
  // B arrives in the second iteration, when the third is planned: it is in the fourth.
  LoopRules rules = one_replica();
  const std::vector<Request> both{request(0us, 10, 4), request(1500us, 10, 1)};
  Served s = serve_list(rules, both);
  CHECK(s.ends == in_us({1100, 2110, 3220, 4230}));
  CHECK(s.records.at(1).ttft() == 1720us);
  rules.serving.replica.scheduler.ahead = true;
  s = serve_list(rules, both);
  CHECK(s.ends == in_us({1100, 2110, 3120, 4230}));
  CHECK(s.records.at(1).ttft() == 2730us);
}

TEST_CASE("planned ahead, a request that comes to an idle engine starts at once") {
  LoopRules rules = one_replica();
  rules.serving.replica.scheduler.ahead = true;
  const Served s = serve_list(rules, {request(0us, 10, 1), request(5000us, 10, 2)});
  CHECK(s.records.at(1).ttft() == 1100us);
  CHECK(s.records.at(1).latency() == 2110us);
}

TEST_CASE("results that come late cost a finished sequence one more slot") {
  // A ends at 2.11, but it is in the third pass with B, which therefore has two tokens.
  LoopRules rules = one_replica(SchedulerKind::Sglang);
  rules.serving.replica.scheduler.ahead = true;
  rules.serving.replica.scheduler.late = true;
  const Served s = serve_list(rules, {request(0us, 10, 2), request(0us, 10, 3)});
  CHECK(s.ends == in_us({1200, 2220, 3240, 4250}));  // and B's own wasted pass
  CHECK(s.records.at(0).latency() == 2220us);
  CHECK(s.records.at(1).latency() == 3240us);
}

TEST_CASE("SGLang looks for requests in every so-many-th iteration") {
  // A runs iterations 0 to 5. B comes in iteration 0; with an interval of 3 it is looked at before
  // iteration 3: A's 3 tokens by then are at 1.10, 2.11, 3.12.
  LoopRules rules = one_replica(SchedulerKind::Sglang);
  rules.serving.replica.scheduler.receive_interval = 3;
  const Served s = serve_list(rules, {request(0us, 10, 6), request(500us, 100, 1)});
  CHECK(s.ends == in_us({1100, 2110, 3120, 5120, 6130, 7140, 8150}));
  CHECK(s.records.at(1).ttft() == 4620us);
}

TEST_CASE("TensorRT-LLM holds prompts back while others decode") {
  // B waits two iterations, then goes with A.
  LoopRules rules = one_replica(SchedulerKind::Trtllm);
  rules.serving.replica.scheduler.batch_wait = {.iterations = 2, .share = 0.5};
  const Served s = serve_list(rules, {request(0us, 10, 6), request(500us, 100, 1)});
  CHECK(s.ends == in_us({1100, 2110, 3120, 5130, 6140, 7150}));
  CHECK(s.records.at(1).ttft() == 4630us);
  // 100 + 1 tokens are half of 202: there is nothing to wait for.
  rules.serving.replica.scheduler.tokens = 202;
  CHECK(serve_list(rules, {request(0us, 10, 6), request(500us, 100, 1)}).records.at(1).ttft() ==
        2610us);
}

TEST_CASE("priorities decide who waits and who gives way") {
  LoopRules rules = one_replica();
  rules.serving.replica.scheduler.order = workloads::RequestOrder::Priority;
  rules.serving.replica.scheduler.sequences = 1;
  std::vector<Request> three{request(0us, 10, 2), request(1us, 10, 1), request(2us, 10, 1)};
  three[2].priority = -1;
  const Served s = serve_list(rules, three);
  CHECK(s.records.at(2).last < s.records.at(1).last);
  // As in the preemption above, but A matters less, and gives way though it was first.
  rules.serving.replica.scheduler.sequences = 8;
  rules.serving.replica.blocks = 6;
  rules.serving.replica.block = 4;
  std::vector<Request> two{request(0us, 8, 9), request(0us, 8, 9)};
  two[0].priority = 1;
  const Served t = serve_list(rules, two);
  CHECK(t.records.at(0).preemptions == 1);
  CHECK(t.records.at(1).preemptions == 0);
  CHECK(t.records.at(1).latency() == 9280us);
}

TEST_CASE("batches are padded to the sizes of graphs, on all ranks to the fullest one's") {
  LoopRules rules = one_replica();
  rules.serving.replica.ranks = 2;
  rules.serving.replica.graphs = {.sizes = {1, 4, 8}};
  // Two sequences on rank 0 and one on rank 1; prompts have no graph.
  const Served s =
      serve_list(rules, {request(0us, 10, 2), request(0us, 10, 2), request(0us, 10, 2)});
  CHECK(s.counters.iterations == 2);
  CHECK(s.counters.graph_iterations == 1);
  CHECK(s.counters.padding == (4 - 2) + (4 - 1));
}

TEST_CASE("the way to the engine and back is the client's") {
  LoopRules rules = one_replica();
  rules.client = {.send = 300us, .receive = 200us};
  const Served s = serve_list(rules, {request(0us, 100, 4)});
  CHECK(s.records.at(0).ttft() == 2500us);
  CHECK(s.records.at(0).latency() == 5530us);
}

TEST_CASE("a front end takes one request after another, and each engine has one") {
  LoopRules rules = one_replica();
  rules.client = {.send = 300us, .front_end = 1000us};
  const std::vector<Request> requests{request(0us, 100, 1), request(0us, 100, 1),
                                      request(0us, 100, 1), request(10000us, 100, 1)};
  const auto ttft = [&](std::int64_t i) {
    return serve_list(rules, requests).records.at(i).ttft();
  };
  // Through at 1, 2 and 3 ms, seen at 1.3, 2.3 and 3.3; a prompt takes 2: read from 1.3 to 3.3, and
  // then the two others together, for 3. The last one finds all idle: 1 + 0.3 + 2.
  CHECK(ttft(0) == 3300us);
  CHECK(ttft(1) == 6300us);
  CHECK(ttft(2) == 6300us);
  CHECK(ttft(3) == 3300us);
  // With two engines the second request has a front end of its own; the third waits for one.
  rules.serving.replicas = 2;
  CHECK(ttft(0) == 3300us);
  CHECK(ttft(1) == 3300us);
  CHECK(ttft(2) == 5300us);
  CHECK(ttft(3) == 3300us);
}

TEST_CASE("a concurrency of 1 sends the next request when the last token is there") {
  LoopRules rules = one_replica();
  rules.client = {.concurrency = 1, .send = 100us, .receive = 200us, .think = 700us};
  const Served s = serve_list(rules, {request(0us, 100, 1), request(0us, 100, 1)});
  // 0.1 + 2 + 0.2, then 0.7 of thought: sent at 3.0 ms.
  CHECK(s.records.at(1).sent == sim::Time{3ms});
  CHECK(s.records.at(1).ttft() == 2300us);
}

TEST_CASE("tokens that come together are one message") {
  // Tokens at 2, 3.01, ... The first at once, then every 3: tokens 4 and 6 (the last).
  LoopRules rules = one_replica();
  rules.serving.replica.scheduler.stream_interval = 3;
  const Served s = serve_list(rules, {request(0us, 100, 6)});
  CHECK(s.counters.gaps.count() == 2);
  CHECK(s.counters.gaps.mean() == (3 * 1.01e9 + 2 * 1.01e9) / 2);
}

TEST_CASE("two transfers from one sender share its port") {
  // Both prompts are read at once: 1 + 2 x 1 = 3 ms. 200 MB over 50 GB/s are there together at
  // 3 + 0.5 + 4 = 7.5 ms, and both decode from there.
  LoopRules rules = one_replica();
  read_apart(rules, TransferMode::Push, 100_GBps);
  const Served s = serve_list(rules, {request(0us, 100, 2), request(0us, 100, 2)});
  CHECK(s.records.at(0).moved == sim::Time{7500us});
  CHECK(s.records.at(1).moved == sim::Time{7500us});
  CHECK(s.ends == in_us({8520}));
}

TEST_CASE("beside an engine's exchanges a cache gets a share of the port, and they take longer") {
  // Exchanges keep the port half of an iteration, with three flows: a fourth has the port for half
  // of an iteration, and a quarter of it for the other half's 4/3: (1/2 + 1/6) / (1/2 + 2/3) = 4/7
  // of it. 100 MB over 50 GB/s are 2 ms, so 3.5 ms; they begin at 2.5 and end at 6.
  const PortTraffic sender{.duty = 0.5, .flows = 3}, receiver{.duty = 0.5, .flows = 2};
  CHECK(sender.left_to(1) == doctest::Approx(4.0 / 7).epsilon(1e-12));
  CHECK(PortTraffic{}.left_to(1) == 1);
  CHECK(PortTraffic{}.stretched_by(1) == 1);
  LoopRules rules = one_replica();
  read_apart(rules, TransferMode::Push, 500_GBps);
  rules.transfer.sender_traffic = sender;
  rules.transfer.receiver_traffic = receiver;
  const Served one = serve_list(rules, {request(0us, 100, 3)});
  CHECK(one.records.at(0).moved == sim::Time{6ms});
  // Decodes of 1.01 ms at 6 and at 7.01, with nothing beside them.
  CHECK(one.ends == in_us({7010, 8020}));
  // A second prompt that comes at 4 ms is read beside the first one's cache until that is there, at
  // 6, 1 + 1/2 x 1/3 = 7/6 as slowly: 12/7 of its 2 ms, and the rest alone, until 6.285714. Its own
  // moves from 6.785714 to 10.285714. What of the first decodes begins in that time, beside one
  // flow, takes 1 + 1/2 x 1/2 times as long: at 7.01, 1.2625 ms.
  const Served two = serve_list(rules, {request(0us, 100, 3), request(4ms, 100, 1)});
  CHECK((two.records.at(1).moved - sim::Time{}).count() == 10'285'714'286);
  CHECK(two.ends == std::vector<sim::Duration>{7010us, 8272500ns});
}

TEST_CASE("a cache that is soon there slows an iteration for as long") {
  // Until 10 ms, half as slowly again: of 20 ms from 9 on 2/3 ms are done by then, and 19 1/3 are
  // left; one of 2 ms from 1 on is over before; none that begins later knows of it.
  const Slowed slowed{1.5, sim::Time{10ms}};
  CHECK((slowed.taken(20ms, sim::Time{9ms})).count() == 20'333'333'333);
  CHECK(slowed.taken(2ms, sim::Time{1ms}) == 3ms);
  CHECK(slowed.taken(2ms, sim::Time{10ms}) == 2ms);
  CHECK(Slowed{}.taken(2ms, sim::Time{}) == 2ms);
}

TEST_CASE("decode has blocks before a cache comes, or it does not come") {
  // 10 blocks of 16: B's 101 tokens need 7, as A's do. B's transfer begins when A is done, at
  // 3 + 2.5 + 1.01 = 6.51, and takes 2.5.
  LoopRules rules = one_replica();
  read_apart(rules, TransferMode::Push, 50_GBps);
  rules.serving.replica.blocks = 10;
  const Served s = serve_list(rules, {request(0us, 100, 2), request(0us, 100, 2)});
  CHECK(s.records.at(0).last == sim::Time{6510us});
  CHECK(s.records.at(1).moved == sim::Time{9010us});
}

TEST_CASE("descriptors are posted before the bytes go, and layers hide behind their computing") {
  // 100 tokens are 7 blocks; with 2 layers of keys and of values 28 descriptors of 10 us.
  TransferRules rules{.setup = 500us,
                      .post = 10us,
                      .bytes_per_token = 1e6,
                      .descriptors_per_block = 4,
                      .sender = 50_GBps,
                      .receiver = 50_GBps,
                      .layers = 2};
  Transfers whole(rules);
  whole.start(1, 0, 0, 100, sim::Time{}, 2ms);
  CHECK(*whole.next_end() == sim::Time{780us});  // from here on bytes flow
  CHECK(whole.end(sim::Time{780us}).empty());
  CHECK(*whole.next_end() == sim::Time{2780us});
  CHECK(whole.end(sim::Time{2780us}) == std::vector<std::int64_t>{1});
  // Layer by layer: half of the bytes, 1 ms, go while the second layer is computed, 1 ms; the
  // descriptors of the last layer are half as many.
  rules.layerwise = true;
  Transfers layers(rules);
  layers.start(1, 0, 0, 100, sim::Time{}, 2ms);
  layers.end(*layers.next_end());
  CHECK(*layers.next_end() == sim::Time{500us + 140us + 1000us});
}

TEST_CASE(
    "of a gap between tokens the passes that made them are counted, and the rest is waiting") {
  // A 10/4 at 0, B 100/1 at 1.5 ms. SGLang reads B alone from 2.11 to 4.11: A's gaps are 1.01, 3.01
  // and 1.01 ms, and its passes 1.01 each. vLLM reads B in A's pass of 1 + 0.01 + 1 ms: no waiting.
  const std::vector<Request> both{request(0us, 10, 4), request(1500us, 100, 1)};
  Served s = serve_list(one_replica(SchedulerKind::Sglang), both);
  CHECK(s.ends == in_us({1100, 2110, 4110, 5120, 6130}));
  CHECK(s.counters.gaps.mean() * 3 == doctest::Approx(5030e6));
  CHECK(s.counters.passes.count() == 3);
  CHECK(s.counters.passes.mean() == doctest::Approx(1010e6));
  CHECK(s.counters.passes.deviation() == 0);
  s = serve_list(one_replica(), both);
  CHECK(s.ends == in_us({1100, 2110, 4120, 5130}));
  CHECK(s.counters.passes == s.counters.gaps);
  CHECK(s.counters.passes.mean() * 3 == doctest::Approx(4030e6));

  // Who has lost its cache waits, also while it is read again: of B's gap of 5.17 ms (see above)
  // its last pass alone, of 1 + 0.13 ms, made the token.
  LoopRules rules = one_replica();
  rules.serving.replica.blocks = 6;
  rules.serving.replica.block = 4;
  s = serve_list(rules, {request(0us, 8, 9), request(0us, 8, 9)});
  const auto all = [](const auto& h) { return h.mean() * static_cast<double>(h.count()); };
  CHECK(all(s.counters.gaps) - all(s.counters.passes) == doctest::Approx((5170 - 1130) * 1e6));

  // Two tokens in a message: both passes.
  rules = one_replica();
  rules.serving.replica.scheduler.stream_interval = 2;
  s = serve_list(rules, {request(0us, 10, 5)});
  CHECK(s.counters.passes.count() == 2);
  CHECK(s.counters.passes == s.counters.gaps);
  CHECK(s.counters.passes.mean() == 2020e6);
}
