#include "sim/flow_network.h"

#include <algorithm>

#include "sim/check.h"
#include "sim/error.h"

namespace moesim::sim {

namespace {
constexpr double kPerSecond = 1e12;  // ps

// Whole picoseconds, rounded up; but what is a thousandth over by the rounding of sums is whole.
Duration whole_time(double seconds) {
  return picoseconds_rounded_up(std::max(0.0, seconds * kPerSecond - 1e-3));
}
}  // namespace

FlowNetwork::FlowNetwork(Engine& engine, double tolerance, FlowListener& listener)
    : engine_(engine), listener_(listener), tolerance_(tolerance) {
  SIM_CHECK(tolerance >= 0 && tolerance < 1, "the tolerance is a part of 1");
}

FlowNetwork::Group FlowNetwork::add_group() {
  if (free_groups_.empty()) {
    free_groups_.push_back(static_cast<Group>(groups_.size()));
    groups_.emplace_back();
  }
  const Group group = free_groups_.back();
  free_groups_.pop_back();
  groups_[group] = {engine_.now(), 0};
  return group;
}

void FlowNetwork::retire_group(Group group) {
  retired_groups_.push_back(group);
  free_retired();
}

void FlowNetwork::free_retired() {
  links_.free_retired();
  std::erase_if(retired_groups_, [this](Group group) {
    if (groups_[group].in_flight > 0) return false;
    free_groups_.push_back(group);
    return true;
  });
}

void FlowNetwork::start(Group group, double bytes, std::span<const Link> links, std::uint64_t tag) {
  ++flows_started_;
  if (!(bytes > 0) || links.empty()) {
    listener_.flow_finishes(tag, engine_.now());
    return;
  }
  const FairLinks::FlowId flow = links_.start(bytes, links);
  if (flow >= flows_.size()) flows_.resize(flow + 1);
  flows_[flow] = {tag, group};
  ++groups_[group].in_flight;
  change_soon(group);
}

void FlowNetwork::end(FairLinks::FlowId flow) {
  --groups_[flows_[flow].group].in_flight;
  links_.end(flow);
}

// Flows of a group wait for the end of the window where that is within the group's tolerance.
void FlowNetwork::change_soon(Group group) {
  if (soon_) return;
  if (in_window_) {
    const auto age = static_cast<double>((engine_.now() - groups_[group].start).count());
    const auto wait = static_cast<double>((window_end_ - engine_.now()).count());
    if (wait <= tolerance_ / 2 * age) return;
  }
  // Many flows start at the same instant (an all-to-all starts thousands): one computation for all.
  soon_ = true;
  engine_.after(Duration{}, [this] {
    soon_ = false;
    if (in_window_) cut_window();
    rebalance();
  });
}

void FlowNetwork::on_window_end() {
  in_window_ = false;
  advance_to_now();
  for (const Finishing& one : finishing_) end(one.flow);
  finishing_.clear();
  free_retired();
  if (!soon_) rebalance();  // else a change at this very instant is about to be taken in
}

// Ends the window now: what has finished has finished, the rest goes on.
void FlowNetwork::cut_window() {
  in_window_ = false;
  engine_.cancel(window_event_);
  advance_to_now();
  for (const Finishing& one : finishing_) {
    if (one.at <= engine_.now()) {
      end(one.flow);
      continue;
    }
    links_.put_back(one.flow);
    listener_.flow_withdrawn(flows_[one.flow].tag);
  }
  finishing_.clear();
  free_retired();
}

void FlowNetwork::rebalance() {
  advance_to_now();
  links_.compute_rates();
  if (links_.flows() > 0) begin_window();
}

void FlowNetwork::advance_to_now() {
  const double seconds = static_cast<double>((engine_.now() - served_at_).count()) / kPerSecond;
  served_at_ = engine_.now();
  if (seconds > 0) links_.serve(seconds);
}

double FlowNetwork::youngest_age() const {
  Time youngest{};
  for (const GroupState& group : groups_) {
    if (group.in_flight > 0) youngest = std::max(youngest, group.start);
  }
  return static_cast<double>((engine_.now() - youngest).count());
}

// Rates are constant until the end of the window: announces those that finish on the way.
void FlowNetwork::begin_window() {
  const double merged = tolerance_ / 2 * youngest_age() / kPerSecond;
  const Duration length =
      std::max(whole_time(std::max({merged, links_.next_end(), 0.0})), Duration(1));
  const Time start = engine_.now();
  if (length >= kForever - start.time_since_epoch()) {
    throw InfeasibleError(
        "a transfer takes more than 106 days, the most that is simulated: its links have next to "
        "no "
        "capacity for its size");
  }
  window_end_ = start + length;
  // Times are whole picoseconds: what is left after the last one by rounding is nothing.
  ending_.clear();
  links_.take_ending((static_cast<double>(length.count()) + 1.1e-3) / kPerSecond, ending_);
  Time last = start;
  for (const auto& [flow, seconds] : ending_) {
    const Time at = std::min(window_end_, start + whole_time(seconds));
    last = std::max(last, at);
    finishing_.push_back({flow, at});
  }
  // Nothing is left to wait for after the last of them.
  if (finishing_.size() == links_.flows()) window_end_ = last;
  in_window_ = true;
  window_event_ = engine_.at(window_end_, [this] { on_window_end(); });
  for (const Finishing& one : finishing_) listener_.flow_finishes(flows_[one.flow].tag, one.at);
}

FlowNetwork::Counters FlowNetwork::counters() const {
  const FairLinks::Work& work = links_.work();
  return {flows_started_, work.computations, work.flows_touched, work.attached};
}

}  // namespace moesim::sim
