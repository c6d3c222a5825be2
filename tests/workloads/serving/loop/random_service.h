// Services and loads by a seed: engines, schedulers, caches, pools, closed loops and prefixes.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "tests/workloads/serving/hand_service.h"

namespace moesim::tests {

using namespace workloads::serving;

struct Random {
  sim::Random random;
  std::int64_t from(std::int64_t low, std::int64_t high) {
    return low +
           static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool chance(double p) { return random.uniform() < p; }
};

struct Service {
  LoopRules rules;
  std::vector<Request> requests;
};

inline ReplicaRules random_replica(Random& r) {
  ReplicaRules replica;
  SchedulerRules& s = replica.scheduler;
  s.kind = static_cast<SchedulerKind>(r.from(0, 2));
  s.tokens = r.from(40, 300);
  s.sequences = r.from(1, 12);
  if (r.chance(0.4)) s.chunk = r.from(16, 100);
  s.ahead = r.chance(0.5);
  s.late = s.ahead && r.chance(0.5);
  s.prefill_interval = r.chance(0.3) ? r.from(2, 4) : 1;
  s.receive_interval = r.chance(0.2) ? r.from(2, 5) : 1;
  s.stream_interval = r.chance(0.2) ? r.from(2, 5) : 1;
  if (r.chance(0.2)) s.batch_wait = {.iterations = r.from(1, 5), .share = 0.5};
  s.admission =
      r.chance(0.5) ? workloads::Admission::NoEvict : workloads::Admission::MaxUtilization;
  s.prefix_cache = r.chance(0.7);
  s.reserve_full_prompt = r.chance(0.5);
  s.watermark = r.chance(0.3) ? 0.1 : 0;
  s.mixed = r.chance(0.3);
  if (r.chance(0.3)) {
    s.draft = r.from(1, 3);
    replica.accepted.assign(static_cast<std::size_t>(s.draft), 0.6);
  }
  replica.ranks = r.from(1, 3);
  replica.agree_every = r.chance(0.5) ? 1 : 32;
  replica.block = r.chance(0.5) ? 4 : r.from(1, 16);
  // At least one request of 64 + 40 tokens and drafted ones.
  replica.blocks = (64 + 40 + 4 + replica.block - 1) / replica.block + r.from(0, 40);
  replica.choice = static_cast<workloads::RankChoice>(r.from(0, 3));
  if (r.chance(0.5)) replica.graphs = {.sizes = {1, 2, 4, 8}, .mixed = r.chance(0.3)};
  if (r.chance(0.2)) replica.balance_iterations = r.from(1, 5);
  return replica;
}

inline Service random_service(std::uint64_t seed) {
  Random r{sim::Random(seed, "service")};
  Service service;
  LoopRules& rules = service.rules;
  rules.seed = seed;
  rules.serving.replica = random_replica(r);
  rules.serving.replicas = r.from(1, 3);
  rules.serving.router.policy = static_cast<RouterPolicy>(r.from(0, 6));
  rules.serving.router.snapshot = r.chance(0.5) ? 20ms : 0ms;
  if (r.chance(0.3)) {
    rules.prefill = rules.serving;
    rules.prefill->replica.scheduler.draft = 0;
    rules.prefill->replicas = r.from(1, 2);
    rules.serving.replica.blocks += 2;
    rules.transfer = {.mode = r.chance(0.5) ? TransferMode::Push : TransferMode::Pull,
                      .setup = 300us,
                      .post = 1us,
                      .bytes_per_token = 1e5,
                      .sender = 10_GBps,
                      .receiver = 20_GBps,
                      .layerwise = r.chance(0.5),
                      .layers = 4};
    Random traffic{sim::Random(seed, "traffic")};
    if (traffic.chance(0.5)) {
      rules.transfer.sender_traffic = {.duty = 0.4, .flows = 3};
      rules.transfer.receiver_traffic = {.duty = 0.2, .flows = 7};
    }
  }
  if (r.chance(0.4)) rules.client.concurrency = r.from(1, 20);
  rules.client.send = r.chance(0.5) ? 100us : 0us;
  rules.client.receive = r.chance(0.5) ? 50us : 0us;
  rules.client.think = r.chance(0.2) ? 5ms : 0us;
  rules.client.front_end = r.chance(0.3) ? 700us : 0us;
  const std::int64_t count = r.from(1, 40);
  sim::Duration at{};
  for (std::int64_t i = 0; i < count; ++i) {
    if (r.chance(0.8)) at += std::chrono::microseconds(r.from(0, 8000));
    Request request = tests::request(at, r.from(1, 64), r.from(1, 40));
    if (r.chance(0.5))
      request.prompt = {{static_cast<std::uint64_t>(r.from(1, 3)), 20},
                        {100 + static_cast<std::uint64_t>(i), 0}};
    if (r.chance(0.2)) request.most_output = request.output + r.from(0, 40 - request.output);
    request.priority = r.from(-1, 1);
    service.requests.push_back(request);
  }
  if (r.chance(0.2)) rules.serving.replica.scheduler.order = workloads::RequestOrder::Priority;
  for (PoolRules* pool : {&rules.serving, rules.prefill ? &*rules.prefill : nullptr}) {
    if (pool == nullptr || !r.chance(0.3)) continue;
    pool->together = pool->replicas;  // those that there were are one group of the start
    const std::int64_t most = r.from(1, 3);
    pool->replicas *= r.from(1, most);
    pool->scale = ScaleRules{.least = 1,
                             .most = most,
                             .metric = static_cast<ScaleMetric>(r.from(0, 2)),
                             .target = 0.5 * static_cast<double>(r.from(1, 20)),
                             .every = std::chrono::microseconds(r.from(500, 20'000)),
                             .start = std::chrono::microseconds(r.from(0, 20'000)),
                             .settle = std::chrono::microseconds(r.from(0, 30'000))};
  }
  return service;
}

struct Played {
  std::deque<RequestRecord> records;
  RunCounters counters;
  std::int64_t failed = 0;
  std::uint64_t request_time = 0;
};

inline HandCost random_cost(std::uint64_t seed) {
  Random r{sim::Random(seed, "cost")};
  return HandCost(std::chrono::microseconds(r.from(100, 2000)),
                  std::chrono::nanoseconds(r.from(1, 20'000)),
                  std::chrono::nanoseconds(r.from(0, 50)));
}

// Blocks that a rank's sequences hold, by what they say themselves: those of one sequence alone,
// and those that have a name, once.
inline std::int64_t held_by_sequences(const RankState& rank) {
  std::int64_t own = 0;
  std::set<const CacheBlock*> shared;
  for (const Sequence* s : rank.running) {
    own += s->held.count;
    for (const CacheBlock* block : s->held.named) {
      if (block == nullptr) continue;
      --own;
      shared.insert(block);
    }
  }
  return own + static_cast<std::int64_t>(shared.size());
}

inline Played play(const Service& service, std::uint64_t seed, bool look = false) {
  ListStream stream(service.requests);
  HandCost cost = random_cost(seed), prefill = random_cost(seed + 1000);
  ServingLoop loop(service.rules, stream, cost, service.rules.prefill ? &prefill : nullptr);
  while (loop.next_event()) {
    loop.step();
    if (!look) continue;
    for (std::size_t i = 0; i < loop.replicas(); ++i) {
      const Replica& replica = loop.replica(i);
      // No replica stands while somebody could be served. (Apart, caches may be awaited.)
      if (!service.rules.prefill && !replica.busy()) CHECK(replica.requests() == 0);
      for (std::size_t k = 0; k < replica.ranks(); ++k) {
        const RankState& rank = replica.rank(k);
        CHECK(rank.pool.free() >= 0);
        CHECK(rank.pool.free() <= rank.pool.blocks());
        // (Apart, caches that come and those that go hold blocks, too.)
        if (!service.rules.prefill)
          CHECK(held_by_sequences(rank) + rank.pool.free() == rank.pool.blocks());
        CHECK(static_cast<std::int64_t>(rank.running.size()) <=
              replica.rules().scheduler.sequences);
      }
    }
  }
  for (std::size_t i = 0; i < loop.replicas(); ++i) {
    for (std::size_t k = 0; k < loop.replica(i).ranks(); ++k) {
      CHECK(loop.replica(i).rank(k).pool.used() == 0);
      CHECK(loop.replica(i).rank(k).pool.users() == 0);
    }
  }
  CHECK(loop.in_flight() == 0);
  return {loop.records(), loop.counters(), loop.failed(),
          static_cast<std::uint64_t>(loop.request_time())};
}

}  // namespace moesim::tests
