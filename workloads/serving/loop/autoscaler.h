// How many replicas of a pool are in use, by what waits and runs there or by what arrives.
//
// Every `every` it looks: wanted = ceil(metric / target), within least and most (Kubernetes'
// horizontal pod autoscaler with an average value; Ray Serve's target_ongoing_requests; Dynamo's
// planner for rates). More are started at once and take requests `start` later; fewer are in use
// only as far as no look of the last `settle` wanted more (the autoscaler's stabilisation window).
// One that is closed answers what it has, and is off then; one that still drains is opened again
// before another is started.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "sim/units.h"

namespace moesim::workloads::serving {

// Requests: all that a pool has, means over the time since the last look; Queue: those of them
// that wait; Rate: those that came, a second.
enum class ScaleMetric { Requests, Queue, Rate };
inline constexpr std::array<std::string_view, 3> kScaleMetricNames{"requests", "queue", "rate"};

struct ScaleRules {
  std::int64_t least = 1, most = 1;  // replicas
  ScaleMetric metric = ScaleMetric::Queue;
  double target = 1;  // of the metric, a replica
  sim::Duration every = std::chrono::seconds(60);
  sim::Duration start = std::chrono::seconds(120);
  sim::Duration settle = std::chrono::seconds(300);
};

// When the number in use changed.
struct ScaleChange {
  sim::Time at{};
  std::int64_t in_use = 0, open = 0, wanted = 0;
};

class Autoscaler {
 public:
  // Replicas 0 to open - 1 take requests from the start. REQUIRES: least <= open <= most
  Autoscaler(const ScaleRules& rules, std::int64_t open);

  // The next look, or when one that starts is ready.
  sim::Time next_event() const;
  // So many waited and ran there since the last call. In order of time.
  void pass(sim::Time until, std::int64_t waiting, std::int64_t running);
  void arrived() { ++arrived_; }
  // REQUIRES: now == next_event(), and pass() has come as far. Those that were off and are open now
  // have nothing in their caches.
  std::vector<std::size_t> step(sim::Time now);

  const std::vector<std::size_t>& open() const { return open_; }  // ascending
  // Closed, with requests that it had.
  bool drains(std::size_t replica) const { return states_[replica] == State::Draining; }
  void empty(std::size_t replica, sim::Time now);  // REQUIRES: drains(replica)

  // Those that start, are open or drain: GPUs are held for them.
  std::int64_t in_use() const { return in_use_; }
  std::int64_t most_in_use() const { return most_in_use_; }
  std::int64_t started() const { return started_; }
  std::int64_t closed() const { return closed_; }
  // Replicas x picoseconds until the last pass().
  double time_in_use() const { return static_cast<double>(time_in_use_); }
  const std::vector<ScaleChange>& changes() const { return changes_; }

 private:
  enum class State { Off, Starting, Open, Draining };
  struct Wanted {
    sim::Time at{};
    std::int64_t replicas = 0;
  };
  std::int64_t wanted() const;
  void look(sim::Time now);
  void grow(std::int64_t more, sim::Time now);
  void shrink(std::int64_t fewer);
  void set(std::size_t replica, State state);
  void write_down(sim::Time now);

  ScaleRules rules_;
  std::vector<State> states_;
  std::vector<sim::Time> ready_;  // of those that start
  std::vector<std::size_t> open_;
  std::deque<Wanted> window_;  // of the last `settle`
  sim::Time next_look_{}, passed_{};
  __extension__ using Wide = __int128;
  Wide metric_time_ = 0, time_in_use_ = 0;  // since the last look; since the start
  std::int64_t arrived_ = 0, wanted_ = 0, in_use_ = 0, most_in_use_ = 0;
  std::int64_t started_ = 0, closed_ = 0;
  std::vector<ScaleChange> changes_;
};

}  // namespace moesim::workloads::serving
