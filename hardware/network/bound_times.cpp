#include "hardware/network/bound_times.h"

#include <algorithm>

namespace moesim::hardware {

using sim::Bandwidth;
using sim::Bytes;
using sim::Duration;

BoundTimes::BoundTimes(PathTable& paths)
    : paths_(paths),
      loads_(paths.topology().links.size()),
      seconds_(paths.topology().links.size()) {}

const std::vector<Duration>& BoundTimes::of(const sim::Exchange& exchange,
                                            const Participants& participants) {
  busy_.assign(participants.size(), 0);
  last_arrival_ = 0;
  add_loads(exchange, participants);
  add_limits(exchange, participants);
  times_.clear();
  for (const double seconds : busy_) {
    last_arrival_ = std::max(last_arrival_, seconds);
    times_.push_back(exchange.startup + sim::seconds_rounded_up(seconds) + exchange.completion);
  }
  whole_ = exchange.startup + sim::seconds_rounded_up(last_arrival_) + exchange.completion;
  return times_;
}

void BoundTimes::add_loads(const sim::Exchange& exchange, const Participants& participants) {
  const Topology& topology = paths_.topology();
  participants.for_each_transfer(
      exchange, [&](std::uint32_t source, std::uint32_t destination, Bytes bytes) {
        const sim::Rank from = participants.rank(source), to = participants.rank(destination);
        const PathTable::Path& path = paths_.path(from, to);
        const auto links = paths_.limiting_links(path);
        const std::size_t kind = topology.node[from] == topology.node[to] ? 0 : 1;
        for (std::size_t i = 0; i < links.size(); ++i) {
          Load& load = loads_[links[i]];
          if (load.least_latency == kUnused) loaded_.push_back(links[i]);
          load.bytes[kind] += bytes.count();
          load.least_latency = std::min(load.least_latency, path.latency.count());
          if ((i == 0 || i + 1 < links.size()) && load.source != source) {
            load.source = source;
            sources_.push_back({source, links[i]});
          }
          if ((i > 0 || links.size() == 1) && load.destination != destination) {
            load.destination = destination;
            destinations_.push_back({destination, links[i]});
          }
        }
        if (links.empty()) {
          busy_[destination] = std::max(busy_[destination], sim::to_seconds(path.latency));
        }
      });
  const auto latency_of = [&](LinkId l) {
    return static_cast<double>(loads_[l].least_latency) * 1e-12;
  };
  for (const LinkId l : loaded_) {
    const auto& [near, far] = loads_[l].bytes;
    seconds_[l] = (static_cast<double>(near) * exchange.near.factor +
                   static_cast<double>(far) * exchange.far.factor) /
                  topology.links[l].capacity.bytes_per_second();
    last_arrival_ = std::max(last_arrival_, seconds_[l] + latency_of(l));
  }
  for (const auto& [place, link] : sources_) busy_[place] = std::max(busy_[place], seconds_[link]);
  for (const auto& [place, link] : destinations_) {
    busy_[place] = std::max(busy_[place], seconds_[link] + latency_of(link));
  }
  for (const LinkId l : loaded_) loads_[l] = {};
  loaded_.clear();
  sources_.clear();
  destinations_.clear();
}

// Limits that are the exchange's own: of each rank, and of single transfers.
void BoundTimes::add_limits(const sim::Exchange& exchange, const Participants& participants) {
  if (exchange.send_limit == Bandwidth{} && exchange.receive_limit == Bandwidth{} &&
      exchange.near.flow_limit == Bandwidth{} && exchange.far.flow_limit == Bandwidth{}) {
    return;
  }
  struct Side {
    double bytes = 0;
    double least_latency = std::numeric_limits<double>::infinity();
  };
  const Topology& topology = paths_.topology();
  std::vector<Side> sent(participants.size()), received(participants.size());
  participants.for_each_transfer(
      exchange, [&](std::uint32_t source, std::uint32_t destination, Bytes payload) {
        const sim::Rank from = participants.rank(source), to = participants.rank(destination);
        const bool near = topology.node[from] == topology.node[to];
        const sim::Wire& wire = near ? exchange.near : exchange.far;
        const double bytes = static_cast<double>(payload.count()) * wire.factor;
        const double latency = sim::to_seconds(paths_.path(from, to).latency);
        for (Side* side : {&sent[source], &received[destination]}) {
          side->bytes += bytes;
          side->least_latency = std::min(side->least_latency, latency);
        }
        const double limit = wire.flow_limit.bytes_per_second();
        if (!(limit > 0)) return;
        busy_[source] = std::max(busy_[source], bytes / limit);
        busy_[destination] = std::max(busy_[destination], bytes / limit + latency);
      });
  for (std::size_t i = 0; i < participants.size(); ++i) {
    if (exchange.send_limit > Bandwidth{} && sent[i].bytes > 0) {
      const double seconds = sent[i].bytes / exchange.send_limit.bytes_per_second();
      busy_[i] = std::max(busy_[i], seconds);
      last_arrival_ = std::max(last_arrival_, seconds + sent[i].least_latency);
    }
    if (exchange.receive_limit > Bandwidth{} && received[i].bytes > 0) {
      busy_[i] = std::max(busy_[i], received[i].bytes / exchange.receive_limit.bytes_per_second() +
                                        received[i].least_latency);
    }
  }
}

}  // namespace moesim::hardware
