#include "workloads/serving/loop/serving_loop.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/check.h"
#include "sim/error.h"

namespace moesim::workloads::serving {
namespace {

std::optional<sim::Time> earlier(std::optional<sim::Time> a, std::optional<sim::Time> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

// Ports of transfers are those of dp ranks.
std::int64_t port_of(std::size_t replica, std::int64_t rank) {
  return static_cast<std::int64_t>(replica << 20) + rank;
}

}  // namespace

ServingLoop::ServingLoop(const LoopRules& rules, RequestStream& stream, IterationCost& cost,
                         IterationCost* prefill_cost)
    : rules_(rules),
      stream_(stream),
      costs_{&cost, prefill_cost},
      router_(rules.serving.router, rules.seed, rules.serving.name),
      prefill_router_(rules.prefill ? rules.prefill->router : RouterRules{}, rules.seed, "prefill"),
      transfers_(rules.transfer) {
  SIM_CHECK(!apart() || prefill_cost != nullptr, "a pool that reads prompts has no cost");
  const auto all = static_cast<std::size_t>(rules.serving.most_replicas() +
                                            (apart() ? rules.prefill->most_replicas() : 0));
  replicas_.resize(all);
  iterations_.resize(all);
  front_ends_.resize(all);
  build(0);
  if (apart()) build(1);
  if (rules.client.concurrency) {
    for (std::int64_t i = 0; i < *rules.client.concurrency; ++i) places_.push(sim::Time{});
  }
  if (rules.sample) next_sample_ = sim::Time{} + *rules.sample;
  next_ = find_next();
}

ServingLoop::~ServingLoop() = default;

void ServingLoop::build(std::size_t pool) {
  const PoolRules& rules = rules_of(pool);
  PoolState& state = pools_[pool];
  state.first = pool == 0 ? 0 : pools_[0].count;
  state.count = static_cast<std::size_t>(rules.most_replicas());
  for (std::size_t i = 0; i < state.count; ++i) make_replica(pool, state.first + i);
  if (rules.scale) state.scaler.emplace(*rules.scale, rules.replicas / rules.together);
  set_takers(pool);
}

void ServingLoop::make_replica(std::size_t pool, std::size_t index) {
  replicas_[index] = std::make_unique<Replica>(rules_of(pool).replica, *costs_[pool],
                                               counters_[pool], rules_.seed + made_++);
  replicas_[index]->keep = pool == 1;
  if (rules_.keep_iterations) replicas_[index]->record = &iterations_[index];
}

void ServingLoop::set_takers(std::size_t pool) {
  PoolState& state = pools_[pool];
  state.open.clear();
  state.takers.clear();
  const auto together = static_cast<std::size_t>(rules_of(pool).together);
  const auto add = [&](std::size_t from, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      state.open.push_back(state.first + from + i);
      state.takers.push_back(replicas_[state.open.back()].get());
    }
  };
  if (!state.scaler) return add(0, state.count);
  for (const std::size_t group : state.scaler->open()) add(group * together, together);
}

// When a request can be sent next: it is due, and it has a place.
std::optional<sim::Time> ServingLoop::next_sending() const {
  const auto due = stream_.next_arrival();
  if (!due) return {};
  if (!rules_.client.concurrency) return std::max(*due, now_);
  if (places_.empty()) return {};
  return std::max({*due, places_.top(), now_});
}

std::optional<sim::Time> ServingLoop::find_next() const {
  std::optional<sim::Time> next = next_sending();
  if (!on_the_way_.empty()) next = earlier(next, on_the_way_.front().reaches);
  next = earlier(next, transfers_.next_end());
  for (const auto& replica : replicas_) next = earlier(next, replica->next_event());
  if (!next) return next;  // nothing is left to look after
  for (const PoolState& pool : pools_) {
    if (pool.scaler) next = earlier(next, pool.scaler->next_event());
  }
  return next;
}

// Until when nothing reaches a replica from outside.
sim::Time ServingLoop::horizon_of(std::size_t index) const {
  std::optional<sim::Time> next = next_sending();
  if (!on_the_way_.empty()) next = earlier(next, on_the_way_.front().reaches);
  next = earlier(next, transfers_.next_end());
  if (next_sample_) next = earlier(next, next_sample_);
  // What others bring about reaches this one through the clients, or as a cache.
  const bool linked = rules_.client.concurrency || apart() || stream_.follows_answers();
  for (std::size_t i = 0; linked && i < replicas_.size(); ++i) {
    if (i == index) continue;
    if (!replicas_[i]->busy() && replicas_[i]->requests() > 0) return now_;
    next = earlier(next, replicas_[i]->next_event());
  }
  return next.value_or(sim::Time::max());
}

void ServingLoop::set_in_flight(std::int64_t change, sim::Time at) {
  // Each request counts from sent to last: its part is added in one piece.
  if (change > 0) {
    request_time_ -= static_cast<Wide>(at.time_since_epoch().count());
  } else {
    request_time_ += static_cast<Wide>(at.time_since_epoch().count());
  }
  in_flight_ += change;
  most_in_flight_ = std::max(most_in_flight_, in_flight_);
}

void ServingLoop::step() {
  SIM_CHECK(next_, "a step without an event");
  sample_until(*next_);
  pass_time(*next_);
  now_ = *next_;
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    if (replicas_[i]->next_event() == now_) handle(i, replicas_[i]->end(now_));
  }
  if (transfers_.next_end() == now_) end_moves();
  if (!unreserved_.empty()) begin_moves();
  scale();
  send_requests();
  for (std::size_t i = 0; i < replicas_.size(); ++i)
    if (!replicas_[i]->busy()) replicas_[i]->launch(now_, horizon_of(i), slowed(i));
  next_ = find_next();
  if (!next_ && (in_flight_ > 0 || stream_.next_arrival())) {
    throw sim::DeadlockError(
        fmt::format("no event is left but {} requests are not done (the first is {})", in_flight_,
                    jobs_.empty() ? "none" : std::to_string(jobs_.begin()->first)));
  }
}

