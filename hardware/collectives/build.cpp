#include "hardware/collectives/build.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "hardware/message_sums.h"
#include "hardware/network/topology.h"
#include "sim/check.h"

namespace moesim::hardware {
namespace {

// Bytes a microsecond of a rank over the links of its node, each way.
double link_rate(const Cluster& cluster) {
  return cluster.scale_up.bandwidth.bytes_per_second() * 1e-6;
}

// How many NICs of a node are shared by several ranks; none where each rank has its own.
std::int64_t shared_nics(const Cluster& cluster) {
  const std::int64_t nics = cluster.scale_out.nics_per_node;
  return nics > 0 && nics < cluster.gpus_per_node ? nics : 0;
}

// Of a NIC, or of all that a rank has.
double nic_rate(const Cluster& cluster) {
  const ScaleOut& out = cluster.scale_out;
  double rate = out.bandwidth.bytes_per_second() * 1e-6;
  // Links that are listed one by one: what the device's data sheet gives it.
  if (!(rate > 0)) return cluster.device.scale_out.bytes_per_second() * 1e-6;
  if (out.fabric == ScaleOut::Fabric::Torus) return rate * 2;  // one ring, both ways
  if (out.nics_per_node > cluster.gpus_per_node)
    rate *= static_cast<double>(out.nics_per_node) / static_cast<double>(cluster.gpus_per_node);
  return rate;
}

// What a path takes without bytes, through one switch: it is part of what a measured startup
// contains, and the play adds it by itself.
double near_latency_us(const Cluster& cluster) {
  return sim::to_us(cluster.scale_up.latency * 2);
}
double far_latency_us(const Cluster& cluster) {
  const ScaleOut& out = cluster.scale_out;
  const bool direct =
      out.fabric == ScaleOut::Fabric::BackToBack || out.fabric == ScaleOut::Fabric::Torus;
  return sim::to_us(out.host_latency * 2 + out.latency * (direct ? 1 : 2));
}

struct Load {
  std::int64_t sent = 0, received = 0;
};

double most_of(const std::vector<Load>& loads) {
  std::int64_t bytes = 0;
  for (const Load& load : loads) bytes = std::max({bytes, load.sent, load.received});
  return static_cast<double>(bytes);
}

// `far[i]` is of rank `first + i`.
double most_of_nics(const Cluster& cluster, sim::Rank first, const std::vector<Load>& far) {
  const std::int64_t nics = shared_nics(cluster);
  if (nics == 0) return most_of(far);
  const Topology& topology = *cluster.topology;
  std::map<std::int64_t, Load> shared;
  for (std::size_t i = 0; i < far.size(); ++i) {
    const std::size_t rank = first + i;
    Load& nic =
        shared[topology.node[rank] * nics + topology.rail[rank] * nics / cluster.gpus_per_node];
    nic.sent += far[i].sent;
    nic.received += far[i].received;
  }
  std::int64_t most = 0;
  for (const auto& [nic, load] : shared) most = std::max({most, load.sent, load.received});
  return static_cast<double>(most);
}

// In sums of that type.
template <class Sum>
PortLoads loads_in(const Cluster& cluster, const std::vector<std::uint32_t>& counts,
                   const GroupNodes& lie) {
  const std::size_t n = lie.ranks();
  std::vector<Sum> received(n, 0), received_near(n, 0);
  // Of ranks from the group's first to its last, where they share NICs.
  const bool shared = shared_nics(cluster) > 0 && n > 0;
  const sim::Rank origin = shared ? lie.nodes.front().front() : 0;
  sim::Rank furthest = origin;
  for (const auto& ranks : lie.nodes) furthest = std::max(furthest, ranks.back());
  std::vector<Load> all(shared ? furthest - origin + 1 : 0);
  Sum near = 0, far = 0;
  std::size_t first = 0, source = 0;  // of the node
  for (const auto& ranks : lie.nodes) {
    const std::size_t end = first + ranks.size();
    for (; source < end; ++source) {
      const std::uint32_t* count = counts.data() + source * n;
      Sum sent = 0, sent_near = 0;
      for (std::size_t d = 0; d < n; ++d) received[d] += count[d];
      for (std::size_t d = 0; d < n; ++d) sent += count[d];
      for (std::size_t d = first; d < end; ++d) received_near[d] += count[d];
      for (std::size_t d = first; d < end; ++d) sent_near += count[d];
      far = std::max<Sum>(far, sent - sent_near);
      near = std::max<Sum>(near, sent_near - count[source]);
      if (!all.empty())
        all[ranks[source - first] - origin].sent = static_cast<std::int64_t>(sent - sent_near);
      // What stays at home.
      received[source] -= count[source];
      received_near[source] -= count[source];
    }
    first = end;
  }
  std::size_t place = 0;
  for (const auto& ranks : lie.nodes) {
    for (const sim::Rank rank : ranks) {
      const Sum from_afar = received[place] - received_near[place];
      near = std::max(near, received_near[place]);
      far = std::max(far, from_afar);
      if (!all.empty()) all[rank - origin].received = static_cast<std::int64_t>(from_afar);
      ++place;
    }
  }
  const double nic = all.empty() ? static_cast<double>(far) : most_of_nics(cluster, origin, all);
  return {{static_cast<double>(near), static_cast<double>(far)}, nic};
}

}  // namespace

GroupNodes::GroupNodes(const Cluster& cluster, std::span<const sim::Rank> group) {
  std::map<std::uint32_t, std::vector<sim::Rank>> by_node;
  for (const sim::Rank r : group) by_node[cluster.node_of(r)].push_back(r);
  for (auto& [node, ranks] : by_node) {
    least = least == 0 ? ranks.size() : std::min(least, ranks.size());
    most = std::max(most, ranks.size());
    nodes.push_back(std::move(ranks));
  }
}

PortLoads loads_of(const Cluster& cluster, const sim::Exchange& exchange) {
  // Of ranks from the group's first to its last: a group is a part of a large cluster.
  const auto& group = exchange.participants;
  const sim::Rank first = group.empty() ? 0 : group.front();
  const std::size_t span = group.empty() ? 0 : group.back() - first + 1;
  std::vector<Load> near(span), far(span);
  for (const sim::Transfer& t : exchange.transfers) {
    if (t.source == t.destination) continue;
    auto& loads = cluster.near(t.source, t.destination) ? near : far;
    loads[t.source - first].sent += t.bytes.count();
    loads[t.destination - first].received += t.bytes.count();
  }
  return {{most_of(near), most_of(far)}, most_of_nics(cluster, first, far)};
}

PortLoads loads_of(const Cluster& cluster, const std::vector<std::uint32_t>& counts,
                   const GroupNodes& lie) {
  return with_sums(counts, lie.ranks(),
                   [&]<class Sum>(Sum) { return loads_in<Sum>(cluster, counts, lie); });
}

std::size_t GroupNodes::ranks() const {
  std::size_t sum = 0;
  for (const auto& node : nodes) sum += node.size();
  return sum;
}

sim::Exchange empty_exchange(std::span<const sim::Rank> group, std::string name) {
  sim::Exchange exchange;
  exchange.name = std::move(name);
  exchange.participants.assign(group.begin(), group.end());
  return exchange;
}

Rates rates_of(const Cluster& cluster, const PortLoads& loads) {
  Rates rates = rates_of(cluster.device, Precision::BF16);
  rates.link = link_rate(cluster);
  rates.network = nic_rate(cluster) * (loads.nic > 0 ? loads.rank.far / loads.nic : 1);
  return rates;
}

void set_time(sim::Exchange& exchange, const Cluster& cluster, const Parts& parts, double us,
              const PortLoads& loads) {
  const double scale = parts.us() > 0 ? us / parts.us() : 1;
  const double busy = scale * parts.busy_us(), most = std::max(parts.near_us, parts.far_us);
  double end = 0;  // from the first byte on, until the last has arrived
  const auto carry = [&](sim::Wire& wire, double part, double bytes, double rate, double latency) {
    if (!(part > 0)) return;
    SIM_CHECK(bytes > 0, "a form's time over links is that of bytes");
    wire.factor = part * rate / bytes;
    end = std::max(end, part + latency);
  };
  if (most > 0) {
    // Both kinds of links are busy as the form says, stretched by what they wait for each other.
    const double stretch = busy / most;
    carry(exchange.near, parts.near_us * stretch, loads.rank.near, link_rate(cluster),
          near_latency_us(cluster));
    carry(exchange.far, parts.far_us * stretch, loads.nic, nic_rate(cluster),
          far_latency_us(cluster));
  } else {
    exchange.completion = duration_of(busy);
    end = busy;
  }
  exchange.startup = duration_of(us - end);
}

sim::Duration duration_of(double us) {
  return us > 0 ? sim::Duration(std::llround(us * 1e6)) : sim::Duration{};
}

}  // namespace moesim::hardware
