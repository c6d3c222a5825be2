#include "workloads/serving/loop/autoscaler.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"

namespace moesim::workloads::serving {

Autoscaler::Autoscaler(const ScaleRules& rules, std::int64_t open)
    : rules_(rules),
      states_(static_cast<std::size_t>(rules.most), State::Off),
      ready_(states_.size()),
      next_look_(sim::Time{} + rules.every),
      wanted_(open) {
  SIM_CHECK(1 <= rules.least && rules.least <= open && open <= rules.most, "replicas in order");
  SIM_CHECK(rules.every > sim::Duration{} && rules.target > 0, "a rule that can be looked after");
  for (std::size_t i = 0; i < static_cast<std::size_t>(open); ++i) set(i, State::Open);
  write_down(sim::Time{});
}

void Autoscaler::set(std::size_t replica, State state) {
  State& is = states_[replica];
  in_use_ += (state != State::Off) - (is != State::Off);
  most_in_use_ = std::max(most_in_use_, in_use_);
  is = state;
  open_.clear();
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i] == State::Open) open_.push_back(i);
  }
}

void Autoscaler::write_down(sim::Time now) {
  const ScaleChange change{now, in_use_, static_cast<std::int64_t>(open_.size()), wanted_};
  const bool same = !changes_.empty() && changes_.back().in_use == change.in_use &&
                    changes_.back().open == change.open;
  if (!same) changes_.push_back(change);
}

sim::Time Autoscaler::next_event() const {
  sim::Time next = next_look_;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i] == State::Starting) next = std::min(next, ready_[i]);
  }
  return next;
}

void Autoscaler::pass(sim::Time until, std::int64_t waiting, std::int64_t running) {
  const Wide time = (until - passed_).count();
  metric_time_ += time * (rules_.metric == ScaleMetric::Queue ? waiting : waiting + running);
  time_in_use_ += time * in_use_;
  passed_ = until;
}

std::vector<std::size_t> Autoscaler::step(sim::Time now) {
  std::vector<std::size_t> opened;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (states_[i] != State::Starting || ready_[i] != now) continue;
    set(i, State::Open);
    opened.push_back(i);
  }
  if (next_look_ == now) look(now);
  write_down(now);
  return opened;
}

std::int64_t Autoscaler::wanted() const {
  const double time = sim::to_seconds(rules_.every);
  const double metric = rules_.metric == ScaleMetric::Rate
                            ? static_cast<double>(arrived_) / time
                            : static_cast<double>(metric_time_) * 1e-12 / time;
  // What is whole but for the last bits of a product is whole.
  const double replicas = std::ceil(metric / rules_.target * (1 - 1e-12));
  return static_cast<std::int64_t>(
      std::clamp(replicas, static_cast<double>(rules_.least), static_cast<double>(rules_.most)));
}

void Autoscaler::look(sim::Time now) {
  wanted_ = wanted();
  metric_time_ = 0;
  arrived_ = 0;
  next_look_ = now + rules_.every;
  while (!window_.empty() && now - window_.front().at > rules_.settle) window_.pop_front();
  window_.push_back({now, wanted_});
  std::int64_t serve = 0;  // or will, once they have started
  for (const State state : states_) serve += state == State::Open || state == State::Starting;
  if (wanted_ > serve) grow(wanted_ - serve, now);
  const auto least = std::ranges::max_element(window_, {}, &Wanted::replicas)->replicas;
  if (least < serve) shrink(serve - least);
}

void Autoscaler::grow(std::int64_t more, sim::Time now) {
  for (std::size_t i = 0; i < states_.size() && more > 0; ++i) {
    if (states_[i] != State::Draining) continue;
    set(i, State::Open);
    --more;
  }
  for (std::size_t i = 0; i < states_.size() && more > 0; ++i) {
    if (states_[i] != State::Off) continue;
    set(i, State::Starting);
    ready_[i] = now + rules_.start;
    ++started_;
    --more;
  }
}

// Those that start first, then the last ones.
void Autoscaler::shrink(std::int64_t fewer) {
  for (const State state : {State::Starting, State::Open}) {
    for (std::size_t i = states_.size(); i-- > 0 && fewer > 0;) {
      if (states_[i] != state) continue;
      set(i, state == State::Open ? State::Draining : State::Off);
      ++closed_;
      --fewer;
    }
  }
}

void Autoscaler::empty(std::size_t replica, sim::Time now) {
  SIM_CHECK(drains(replica), "one that takes requests is not off");
  set(replica, State::Off);
  write_down(now);
}

}  // namespace moesim::workloads::serving
