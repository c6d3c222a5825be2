// Replicas that follow the load, by hand.
#include "workloads/serving/loop/autoscaler.h"

#include <doctest/doctest.h>

#include "tests/workloads/serving/hand_service.h"

using namespace moesim;
using namespace moesim::tests;
using namespace moesim::workloads::serving;

namespace {

sim::Time at(std::int64_t seconds) {
  return sim::Time{std::chrono::seconds(seconds)};
}

// 1 to 4, a look every 10 s, 20 s until one is ready, closed after 30 s.
ScaleRules rules(ScaleMetric metric, double target) {
  return {.least = 1,
          .most = 4,
          .metric = metric,
          .target = target,
          .every = 10s,
          .start = 20s,
          .settle = 30s};
}

// What it looks like after each look, with so many requests there in the 10 s before.
struct Look {
  std::int64_t in_use, open;
  friend bool operator==(const Look&, const Look&) = default;
};
Look after(Autoscaler& scaler, std::int64_t seconds, std::int64_t waiting, std::int64_t running) {
  scaler.pass(at(seconds), waiting, running);
  scaler.step(at(seconds));
  return {scaler.in_use(), static_cast<std::int64_t>(scaler.open().size())};
}

}  // namespace

TEST_CASE("requests over the target start replicas, which are ready later") {
  Autoscaler scaler(rules(ScaleMetric::Requests, 5), 1);
  CHECK(scaler.next_event() == at(10));
  // 4 wait and 8 run for 10 s: 12 / 5 is 2.4, so 3 are wanted; 2 start and are ready at 30 s.
  CHECK(after(scaler, 10, 4, 8) == Look{3, 1});
  CHECK(scaler.next_event() == at(20));
  // Those that start count: 12 want no more.
  CHECK(after(scaler, 20, 4, 8) == Look{3, 1});
  // A look at which they open as well: 15 / 5 is 3 and no more.
  scaler.pass(at(30), 5, 10);
  CHECK(scaler.step(at(30)) == std::vector<std::size_t>{1, 2});
  CHECK(scaler.open() == std::vector<std::size_t>{0, 1, 2});
  // One in use for 10 s, three for 20 s.
  CHECK(scaler.time_in_use() == 70e12);
  CHECK(scaler.started() == 2);
}

TEST_CASE("a mean between looks counts, not what is there at one") {
  // 20 requests for 4 s, none for 6: 8 on average; 8 / 5 rounds up to 2.
  Autoscaler scaler(rules(ScaleMetric::Requests, 5), 1);
  scaler.pass(at(4), 20, 0);
  CHECK(after(scaler, 10, 0, 0) == Look{2, 1});
}

TEST_CASE("replicas are closed once no look of the time to settle wanted them") {
  Autoscaler scaler(rules(ScaleMetric::Requests, 5), 3);
  CHECK(after(scaler, 10, 0, 14) == Look{3, 3});  // wants 3
  CHECK(after(scaler, 20, 0, 2) == Look{3, 3});   // 1, but 3 were wanted 10 s before
  CHECK(after(scaler, 30, 0, 7) == Look{3, 3});   // 2
  CHECK(after(scaler, 40, 0, 2) == Look{3, 3});   // 1; that of 10 s is 30 s old
  CHECK(after(scaler, 50, 0, 2) == Look{3, 2});   // the most since 20 s is 2: the last one drains
  CHECK(scaler.drains(2));
  scaler.empty(2, at(55));
  CHECK(scaler.in_use() == 2);
  CHECK(scaler.closed() == 1);
  // Of the changes each is written down once.
  REQUIRE(scaler.changes().size() == 3);
  CHECK(scaler.changes()[1].at == at(50));
  CHECK(scaler.changes()[1].wanted == 1);
  CHECK(scaler.changes()[2].at == at(55));
  CHECK(scaler.changes()[2].in_use == 2);
}

TEST_CASE("one that drains is opened again before another is started") {
  ScaleRules quick = rules(ScaleMetric::Requests, 5);
  quick.settle = 0s;
  Autoscaler scaler(quick, 3);
  CHECK(after(scaler, 10, 0, 2) == Look{3, 1});
  // 17 / 5 is 3.4: 4 are wanted. Two that drain are open at once, the fourth is started.
  CHECK(after(scaler, 20, 0, 17) == Look{4, 3});
  CHECK(scaler.started() == 1);
  // Those that start are closed before those that take requests: 11 / 5 wants 3.
  CHECK(after(scaler, 30, 0, 11) == Look{3, 3});
  CHECK(scaler.open() == std::vector<std::size_t>{0, 1, 2});
  CHECK(after(scaler, 40, 0, 11) == Look{3, 3});  // when the fourth would have been ready
}

