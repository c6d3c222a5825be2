#include "hardware/network/bound_model.h"

#include <algorithm>
#include <limits>

#include "sim/check.h"

namespace moesim::hardware {

using sim::Bandwidth;
using sim::Duration;

BoundTimes::BoundTimes(PathTable& paths) : paths_(paths), loads_(paths.topology().links.size()) {}

const std::vector<Duration>& BoundTimes::of(const sim::Exchange& exchange,
                                            const Participants& participants) {
  const Topology& topology = paths_.topology();
  const std::size_t members = participants.size();
  std::vector<double> sent(members, 0), received(members, 0);
  // By the limits of single transfers, and the least latency of what a rank receives.
  std::vector<double> flow_sent(members, 0), flow_received(members, 0);
  std::vector<double> least_latency(members, std::numeric_limits<double>::infinity());
  std::vector<double> least_sent_latency(least_latency);
  const bool limits = exchange.send_limit > Bandwidth{} || exchange.receive_limit > Bandwidth{} ||
                      exchange.near.flow_limit > Bandwidth{} ||
                      exchange.far.flow_limit > Bandwidth{};
  const auto wire = [&](const sim::Transfer& t) -> const sim::Wire& {
    return topology.node[t.source] == topology.node[t.destination] ? exchange.near : exchange.far;
  };
  for (const sim::Transfer& t : exchange.transfers) {
    if (t.source == t.destination || t.bytes == sim::Bytes{}) continue;
    const PathTable::Path& path = paths_.path(t.source, t.destination);
    const double bytes = static_cast<double>(t.bytes.count()) * wire(t).factor;
    const std::int64_t path_latency = path.latency.count();
    for (const LinkId l : paths_.limiting_links(path)) {
      Load& load = loads_[l];
      if (load.bytes == 0) {
        loaded_.push_back(l);
        load.least_latency = path_latency;
      }
      load.bytes += bytes;
      load.least_latency = std::min(load.least_latency, path_latency);
    }
    if (limits) {
      const auto source = participants.place(t.source),
                 destination = participants.place(t.destination);
      sent[source] += bytes;
      received[destination] += bytes;
      const double limit = wire(t).flow_limit.bytes_per_second();
      if (limit > 0) {
        flow_sent[source] = std::max(flow_sent[source], bytes / limit);
        flow_received[destination] =
            std::max(flow_received[destination], bytes / limit + sim::to_seconds(path.latency));
      }
      least_sent_latency[source] =
          std::min(least_sent_latency[source], sim::to_seconds(path.latency));
      least_latency[destination] =
          std::min(least_latency[destination], sim::to_seconds(path.latency));
    }
  }
  // Bytes become seconds, once a link.
  for (const LinkId l : loaded_) loads_[l].bytes /= topology.links[l].capacity.bytes_per_second();
  std::vector<double> seconds(members, 0);          // of what leaves by a link
  std::vector<double> arrival_seconds(members, 0);  // of what comes by one, its latency included
  const auto busy = [&](sim::Rank rank, LinkId l, bool arrives) {
    const std::size_t place = participants.place(rank);
    const double more = arrives ? static_cast<double>(loads_[l].least_latency) * 1e-12 : 0;
    auto& most = arrives ? arrival_seconds[place] : seconds[place];
    most = std::max(most, loads_[l].bytes + more);
  };
  for (const sim::Transfer& t : exchange.transfers) {
    if (t.source == t.destination) continue;
    const PathTable::Path& path = paths_.path(t.source, t.destination);
    const auto links = paths_.limiting_links(path);
    for (std::size_t i = 0; i < links.size(); ++i) {
      const bool shared = i > 0 && i + 1 < links.size();
      if (i == 0 || shared) busy(t.source, links[i], false);
      if (i + 1 == links.size() || shared) busy(t.destination, links[i], true);
    }
    if (links.empty()) {
      auto& most = arrival_seconds[participants.place(t.destination)];
      most = std::max(most, static_cast<double>(path.latency.count()) * 1e-12);
    }
  }
  double whole = 0;
  for (const LinkId l : loaded_) {
    whole = std::max(whole, loads_[l].bytes + static_cast<double>(loads_[l].least_latency) * 1e-12);
    loads_[l] = {};
  }
  loaded_.clear();
  times_.resize(members);
  for (std::size_t i = 0; i < members; ++i) {
    double most = std::max({seconds[i], arrival_seconds[i], flow_sent[i], flow_received[i]});
    if (exchange.send_limit > Bandwidth{} && sent[i] > 0) {
      const double busy_for = sent[i] / exchange.send_limit.bytes_per_second();
      most = std::max(most, busy_for);
      whole = std::max(whole, busy_for + least_sent_latency[i]);
    }
    if (exchange.receive_limit > Bandwidth{} && received[i] > 0) {
      most = std::max(most,
                      received[i] / exchange.receive_limit.bytes_per_second() + least_latency[i]);
    }
    whole = std::max(whole, most);
    times_[i] = exchange.startup + sim::seconds_rounded_up(most) + exchange.completion;
  }
  whole_ = exchange.startup + sim::seconds_rounded_up(whole) + exchange.completion;
  return times_;
}

BoundModel::BoundModel(std::shared_ptr<const Topology> topology, sim::Engine& engine)
    : engine_(engine), paths_(topology), traffic_(topology->ranks()), times_(paths_) {}

BoundModel::Play& BoundModel::play_of(sim::ExchangeId id, const sim::Exchange& exchange,
                                      sim::ExchangeListener& listener) {
  const auto [found, is_new] = plays_.try_emplace(id);
  Play& play = found->second;
  if (!is_new) return play;
  play.listener = &listener;
  play.participants.assign(exchange);
  play.times = times_.of(exchange, play.participants);
  const std::size_t members = play.participants.size();
  const std::size_t words = (members + 63) / 64;
  play.arrived.assign(words, 0);
  play.started.assign(words, 0);
  const Topology& topology = paths_.topology();
  const bool all = exchange.barrier || exchange.transfers.size() >= members * (members - 1);
  if (!all) play.peers.assign(members * words, 0);
  for (const sim::Transfer& t : exchange.transfers) {
    if (t.source == t.destination) continue;
    const bool near = topology.node[t.source] == topology.node[t.destination];
    traffic_.add(
        t.source, t.destination,
        static_cast<double>(t.bytes.count()) * (near ? exchange.near.factor : exchange.far.factor));
    if (all) continue;
    const auto s = play.participants.place(t.source), d = play.participants.place(t.destination);
    play.peers[s * words + d / 64] |= std::uint64_t{1} << (d % 64);
    play.peers[d * words + s / 64] |= std::uint64_t{1} << (s % 64);
  }
  return play;
}

void BoundModel::start(sim::ExchangeId id, Play& play, std::size_t place) {
  play.started[place / 64] |= std::uint64_t{1} << (place % 64);
  const sim::Rank rank = play.participants.rank(place);
  engine_.after(play.times[place], [this, id, rank] {
    const auto found = plays_.find(id);
    sim::ExchangeListener& told = *found->second.listener;
    if (++found->second.done == found->second.participants.size()) plays_.erase(found);
    told.rank_done(id, rank);
  });
}

void BoundModel::arrive(sim::ExchangeId id, const sim::Exchange& exchange, sim::Rank rank,
                        sim::ExchangeListener& listener) {
  Play& play = play_of(id, exchange, listener);
  const std::size_t place = play.participants.place(rank);
  const std::uint64_t bit = std::uint64_t{1} << (place % 64);
  SIM_CHECK((play.arrived[place / 64] & bit) == 0, "a rank arrived twice");
  play.arrived[place / 64] |= bit;
  ++play.arrivals;
  const std::size_t members = play.participants.size(), words = play.arrived.size();
  if (play.peers.empty()) {
    if (play.arrivals == members) {
      for (std::size_t i = 0; i < members; ++i) start(id, play, i);
    }
    return;
  }
  const auto all_there = [&](std::size_t member) {
    const std::uint64_t* peers = &play.peers[member * words];
    std::uint64_t missing = 0;
    for (std::size_t w = 0; w < words; ++w) missing |= peers[w] & ~play.arrived[w];
    return missing == 0;
  };
  // Those that this arrival may have been the last to be waited for.
  for (std::size_t m = 0; m < members; ++m) {
    const std::uint64_t one = std::uint64_t{1} << (m % 64);
    const bool concerned = m == place || (play.peers[m * words + place / 64] & bit) != 0;
    if (!concerned || (play.arrived[m / 64] & one) == 0 || (play.started[m / 64] & one) != 0) {
      continue;
    }
    if (all_there(m)) start(id, play, m);
  }
}

std::vector<LinkUse> BoundModel::link_use() const {
  return traffic_.link_use(paths_);
}

}  // namespace moesim::hardware
