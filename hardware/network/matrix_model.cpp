#include "hardware/network/matrix_model.h"

#include <algorithm>
#include <array>

namespace moesim::hardware {

using sim::Bandwidth;
using sim::Bytes;
using sim::Time;

namespace {

// Fewer transfers than one in so many pairs are a list, not a matrix, but in a small group.
constexpr std::size_t kSparse = 16, kSmall = 64;

bool is_limited(const sim::Exchange& exchange) {
  return exchange.send_limit > Bandwidth{} || exchange.receive_limit > Bandwidth{} ||
         exchange.near.flow_limit > Bandwidth{} || exchange.far.flow_limit > Bandwidth{};
}

// At most one transfer a pair, each of some bytes.
bool is_matrix(const sim::Exchange& exchange) {
  if (!(exchange.near.factor > 0) || !(exchange.far.factor > 0)) return false;
  if (exchange.messages.counts) {
    return exchange.transfers.empty() && exchange.messages.size > Bytes{};
  }
  if (exchange.transfers.empty()) return true;
  const std::size_t n = exchange.participants.size();
  if (n > kSmall && exchange.transfers.size() < n * n / kSparse) return false;
  Participants participants;
  participants.assign(exchange);
  std::vector<bool> seen(n * n);
  for (const sim::Transfer& t : exchange.transfers) {
    if (t.source == t.destination) continue;
    const std::size_t pair = participants.place(t.source) * n + participants.place(t.destination);
    if (seen[pair] || t.bytes == Bytes{}) return false;
    seen[pair] = true;
  }
  return true;
}

}  // namespace

bool MatrixModel::fits(ClusterNetwork& network, std::span<const sim::Exchange> exchanges) {
  std::unordered_map<LinkId, LinkId> reach_of, leave_of;
  const auto paired = [&](LinkId leave, LinkId reach) {
    return reach_of.try_emplace(leave, reach).first->second == reach &&
           leave_of.try_emplace(reach, leave).first->second == leave;
  };
  const Ports* checked = nullptr;  // one exchange after another is often of one group
  for (const sim::Exchange& exchange : exchanges) {
    if (is_limited(exchange) || !is_matrix(exchange)) return false;
    const Ports& ports = network.ports_of(exchange.participants);
    if (checked == &ports) continue;
    checked = &ports;
    if (!ports.suffice()) return false;
    for (const std::size_t kind : {0u, 1u}) {
      std::vector<LinkId> own;
      for (std::size_t p = 0; p < ports.size(); ++p) {
        if (ports.leave(p)[kind] == Ports::kNoLink) continue;
        if (!paired(ports.leave(p)[kind], ports.reach(p)[kind])) return false;
        own.push_back(ports.leave(p)[kind]);
      }
      std::sort(own.begin(), own.end());
      if (std::adjacent_find(own.begin(), own.end()) != own.end()) return false;
    }
  }
  return true;
}

MatrixModel::MatrixModel(ClusterNetwork& network, sim::Engine& engine, double tolerance)
    : FlowModel(network, engine), port_network_(engine, tolerance, *this) {}

sim::PortNetwork::Port MatrixModel::port_of(LinkId leave, LinkId reach) {
  const auto [known, is_new] = known_ports_.try_emplace(leave);
  if (is_new) {
    const auto& links = network_.topology().links;
    known->second = port_network_.add_port(links[leave].capacity, links[reach].capacity);
  }
  return known->second;
}

void MatrixModel::opened(Slot slot) {
  if (pairs_.size() <= slot) pairs_.resize(slot + 1);
  Pairs& pairs = pairs_[slot];
  Play& play = this->play(slot);
  const sim::Exchange& exchange = *play.exchange;
  const std::size_t n = play.members.size();
  pairs.ports = &network_.ports_of(exchange.participants);
  pairs.bytes.assign(exchange.messages.counts ? 0 : n * n, 0);
  pairs.parts.clear();
  const Ports& ports = *pairs.ports;
  std::array<Sides, 2> sides{Sides{std::vector<double>(n), std::vector<double>(n)},
                             Sides{std::vector<double>(n), std::vector<double>(n)}};
  play.participants.for_each_transfer(
      exchange, [&](std::uint32_t source, std::uint32_t destination, Bytes bytes) {
        const bool near =
            destination >= ports.first_near(source) && destination < ports.last_near(source);
        const double wire = static_cast<double>(bytes.count()) *
                            (near ? exchange.near.factor : exchange.far.factor);
        if (!pairs.bytes.empty()) pairs.bytes[source * n + destination] = wire;
        sides[near ? 0 : 1].sent[source] += wire;
        sides[near ? 0 : 1].received[destination] += wire;
        ++play.members[source].open;
        ++play.members[destination].open;
      });
  for (const auto& way : ports.ways()) {
    play.longest_latency = std::max(play.longest_latency, sim::Duration(way.latency));
  }
  // What is lost near may wait for what is far, and the reverse: the tolerance is that of both.
  double busiest = 0;
  const auto& links = network_.topology().links;
  for (const std::size_t kind : {0u, 1u}) {
    for (std::size_t p = 0; p < n; ++p) {
      if (ports.leave(p)[kind] == Ports::kNoLink) continue;
      const auto time = [&](double bytes, LinkId link) {
        return bytes / links[link].capacity.bytes_per_second();
      };
      busiest = std::max({busiest, time(sides[kind].sent[p], ports.leave(p)[kind]),
                          time(sides[kind].received[p], ports.reach(p)[kind])});
    }
  }
  add_part(slot, 1, 0, n, busiest, sides[1]);
  for (std::size_t first = 0; first < n; first = ports.last_near(first)) {
    add_part(slot, 0, first, ports.last_near(first), busiest, sides[0]);
  }
}

void MatrixModel::add_part(Slot slot, std::size_t kind, std::size_t first, std::size_t last,
                           double busiest, const Sides& sides) {
  Pairs& pairs = pairs_[slot];
  std::vector<sim::PortNetwork::Port> ports;
  std::vector<sim::PortNetwork::Load> loads;
  for (std::size_t p = first; p < last; ++p) {
    const LinkId leave = pairs.ports->leave(p)[kind];
    if (leave == Ports::kNoLink) return;  // it is alone in its node, or there is one node
    ports.push_back(port_of(leave, pairs.ports->reach(p)[kind]));
    loads.push_back({sides.sent[p], sides.received[p]});
  }
  const std::uint64_t tag = (std::uint64_t{slot} << 32) | pairs.parts.size();
  pairs.parts.push_back({port_network_.add_sheet(ports, loads, busiest, tag),
                         static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(last),
                         kind == 0});
}

void MatrixModel::released(Slot slot, std::span<const std::uint32_t> places) {
  for (const Part& part : pairs_[slot].parts) {
    releasing_.clear();
    for (const std::uint32_t place : places) {
      if (place >= part.first && place < part.last) releasing_.push_back(place - part.first);
    }
    if (!releasing_.empty()) port_network_.release(part.sheet, releasing_);
  }
}

void MatrixModel::bytes_between(std::uint64_t tag, std::uint32_t place,
                                std::span<const std::uint32_t> others, std::span<Both> bytes) {
  const auto slot = static_cast<Slot>(tag >> 32);
  const Pairs& pairs = pairs_[slot];
  const Part& part = pairs.parts[tag & 0xffffffffu];
  const std::size_t n = pairs.ports->size(), here = place + part.first;
  const std::size_t first = pairs.ports->first_near(here), last = pairs.ports->last_near(here);
  const sim::Messages& messages = play(slot).exchange->messages;
  const auto each = static_cast<double>(messages.size.count());
  const double factor = (part.near ? play(slot).exchange->near : play(slot).exchange->far).factor;
  const auto sent = [&](std::size_t from, std::size_t to) {
    if (!pairs.bytes.empty()) return pairs.bytes[from * n + to];
    const std::size_t pair = messages.back ? to * n + from : from * n + to;
    return static_cast<double>((*messages.counts)[pair]) * each * factor;
  };
  for (std::size_t i = 0; i < others.size(); ++i) {
    const std::size_t there = others[i] + part.first;
    bytes[i] = !part.near && there >= first && there < last
                   ? Both{}
                   : Both{.to = sent(here, there), .from = sent(there, here)};
  }
}

void MatrixModel::flows_finish(std::uint64_t tag, std::span<const Finishing> flows) {
  const auto slot = static_cast<Slot>(tag >> 32);
  const Ports& ports = *pairs_[slot].ports;
  const Part& part = pairs_[slot].parts[tag & 0xffffffffu];
  Play& play = this->play(slot);
  const std::size_t together = part.near ? 0 : 1;  // near and far have windows of their own
  for (const Finishing& flow : flows) {
    const std::uint32_t from = flow.source + part.first, to = flow.destination + part.first;
    const Ports::Way way = part.near ? Ports::kNear : ports.from(from)[to];
    finish(slot, play, from, to, flow.at, sim::Duration(ports.ways()[way].latency), together);
  }
}

void MatrixModel::flow_withdrawn(std::uint64_t tag, std::uint32_t source,
                                 std::uint32_t destination) {
  const auto slot = static_cast<Slot>(tag >> 32);
  const Part& part = pairs_[slot].parts[tag & 0xffffffffu];
  withdraw(slot, source + part.first, destination + part.first, part.near ? 0 : 1);
}

void MatrixModel::closed(Slot slot) {
  for (const Part& part : pairs_[slot].parts) port_network_.retire(part.sheet);
}

NetworkCounters MatrixModel::counters() const {
  const auto& counters = port_network_.counters();
  return {counters.flows, counters.computations, counters.flows_touched, port_network_.wasted()};
}

}  // namespace moesim::hardware
