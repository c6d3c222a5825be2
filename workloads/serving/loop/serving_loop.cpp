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

}  // namespace

ServingLoop::ServingLoop(const LoopRules& rules, RequestStream& stream, IterationCost& cost,
                         IterationCost* prefill_cost)
    : rules_(rules),
      stream_(stream),
      router_(rules.serving.router, rules.seed, rules.serving.name),
      prefill_router_(rules.prefill ? rules.prefill->router : RouterRules{}, rules.seed, "prefill"),
      transfers_(rules.transfer) {
  const auto build = [&](const PoolRules& pool, IterationCost& price, RunCounters& counters,
                         std::vector<const Replica*>& list) {
    for (std::int64_t i = 0; i < pool.replicas; ++i) {
      replicas_.push_back(
          std::make_unique<Replica>(pool.replica, price, counters,
                                    rules.seed + static_cast<std::uint64_t>(replicas_.size())));
      list.push_back(replicas_.back().get());
    }
  };
  build(rules.serving, cost, counters_[0], generating_);
  if (rules.prefill) {
    SIM_CHECK(prefill_cost != nullptr, "a pool that reads prompts has no cost");
    build(*rules.prefill, *prefill_cost, counters_[1], reading_);
    for (std::size_t i = generating_.size(); i < replicas_.size(); ++i) replicas_[i]->keep = true;
  }
  iterations_.resize(replicas_.size());
  if (rules.keep_iterations) {
    for (std::size_t i = 0; i < replicas_.size(); ++i) replicas_[i]->record = &iterations_[i];
  }
  if (rules.client.concurrency) {
    for (std::int64_t i = 0; i < *rules.client.concurrency; ++i) places_.push(sim::Time{});
  }
  if (rules.sample) next_sample_ = sim::Time{} + *rules.sample;
}

ServingLoop::~ServingLoop() = default;

// When a request can be sent next: it is due, and it has a place.
std::optional<sim::Time> ServingLoop::next_sending() const {
  const auto due = stream_.next_arrival();
  if (!due) return {};
  if (!rules_.client.concurrency) return std::max(*due, now_);
  if (places_.empty()) return {};
  return std::max({*due, places_.top(), now_});
}

std::optional<sim::Time> ServingLoop::next_event() const {
  std::optional<sim::Time> next = next_sending();
  if (!on_the_way_.empty()) next = earlier(next, on_the_way_.front().reaches);
  next = earlier(next, transfers_.next_end());
  for (const auto& replica : replicas_) next = earlier(next, replica->next_event());
  return next;
}

// Until when nothing reaches a replica from outside.
sim::Time ServingLoop::horizon_of(std::size_t index) const {
  std::optional<sim::Time> next = next_sending();
  if (!on_the_way_.empty()) next = earlier(next, on_the_way_.front().reaches);
  next = earlier(next, transfers_.next_end());
  if (next_sample_) next = earlier(next, next_sample_);
  // What others bring about reaches this one through the clients, or as a cache.
  const bool linked = rules_.client.concurrency || apart();
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    if (i == index || replicas_.size() == 1) continue;
    if (!linked && !stream_.follows_answers()) continue;
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
  const auto next = next_event();
  SIM_CHECK(next, "a step without an event");
  sample_until(*next);
  now_ = *next;
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    if (replicas_[i]->next_event() == now_) handle(i, replicas_[i]->end(now_));
  }
  if (transfers_.next_end() == now_) end_moves();
  if (!unreserved_.empty()) begin_moves();
  send_requests();
  for (std::size_t i = 0; i < replicas_.size(); ++i) replicas_[i]->launch(now_, horizon_of(i));
  if (!next_event() && (in_flight_ > 0 || stream_.next_arrival())) {
    throw sim::DeadlockError(
        fmt::format("no event is left but {} requests are not done (the first is {})", in_flight_,
                    jobs_.empty() ? "none" : std::to_string(jobs_.begin()->first)));
  }
}

void ServingLoop::run() {
  while (next_event()) step();
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
    const sim::Time reaches = now_ + rules_.client.sending(job->input);
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
  const auto refused = [&](const PoolRules& pool, std::int64_t limit) {
    const ReplicaRules& r = pool.replica;
    return !never_served(r.scheduler, r.blocks, r.block, job->input, limit).empty();
  };
  if (refused(rules_.serving, job->limit) || (apart() && refused(*rules_.prefill, 1))) {
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
    index = generating_.size() + prefill_router_.choose(*job, reading_, now_);
  } else {
    index = router_.choose(*job, generating_, now_);
    job->record.replica = static_cast<std::int64_t>(index);
  }
  replicas_[index]->submit(*job, now_);
  jobs_.emplace(job->id, std::move(job));
}

void ServingLoop::handle(std::size_t replica, Outcome outcome) {
  for (Job* finished : outcome.finished) {
    auto node = jobs_.extract(finished->id);
    std::unique_ptr<Job> job = std::move(node.mapped());
    if (replica < generating_.size()) {
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
  const std::size_t receiver = router_.choose(*to, generating_, now_);
  to->record.replica = static_cast<std::int64_t>(receiver);
  replicas_[receiver]->expect(*to);
  const sim::Duration computing = now_ - job->record.scheduled;
  const std::int64_t id = to->id;
  unreserved_.push_back(id);
  moves_[id] = {std::move(job), std::move(to), sender, receiver, computing};
}

// In order, each replica's first one that has no room holds up those behind it.
void ServingLoop::begin_moves() {
  std::vector<bool> full(generating_.size());
  std::deque<std::int64_t> left;
  for (const std::int64_t id : unreserved_) {
    Move& move = moves_.at(id);
    if (full[move.receiver] || !replicas_[move.receiver]->reserve(*move.to)) {
      full[move.receiver] = true;
      left.push_back(id);
      continue;
    }
    // Ports are those of dp ranks.
    const auto port = [&](std::size_t replica, const Job& job) {
      return static_cast<std::int64_t>(replica << 20) + job.record.rank;
    };
    transfers_.start(id, port(move.sender, *move.from), port(move.receiver, *move.to),
                     move.from->input, now_, move.computing);
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
    samples_.push_back(sample);
    *next_sample_ += *rules_.sample;
  }
}

}  // namespace moesim::workloads::serving
