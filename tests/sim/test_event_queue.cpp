#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "sim/event_queue.h"
#include "sim/random.h"

using namespace moesim::sim;
using namespace moesim::sim::literals;

namespace {
Time at_ps(std::int64_t ps) {
  return Time(Duration(ps));
}
}  // namespace

TEST_CASE("events at equal times run in the order they were scheduled") {
  EventQueue queue;
  std::vector<int> order;
  queue.push(at_ps(5), [&] { order.push_back(1); });
  queue.push(at_ps(3), [&] { order.push_back(0); });
  queue.push(at_ps(5), [&] { order.push_back(2); });
  while (!queue.empty()) queue.run_next();
  CHECK(order == std::vector<int>{0, 1, 2});
}

TEST_CASE("an event scheduled for the running instant comes after those that wait for it") {
  EventQueue queue;
  std::vector<int> order;
  queue.push(at_ps(5), [&] {
    order.push_back(0);
    queue.push(at_ps(5), [&] { order.push_back(2); });
  });
  queue.push(at_ps(5), [&] { order.push_back(1); });
  while (!queue.empty()) queue.run_next();
  CHECK(order == std::vector<int>{0, 1, 2});
}

TEST_CASE("cancel says whether the event was pending and is harmless later") {
  EventQueue queue;
  int ran = 0;
  const auto first = queue.push(at_ps(1), [&] { ++ran; });
  const auto second = queue.push(at_ps(2), [&] { ++ran; });
  CHECK(queue.cancel(first));
  CHECK_FALSE(queue.cancel(first));
  CHECK(queue.size() == 1);
  CHECK(queue.next_time() == at_ps(2));
  queue.run_next();
  CHECK_FALSE(queue.cancel(second));
  CHECK_FALSE(queue.cancel(EventQueue::Id{}));
  CHECK(ran == 1);
}

TEST_CASE("an event cannot cancel itself while it runs, and a reused slot is another event") {
  EventQueue queue;
  EventQueue::Id self;
  bool pending = true;
  self = queue.push(at_ps(1), [&] { pending = queue.cancel(self); });
  queue.run_next();
  CHECK_FALSE(pending);
  // The new event takes the old one's slot; the old name must not reach it.
  const auto next = queue.push(at_ps(2), [] {});
  CHECK_FALSE(queue.cancel(self));
  CHECK(queue.cancel(next));
}

TEST_CASE("an action is destroyed once: after it ran, when cancelled, or with the queue") {
  const auto counted = std::make_shared<int>(0);
  const std::array<char, 100> large{};  // larger than a slot: allocated
  {
    EventQueue queue;
    queue.push(at_ps(1), [counted] {});
    queue.push(at_ps(1), [counted, large] { (void)large; });
    const auto third = queue.push(at_ps(2), [counted] {});
    const auto fourth = queue.push(at_ps(2), [counted, large] { (void)large; });
    queue.push(at_ps(3), [counted] {});
    queue.push(at_ps(3), [counted, large] { (void)large; });
    CHECK(counted.use_count() == 7);
    queue.run_next();
    queue.run_next();
    CHECK(counted.use_count() == 5);
    queue.cancel(third);
    queue.cancel(fourth);
    CHECK(counted.use_count() == 3);
  }
  CHECK(counted.use_count() == 1);
}

TEST_CASE("an action that throws leaves the queue whole") {
  EventQueue queue;
  int ran = 0;
  queue.push(at_ps(1), [] { throw 1; });
  queue.push(at_ps(2), [&] { ++ran; });
  CHECK_THROWS_AS(queue.run_next(), int);
  queue.run_next();
  CHECK(ran == 1);
  CHECK(queue.empty());
}

TEST_CASE("any mix of pushes and cancels comes out as a stable sort by time would give it") {
  // Times in four regimes, so that entries lie in the front, in near and far buckets, and together.
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed, "event queue");
    EventQueue queue;
    struct Expected {
      std::int64_t time;
      int number;
      EventQueue::Id id;
      bool cancelled = false;
      bool ran = false;
    };
    std::vector<Expected> all;
    std::vector<int> order;
    std::int64_t now = 0;
    const auto push = [&] {
      constexpr std::int64_t kSpans[] = {1, 40, 100'000, 1'000'000'000'000};
      const auto span = kSpans[random.below(4)];
      const std::int64_t time =
          now + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(span)));
      const int number = static_cast<int>(all.size());
      all.push_back({time, number, {}});
      all.back().id = queue.push(at_ps(time), [&order, number] { order.push_back(number); });
    };
    for (int step = 0; step < 20'000; ++step) {
      const auto what = random.below(step < 10'000 ? 10 : 14);
      if (what < 5 || queue.empty()) {
        push();
      } else if (what < 6) {
        auto& one = all[random.below(all.size())];
        CHECK(queue.cancel(one.id) == (!one.cancelled && !one.ran));
        if (!one.ran) one.cancelled = true;
      } else if (what < 7) {
        queue.next_time();  // a look ahead must not bind later pushes
      } else {
        now = queue.next_time().time_since_epoch().count();
        queue.run_next();
        all[static_cast<std::size_t>(order.back())].ran = true;
      }
    }
    while (!queue.empty()) queue.run_next();
    std::vector<std::pair<std::int64_t, int>> expected;
    for (const auto& one : all) {
      if (!one.cancelled) expected.emplace_back(one.time, one.number);
    }
    std::sort(expected.begin(), expected.end());
    REQUIRE(order.size() == expected.size());
    bool equal = true;
    for (std::size_t i = 0; i < order.size(); ++i) equal = equal && order[i] == expected[i].second;
    CHECK(equal);
  }
}

TEST_CASE("the last instant of time can be scheduled") {
  EventQueue queue;
  int ran = 0;
  queue.push(Time::max(), [&] { ran += 1; });
  queue.push(at_ps(0), [&] { ran += 10; });
  queue.push(Time::max(), [&] { ran += 100; });
  queue.run_next();
  CHECK(ran == 10);
  CHECK(queue.next_time() == Time::max());
  while (!queue.empty()) queue.run_next();
  CHECK(ran == 111);
}

TEST_CASE("cancelled events do not fill the memory") {
  // 100,000 timers set and cancelled beside one that stays: the queue still gives that one.
  EventQueue queue;
  int ran = 0;
  queue.push(at_ps(1'000'000'000), [&] { ++ran; });
  for (int i = 0; i < 100'000; ++i) queue.cancel(queue.push(at_ps(500 + i), [&] { ran += 1000; }));
  CHECK(queue.size() == 1);
  CHECK(queue.next_time() == at_ps(1'000'000'000));
  queue.run_next();
  CHECK(ran == 1);
}
