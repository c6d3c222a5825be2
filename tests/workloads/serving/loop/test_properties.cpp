// What always holds, on random services: 500 seeds.
#include <doctest/doctest.h>

#include <cmath>
#include <future>

#include "tests/workloads/serving/loop/random_service.h"

using namespace moesim;
using namespace moesim::tests;
using namespace moesim::workloads::serving;

namespace {

constexpr std::uint64_t kSeeds = 500;

}  // namespace

TEST_CASE("every request is answered, and all blocks come back") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    const Service service = random_service(seed);
    const Played o = play(service, seed, true);
    CHECK(o.failed == 0);
    CHECK(o.records.size() == service.requests.size());
    std::uint64_t latencies = 0;
    for (const RequestRecord& r : o.records) {
      latencies += static_cast<std::uint64_t>(r.latency().count());
      CHECK(r.sent >= service.requests[static_cast<std::size_t>(r.id)].arrival);
      CHECK(r.queued >= r.sent);
      CHECK(r.scheduled >= r.queued);
      CHECK(r.prefilled > r.scheduled);
      CHECK(r.moved >= r.prefilled);
      CHECK(r.emitted >= r.moved);
      CHECK(r.first >= r.emitted);
      CHECK(r.last >= r.first);
    }
    // Little: what the service's own integral has is the sum of what each had.
    CHECK(o.request_time == latencies);
  }
}

TEST_CASE("equal services give equal records, one after another and beside each other") {
  constexpr std::uint64_t kThreads = 4;
  const auto every = [](std::uint64_t first, std::uint64_t step) {
    std::vector<std::deque<RequestRecord>> records;
    for (std::uint64_t seed = first; seed <= kSeeds; seed += step)
      records.push_back(play(random_service(seed), seed).records);
    return records;
  };
  const auto alone = every(1, 1);
  std::vector<std::future<std::vector<std::deque<RequestRecord>>>> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t)
    threads.push_back(std::async(std::launch::async, every, 1 + t, kThreads));
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    const auto beside = threads[t].get();
    for (std::size_t i = 0; i < beside.size(); ++i) {
      CAPTURE(1 + t + i * kThreads);
      CHECK(beside[i] == alone[t + i * kThreads]);
    }
  }
}

TEST_CASE("many iterations at once are what they are one by one") {
  std::int64_t at_once = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Service service = random_service(seed);
    const Played fast = play(service, seed);
    service.rules.serving.replica.step_by_step = true;
    if (service.rules.prefill) service.rules.prefill->replica.step_by_step = true;
    const Played slow = play(service, seed);
    CHECK(fast.records == slow.records);
    CHECK(fast.counters.gaps == slow.counters.gaps);
    CHECK(fast.counters.passes == slow.counters.passes);
    CHECK(fast.counters.passes.count() == fast.counters.gaps.count());
    CHECK(fast.counters.passes.mean() <= fast.counters.gaps.mean());
    CHECK(fast.counters.iterations == slow.counters.iterations);
    CHECK(fast.counters.dummies == slow.counters.dummies);
    CHECK(fast.counters.tokens == slow.counters.tokens);
    CHECK(fast.counters.padding == slow.counters.padding);
    CHECK(fast.counters.running == doctest::Approx(slow.counters.running).epsilon(1e-12));
    CHECK(fast.counters.blocks == doctest::Approx(slow.counters.blocks).epsilon(1e-12));
    CHECK(fast.counters.most_blocks == slow.counters.most_blocks);
    CHECK(slow.counters.fast == 0);
    at_once += fast.counters.fast;
  }
  CHECK(at_once > 1000);  // there is something to compare
}

TEST_CASE("first come, first served: nobody of a rank starts before an earlier one") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Service service = random_service(seed);
    service.rules.serving.replica.scheduler.order = workloads::RequestOrder::Fcfs;
    service.rules.prefill.reset();
    const Played o = play(service, seed);
    std::map<std::pair<std::int64_t, std::int64_t>, std::vector<RequestRecord>> by_rank;
    for (const RequestRecord& r : o.records) by_rank[{r.replica, r.rank}].push_back(r);
    for (auto& [rank, records] : by_rank) {
      std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
        return std::pair(a.queued, a.id) < std::pair(b.queued, b.id);
      });
      for (std::size_t i = 1; i < records.size(); ++i) {
        CHECK(records[i - 1].scheduled <= records[i].scheduled);
      }
    }
  }
}