void ServingLoop::run() {
  while (next_event()) step();
}

// When what is sent now is through the front end that is free first, of engines that take requests.
// Whose engine serves it is chosen behind that.
sim::Time ServingLoop::through_front_end() {
  if (rules_.client.front_end == sim::Duration{}) return now_;
  const auto& open = pools_[apart()].open;
  sim::Time& free = front_ends_[*std::ranges::min_element(
      open, {}, [this](std::size_t i) { return front_ends_[i]; })];
  return free = std::max(free, now_) + rules_.client.front_end;
}

void ServingLoop::send_requests() {
  while (next_sending() == now_) {
    auto job = std::make_unique<Job>();
    job->request = stream_.take();
    if (rules_.client.concurrency) places_.pop();
    const Request& r = job->request;
    ++sent_;
    set_in_flight(+1, now_);
    job->id = r.id;
    job->input = r.input;
    job->limit = std::max(r.limit(), r.output);
    job->output = r.output;
    job->priority = r.priority;
    job->counted = r.id >= rules_.warm_up;
    job->record = {.id = r.id, .input = r.input, .output = r.output, .sent = now_};
    const sim::Time reaches = through_front_end() + rules_.client.sending(job->input);
    const auto behind =
        std::upper_bound(on_the_way_.begin(), on_the_way_.end(), reaches,
                         [](sim::Time at, const Sent& other) { return at < other.reaches; });
    on_the_way_.insert(behind, Sent{reaches, std::move(job)});
  }
  while (!on_the_way_.empty() && on_the_way_.front().reaches == now_) {
    std::unique_ptr<Job> job = std::move(on_the_way_.front().job);
    on_the_way_.pop_front();
    reach(std::move(job));
  }
}

