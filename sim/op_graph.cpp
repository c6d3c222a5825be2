#include "sim/op_graph.h"

#include <algorithm>

#include "sim/check.h"

namespace moesim::sim {

OpGraph::OpGraph(Rank ranks, std::uint8_t streams_per_rank)
    : ranks_(ranks),
      streams_(streams_per_rank),
      last_on_stream_(std::size_t{ranks} * streams_per_rank, kNoOp) {}

LabelId OpGraph::add_label(Label label) {
  labels_.push_back(std::move(label));
  return static_cast<LabelId>(labels_.size() - 1);
}

void OpGraph::reserve(std::size_t ops, std::size_t dependencies) {
  ops_.reserve(ops);
  first_dependency_.reserve(ops + 1);
  dependencies_.reserve(dependencies);
}

OpId OpGraph::add(const Op& op, std::span<const OpId> after) {
  const auto id = static_cast<OpId>(ops_.size());
  SIM_CHECK(op.rank < ranks_, "an operation of a rank that is not in the graph");
  SIM_CHECK(op.label < labels_.size(), "an operation with a label that is not in the graph");
  OpId previous = kNoOp;
  if (op.kind != OpKind::Delay) {
    SIM_CHECK(op.stream < streams_, "an operation on a stream that its rank has not");
    OpId& last = last_on_stream_[std::size_t{op.rank} * streams_ + op.stream];
    previous = last;
    last = id;
  }
  for (const OpId before : after) {
    if (before == kNoOp || before == previous) continue;
    SIM_CHECK(before < id, "an operation waits for one that is not there yet");
    dependencies_.push_back(before);
  }
  if (previous != kNoOp) dependencies_.push_back(previous);
  ops_.push_back(op);
  first_dependency_.push_back(static_cast<std::uint32_t>(dependencies_.size()));
  return id;
}

OpId OpGraph::add_delay(Rank rank, LabelId label, Duration time, std::span<const OpId> after) {
  return add({.kind = OpKind::Delay, .rank = rank, .label = label, .duration = time}, after);
}

OpId OpGraph::add_compute(Rank rank, std::uint8_t stream, LabelId label, Duration time,
                          std::span<const OpId> after) {
  return add(
      {.kind = OpKind::Compute, .stream = stream, .rank = rank, .label = label, .duration = time},
      after);
}

ExchangeId OpGraph::add_exchange(Exchange exchange) {
  SIM_CHECK(std::is_sorted(exchange.participants.begin(), exchange.participants.end()),
            "the participants of an exchange ascend");
  SIM_CHECK(exchange.participants.empty() || exchange.participants.back() < ranks_,
            "an exchange with a rank that is not in the graph");
  parts_.emplace_back(exchange.participants.size(), kNoOp);
  exchanges_.push_back(std::move(exchange));
  return static_cast<ExchangeId>(exchanges_.size() - 1);
}

OpId OpGraph::add_part(ExchangeId exchange, Rank rank, std::uint8_t stream, LabelId label,
                       std::span<const OpId> after) {
  const auto& participants = exchanges_[exchange].participants;
  const auto found = std::lower_bound(participants.begin(), participants.end(), rank);
  SIM_CHECK(found != participants.end() && *found == rank, "a part for a rank that takes no part");
  OpId& part = parts_[exchange][static_cast<std::size_t>(found - participants.begin())];
  SIM_CHECK(part == kNoOp, "a rank takes part in an exchange once");
  part = add({.kind = OpKind::Exchange,
              .stream = stream,
              .rank = rank,
              .label = label,
              .exchange = exchange},
             after);
  return part;
}

std::span<const OpId> OpGraph::waits_for(OpId id) const {
  return std::span(dependencies_)
      .subspan(first_dependency_[id], first_dependency_[id + 1] - first_dependency_[id]);
}

}  // namespace moesim::sim
