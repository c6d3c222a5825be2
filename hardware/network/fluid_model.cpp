#include "hardware/network/fluid_model.h"

#include <algorithm>
#include <array>

#include "sim/check.h"

namespace moesim::hardware {

using sim::Bandwidth;
using sim::Duration;
using sim::Time;

namespace {

constexpr sim::FlowNetwork::Link kNoLink = 0;

}  // namespace

FluidModel::FluidModel(ClusterNetwork& network, sim::Engine& engine, double tolerance)
    : engine_(engine),
      paths_(network.paths()),
      flows_(engine, tolerance, *this),
      flow_links_(network.topology().links.size(), kNoLink),
      traffic_(network) {}

sim::FlowNetwork::Link FluidModel::flow_link(LinkId link) {
  auto& known = flow_links_[link];
  if (known == kNoLink) known = flows_.add_link(paths_.topology().links[link].capacity);
  return known;
}

FluidModel::Play& FluidModel::play_of(sim::ExchangeId id, const sim::Exchange& exchange,
                                      sim::ExchangeListener& listener) {
  const auto found = slots_.find(id);
  if (found != slots_.end()) return *plays_[found->second];
  if (free_plays_.empty()) {
    free_plays_.push_back(static_cast<std::uint32_t>(plays_.size()));
    plays_.push_back(std::make_unique<Play>());
  }
  const std::uint32_t slot = free_plays_.back();
  free_plays_.pop_back();
  slots_.emplace(id, slot);
  Play& play = *plays_[slot];
  play.id = id;
  play.exchange = &exchange;
  play.listener = &listener;
  play.group = flows_.add_group();
  play.participants.assign(exchange);
  play.members.assign(exchange.participants.size(), {});
  play.arrived = play.done = 0;
  play.arriving.clear();
  play.first_of.clear();
  play.longest_latency = {};
  play.transfers.clear();
  play.participants.for_each_transfer(
      exchange, [&](std::uint32_t source, std::uint32_t destination, sim::Bytes bytes) {
        play.transfers.push_back({source, destination, bytes});
        ++play.members[source].open;
        ++play.members[destination].open;
      });
  traffic_.add(exchange);
  add_limits(play);
  return play;
}

void FluidModel::add_limits(Play& play) {
  const sim::Exchange& exchange = *play.exchange;
  const auto per_member = [&](Bandwidth limit, std::vector<sim::FlowNetwork::Link>& links) {
    if (!(limit > Bandwidth{})) return;
    for (std::size_t i = 0; i < play.members.size(); ++i) links.push_back(flows_.add_link(limit));
  };
  per_member(exchange.send_limit, play.send_limits);
  per_member(exchange.receive_limit, play.receive_limits);
  const auto per_flow = [&](Bandwidth limit) {
    return limit > Bandwidth{} ? flows_.add_flow_limit(limit) : kNoLink;
  };
  play.near_limit = per_flow(exchange.near.flow_limit);
  play.far_limit = per_flow(exchange.far.flow_limit);
}

void FluidModel::arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
                        sim::ExchangeListener& listener) {
  Play& play = play_of(id, exchange, listener);
  const std::uint32_t slot = slots_.at(id);
  const std::uint32_t place = play.participants.place(rank);
  SIM_CHECK(!play.members[place].arrived, "a rank arrived twice");
  play.members[place].arrived = true;
  ++play.arrived;
  if (exchange.barrier) {
    play.arriving.push_back(place);
    if (play.arrived < play.members.size()) return;
    engine_.after(exchange.startup, [this, slot] {
      const auto all = std::move(plays_[slot]->arriving);
      release(slot, all);
    });
    return;
  }
  if (play.arriving.empty() || play.arriving_at != engine_.now()) {
    // The event takes what has arrived by the end of this instant.
    play.arriving_at = engine_.now();
    engine_.after(Duration{}, [this, slot] {
      auto members = std::move(plays_[slot]->arriving);
      plays_[slot]->arriving.clear();
      const Duration startup = plays_[slot]->exchange->startup;
      if (startup == Duration{}) {
        release(slot, members);
      } else {
        engine_.after(startup, [this, slot, held = std::move(members)] { release(slot, held); });
      }
    });
  }
  play.arriving.push_back(place);
}

// Which transfers each member is an end of.
void FluidModel::index_transfers(Play& play) {
  play.first_of.assign(play.members.size() + 1, 0);
  const auto each = [&](const auto& visit) {
    std::uint32_t index = 0;
    for (const Transfer& transfer : play.transfers) {
      visit(transfer.source, index);
      visit(transfer.destination, index++);
    }
  };
  each([&](std::uint32_t place, std::uint32_t) { ++play.first_of[place + 1]; });
  for (std::size_t i = 1; i < play.first_of.size(); ++i) play.first_of[i] += play.first_of[i - 1];
  play.transfers_of.resize(play.first_of.back());
  std::vector<std::uint32_t> next(play.first_of.begin(), play.first_of.end() - 1);
  each([&](std::uint32_t place, std::uint32_t index) { play.transfers_of[next[place]++] = index; });
}