TEST_CASE(
    "tokens that are computed are those that are asked for, those read again and those spared") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Service service = random_service(seed);
    if (service.rules.prefill || service.rules.serving.replica.scheduler.draft > 0 ||
        service.rules.serving.replica.scheduler.late) {
      continue;
    }
    for (Request& r : service.requests) r.most_output = 0;
    const Played o = play(service, seed);
    std::int64_t expected = 0;
    bool preempted = false;
    for (const RequestRecord& r : o.records) {
      // The last token is never an input.
      expected += r.input + r.output - 1 + r.recomputed - r.cached;
      preempted = preempted || r.preemptions > 0;
    }
    // After a preemption a prefix may be found again, or a pass be withdrawn: those apart.
    if (!preempted) CHECK(o.counters.tokens == expected);
  }
}

namespace {

// All at once: from the first moment on there is more to do than the engine takes.
Service saturated(std::uint64_t seed) {
  Service service = random_service(seed);
  service.rules.client = {};
  for (PoolRules* pool :
       {&service.rules.serving, service.rules.prefill ? &*service.rules.prefill : nullptr}) {
    if (pool == nullptr) continue;
    pool->scale.reset();
    pool->replicas = pool->together = 1;
  }
  const std::vector<Request> some = service.requests;
  while (service.requests.size() < 150)
    service.requests.insert(service.requests.end(), some.begin(), some.end());
  for (Request& r : service.requests) r.arrival = {};
  return service;
}

double seconds_of(const Service& service, HandCost cost, HandCost prefill) {
  ListStream stream(service.requests);
  ServingLoop loop(service.rules, stream, cost, service.rules.prefill ? &prefill : nullptr);
  loop.run();
  sim::Time last{};
  for (const RequestRecord& r : loop.records()) last = std::max(last, r.last);
  return sim::to_seconds(last - sim::Time{});
}

// 1 ms and 10 us a token, times a factor.
HandCost scaled_cost(double factor) {
  return HandCost(sim::Duration(std::llround(1e9 * factor)),
                  sim::Duration(std::llround(1e7 * factor)));
}

}  // namespace

TEST_CASE("more blocks, a wider link or a faster device cost no throughput at saturation") {
  // Of one service schedules of lists have anomalies of some percent (and routers with old
  // knowledge larger ones: each pool has one replica here); of many together there is no loss
  // beyond 1 %.
  double before = 0, faster = 0, blocks = 0, apart = 0, wider = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds / 8; ++seed) {
    const Service service = saturated(seed);
    const double own = seconds_of(service, scaled_cost(1), scaled_cost(1));
    before += own;
    faster += seconds_of(service, scaled_cost(0.8), scaled_cost(0.8));
    Service more = service;
    more.rules.serving.replica.blocks *= 2;
    if (more.rules.prefill) more.rules.prefill->replica.blocks *= 2;
    blocks += seconds_of(more, scaled_cost(1), scaled_cost(1));
    if (!service.rules.prefill) continue;
    Service wide = service;
    wide.rules.transfer.sender = 20_GBps;
    wide.rules.transfer.receiver = 40_GBps;
    apart += own;
    wider += seconds_of(wide, scaled_cost(1), scaled_cost(1));
  }
  CHECK(faster <= 0.9 * before);
  CHECK(blocks <= before);
  CHECK(apart > 0);
  CHECK(wider <= 1.01 * apart);
}

TEST_CASE("a prefix that is found makes a lone request no slower") {
  std::int64_t hits = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Service service = random_service(seed);
    service.rules.client = {};
    // The second one comes when the first is long gone, to where that was.
    service.rules.serving.replicas = service.rules.serving.together = 1;
    service.rules.serving.scale.reset();
    service.rules.serving.replica.ranks = 1;
    if (service.rules.prefill) {
      service.rules.prefill->replicas = service.rules.prefill->together = 1;
      service.rules.prefill->scale.reset();
      service.rules.prefill->replica.ranks = 1;
    }
    // Acceptances are drawn one after another: with drafted tokens the second ones differ.
    service.rules.serving.replica.scheduler.draft = 0;
    service.rules.serving.replica.accepted.clear();
    Request first = service.requests[0], second = first;
    first.arrival = {};
    second.arrival = sim::Time{10s};
    first.prompt = second.prompt = {{1, first.input}};
    service.requests = {first, second};
    const auto latencies = [&](bool cache) {
      for (PoolRules* pool :
           {&service.rules.serving, service.rules.prefill ? &*service.rules.prefill : nullptr}) {
        if (pool != nullptr) pool->replica.scheduler.prefix_cache = cache;
      }
      const auto records = play(service, seed).records;
      const RequestRecord& r = records.at(records[0].id == 1 ? 0 : 1);
      if (cache && r.cached > 0) ++hits;
      return std::pair(r.ttft(), r.latency());
    };
    const auto without = latencies(false), with = latencies(true);
    CHECK(with.first <= without.first);
    CHECK(with.second <= without.second);
  }
  CHECK(hits > 100);
}