TEST_CASE("a queue counts those that wait, and a rate those that come") {
  Autoscaler queue(rules(ScaleMetric::Queue, 2), 1);
  CHECK(after(queue, 10, 5, 100) == Look{3, 1});  // 5 / 2
  CHECK(after(queue, 20, 0, 100) == Look{3, 1});
  // 25 in 10 s, of 1.25 a second each: 2, and not 3 for the last bit of a product.
  Autoscaler rate(rules(ScaleMetric::Rate, 1.25), 1);
  for (int i = 0; i < 25; ++i) rate.arrived();
  CHECK(after(rate, 10, 0, 0) == Look{2, 1});
  CHECK(after(rate, 20, 0, 0) == Look{2, 1});  // none came since
}

TEST_CASE("no more than most, no fewer than least") {
  ScaleRules two = rules(ScaleMetric::Queue, 1);
  two.least = 2;
  two.settle = 0s;
  Autoscaler scaler(two, 3);
  CHECK(after(scaler, 10, 1000, 0) == Look{4, 3});
  CHECK(after(scaler, 20, 0, 0) == Look{3, 2});  // the third drains
}

TEST_CASE("a service under more load than one replica carries opens a second one") {
  // A request of 1 token and 400 out: 1.01 ms an iteration, 404 ms alone; one at a time. At 1 s
  // the mean is 20 less those that ended at 0.404 and 0.808 s, over 4 a replica: as many as may be
  // are wanted, 2, and the second is ready at 1.5 s.
  LoopRules service = one_replica();
  service.serving.replica.scheduler.sequences = 1;
  service.serving.router.policy = RouterPolicy::LeastRequests;
  service.serving.scale = ScaleRules{.least = 1,
                                     .most = 2,
                                     .metric = ScaleMetric::Requests,
                                     .target = 4,
                                     .every = 1s,
                                     .start = 500ms,
                                     .settle = 1s};
  std::vector<Request> list;
  for (int i = 0; i < 20; ++i) list.push_back(request(0us, 1, 400));
  // Who comes at 1.4 s still finds one replica, who comes at 1.6 s the second, which is empty.
  list.push_back(request(1400ms, 1, 1));
  list.push_back(request(1600ms, 1, 1));
  ListStream stream(list);
  HandCost cost;
  ServingLoop loop(service, stream, cost);
  loop.run();
  std::map<std::int64_t, RequestRecord> records;
  for (const RequestRecord& r : loop.records()) records[r.id] = r;
  REQUIRE(records.size() == 22);
  CHECK(records.at(20).replica == 0);
  CHECK(records.at(21).replica == 1);
  CHECK(records.at(21).ttft() == 1010us);
  // The 20 are answered after 20 x 404 ms, the one behind them 1.01 ms later: that is the end.
  // 21 less one every 404 ms are there: from 6 to 7 s 0.06 x 7 + 0.404 x 6 + 0.404 x 5 + 0.132 x 4
  // = 5.4, from 7 to 8 s 0.272 x 4 + 0.404 x 3 + 0.324 x 2 = 2.9: two are wanted at 7 s and one at
  // 8 s, when 7 s is no more than the time to settle ago.
  CHECK(loop.now() == sim::Time{8081010us});
  REQUIRE(loop.autoscaler(0) != nullptr);
  const Autoscaler& scaler = *loop.autoscaler(0);
  CHECK(scaler.changes().size() == 3);
  CHECK(scaler.closed() == 0);
  CHECK(scaler.time_in_use() == 8081010e6 + 7081010e6);
}

TEST_CASE("a replica that is closed answers what it has") {
  // Two replicas, one request of 5 s each from the start; 1 is wanted from the first look on, and
  // the second drains until its request is answered at 5 x 1.01 s.
  LoopRules service = one_replica();
  service.serving.replicas = 2;
  service.serving.scale = ScaleRules{.least = 1,
                                     .most = 2,
                                     .metric = ScaleMetric::Queue,
                                     .target = 1,
                                     .every = 1s,
                                     .start = 10s,
                                     .settle = 0s};
  ListStream stream({request(0us, 1, 5000), request(0us, 1, 5000), request(2s, 1, 1)});
  HandCost cost;
  ServingLoop loop(service, stream, cost);
  loop.run();
  REQUIRE(loop.records().size() == 3);
  for (const RequestRecord& r : loop.records()) CHECK(r.replica == (r.id == 1));
  const Autoscaler& scaler = *loop.autoscaler(0);
  CHECK(scaler.changes().size() == 3);  // both; one takes requests; one is in use
  CHECK(scaler.changes()[1].at == at(1));
  CHECK(scaler.changes()[1].in_use == 2);
  CHECK(scaler.changes()[2].at == sim::Time{5050ms});
  CHECK(scaler.in_use() == 1);
}
