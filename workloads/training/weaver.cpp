#include "workloads/training/weaver.h"

#include <algorithm>
#include <array>

namespace moesim::workloads {
namespace {

constexpr std::size_t kDependencies = 3;  // of an operation, at most

}  // namespace

Weaver::Weaver(std::span<const double> speeds, const Host& host, sim::Duration lead, bool counts,
               std::size_t ops)
    : speeds_(speeds),
      graph_(static_cast<Rank>(speeds.size()), kTrainingStreams),
      host_(graph_, host, static_cast<Rank>(speeds.size()), lead),
      ranks_(static_cast<Rank>(speeds.size())),
      counts_(counts) {
  graph_.reserve(ops, kDependencies * ops);
}

void Weaver::add(const PassStep& step, std::int64_t layer, Chain& chain) {
  std::string name = step.what;
  if (layer >= 0) name += " L" + std::to_string(layer);
  const sim::LabelId label = graph().add_label({.name = std::move(name), .phase = step.phase});
  const std::size_t phase = step.phase < kPhases ? step.phase : index_of(Phase::Collectives);
  Chain aside;
  if (step.beside) aside = step.exchanges.empty() && !fork_.empty() ? fork_ : chain;
  Chain& on = step.beside ? aside : chain;
  if (step.waits)
    for (Rank r = 0; r < ranks_; ++r) host_.wait(r, chain[r]);
  if (step.exchanges.empty()) {
    for (Rank r = 0; r < ranks_; ++r) {
      const Work& mine = step.works[step.works.size() == 1 ? 0 : r];
      on[r] =
          host_.compute(r, label, time_at(speeds_[r], mine.time), mine.launches, step.scope, on[r]);
      if (counts_) work[phase] += mine;
    }
    return;
  }
  fork_ = chain;
  if (host_.takes_time())
    for (Rank r = 0; r < ranks_; ++r) on[r] = host_.launch(r, step.operations, on[r]);
  const bool tokens =
      step.phase == index_of(Phase::Dispatch) || step.phase == index_of(Phase::Combine);
  for (const hardware::PricedExchange& priced : step.exchanges) {
    const sim::ExchangeId id = graph_.add_exchange(priced.exchange);
    for (const Rank r : priced.exchange.participants)
      on[r] = graph_.add_part(id, r, tokens ? kNetworkStream : kCollectiveStream, label,
                              std::array{on[r]});
    if (counts_) exchanged[phase].add(priced, priced.exchange.participants.size());
  }
}

void add_forward(const NamedPasses& pass, Weaver& weaver, Chain& chain) {
  const LayerForward& f = pass.passes.forward;
  for (const Steps* steps : {&f.attention, &f.dispatch, &f.mlp, &f.combine, &f.tail})
    weaver.add(*steps, pass.layer, chain);
}

void add_backward(const NamedPasses& pass, bool inputs, bool weights, Weaver& weaver,
                  Chain& chain) {
  const LayerBackward& b = pass.passes.backward;
  const auto add = [&](const Steps& steps) { weaver.add(steps, pass.layer, chain); };
  if (inputs)
    for (const Steps* steps : {&b.again, &b.head, &b.combine, &b.mlp}) add(*steps);
  if (weights) add(b.mlp_weights);
  if (inputs) add(b.dispatch);
  if (weights) add(b.shared_weights);
  if (inputs) add(b.attention);
  if (weights) add(b.attention_weights);
}

void add_woven(std::span<const NamedPasses> forward, std::span<const NamedPasses> backward,
               Weaver& weaver) {
  Chain f = weaver.start(), b = weaver.start();
  static const LayerPasses kNone;
  static const NamedPasses kNothing{kNone};
  for (std::size_t i = 0; i < std::max(forward.size(), backward.size()); ++i) {
    const NamedPasses& ahead = i < forward.size() ? forward[i] : kNothing;
    const NamedPasses& behind = i < backward.size() ? backward[backward.size() - 1 - i] : kNothing;
    const LayerForward& next = ahead.passes.forward;
    const LayerBackward& last = behind.passes.backward;
    const auto add_next = [&](const Steps& steps) { weaver.add(steps, ahead.layer, f); };
    const auto add_last = [&](const Steps& steps) { weaver.add(steps, behind.layer, b); };
    add_last(last.again);
    add_last(last.head);
    add_last(last.combine);
    add_next(next.attention);
    add_next(next.dispatch);
    add_last(last.mlp);
    add_last(last.dispatch);
    add_last(last.mlp_weights);
    add_next(next.mlp);
    add_next(next.combine);
    add_last(last.attention);
    add_last(last.attention_weights);
    add_next(next.tail);
  }
}

}  // namespace moesim::workloads