void ServingLoop::reach(std::unique_ptr<Job> job) {
  const auto refused = [&](const PoolRules& pool, std::int64_t limit, bool reads) {
    const ReplicaRules& r = pool.replica;
    return !never_served(r.scheduler, r.blocks, r.block, job->input, limit, reads).empty();
  };
  if (refused(rules_.serving, job->limit, !apart()) ||
      (apart() && refused(*rules_.prefill, 1, true))) {
    ++failed_;
    set_in_flight(-1, now_);
    if (rules_.client.concurrency) places_.push(now_);
    stream_.answered(job->request, now_);
    return;
  }
  job->record.queued = now_;
  std::size_t index = 0;
  if (apart()) {
    job->limit = job->output = 1;
    index = pools_[1].open[prefill_router_.choose(*job, pools_[1].takers, now_)];
  } else {
    index = pools_[0].open[router_.choose(*job, pools_[0].takers, now_)];
    job->record.replica = static_cast<std::int64_t>(index);
  }
  if (auto& scaler = pools_[apart()].scaler) scaler->arrived();
  replicas_[index]->submit(*job, now_);
  jobs_.emplace(job->id, std::move(job));
}

void ServingLoop::handle(std::size_t replica, const Outcome& outcome) {
  for (Job* finished : outcome.finished) {
    auto node = jobs_.extract(finished->id);
    std::unique_ptr<Job> job = std::move(node.mapped());
    if (replica < pools_[0].count) {
      complete(std::move(job));
    } else {
      move_cache(std::move(job), replica);
    }
  }
}

void ServingLoop::complete(std::unique_ptr<Job> job) {
  RequestRecord& record = job->record;
  record.preemptions += job->preemptions;
  record.recomputed += job->recomputed;
  record.cached = std::max(record.cached, job->cached);
  record.first = record.emitted + rules_.client.receive;
  record.last = now_ + rules_.client.receive;
  set_in_flight(-1, record.last);
  if (rules_.client.concurrency) places_.push(record.last + rules_.client.think);
  stream_.answered(job->request, record.last);
  records_.push_back(record);
}

// --- prompts read elsewhere
// -----------------------------------------------------------------------

void ServingLoop::move_cache(std::unique_ptr<Job> job, std::size_t sender) {
  auto to = std::make_unique<Job>();
  to->id = job->id;
  to->request = job->request;
  to->input = job->input;
  to->limit = std::max(job->request.limit(), job->request.output);
  to->output = job->request.output;
  to->priority = job->priority;
  to->counted = job->counted;
  to->begun = true;
  to->record = job->record;
  to->record.prefilled = now_;
  to->record.cached = job->cached;
  to->record.preemptions = job->preemptions;
  to->record.recomputed = job->recomputed;
  if (rules_.transfer.mode == TransferMode::Push) {
    to->computed = to->input;
    to->generated = 1;
  } else {
    to->computed = to->input - 1;
  }
  const std::size_t receiver = pools_[0].open[router_.choose(*to, pools_[0].takers, now_)];
  if (pools_[0].scaler) pools_[0].scaler->arrived();
  to->record.replica = static_cast<std::int64_t>(receiver);
  replicas_[receiver]->expect(*to);
  const sim::Duration computing = now_ - job->record.scheduled;
  const std::int64_t id = to->id;
  unreserved_.push_back(id);
  moves_[id] = {std::move(job), std::move(to), sender, receiver, computing};
}

// What transfers make of a replica's iterations, whose exchanges end with the fullest port.
Slowed ServingLoop::slowed(std::size_t replica) const {
  if (transfers_.empty()) return {};
  const std::int64_t first = port_of(replica, 0), end = port_of(replica + 1, 0);
  const bool sends = replica >= pools_[0].count;
  const PortTraffic& traffic =
      sends ? rules_.transfer.sender_traffic : rules_.transfer.receiver_traffic;
  const auto load = sends ? transfers_.from(first, end) : transfers_.to(first, end);
  return {traffic.stretched_by(static_cast<double>(load.most)), load.until};
}

// In order, each replica's first one that has no room holds up those behind it.
void ServingLoop::begin_moves() {
  std::vector<bool> full(pools_[0].count);
  std::deque<std::int64_t> left;
  for (const std::int64_t id : unreserved_) {
    Move& move = moves_.at(id);
    if (full[move.receiver] || !replicas_[move.receiver]->reserve(*move.to)) {
      full[move.receiver] = true;
      left.push_back(id);
      continue;
    }
    transfers_.start(id, port_of(move.sender, move.from->record.rank),
                     port_of(move.receiver, move.to->record.rank), move.from->input, now_,
                     move.computing);
  }
  unreserved_ = std::move(left);
}

