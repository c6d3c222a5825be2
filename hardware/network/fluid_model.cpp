#include "hardware/network/fluid_model.h"

#include <algorithm>
#include <array>

namespace moesim::hardware {

using sim::Bandwidth;
using sim::Time;

namespace {

constexpr sim::FlowNetwork::Link kNoLink = 0;

}  // namespace

FluidModel::FluidModel(ClusterNetwork& network, sim::Engine& engine, double tolerance)
    : FlowModel(network, engine),
      paths_(network.paths()),
      network_flows_(engine, tolerance, *this),
      flow_links_(network.topology().links.size(), kNoLink) {}

sim::FlowNetwork::Link FluidModel::flow_link(LinkId link) {
  auto& known = flow_links_[link];
  if (known == kNoLink) known = network_flows_.add_link(paths_.topology().links[link].capacity);
  return known;
}

void FluidModel::opened(Slot slot) {
  if (flows_.size() <= slot) flows_.resize(slot + 1);
  Flows& flows = flows_[slot];
  Play& play = this->play(slot);
  flows.group = network_flows_.add_group();
  flows.first_of.clear();
  flows.transfers.clear();
  play.participants.for_each_transfer(
      *play.exchange, [&](std::uint32_t source, std::uint32_t destination, sim::Bytes bytes) {
        flows.transfers.push_back({.source = source, .destination = destination, .bytes = bytes});
        ++play.members[source].open;
        ++play.members[destination].open;
      });
  add_limits(*play.exchange, flows);
}

void FluidModel::add_limits(const sim::Exchange& exchange, Flows& flows) {
  const auto per_member = [&](Bandwidth limit, std::vector<sim::FlowNetwork::Link>& links) {
    if (!(limit > Bandwidth{})) return;
    for (std::size_t i = 0; i < exchange.participants.size(); ++i) {
      links.push_back(network_flows_.add_link(limit));
    }
  };
  per_member(exchange.send_limit, flows.send_limits);
  per_member(exchange.receive_limit, flows.receive_limits);
  const auto per_flow = [&](Bandwidth limit) {
    return limit > Bandwidth{} ? network_flows_.add_flow_limit(limit) : kNoLink;
  };
  flows.near_limit = per_flow(exchange.near.flow_limit);
  flows.far_limit = per_flow(exchange.far.flow_limit);
}

// Which transfers each member is an end of.
void FluidModel::index_transfers(Slot slot) {
  Flows& flows = flows_[slot];
  flows.first_of.assign(play(slot).members.size() + 1, 0);
  const auto each = [&](const auto& visit) {
    std::uint32_t index = 0;
    for (const Transfer& transfer : flows.transfers) {
      visit(transfer.source, index);
      visit(transfer.destination, index++);
    }
  };
  each([&](std::uint32_t place, std::uint32_t) { ++flows.first_of[place + 1]; });
  for (std::size_t i = 1; i < flows.first_of.size(); ++i) {
    flows.first_of[i] += flows.first_of[i - 1];
  }
  flows.transfers_of.resize(flows.first_of.back());
  std::vector<std::uint32_t> next(flows.first_of.begin(), flows.first_of.end() - 1);
  each(
      [&](std::uint32_t place, std::uint32_t index) { flows.transfers_of[next[place]++] = index; });
}

void FluidModel::released(Slot slot, std::span<const std::uint32_t> places) {
  const Flows& flows = flows_[slot];
  auto& members = play(slot).members;
  if (places.size() == members.size()) {
    for (std::uint32_t i = 0; i < flows.transfers.size(); ++i) start_transfer(slot, i);
    return;
  }
  if (flows.first_of.empty()) index_transfers(slot);
  // Those of these places that are not yet passed by start nothing with those before them.
  for (const auto place : places) members[place].released = false;
  for (const auto place : places) {
    members[place].released = true;
    for (auto i = flows.first_of[place]; i < flows.first_of[place + 1]; ++i) {
      const Transfer& transfer = flows.transfers[flows.transfers_of[i]];
      const auto other = transfer.source == place ? transfer.destination : transfer.source;
      if (members[other].released) start_transfer(slot, flows.transfers_of[i]);
    }
  }
}

void FluidModel::start_transfer(Slot slot, std::uint32_t index) {
  Play& play = this->play(slot);
  Flows& flows = flows_[slot];
  const sim::Exchange& exchange = *play.exchange;
  Transfer& transfer = flows.transfers[index];
  const sim::Rank from = play.participants.rank(transfer.source),
                  to = play.participants.rank(transfer.destination);
  const PathTable::Path path = paths_.path(from, to);
  const Topology& topology = paths_.topology();
  const bool near = topology.node[from] == topology.node[to];
  const double bytes = static_cast<double>(transfer.bytes.count()) *
                       (near ? exchange.near.factor : exchange.far.factor);
  transfer.latency = path.latency;
  play.longest_latency = std::max(play.longest_latency, path.latency);
  std::array<sim::FlowNetwork::Link, 64> links;
  std::size_t count = 0;
  for (const LinkId l : paths_.limiting_links(path)) links[count++] = flow_link(l);
  if (!flows.send_limits.empty()) links[count++] = flows.send_limits[transfer.source];
  if (!flows.receive_limits.empty()) links[count++] = flows.receive_limits[transfer.destination];
  const auto flow_limit = near ? flows.near_limit : flows.far_limit;
  if (flow_limit != kNoLink) links[count++] = flow_limit;
  network_flows_.start(flows.group, bytes, {links.data(), count},
                       (std::uint64_t{slot} << 32) | index);
}

void FluidModel::flow_finishes(std::uint64_t tag, Time at) {
  const auto slot = static_cast<Slot>(tag >> 32);
  const Transfer& transfer = flows_[slot].transfers[tag & 0xffffffffu];
  finish(slot, play(slot), transfer.source, transfer.destination, at, transfer.latency);
}

void FluidModel::flow_withdrawn(std::uint64_t tag) {
  const auto slot = static_cast<Slot>(tag >> 32);
  const Transfer& transfer = flows_[slot].transfers[tag & 0xffffffffu];
  withdraw(slot, transfer.source, transfer.destination);
}

void FluidModel::closed(Slot slot) {
  Flows& flows = flows_[slot];
  network_flows_.retire_group(flows.group);
  for (auto* links : {&flows.send_limits, &flows.receive_limits}) {
    for (const auto link : *links) network_flows_.retire_link(link);
    links->clear();
  }
  if (flows.near_limit != kNoLink) network_flows_.retire_link(flows.near_limit);
  if (flows.far_limit != kNoLink) network_flows_.retire_link(flows.far_limit);
}

NetworkCounters FluidModel::counters() const {
  const auto& counters = network_flows_.counters();
  return {counters.flows, counters.computations, counters.flows_touched};
}

}  // namespace moesim::hardware
