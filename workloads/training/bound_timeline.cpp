#include "workloads/training/bound_timeline.h"

#include <algorithm>
#include <vector>

#include "sim/check.h"

namespace moesim::workloads {

sim::Timeline bound_timeline(const sim::OpGraph& graph, hardware::BoundClocks& network) {
  sim::Timeline timeline;
  timeline.spans.resize(graph.size());
  std::vector<std::size_t> missing;  // parts of each exchange that have not come
  for (const sim::Exchange& exchange : graph.exchanges())
    missing.push_back(exchange.participants.size());
  std::vector<sim::Time> arrivals;
  for (sim::OpId id = 0; id < graph.size(); ++id) {
    const sim::Op& op = graph.op(id);
    sim::Span& span = timeline.spans[id];
    for (const sim::OpId before : graph.waits_for(id)) {
      const sim::Op& other = graph.op(before);
      SIM_CHECK(other.kind != sim::OpKind::Exchange || missing[other.exchange] == 0,
                "an operation between the parts of the exchange that it waits for");
      span.start = std::max(span.start, timeline.spans[before].end);
    }
    if (op.kind != sim::OpKind::Exchange) {
      span.end = span.start + op.duration;
      timeline.finish = std::max(timeline.finish, span.end);
      continue;
    }
    if (--missing[op.exchange] > 0) continue;
    const auto parts = graph.parts(op.exchange);
    arrivals.clear();
    for (const sim::OpId part : parts) arrivals.push_back(timeline.spans[part].start);
    const auto played = network.play(graph.exchanges()[op.exchange], arrivals);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      timeline.spans[parts[i]].end = played.done[i];
      timeline.finish = std::max(timeline.finish, played.done[i]);
    }
  }
  SIM_CHECK(std::ranges::all_of(missing, [](std::size_t parts) { return parts == 0; }),
            "an exchange without all of its parts");
  return timeline;
}

}  // namespace moesim::workloads
