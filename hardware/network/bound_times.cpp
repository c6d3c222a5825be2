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
  const auto& node = paths_.topology().node;
  const std::uint32_t source = participants.place(t.source);
  const std::uint32_t destination = participants.place(t.destination);
  const std::size_t kind = node[t.source] == node[t.destination] ? 0 : 1;
  const PathTable::Path& path = paths_.path(t.source, t.destination);
  const auto links = paths_.limiting_links(path);
  for (std::size_t i = 0; i < links.size(); ++i) {
    carry(links[i], kind, t.bytes.count(), path.latency.count());
    if (i == 0 || i + 1 < links.size()) holds_up_source(links[i], source);
    if (i > 0 || links.size() == 1) holds_up_destination(links[i], destination);
  }
  if (links.empty()) {
    busy_[destination] = std::max(busy_[destination], sim::to_seconds(path.latency));
  }
}

// Messages where ports are all that limits: sums over rows and columns.
void BoundTimes::add_sums(const sim::Messages& messages, const Ports& ports) {
  constexpr std::uint32_t kNone = ~0u;
  const std::size_t n = ports.ranks().size();
  std::array<std::vector<std::uint64_t>, 2> column_counts;
  std::array<std::vector<std::uint32_t>, 2> column_latencies;
  for (const std::size_t kind : {0u, 1u}) {
    column_counts[kind].assign(n, 0);
    column_latencies[kind].assign(n, kNone);
  }
  const auto put = [&](std::size_t place, std::size_t kind, bool sends, std::uint64_t count,
                       std::uint32_t latency) {
    if (count == 0) return;
    const LinkId link = (sends ? ports.leave(place) : ports.reach(place))[kind];
    carry(link, kind, static_cast<std::int64_t>(count) * messages.size.count(), latency);
    const auto rank = static_cast<std::uint32_t>(place);
    sends ? holds_up_source(link, rank) : holds_up_destination(link, rank);
  };
  for (std::size_t r = 0; r < n; ++r) {
    const std::uint32_t* const row = messages.counts->data() + r * n;
    const std::uint32_t* const latencies = messages.back ? ports.to(r) : ports.from(r);
    std::array<std::uint64_t, 2> count{};
    std::array<std::uint32_t, 2> latency{kNone, kNone};
    const auto sum = [&](std::size_t begin, std::size_t end, std::size_t kind) {
      std::uint64_t* const counts = column_counts[kind].data();
      std::uint32_t* const least = column_latencies[kind].data();
      std::uint64_t all = 0;
      std::uint32_t shortest = kNone;
      for (std::size_t c = begin; c < end; ++c) {
        const std::uint32_t way = latencies[c] | -std::uint32_t{row[c] == 0};  // kNone if nothing
        counts[c] += row[c];
        least[c] = std::min(least[c], way);
        all += row[c];
        shortest = std::min(shortest, way);
      }
      count[kind] += all;
      latency[kind] = std::min(latency[kind], shortest);
    };
    sum(0, ports.first_near(r), 1);
    sum(ports.first_near(r), r, 0);
    sum(r + 1, ports.last_near(r), 0);
    sum(ports.last_near(r), n, 1);
    for (const std::size_t kind : {0u, 1u})
      put(r, kind, !messages.back, count[kind], latency[kind]);
  }
  for (std::size_t c = 0; c < n; ++c) {
    for (const std::size_t kind : {0u, 1u}) {
      put(c, kind, messages.back, column_counts[kind][c], column_latencies[kind][c]);
    }
  }
}

const Ports& BoundTimes::ports_of(const std::vector<sim::Rank>& ranks) {
  for (const Ports& known : ports_) {
    if (known.ranks() == ranks) return known;
  }
  return ports_.emplace_back(paths_, ranks);
}

void BoundTimes::add_loads(const sim::Exchange& exchange, const Participants& participants) {
  const Topology& topology = paths_.topology();
  const Ports* ports = exchange.messages.counts ? &ports_of(exchange.participants) : nullptr;
  if (ports != nullptr && ports->suffice()) {
    add_sums(exchange.messages, *ports);
    for (const sim::Transfer& t : exchange.transfers) {
      if (t.source != t.destination) add(t, participants);
    }
  } else {
    sim::for_each_transfer(exchange, [&](const sim::Transfer& t) { add(t, participants); });
  }
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
