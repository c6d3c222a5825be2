#include "tools/report/trace_counters.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "hardware/network/path_table.h"

namespace moesim::tools {
namespace {

using sim::OpId;
using workloads::Phase;

struct Change {
  sim::Time at{};
  double by = 0;
};

// One value an instant; what is left at the end of all changes is nothing, not a rounding error.
Counter counter_of(std::string name, double base, std::vector<Change> changes) {
  std::ranges::stable_sort(changes, {}, &Change::at);
  Counter counter{.name = std::move(name), .values = {{sim::Time{}, base}}};
  double value = base;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    value += changes[i].by;
    if (i + 1 < changes.size() && changes[i + 1].at == changes[i].at) continue;
    if (i + 1 == changes.size()) value = base;
    if (counter.values.back().first == changes[i].at) counter.values.pop_back();
    counter.values.emplace_back(changes[i].at, value);
  }
  return counter;
}

sim::Span span_of(const workloads::Recording& recording, sim::ExchangeId id) {
  sim::Span span{sim::Time::max(), {}};
  for (const OpId part : recording.graph.parts(id)) {
    if (part == sim::kNoOp) continue;
    span.start = std::min(span.start, recording.timeline.spans[part].start);
    span.end = std::max(span.end, recording.timeline.spans[part].end);
  }
  return span;
}

bool is_phase(const sim::OpGraph& graph, const sim::Op& op, Phase phase) {
  return workloads::phase_of(graph.label(op.label).phase) == phase;
}

}  // namespace

std::vector<Counter> link_counters(const workloads::Recording& recording,
                                   const hardware::Cluster& cluster, std::size_t most) {
  const auto& exchanges = recording.graph.exchanges();
  const hardware::Topology& topology = *cluster.topology;
  hardware::PathTable paths(cluster.topology);
  std::vector<std::vector<Change>> changes(topology.links.size());
  std::vector<double> busy(topology.links.size());  // seconds at full capacity
  for (sim::ExchangeId id = 0; id < exchanges.size(); ++id) {
    const sim::Exchange& exchange = exchanges[id];
    const sim::Span span = span_of(recording, id);
    const double seconds = sim::to_us(span.end - span.start) * 1e-6;
    std::map<hardware::LinkId, double> bytes;
    for_each_transfer(exchange, [&](const sim::Transfer& transfer) {
      const bool near = cluster.near(transfer.source, transfer.destination);
      const double wire = static_cast<double>(transfer.bytes.count()) *
                          (near ? exchange.near.factor : exchange.far.factor);
      for (const auto link : paths.all_links(transfer.source, transfer.destination))
        bytes[link] += wire;
    });
    if (!(seconds > 0)) continue;
    for (const auto& [link, amount] : bytes) {
      const double full = amount / topology.links[link].capacity.bytes_per_second();
      busy[link] += full;
      changes[link].push_back({span.start, full / seconds});
      changes[link].push_back({span.end, -full / seconds});
    }
  }
  std::vector<hardware::LinkId> order;
  for (hardware::LinkId link = 0; link < busy.size(); ++link) {
    if (busy[link] > 0) order.push_back(link);
  }
  std::ranges::stable_sort(order, [&](auto a, auto b) { return busy[a] > busy[b]; });
  if (order.size() > most) order.resize(most);
  std::vector<Counter> counters;
  for (const auto link : order)
    counters.push_back(counter_of(topology.link_name(link), 0, std::move(changes[link])));
  return counters;
}

std::vector<OpId> experts_of_dispatches(const sim::OpGraph& graph) {
  std::vector<OpId> experts(graph.size(), sim::kNoOp);
  for (OpId id = 0; id < graph.size(); ++id) {
    const sim::Op& op = graph.op(id);
    if (op.kind != sim::OpKind::Compute || !is_phase(graph, op, Phase::Experts)) continue;
    for (const OpId before : graph.waits_for(id)) {
      const sim::Op& part = graph.op(before);
      if (part.kind == sim::OpKind::Exchange && is_phase(graph, part, Phase::Dispatch))
        experts[before] = id;
    }
  }
  return experts;
}

std::vector<Counter> memory_counters(const workloads::Recording& recording,
                                     const workloads::MemoryReport& memory) {
  const sim::OpGraph& graph = recording.graph;
  const std::vector<OpId> experts = experts_of_dispatches(graph);
  std::vector<std::vector<Change>> changes(graph.ranks());
  for (sim::ExchangeId id = 0; id < graph.exchanges().size(); ++id) {
    if (!is_phase(graph, graph.op(graph.parts(id).front()), Phase::Dispatch)) continue;
    std::vector<double> received(graph.ranks());
    for_each_transfer(graph.exchanges()[id], [&](const sim::Transfer& transfer) {
      received[transfer.destination] += static_cast<double>(transfer.bytes.count());
    });
    for (const OpId part : graph.parts(id)) {
      if (part == sim::kNoOp || experts[part] == sim::kNoOp) continue;
      const sim::Rank rank = graph.op(part).rank;
      changes[rank].push_back({recording.timeline.spans[part].start, received[rank]});
      changes[rank].push_back({recording.timeline.spans[experts[part]].end, -received[rank]});
    }
  }
  std::vector<Counter> counters;
  if (memory.capacity == 0) return counters;
  for (sim::Rank rank = 0; rank < graph.ranks(); ++rank) {
    counters.push_back(counter_of("memory", static_cast<double>(memory.peak - memory.activations),
                                  std::move(changes[rank])));
    counters.back().rank = rank;
  }
  return counters;
}

std::vector<Counter> memory_counters(const workloads::TrainingReport& training) {
  std::vector<Counter> counters;
  for (const auto& kept : training.memory_timeline) {
    const auto row =
        std::ranges::find(training.memory, kept.rank, [](const auto& r) { return r.rank; });
    if (row == training.memory.end() || kept.instants.empty()) continue;
    const double most = std::ranges::max_element(kept.instants, {}, [](const auto& at) {
                          return at.second;
                        })->second;
    const double stays = static_cast<double>(row->memory.peak()) - most;
    Counter counter{.name = "memory", .rank = static_cast<sim::Rank>(kept.rank), .values = {}};
    for (const auto& [us, bytes] : kept.instants)
      counter.values.emplace_back(sim::Time{} + sim::picoseconds_rounded_up(us * 1e6),
                                  stays + bytes);
    counters.push_back(std::move(counter));
  }
  return counters;
}

}  // namespace moesim::tools
