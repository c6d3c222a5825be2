#include "hardware/network/bound_times.h"

#include <algorithm>

#include "hardware/network/cluster_network.h"

namespace moesim::hardware {

using sim::Bandwidth;
using sim::Bytes;
using sim::Duration;

BoundTimes::BoundTimes(ClusterNetwork& network)
    : network_(network),
      loads_(network.topology().links.size()),
      seconds_(network.topology().links.size()) {}

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

inline void BoundTimes::carry(LinkId link, std::size_t kind, std::int64_t bytes,
                              std::int64_t latency) {
  Load& load = loads_[link];
  if (load.least_latency == kUnused) loaded_.push_back(link);
  load.bytes[kind] += bytes;
  load.least_latency = std::min(load.least_latency, latency);
}

inline void BoundTimes::holds_up_source(LinkId link, std::uint32_t place) {
  if (loads_[link].source == place) return;
  loads_[link].source = place;
  sources_.push_back({place, link});
}

inline void BoundTimes::holds_up_destination(LinkId link, std::uint32_t place) {
  if (loads_[link].destination == place) return;
  loads_[link].destination = place;
  destinations_.push_back({place, link});
}

void BoundTimes::add(const sim::Transfer& t, const Participants& participants) {
  if (t.bytes == Bytes{}) return;
  const auto& node = network_.topology().node;
  const std::uint32_t source = participants.place(t.source);
  const std::uint32_t destination = participants.place(t.destination);
  const std::size_t kind = node[t.source] == node[t.destination] ? 0 : 1;
  const PathTable::Path path = network_.paths().path(t.source, t.destination);
  const auto links = network_.paths().limiting_links(path);
  for (std::size_t i = 0; i < links.size(); ++i) {
    carry(links[i], kind, t.bytes.count(), path.latency.count());
    if (i == 0 || i + 1 < links.size()) holds_up_source(links[i], source);
    if (i > 0 || links.size() == 1) holds_up_destination(links[i], destination);
  }
  if (links.empty()) {
    busy_[destination] = std::max(busy_[destination], sim::to_seconds(path.latency));
  }
}

// Messages alone, where ports are all that limits: sums over rows and columns.
void BoundTimes::add_sums(const sim::Exchange& exchange, const Ports& ports) {
  const MatrixSums& sums = network_.sums_of(exchange.messages, ports);
  const auto& links = network_.topology().links;
  const std::size_t n = ports.size();
  const auto put = [&](std::uint32_t place, std::size_t kind, bool sends) {
    const auto& counts = sends ? sums.sent : sums.received;
    std::uint64_t count = 0;
    std::int64_t latency = kUnused;
    for (std::size_t way = kind; way < (kind == 0 ? 1 : ports.ways().size()); ++way) {
      if (counts[way * n + place] == 0) continue;
      count += counts[way * n + place];
      latency = std::min(latency, ports.ways()[way].latency);
    }
    if (count == 0) return;
    const LinkId link = (sends ? ports.leave(place) : ports.reach(place))[kind];
    const std::int64_t bytes = static_cast<std::int64_t>(count) * exchange.messages.size.count();
    const double seconds = static_cast<double>(bytes) *
                           (kind == 0 ? exchange.near : exchange.far).factor /
                           links[link].capacity.bytes_per_second();
    const double end = seconds + static_cast<double>(latency) * 1e-12;
    last_arrival_ = std::max(last_arrival_, end);
    busy_[place] = std::max(busy_[place], sends ? seconds : end);
  };
  for (std::uint32_t place = 0; place < n; ++place) {
    for (const std::size_t kind : {0u, 1u}) {
      put(place, kind, true);
      put(place, kind, false);
    }
  }
}

void BoundTimes::add_loads(const sim::Exchange& exchange, const Participants& participants) {
  const Topology& topology = network_.topology();
  const Ports* ports =
      exchange.messages.counts ? &network_.ports_of(exchange.participants) : nullptr;
  if (ports != nullptr && ports->suffice() && exchange.transfers.empty()) {
    add_sums(exchange, *ports);
    return;
  }
  sim::for_each_transfer(exchange, [&](const sim::Transfer& t) { add(t, participants); });
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
  const Topology& topology = network_.topology();
  std::vector<Side> sent(participants.size()), received(participants.size());
  participants.for_each_transfer(
      exchange, [&](std::uint32_t source, std::uint32_t destination, Bytes payload) {
        const sim::Rank from = participants.rank(source), to = participants.rank(destination);
        const bool near = topology.node[from] == topology.node[to];
        const sim::Wire& wire = near ? exchange.near : exchange.far;
        const double bytes = static_cast<double>(payload.count()) * wire.factor;
        const double latency = sim::to_seconds(network_.paths().path(from, to).latency);
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