// The startup of these members is over: starts the transfers that waited for nobody but them.
void FluidModel::release(std::uint32_t slot, const std::vector<std::uint32_t>& members) {
  Play& play = *plays_[slot];
  const auto& transfers = play.transfers;
  for (const auto place : members) play.members[place].last = engine_.now();
  if (members.size() == play.members.size()) {
    for (auto& member : play.members) member.released = true;
    for (std::uint32_t i = 0; i < transfers.size(); ++i) start_transfer(slot, i);
  } else {
    if (play.first_of.empty()) index_transfers(play);
    for (const auto place : members) {
      play.members[place].released = true;
      for (auto i = play.first_of[place]; i < play.first_of[place + 1]; ++i) {
        const auto [source, destination, bytes] = transfers[play.transfers_of[i]];
        const auto other = source == place ? destination : source;
        if (play.members[other].released) start_transfer(slot, play.transfers_of[i]);
      }
    }
  }
  for (const auto place : members) {
    // Those that exchange nothing are done when their startup is over.
    const auto& member = play.members[place];
    if (member.open == 0 && member.done_event.key == 0) schedule_done(slot, place);
  }
}

void FluidModel::start_transfer(std::uint32_t slot, std::uint32_t index) {
  Play& play = *plays_[slot];
  const sim::Exchange& exchange = *play.exchange;
  const Transfer& transfer = play.transfers[index];
  const sim::Rank from = play.participants.rank(transfer.source),
                  to = play.participants.rank(transfer.destination);
  const PathTable::Path path = paths_.path(from, to);
  const Topology& topology = paths_.topology();
  const bool near = topology.node[from] == topology.node[to];
  const double bytes = static_cast<double>(transfer.bytes.count()) *
                       (near ? exchange.near.factor : exchange.far.factor);
  play.longest_latency = std::max(play.longest_latency, path.latency);
  std::array<sim::FlowNetwork::Link, 64> links;
  std::size_t count = 0;
  for (const LinkId l : paths_.limiting_links(path)) links[count++] = flow_link(l);
  if (!play.send_limits.empty()) {
    links[count++] = play.send_limits[transfer.source];
  }
  if (!play.receive_limits.empty()) {
    links[count++] = play.receive_limits[transfer.destination];
  }
  const auto flow_limit = near ? play.near_limit : play.far_limit;
  if (flow_limit != kNoLink) links[count++] = flow_limit;
  flows_.start(play.group, bytes, {links.data(), count}, (std::uint64_t{slot} << 32) | index);
}

void FluidModel::flow_finishes(std::uint64_t tag, Time at) {
  const auto slot = static_cast<std::uint32_t>(tag >> 32);
  const Play& play = *plays_[slot];
  const Transfer transfer = play.transfers[tag & 0xffffffffu];
  const auto path = paths_.path(play.participants.rank(transfer.source),
                                play.participants.rank(transfer.destination));
  finish_one(slot, transfer.source, at);
  finish_one(slot, transfer.destination, at + path.latency);
}

void FluidModel::finish_one(std::uint32_t slot, std::uint32_t place, Time at) {
  auto& member = plays_[slot]->members[place];
  member.last = std::max(member.last, at);
  if (--member.open == 0) schedule_done(slot, place);
}

void FluidModel::flow_withdrawn(std::uint64_t tag) {
  Play& play = *plays_[tag >> 32];
  const Transfer& transfer = play.transfers[tag & 0xffffffffu];
  reopen_one(play, transfer.source);
  reopen_one(play, transfer.destination);
}

void FluidModel::reopen_one(Play& play, std::uint32_t place) {
  auto& member = play.members[place];
  ++member.open;
  engine_.cancel(member.done_event);
  member.done_event = {};
  // What is still announced was sent by now, and arrives within a path's latency.
  member.last = std::min(member.last, engine_.now() + play.longest_latency);
}

void FluidModel::schedule_done(std::uint32_t slot, std::uint32_t place) {
  auto& member = plays_[slot]->members[place];
  member.done_event = engine_.at(member.last + plays_[slot]->exchange->completion,
                                 [this, slot, place] { member_done(slot, place); });
}

void FluidModel::member_done(std::uint32_t slot, std::uint32_t place) {
  Play& play = *plays_[slot];
  const auto id = play.id;
  const auto rank = play.participants.rank(place);
  sim::ExchangeListener& listener = *play.listener;
  if (++play.done == play.members.size()) end(slot);
  listener.rank_done(id, rank);
}

void FluidModel::end(std::uint32_t slot) {
  Play& play = *plays_[slot];
  flows_.retire_group(play.group);
  for (auto* links : {&play.send_limits, &play.receive_limits}) {
    for (const auto link : *links) flows_.retire_link(link);
    links->clear();
  }
  if (play.near_limit != kNoLink) flows_.retire_link(play.near_limit);
  if (play.far_limit != kNoLink) flows_.retire_link(play.far_limit);
  slots_.erase(play.id);
  free_plays_.push_back(slot);
}

std::vector<LinkUse> FluidModel::link_use() const {
  return traffic_.link_use();
}

NetworkCounters FluidModel::counters() const {
  const auto& counters = flows_.counters();
  return {counters.flows, counters.computations, counters.flows_touched};
}

}  // namespace moesim::hardware
