#include "sim/flow_network.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sim/check.h"

namespace moesim::sim {

namespace {
constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kPicosecondsPerSecond = 1e12;
}  // namespace

FlowNetwork::FlowNetwork(Engine& engine, double tolerance, FlowListener& listener)
    : engine_(engine), listener_(listener), tolerance_(tolerance) {
  SIM_CHECK(tolerance >= 0 && tolerance < 1, "the tolerance is a part of 1");
  capacity_ = {kInfinite, kInfinite};
  level_ = {kInfinite, 0};
  filling_.resize(2);
  on_link_.resize(2);
}

FlowNetwork::Link FlowNetwork::add_link(Bandwidth capacity) {
  SIM_CHECK(capacity > Bandwidth{}, "a link has a capacity");
  if (!free_links_.empty()) {
    const Link link = free_links_.back();
    free_links_.pop_back();
    capacity_[link] = capacity.bytes_per_second();
    level_[link] = kInfinite;
    return link;
  }
  capacity_.push_back(capacity.bytes_per_second());
  level_.push_back(kInfinite);
  filling_.push_back({});
  on_link_.emplace_back();
  return static_cast<Link>(capacity_.size() - 1);
}

FlowNetwork::Link FlowNetwork::add_flow_limit(Bandwidth limit) {
  const Link link = add_link(limit);
  capacity_[link] = -limit.bytes_per_second();
  return link;
}

void FlowNetwork::retire_link(Link link) {
  retired_links_.push_back(link);
  free_retired();
}

void FlowNetwork::retire_group(Group group) {
  retired_groups_.push_back(group);
  free_retired();
}

void FlowNetwork::free_retired() {
  std::erase_if(retired_links_, [this](Link link) {
    if (!on_link_[link].empty()) return false;
    free_links_.push_back(link);
    return true;
  });
  std::erase_if(retired_groups_, [this](Group group) {
    if (groups_[group].in_flight > 0) return false;
    free_groups_.push_back(group);
    return true;
  });
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

void FlowNetwork::place(std::uint32_t flow, Link link, std::uint32_t other) {
  if (link != kNone) on_link_[link].push_back({other, flow});
}

void FlowNetwork::start(Group group, double bytes, std::span<const Link> links, std::uint64_t tag) {
  ++counters_.flows;
  if (!(bytes > 0) || links.empty()) {
    listener_.flow_finishes(tag, engine_.now());
    return;
  }
  const auto flow = static_cast<std::uint32_t>(left_.size());
  const auto end_of = [&](Link link) { return static_cast<std::uint32_t>(on_link_[link].size()); };
  left_.push_back(bytes);
  tag_.push_back(tag);
  group_.push_back(group);
  if (links.size() <= 2) {
    const Link second = links.size() == 2 ? links[1] : kNone;
    first_.push_back(links[0]);
    second_.push_back(second);
    first_place_.push_back(end_of(links[0]));
    second_place_.push_back(end_of(second));
    place(flow, links[0], second);
    place(flow, second, links[0]);
  } else {
    const Link coded = kMany | static_cast<std::uint32_t>(many_.size());
    first_.push_back(coded);
    second_.push_back(kNone);
    first_place_.push_back(0);
    second_place_.push_back(0);
    many_.push_back(static_cast<std::uint32_t>(links.size()));
    many_.insert(many_.end(), links.begin(), links.end());
    for (const Link link : links) many_.push_back(end_of(link));
    for (const Link link : links) place(flow, link, coded);
  }
  ++groups_[group].in_flight;
  ++alive_;
  changed_ = true;
  change_soon(group);
}

// Takes an entry off a link; the last one takes its place.
void FlowNetwork::unplace(Link link, std::uint32_t place) {
  if (link == kNone) return;
  auto& entries = on_link_[link];
  const Entry moved = entries.back();
  entries.pop_back();
  if (place == entries.size()) return;
  entries[place] = moved;
  if (first_[moved.flow] == link) {
    first_place_[moved.flow] = place;
  } else if (second_[moved.flow] == link) {
    second_place_[moved.flow] = place;
  } else {
    const auto links = many_links(first_[moved.flow]);
    const auto places = many_places(first_[moved.flow]);
    for (std::size_t i = 0; i < links.size(); ++i) {
      if (links[i] == link) places[i] = place;
    }
  }
}

void FlowNetwork::kill(std::uint32_t flow) {
  if ((first_[flow] & kMany) != 0) {
    const auto links = many_links(first_[flow]);
    const auto places = many_places(first_[flow]);
    for (std::size_t i = 0; i < links.size(); ++i) unplace(links[i], places[i]);
  } else {
    unplace(first_[flow], first_place_[flow]);
    unplace(second_[flow], second_place_[flow]);
  }
  first_[flow] = second_[flow] = kDead;
  left_[flow] = kInfinite;
  --groups_[group_[flow]].in_flight;
  --alive_;
  changed_ = true;
}

// Closes the gaps that finished flows left, in order.
void FlowNetwork::compact() {
  std::vector<std::uint32_t> many;
  std::uint32_t to = 0;
  for (std::uint32_t from = 0; from < left_.size(); ++from) {
    if (first_[from] == kDead) continue;
    left_[to] = left_[from];
    tag_[to] = tag_[from];
    group_[to] = group_[from];
    first_place_[to] = first_place_[from];
    second_place_[to] = second_place_[from];
    second_[to] = second_[from];
    if ((first_[from] & kMany) != 0) {
      const auto links = many_links(first_[from]);
      const auto places = many_places(first_[from]);
      const Link coded = kMany | static_cast<std::uint32_t>(many.size());
      many.push_back(static_cast<std::uint32_t>(links.size()));
      many.insert(many.end(), links.begin(), links.end());
      many.insert(many.end(), places.begin(), places.end());
      for (std::size_t i = 0; i < links.size(); ++i) on_link_[links[i]][places[i]] = {coded, to};
      first_[to] = coded;
    } else {
      first_[to] = first_[from];
      on_link_[first_[to]][first_place_[to]].flow = to;
      if (second_[to] != kNone) on_link_[second_[to]][second_place_[to]].flow = to;
    }
    ++to;
  }
  left_.resize(to);
  tag_.resize(to);
  group_.resize(to);
  first_.resize(to);
  second_.resize(to);
  first_place_.resize(to);
  second_place_.resize(to);
  many_ = std::move(many);
}

double FlowNetwork::youngest_age() const {
  Time youngest{};
  for (const GroupState& group : groups_) {
    if (group.in_flight > 0) youngest = std::max(youngest, group.start);
  }
  return static_cast<double>((engine_.now() - youngest).count());
}

// Flows of a group wait for the end of the window where that is within the group's tolerance.
void FlowNetwork::change_soon(Group group) {
  if (soon_) return;
  if (in_window_) {
    const auto age = static_cast<double>((engine_.now() - groups_[group].start).count());
    const auto wait = static_cast<double>((window_end_ - engine_.now()).count());
    if (wait <= tolerance_ * age) {
      expect_completions_ = true;
      return;
    }
  }
  // Many flows start at the same instant (an all-to-all starts thousands): one computation for all.
  soon_ = true;
  soon_event_ = engine_.after(Duration{}, [this] {
    soon_ = false;
    if (in_window_) cut_window();
    rebalance();
  });
}

void FlowNetwork::on_window_end() {
  in_window_ = false;
  for (const Finishing& one : finishing_) kill(one.flow);
  finishing_.clear();
  free_retired();
  if (soon_) return;  // a change at this very instant is about to be taken in
  rebalance();
}

// Ends the window now: what has finished has finished, all else gets back what it was to carry.
void FlowNetwork::cut_window() {
  in_window_ = false;
  engine_.cancel(window_event_);
  const double rest =
      static_cast<double>((window_end_ - engine_.now()).count()) / kPicosecondsPerSecond;
  for (std::size_t f = 0; f < window_flows_; ++f) {
    if (first_[f] != kDead) left_[f] += rate_of(f) * rest;
  }
  for (const Finishing& one : finishing_) {
    if (one.at <= engine_.now()) {
      kill(one.flow);
    } else {
      left_[one.flow] = std::max(left_[one.flow], 0.0);
      listener_.flow_withdrawn(tag_[one.flow]);
    }
  }
  finishing_.clear();
  free_retired();
}

void FlowNetwork::rebalance() {
  if (alive_ == 0) {
    compact();
    return;
  }
  if (left_.size() > 2 * alive_) compact();
  if (changed_) compute_rates();
  begin_window();
}

// Progressive filling. Links wait in a heap by the level at which they would fill up; fixing flows
// elsewhere only raises it, so that a link whose level has risen goes back into the heap.
void FlowNetwork::compute_rates() {
  ++counters_.computations;
  changed_ = false;
  heap_.clear();
  const auto links = static_cast<Link>(capacity_.size());
  for (Link l = 2; l < links; ++l) {
    level_[l] = kInfinite;
    const std::size_t flows = on_link_[l].size();
    if (flows == 0) continue;
    filling_[l] = {capacity_[l], static_cast<double>(flows)};
    heap_.emplace_back(capacity_[l] < 0 ? -capacity_[l] : capacity_[l] / filling_[l].flows, l);
  }
  const auto later = [](const auto& a, const auto& b) { return a > b; };
  std::make_heap(heap_.begin(), heap_.end(), later);
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const auto [key, l] = heap_.back();
    const Filling& mine = filling_[l];
    if (mine.flows < 0.5) {  // all its flows are held back elsewhere
      heap_.pop_back();
      continue;
    }
    double level = key;
    if (capacity_[l] > 0) {
      level = mine.left / mine.flows;
      if (level > key * (1 + 1e-14) && heap_.size() > 1 && level > heap_.front().first) {
        heap_.back().first = level;
        std::push_heap(heap_.begin(), heap_.end(), later);
        continue;
      }
    }
    heap_.pop_back();
    level_[l] = level;
    counters_.flows_touched += on_link_[l].size();
    for (const Entry entry : on_link_[l]) {
      if (entry.other < kMany) {
        // Where the other link is full already this changes what nobody reads any more.
        Filling& other = filling_[entry.other];
        other.left -= level;
        other.flows -= 1;
        continue;
      }
      const auto path = many_links(entry.other);
      const bool fixed = std::any_of(path.begin(), path.end(), [this, l = l](Link o) {
        return o != l && level_[o] < kInfinite;
      });
      if (fixed) continue;
      for (const Link o : path) {
        if (o == l) continue;
        filling_[o].left -= level;
        filling_[o].flows -= 1;
      }
    }
  }
}

double FlowNetwork::rate_of(std::size_t flow) const {
  const Link first = first_[flow];
  if (first < kMany) return std::min(level_[first], level_[second_[flow]]);
  const std::uint32_t at = first & ~kMany;
  double rate = kInfinite;
  for (std::uint32_t i = 1; i <= many_[at]; ++i) rate = std::min(rate, level_[many_[at + i]]);
  return rate;
}

double FlowNetwork::time_to_next() const {
  // The least left / rate, by products.
  double left = kInfinite, rate = 1;
  for (std::size_t f = 0; f < left_.size(); ++f) {
    const double mine = rate_of(f);
    if (left_[f] * rate < left * mine) {
      left = left_[f];
      rate = mine;
    }
  }
  return left / rate;
}

// Rates are constant until the end of the window: moves all flows there, and announces those that
// finish on the way.
void FlowNetwork::begin_window() {
  ++counters_.windows;
  window_start_ = engine_.now();
  window_flows_ = left_.size();
  double span = tolerance_ * youngest_age() / kPicosecondsPerSecond;
  if (!expect_completions_ || span <= 0) span = std::max(span, time_to_next());
  const Duration length = std::max(seconds_rounded_up(span), Duration(1));
  SIM_CHECK(length < kForever, "flows without a rate");
  window_end_ = window_start_ + length;
  const double seconds = static_cast<double>(length.count()) / kPicosecondsPerSecond;
  // Times are whole picoseconds: what is left after the last one by rounding is nothing.
  const double slack = seconds * 1e-14;
  for (std::size_t f = 0; f < left_.size(); ++f) {
    const double rate = rate_of(f);
    const double before = left_[f];
    left_[f] = before - rate * seconds;
    if (left_[f] > rate * slack) continue;
    if (first_[f] == kDead) continue;
    finishing_.push_back({static_cast<std::uint32_t>(f), Time{}});
    const Time at = window_start_ + seconds_rounded_up(before / rate);
    finishing_.back().at = std::min(at, window_end_);
  }
  expect_completions_ = !finishing_.empty();
  if (finishing_.size() == alive_) {  // nothing is left to wait for after the last of them
    window_end_ = window_start_;
    for (const Finishing& one : finishing_) window_end_ = std::max(window_end_, one.at);
  }
  in_window_ = true;
  window_event_ = engine_.at(window_end_, [this] { on_window_end(); });
  for (const Finishing& one : finishing_) listener_.flow_finishes(tag_[one.flow], one.at);
}

}  // namespace moesim::sim
