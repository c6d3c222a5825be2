// A service and its clients, event by event.
//
// At one instant, in this order: iterations end and give out tokens; caches arrive; replicas are
// opened and closed; requests are sent and reach replicas; replicas plan and begin their next
// iterations. Nothing depends on
// anything but the rules, the stream and the costs.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "workloads/serving/loop/autoscaler.h"
#include "workloads/serving/loop/replica.h"
#include "workloads/serving/loop/router.h"
#include "workloads/serving/loop/transfer.h"
#include "workloads/serving/requests/request_stream.h"

namespace moesim::workloads::serving {

struct PoolRules {
  std::string name = "replicas";
  ReplicaRules replica = {};
  std::int64_t replicas = 1;  // from the start
  RouterRules router = {};
  std::optional<ScaleRules> scale = {};  // in groups of `together` replicas
  std::int64_t together = 1;

  std::int64_t most_replicas() const { return scale ? scale->most * together : replicas; }
};

struct ClientRules {
  std::optional<std::int64_t> concurrency = {};  // requests that are in flight at once, at most
  sim::Duration send{}, receive{};               // to the engine, and back
  sim::Duration per_token{};  // of a prompt, beside `send`: making tokens of text
  // Before that, one request after another in each engine's front end: HTTP, JSON, the event loop.
  sim::Duration front_end{};
  sim::Duration think{};  // from an answer until its place is taken again

  // From a prompt is through the front end until a scheduler sees it.
  sim::Duration sending(std::int64_t tokens) const { return send + per_token * tokens; }
};

struct LoopRules {
  ClientRules client = {};
  PoolRules serving = {};                 // where tokens are generated
  std::optional<PoolRules> prefill = {};  // where prompts are read, if elsewhere
  TransferRules transfer = {};            // between the two
  std::int64_t warm_up = 0;               // requests that are served and not counted
  std::uint64_t seed = 1;
  bool keep_iterations = false;
  std::optional<sim::Duration> sample = {};  // how often the service's state is written down
};

struct ServiceSample {
  sim::Time at{};
  std::int64_t running = 0, waiting = 0, blocks = 0, tokens = 0;
  std::int64_t replicas = 0;  // in use, of all pools
};

class ServingLoop {
 public:
  // `prefill_cost` only where prompts are read elsewhere. All outlive the loop.
  ServingLoop(const LoopRules& rules, RequestStream& stream, IterationCost& cost,
              IterationCost* prefill_cost = nullptr);
  ~ServingLoop();

  // Nothing where all is done.
  std::optional<sim::Time> next_event() const { return next_; }
  // All that happens at the next instant. Throws DeadlockError where requests are left that no
  // event will ever serve. REQUIRES: next_event() has a value
  void step();
  void run();

  sim::Time now() const { return now_; }
  std::int64_t in_flight() const { return in_flight_; }
  std::int64_t most_in_flight() const { return most_in_flight_; }
  std::int64_t sent() const { return sent_; }
  std::int64_t failed() const { return failed_; }
  const std::deque<RequestRecord>& records() const { return records_; }  // in order of their ends
  // Of the pool that generates tokens; and of the one that reads prompts, where that is another.
  const RunCounters& counters() const { return counters_[0]; }
  const RunCounters& prefill_counters() const { return counters_[1]; }
  const std::vector<ServiceSample>& samples() const { return samples_; }
  // By replica, those that read prompts last.
  const std::vector<std::vector<PlayedIteration>>& iterations() const { return iterations_; }
  std::size_t replicas() const { return replicas_.size(); }
  const Replica& replica(std::size_t index) const { return *replicas_[index]; }
  // Of the pools that generate (0) and read (1); null where their replicas stay.
  const Autoscaler* autoscaler(std::size_t pool) const {
    return pools_[pool].scaler ? &*pools_[pool].scaler : nullptr;
  }

  // Sum over time of requests between sent and last: what Little's law is about. Picoseconds.
  __extension__ using Wide = unsigned __int128;
  Wide request_time() const { return request_time_; }

 private:
  struct Sent {
    sim::Time reaches{};
    std::unique_ptr<Job> job;
  };
  struct Move {
    std::unique_ptr<Job> from, to;
    std::size_t sender = 0, receiver = 0;  // replicas
    sim::Duration computing{};
  };
  struct PoolState {
    std::size_t first = 0, count = 0;    // in replicas_
    std::vector<std::size_t> open;       // in replicas_: those that take requests
    std::vector<const Replica*> takers;  // the same, as routers look at them
    std::optional<Autoscaler> scaler = {};
  };
  bool apart() const { return rules_.prefill.has_value(); }
  const PoolRules& rules_of(std::size_t pool) const {
    return pool == 0 ? rules_.serving : *rules_.prefill;
  }
  void build(std::size_t pool);
  void make_replica(std::size_t pool, std::size_t index);
  void set_takers(std::size_t pool);
  bool is_empty(std::size_t pool, std::size_t group) const;
  void pass_time(sim::Time until);
  void scale();
  std::optional<sim::Time> next_sending() const;
  std::optional<sim::Time> find_next() const;
  sim::Time horizon_of(std::size_t replica) const;
  void send_requests();
  sim::Time through_front_end();
  void reach(std::unique_ptr<Job> job);
  void handle(std::size_t replica, const Outcome& outcome);
  void move_cache(std::unique_ptr<Job> job, std::size_t sender);
  void begin_moves();
  Slowed slowed(std::size_t replica) const;
  void end_moves();
  void complete(std::unique_ptr<Job> job);
  void sample_until(sim::Time until);
  void set_in_flight(std::int64_t change, sim::Time at);

  LoopRules rules_;
  RequestStream& stream_;
  IterationCost* costs_[2];
  RunCounters counters_[2];
  std::vector<std::unique_ptr<Replica>> replicas_;  // those that generate, then those that read
  PoolState pools_[2];
  std::uint64_t made_ = 0;  // replicas, so far
  Router router_, prefill_router_;
  Transfers transfers_;
  std::map<std::int64_t, Move> moves_;                 // by request
  std::deque<std::int64_t> unreserved_;                // of them: no blocks yet
  std::map<std::int64_t, std::unique_ptr<Job>> jobs_;  // in replicas, by request
  std::deque<Sent> on_the_way_;        // by when they reach it, then as they were sent
  std::vector<sim::Time> front_ends_;  // of each replica: until when it is busy
  std::priority_queue<sim::Time, std::vector<sim::Time>, std::greater<>> places_;
  std::deque<RequestRecord> records_;
  std::vector<ServiceSample> samples_;
  std::vector<std::vector<PlayedIteration>> iterations_;
  std::optional<sim::Time> next_;  // event, between two steps
  std::optional<sim::Time> next_sample_;
  sim::Time now_{};
  std::int64_t sent_ = 0, failed_ = 0, in_flight_ = 0, most_in_flight_ = 0;
  Wide request_time_ = 0;
};

}  // namespace moesim::workloads::serving
