#include "sim/fair_links.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "sim/check.h"

namespace moesim::sim {

FairLinks::FairLinks() {
  add_link(Bandwidth(1));  // kNone
  add_link(Bandwidth(1));  // kIdle
  level_[kIdle] = 0;
}

FairLinks::Link FairLinks::add_link(Bandwidth capacity) {
  SIM_CHECK(capacity > Bandwidth{}, "a link has a capacity");
  auto link = static_cast<Link>(links_.size());
  if (free_links_.empty()) {
    links_.emplace_back();
    level_.push_back(kFree);
    filling_.push_back({});
    place_.push_back(0);
  } else {
    link = free_links_.back();
    free_links_.pop_back();
    level_[link] = kFree;
  }
  links_[link].capacity = capacity.bytes_per_second();
  return link;
}

FairLinks::Link FairLinks::add_flow_limit(Bandwidth limit) {
  const Link link = add_link(limit);
  links_[link].capacity = -limit.bytes_per_second();
  ++flow_limits_;
  return link;
}

void FairLinks::retire_link(Link link) {
  retired_links_.push_back(link);
  free_retired();
}

void FairLinks::free_retired() {
  std::erase_if(retired_links_, [this](Link link) {
    if (!links_[link].entries.empty()) return false;
    links_[link].due.clear();
    if (links_[link].capacity < 0) --flow_limits_;
    free_links_.push_back(link);
    return true;
  });
}

inline std::uint32_t& FairLinks::place_of(Flow& flow, Link link) {
  if (flow.first == link) return flow.first_place;
  if (flow.second == link) return flow.second_place;
  const auto links = many_links(flow.first);
  const auto at = std::find(links.begin(), links.end(), link) - links.begin();
  return many_places(flow.first)[static_cast<std::size_t>(at)];
}

inline void FairLinks::move_entry(Link link, std::uint32_t from, std::uint32_t to) {
  auto& entries = links_[link].entries;
  entries[to] = entries[from];
  place_of(flows_[entries[to].flow], link) = to;
}

inline void FairLinks::swap_entries(Link link, std::uint32_t a, std::uint32_t b) {
  if (a == b) return;
  auto& entries = links_[link].entries;
  std::swap(entries[a], entries[b]);
  place_of(flows_[entries[a].flow], link) = a;
  place_of(flows_[entries[b].flow], link) = b;
}

void FairLinks::enter(Link link, std::uint32_t other, std::uint32_t flow) {
  LinkState& state = links_[link];
  state.entries.push_back({other, flow});
  if (state.active) return;
  state.active = true;
  active_.push_back(link);
}

void FairLinks::remove_entry(Link link, Flow& flow) {
  LinkState& state = links_[link];
  std::uint32_t place = place_of(flow, link);
  if (place < state.here) {  // the last one attached takes its place, and the last one that one's
    --state.here;
    if (place != state.here) move_entry(link, state.here, place);
    place = state.here;
  }
  const auto last = static_cast<std::uint32_t>(state.entries.size() - 1);
  if (place != last) move_entry(link, last, place);
  state.entries.pop_back();
}

FairLinks::FlowId FairLinks::start(double bytes, std::span<const Link> links) {
  auto index = static_cast<std::uint32_t>(flows_.size());
  if (free_flows_.empty()) {
    flows_.emplace_back();
  } else {
    index = free_flows_.back();
    free_flows_.pop_back();
  }
  Flow& flow = flows_[index];
  flow = {};
  flow.finish = bytes;  // nothing is served at kIdle
  const auto end_of = [&](Link link) {
    return static_cast<std::uint32_t>(links_[link].entries.size());
  };
  if (links.size() <= 2) {
    flow.first = links[0];
    flow.second = links.size() == 2 ? links[1] : kNone;
    flow.first_place = end_of(flow.first);
    enter(flow.first, flow.second, index);
    if (flow.second != kNone) {
      flow.second_place = end_of(flow.second);
      enter(flow.second, flow.first, index);
    }
  } else {
    if (free_many_.size() <= links.size()) free_many_.resize(links.size() + 1);
    auto& free_places = free_many_[links.size()];
    if (free_places.empty()) {
      free_places.push_back(static_cast<std::uint32_t>(many_.size()));
      many_.resize(many_.size() + 1 + 2 * links.size());
    }
    flow.first = kMany | free_places.back();
    many_[free_places.back()] = static_cast<std::uint32_t>(links.size());
    free_places.pop_back();
    const auto of = many_links(flow.first), places = many_places(flow.first);
    for (std::size_t i = 0; i < links.size(); ++i) {
      of[i] = links[i];
      places[i] = end_of(links[i]);
      enter(links[i], flow.first, index);
    }
  }
  ++alive_;
  changed_ = started_ = true;
  return index;
}

void FairLinks::end(FlowId index) {
  Flow& flow = flows_[index];
  forget_filling(flow);
  if ((flow.first & kMany) != 0) {
    const auto links = many_links(flow.first);
    for (const Link link : links) remove_entry(link, flow);
    free_many_[links.size()].push_back(flow.first & ~kMany);
  } else {
    remove_entry(flow.first, flow);
    if (flow.second != kNone) remove_entry(flow.second, flow);
  }
  flow.attached = kIdle;
  --alive_;
  free_flows_.push_back(index);
  changed_ = true;
}

void FairLinks::serve(double seconds) {
  for (const Link link : active_) {
    if (level_[link] < kFree) links_[link].served += level_[link] * seconds;
  }
}

// Progressive filling: the link with the lowest level fills up next, and fixes its flows.
void FairLinks::compute_rates() {
  if (!changed_) return;
  ++counters_.computations;
  changed_ = false;
  std::size_t kept = 0;
  for (const Link link : active_) {
    LinkState& state = links_[link];
    if (state.entries.empty()) {
      state.active = false;
      state.served = 0;
      state.due.clear();
      level_[link] = kFree;
      continue;
    }
    active_[kept++] = link;
  }
  active_.resize(kept);
  // After a time of much change the order is often wrong: then it is not tried for a while.
  if (!started_ && order_pause_ == 0 && flow_limits_ == 0) {
    if (fill_in_order(resume_filling())) {
      order_misses_ = 0;
      return;
    }
    order_misses_ = std::min(order_misses_ + 1, 6u);
    order_pause_ = (1u << order_misses_) - 1;
  } else if (order_pause_ > 0) {
    --order_pause_;
  }
  started_ = false;
  kept_count_ = 0;
  begin_filling();
  fill_lowest_first();
}

void FairLinks::begin_filling() {
  for (const Link link : active_) {
    level_[link] = kFree;
    filling_[link] = {links_[link].capacity, static_cast<double>(links_[link].entries.size())};
  }
}

void FairLinks::keep_filling(std::size_t filled, double level) {
  if (kept_.size() == kept_count_) kept_.emplace_back();
  Kept& kept = kept_[kept_count_++];
  kept.filled = filled;
  kept.level = level;
  kept.filling.assign(filling_.begin(), filling_.end());
}

// Null: from the beginning.
const FairLinks::Kept* FairLinks::resume_filling() {
  if (kept_count_ == 0) {
    begin_filling();
    return nullptr;
  }
  const Kept& kept = kept_[kept_count_ - 1];
  std::copy(kept.filling.begin(), kept.filling.end(), filling_.begin());
  for (std::size_t at = kept.filled; at < active_.size(); ++at) level_[active_[at]] = kFree;
  return &kept;
}

// The flow ends. Until the link that held it back filled up, its links had one flow more to fix,
// and so would only have filled up later: what was kept by then holds without it.
void FairLinks::forget_filling(const Flow& flow) {
  const std::size_t last = flow.attached == kIdle ? 0 : place_[flow.attached];
  while (kept_count_ > 0 && kept_[kept_count_ - 1].filled > last) --kept_count_;
  const auto one_less = [this](Link link) {
    for (Kept& kept : std::span(kept_).first(kept_count_)) kept.filling[link].flows -= 1;
  };
  if ((flow.first & kMany) != 0) {
    for (const Link link : many_links(flow.first)) one_less(link);
    return;
  }
  one_less(flow.first);
  if (flow.second != kNone) one_less(flow.second);
}

inline double FairLinks::level_now(Link link) const {
  const Filling& mine = filling_[link];
  const bool flow_limit = flow_limits_ > 0 && links_[link].capacity < 0;
  // Divided by what is there or not: which it is would be any guess.
  const double level = flow_limit ? -links_[link].capacity : mine.left / std::max(mine.flows, 0.5);
  return mine.flows < 0.5 ? kFree : level;  // all its flows are held back elsewhere
}

// Links fill up in nearly the order of the last time, in which active_ has been left: looks for the
// lowest among the next few. Levels that never fall in the order taken are those of progressive
// filling: a link passed over though lower would only have become lower still, or have been left
// with more than it can carry. Whether that held. Limits of flows are not links that can be so
// checked: with them all links wait for their turn.
bool FairLinks::fill_in_order(const Kept* from) {
  constexpr std::size_t kAhead = 12;
  // A copy of what is left is worth so many visits of flows for each link, and so is looking ahead.
  constexpr std::size_t kVisits = 4;
  double last = from == nullptr ? 0 : from->level;
  std::size_t visits = 0;
  for (std::size_t at = from == nullptr ? 0 : from->filled; at < active_.size(); ++at) {
    if (visits > kVisits * links_.size()) {
      visits = 0;
      keep_filling(at, last);
    }
    const std::size_t end = std::min(at + kAhead, active_.size());
    std::size_t best = at;
    double lowest = level_now(active_[at]);
    for (std::size_t i = at + 1; i < end; ++i) {
      const double level = level_now(active_[i]);
      if (level < lowest) {
        lowest = level;
        best = i;
      }
    }
    if (lowest == kFree && end == active_.size()) break;  // nothing is left to fix
    if (lowest == kFree) continue;
    if (lowest < last * (1 - 1e-13)) return false;
    last = std::max(last, lowest);
    const Link link = active_[best];
    for (std::size_t i = best; i > at; --i) active_[i] = active_[i - 1];
    active_[at] = link;
    place_[link] = static_cast<std::uint32_t>(at);
    fill_up(link, lowest);
    visits += links_[link].here + 4 * kAhead;
  }
  // One whose flows were all fixed elsewhere before it was looked at may carry too much by now.
  return std::none_of(active_.begin(), active_.end(), [this](Link link) {
    return level_[link] == kFree && filling_[link].left < -1e-9 * links_[link].capacity;
  });
}

// Links wait by the level at which they would fill up; fixing flows elsewhere only raises it, so
// that a link whose level has risen waits again.
void FairLinks::fill_lowest_first() {
  waiting_.assign(active_, [this](Link link) { return level_now(link); });
  std::size_t filled = 0;
  without_level_.clear();
  for (Link link = waiting_.top(); link != LowestFirst::kNone; link = waiting_.top()) {
    const double level = level_now(link);
    if (level == kFree) {
      without_level_.push_back(link);
      waiting_.drop_top();
      continue;
    }
    if (level > waiting_.top_level() * (1 + 1e-14)) {
      waiting_.change_top(level);
      if (waiting_.top() != link) continue;  // another is first now
    }
    waiting_.drop_top();
    fill_up(link, level);
    active_[filled++] = link;
  }
  std::copy(without_level_.begin(), without_level_.end(),
            active_.begin() + static_cast<std::ptrdiff_t>(filled));
}

// The link is full at this level: fixes the flows that are not yet fixed. Those are the flows
// attached to it, since what another link has fixed has gone there, and as many more as are
// missing.
void FairLinks::fill_up(Link link, double level) {
  LinkState& state = links_[link];
  const auto missing = static_cast<std::int64_t>(filling_[link].flows + 0.5) - state.here;
  if (missing > 0) {
    // From the end, so that what is attached, and swapped forward, is not met again.
    auto& entries = state.entries;
    std::int64_t found = 0;
    for (std::size_t i = entries.size(); i > state.here && found < missing;) {
      const Entry entry = entries[i - 1];
      bool fixed = false;
      if (entry.other < kMany) {
        fixed = level_[entry.other] < kFree;
      } else {
        for (const Link o : many_links(entry.other)) fixed = fixed || level_[o] < kFree;
      }
      ++counters_.flows_touched;
      if (fixed) {
        --i;
        continue;
      }
      ++found;
      attach(entry.flow, link);  // puts another entry here, not yet looked at, or shrinks the rest
      if (i > entries.size()) i = entries.size();
    }
  }
  level_[link] = level;
  counters_.flows_touched += state.here;
  const Entry* const end = state.entries.data() + state.here;
  for (const Entry* entry = state.entries.data(); entry != end; ++entry) {
    if (entry->other < kMany) {
      Filling& other = filling_[entry->other];
      other.left -= level;
      other.flows -= 1;
      continue;
    }
    for (const Link o : many_links(entry->other)) {
      if (o == link) continue;
      filling_[o].left -= level;
      filling_[o].flows -= 1;
    }
  }
}

// From now on that link holds the flow back. REQUIRES: links have served up to now
void FairLinks::attach(std::uint32_t index, Link to) {
  Flow& flow = flows_[index];
  ++counters_.attached;
  double left = flow.finish;
  if (flow.attached != kIdle) {
    LinkState& from = links_[flow.attached];
    left -= from.served;
    --from.here;
    swap_entries(flow.attached, place_of(flow, flow.attached), from.here);
  }
  LinkState& state = links_[to];
  swap_entries(to, place_of(flow, to), state.here);
  ++state.here;
  flow.attached = to;
  flow.finish = state.served + std::max(left, 0.0);
  auto& due = state.due;
  due.push_back({flow.finish, index});
  std::push_heap(due.begin(), due.end(), std::greater<>());
}

// Drops what is stale from the top of a link's heap.
inline void FairLinks::clean(Link link) {
  LinkState& state = links_[link];
  auto& due = state.due;
  while (!due.empty() && is_stale(link, due.front())) {
    std::pop_heap(due.begin(), due.end(), std::greater<>());
    due.pop_back();
  }
  if (due.size() <= 2 * state.here + 64) return;
  std::erase_if(due, [&](const Due& one) { return is_stale(link, one); });
  std::make_heap(due.begin(), due.end(), std::greater<>());
}

double FairLinks::next_end() {
  double next = kFree;
  first_due_.clear();
  for (const Link link : active_) {
    const LinkState& state = links_[link];
    if (state.here == 0) continue;
    clean(link);
    const double finish = state.due.front().finish;
    first_due_.push_back({link, finish});
    next = std::min(next, (finish - state.served) / level_[link]);
  }
  return next;
}

void FairLinks::take_ending(double seconds, std::vector<Ending>& ending) {
  for (const auto& [link, first] : first_due_) {
    LinkState& state = links_[link];
    const double reached = (state.served + level_[link] * seconds) * (1 + 1e-15);
    if (first > reached) continue;
    auto& due = state.due;
    while (!due.empty() && due.front().finish <= reached) {
      const Due one = due.front();
      std::pop_heap(due.begin(), due.end(), std::greater<>());
      due.pop_back();
      // A flow that went elsewhere and came back may be here twice.
      if (is_stale(link, one) || flows_[one.flow].taken) continue;
      flows_[one.flow].taken = true;
      const double left = std::max(0.0, one.finish - state.served);
      ending.push_back({one.flow, left / level_[link]});
    }
  }
}

void FairLinks::put_back(FlowId index) {
  Flow& flow = flows_[index];
  flow.taken = false;
  auto& due = links_[flow.attached].due;
  due.push_back({flow.finish, index});
  std::push_heap(due.begin(), due.end(), std::greater<>());
}

}  // namespace moesim::sim