void ServingLoop::end_moves() {
  for (const std::int64_t id : transfers_.end(now_)) {
    Move move = std::move(moves_.at(id));
    moves_.erase(id);
    replicas_[move.sender]->release(*move.from);
    Job& job = *move.to;
    job.record.moved = now_;
    if (rules_.transfer.mode == TransferMode::Push) {
      job.record.emitted = now_;
      job.delivered = 1;
      job.last_token = job.last_message = now_;
      if (job.output == 1) {
        replicas_[move.receiver]->release(job);
        complete(std::move(move.to));
        continue;
      }
    }
    replicas_[move.receiver]->submit_reserved(job, now_);
    jobs_.emplace(id, std::move(move.to));
  }
}

// --- replicas opened and closed
// -----------------------------------------------------------------

void ServingLoop::pass_time(sim::Time until) {
  for (std::size_t pool = 0; pool < 2; ++pool) {
    PoolState& state = pools_[pool];
    if (!state.scaler) continue;
    std::int64_t waiting = 0, running = 0;
    for (std::size_t i = 0; i < state.count; ++i) {
      waiting += replicas_[state.first + i]->waiting();
      running += replicas_[state.first + i]->running();
    }
    if (pool == 0) {  // caches that wait for blocks, and that come
      waiting += static_cast<std::int64_t>(unreserved_.size());
      running += static_cast<std::int64_t>(moves_.size() - unreserved_.size());
    }
    state.scaler->pass(until, waiting, running);
  }
}

// A group has answered all that it had, and no cache is on its way to or from it.
bool ServingLoop::is_empty(std::size_t pool, std::size_t group) const {
  const auto together = static_cast<std::size_t>(rules_of(pool).together);
  const std::size_t first = pools_[pool].first + group * together;
  const auto in = [&](std::size_t replica) { return replica - first < together; };
  for (std::size_t i = first; i < first + together; ++i) {
    if (replicas_[i]->requests() > 0 || replicas_[i]->busy()) return false;
  }
  return std::ranges::none_of(moves_, [&](const auto& move) {
    return in(pool == 0 ? move.second.receiver : move.second.sender);
  });
}

void ServingLoop::scale() {
  for (std::size_t pool = 0; pool < 2; ++pool) {
    auto& scaler = pools_[pool].scaler;
    if (!scaler) continue;
    const auto together = static_cast<std::size_t>(rules_of(pool).together);
    for (std::size_t group = 0; group < pools_[pool].count / together; ++group) {
      if (scaler->drains(group) && is_empty(pool, group)) scaler->empty(group, now_);
    }
    if (scaler->next_event() != now_) continue;
    for (const std::size_t group : scaler->step(now_)) {
      for (std::size_t i = 0; i < together; ++i) {
        make_replica(pool, pools_[pool].first + group * together + i);
      }
    }
    (pool == 0 ? router_ : prefill_router_).forget();
    set_takers(pool);
  }
}

// --- what is written down
// -------------------------------------------------------------------------

// The state after the last event before each sample.
void ServingLoop::sample_until(sim::Time until) {
  while (next_sample_ && *next_sample_ < until) {
    ServiceSample sample{.at = *next_sample_};
    for (const auto& replica : replicas_) {
      sample.running += replica->running();
      sample.waiting += replica->waiting();
      sample.blocks += replica->blocks_used();
    }
    sample.tokens = counters_[0].tokens + counters_[1].tokens;
    for (std::size_t pool = 0; pool < 2; ++pool) {
      const PoolState& state = pools_[pool];
      sample.replicas += state.scaler ? state.scaler->in_use() * rules_of(pool).together
                                      : static_cast<std::int64_t>(state.count);
    }
    samples_.push_back(sample);
    *next_sample_ += *rules_.sample;
  }
}

}  // namespace moesim::workloads::serving
