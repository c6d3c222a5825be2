// Services whose iterations cost what one can add up by hand: 1 ms and 10 us for each token of the
// fullest rank.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

#include "workloads/serving/loop/serving_loop.h"

namespace moesim::tests {

namespace serving = workloads::serving;
using namespace sim::literals;

class HandCost final : public serving::IterationCost {
 public:
  explicit HandCost(sim::Duration fixed = 1ms, sim::Duration per_token = 10us,
                    sim::Duration per_key = {})
      : fixed_(fixed), per_token_(per_token), per_key_(per_key) {}

  sim::Duration of(std::span<const serving::BatchPlan> ranks, std::int64_t) override {
    sim::Duration most{};
    for (const serving::BatchPlan& plan : ranks) {
      most = std::max(most, per_token_ * (plan.dummy ? 0 : plan.tokens()) + per_key_ * plan.keys);
    }
    return fixed_ + most;
  }

 private:
  sim::Duration fixed_, per_token_, per_key_;
};

// Requests of a list, in order of arrival.
class ListStream final : public serving::RequestStream {
 public:
  explicit ListStream(std::vector<serving::Request> list) : list_(list.begin(), list.end()) {
    std::int64_t id = 0;
    for (serving::Request& r : list_) r.id = id++;
  }
  std::optional<sim::Time> next_arrival() override {
    return list_.empty() ? std::nullopt : std::optional(list_.front().arrival);
  }
  serving::Request take() override {
    serving::Request r = list_.front();
    list_.pop_front();
    return r;
  }
  void answered(const serving::Request&, sim::Time) override {}

 private:
  std::deque<serving::Request> list_;
};

inline serving::Request request(sim::Duration at, std::int64_t input, std::int64_t output) {
  return {.arrival = sim::Time{at}, .input = input, .output = output};
}

// One replica of one rank with a cache that never limits, nothing planned ahead.
inline serving::LoopRules one_replica(serving::SchedulerKind kind = serving::SchedulerKind::Vllm) {
  serving::LoopRules rules;
  rules.serving.replica.scheduler.kind = kind;
  rules.serving.replica.scheduler.tokens = kind == serving::SchedulerKind::Sglang ? 16384 : 8192;
  rules.serving.replica.blocks = 1'000'000;
  rules.serving.replica.block = 16;
  rules.keep_iterations = true;
  return rules;
}

struct Served {
  std::map<std::int64_t, serving::RequestRecord> records;
  std::vector<sim::Duration> ends;  // of the first replica's iterations
  serving::RunCounters counters;
};

inline Served serve_list(const serving::LoopRules& rules, std::vector<serving::Request> requests,
                         HandCost cost = HandCost(), HandCost prefill = HandCost()) {
  ListStream stream(std::move(requests));
  serving::ServingLoop loop(rules, stream, cost, rules.prefill ? &prefill : nullptr);
  loop.run();
  Served served;
  served.counters = loop.counters();
  for (const serving::RequestRecord& r : loop.records()) served.records[r.id] = r;
  for (const serving::PlayedIteration& i : loop.iterations()[0]) {
    served.ends.push_back(i.end - sim::Time{});
  }
  return served;
}

inline std::vector<sim::Duration> in_us(std::initializer_list<int> list) {
  std::vector<sim::Duration> durations;
  for (const int us : list) durations.push_back(std::chrono::microseconds(us));
  return durations;
}

}  // namespace moesim::tests