TEST_CASE("dp ranks that are swapped change nothing but names") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Service service = random_service(seed);
    Random r{sim::Random(seed, "ranks")};
    service.rules.prefill.reset();
    service.rules.client = {};
    service.rules.serving.replicas = service.rules.serving.together = 1;
    service.rules.serving.scale.reset();
    ReplicaRules& replica = service.rules.serving.replica;
    replica.ranks = r.from(2, 3);
    replica.choice = workloads::RankChoice::RoundRobin;
    replica.scheduler.draft = 0;
    replica.accepted.clear();
    // As many come at a time as there are ranks: one for each, the other way round in the second
    // run.
    const auto ranks = static_cast<std::size_t>(replica.ranks);
    while (service.requests.size() % ranks != 0) service.requests.push_back(service.requests[0]);
    for (std::size_t i = 0; i < service.requests.size(); ++i) {
      const std::size_t group = i / ranks;
      service.requests[i].arrival =
          sim::Time{} + std::chrono::microseconds(1700 * static_cast<std::int64_t>(group));
    }
    Service swapped = service;
    for (auto at = swapped.requests.begin(); at != swapped.requests.end();
         at += static_cast<std::ptrdiff_t>(ranks)) {
      std::reverse(at, at + static_cast<std::ptrdiff_t>(ranks));
    }
    const Played a = play(service, seed), b = play(swapped, seed);
    std::map<std::int64_t, RequestRecord> by_id;
    for (const RequestRecord& record : b.records) by_id[record.id] = record;
    for (RequestRecord record : a.records) {
      const auto place = static_cast<std::size_t>(record.id) % ranks;
      const auto other = static_cast<std::size_t>(record.id) - place + (ranks - 1 - place);
      RequestRecord& same = by_id.at(static_cast<std::int64_t>(other));
      CHECK(same.rank == static_cast<std::int64_t>(ranks) - 1 - record.rank);
      same.id = record.id;
      same.rank = record.rank;
      CHECK(same == record);
    }
    CHECK(a.counters.gaps == b.counters.gaps);
    CHECK(a.counters.iterations == b.counters.iterations);
    CHECK(a.counters.dummies == b.counters.dummies);
  }
}

namespace {

// Looks at every iteration that is asked for.
class WatchingCost final : public IterationCost {
 public:
  explicit WatchingCost(const ReplicaRules& rules) : rules_(rules) {}

  sim::Duration of(std::span<const BatchPlan> ranks, std::int64_t) override {
    bool work = false;
    for (const BatchPlan& plan : ranks) {
      // A rank computes something for a sequence, or runs along, and never both.
      CHECK(plan.dummy == plan.work.empty());
      CHECK(plan.tokens() > 0);
      work = work || !plan.dummy;
    }
    if (!work) {
      ++empty_;
      // Not all know yet that all are done, or prompts wait for other ranks'.
      CHECK((rules_.agree_every > 1 || rules_.balance_iterations > 0));
    }
    in_a_row_ = work ? 0 : in_a_row_ + 1;
    most_ = std::max(most_, in_a_row_);
    return 1ms;
  }

  std::int64_t empty_ = 0, in_a_row_ = 0, most_ = 0;

 private:
  const ReplicaRules& rules_;
};

}  // namespace

TEST_CASE("no iteration is without work, but those that are left until the ranks agree") {
  std::int64_t empty = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Service service = random_service(seed);
    service.rules.prefill.reset();
    service.rules.serving.replicas = service.rules.serving.together = 1;
    service.rules.serving.scale.reset();
    WatchingCost cost(service.rules.serving.replica);
    ListStream stream(service.requests);
    ServingLoop loop(service.rules, stream, cost);
    loop.run();
    // After the last token at most those up to the next agreement; each prompt that waits for
    // ranks' waits no longer than the rule says.
    const ReplicaRules& rules = service.rules.serving.replica;
    CHECK(cost.most_ <= rules.agree_every - 1 + rules.balance_iterations);
    empty += cost.empty_;
  }
  CHECK(empty > 500);  // there are some to judge
}
