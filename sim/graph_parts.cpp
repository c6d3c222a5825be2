#include "sim/graph_parts.h"

#include <algorithm>
#include <numeric>

#include "sim/check.h"

namespace moesim::sim {
namespace {

// Ranks that belong together, by their first one.
class Ties {
 public:
  explicit Ties(Rank ranks) : first_(ranks) { std::iota(first_.begin(), first_.end(), Rank{0}); }
  Rank first_of(Rank rank) {
    while (first_[rank] != rank) rank = first_[rank] = first_[first_[rank]];
    return rank;
  }
  void tie(Rank a, Rank b) {
    a = first_of(a);
    b = first_of(b);
    if (a != b) first_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<Rank> first_;
};

}  // namespace

GraphParts::GraphParts(const OpGraph& graph)
    : graph_(graph),
      rank_place_(graph.ranks()),
      op_place_(graph.size()),
      exchange_place_(graph.exchanges().size()) {
  Ties ties(graph.ranks());
  for (const Exchange& exchange : graph.exchanges())
    for (const Rank rank : exchange.participants) ties.tie(exchange.participants.front(), rank);
  for (OpId id = 0; id < graph.size(); ++id)
    for (const OpId before : graph.waits_for(id))
      ties.tie(graph.op(id).rank, graph.op(before).rank);

  std::vector<std::uint32_t> part_of(graph.ranks());
  const auto place_in = [](auto& list, auto what) {
    list.push_back(what);
    return static_cast<std::uint32_t>(list.size() - 1);
  };
  for (Rank rank = 0; rank < graph.ranks(); ++rank) {
    const Rank first = ties.first_of(rank);
    if (first == rank) parts_.emplace_back();
    part_of[rank] = first == rank ? static_cast<std::uint32_t>(parts_.size() - 1) : part_of[first];
    rank_place_[rank] = place_in(parts_[part_of[rank]].ranks, rank);
  }
  for (OpId id = 0; id < graph.size(); ++id)
    op_place_[id] = place_in(parts_[part_of[graph.op(id).rank]].ops, id);
  for (ExchangeId id = 0; id < graph.exchanges().size(); ++id) {
    const auto& participants = graph.exchanges()[id].participants;
    if (!participants.empty())
      exchange_place_[id] = place_in(parts_[part_of[participants.front()]].exchanges, id);
  }
}

bool GraphParts::equal_ops(OpId a, OpId b) const {
  const Op &x = graph_.op(a), &y = graph_.op(b);
  if (x.kind != y.kind || x.stream != y.stream || x.duration != y.duration ||
      rank_place_[x.rank] != rank_place_[y.rank])
    return false;
  if (x.kind == OpKind::Exchange && exchange_place_[x.exchange] != exchange_place_[y.exchange])
    return false;
  return std::ranges::equal(
      graph_.waits_for(a), graph_.waits_for(b), {}, [&](OpId id) { return op_place_[id]; },
      [&](OpId id) { return op_place_[id]; });
}

bool GraphParts::equal_exchanges(ExchangeId a, ExchangeId b) const {
  const Exchange &x = graph_.exchanges()[a], &y = graph_.exchanges()[b];
  const auto place = [&](Rank rank) { return rank_place_[rank]; };
  const auto same_wire = [](const Wire& v, const Wire& w) {
    return v.factor == w.factor && v.flow_limit == w.flow_limit;
  };
  const auto same_transfer = [&](const Transfer& s, const Transfer& t) {
    return place(s.source) == place(t.source) && place(s.destination) == place(t.destination) &&
           s.bytes == t.bytes;
  };
  const Messages &m = x.messages, &n = y.messages;
  const bool same_counts = m.counts == n.counts || (m.counts && n.counts && *m.counts == *n.counts);
  return std::ranges::equal(x.participants, y.participants, {}, place, place) &&
         std::ranges::equal(x.transfers, y.transfers, same_transfer) && same_counts &&
         m.size == n.size && m.back == n.back && same_wire(x.near, y.near) &&
         same_wire(x.far, y.far) && x.startup == y.startup && x.completion == y.completion &&
         x.send_limit == y.send_limit && x.receive_limit == y.receive_limit &&
         x.barrier == y.barrier;
}

// Exchanges first: parts that differ mostly do by the first of them.
bool GraphParts::equal(std::size_t a, std::size_t b) const {
  const Part &x = parts_[a], &y = parts_[b];
  return x.ranks.size() == y.ranks.size() &&
         std::ranges::equal(
             x.exchanges, y.exchanges,
             [&](ExchangeId one, ExchangeId other) { return equal_exchanges(one, other); }) &&
         std::ranges::equal(x.ops, y.ops,
                            [&](OpId one, OpId other) { return equal_ops(one, other); });
}

OpGraph GraphParts::only(std::span<const std::uint32_t> parts) const {
  OpGraph some(graph_.ranks(), graph_.streams());
  for (const Label& label : graph_.labels()) some.add_label(label);
  std::vector<OpId> now(graph_.size(), kNoOp);
  for (const std::uint32_t part : parts) {
    const ExchangeId first = static_cast<ExchangeId>(some.exchanges().size());
    for (const ExchangeId id : parts_[part].exchanges) some.add_exchange(graph_.exchanges()[id]);
    for (const OpId id : parts_[part].ops) {
      const Op& op = graph_.op(id);
      std::vector<OpId> after;
      for (const OpId before : graph_.waits_for(id)) after.push_back(now[before]);
      switch (op.kind) {
        case OpKind::Delay:
          now[id] = some.add_delay(op.rank, op.label, op.duration, after);
          break;
        case OpKind::Compute:
          now[id] = some.add_compute(op.rank, op.stream, op.label, op.duration, after);
          break;
        case OpKind::Exchange:
          now[id] = some.add_part(first + exchange_place_[op.exchange], op.rank, op.stream,
                                  op.label, after);
          break;
      }
    }
  }
  return some;
}

Timeline GraphParts::whole(const Timeline& played, std::span<const std::uint32_t> parts,
                           std::span<const std::uint32_t> stands_for) const {
  Timeline timeline{.spans = std::vector<Span>(graph_.size()), .finish = played.finish};
  std::vector<std::size_t> first(parts_.size());  // of its operations in what was played
  std::size_t played_ops = 0;
  for (const std::uint32_t part : parts) {
    first[part] = played_ops;
    played_ops += parts_[part].ops.size();
  }
  SIM_CHECK(played_ops == played.spans.size(), "the timeline of these parts");
  for (std::size_t part = 0; part < parts_.size(); ++part)
    for (std::size_t i = 0; i < parts_[part].ops.size(); ++i)
      timeline.spans[parts_[part].ops[i]] = played.spans[first[stands_for[part]] + i];
  return timeline;
}

}  // namespace moesim::sim
