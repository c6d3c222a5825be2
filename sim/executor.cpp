#include "sim/executor.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/check.h"
#include "sim/error.h"

namespace moesim::sim {
namespace {

constexpr Time kNever = Time::max();

class Execution final : public ExchangeListener {
 public:
  Execution(const OpGraph& graph, Engine& engine, ExchangeModel& network)
      : graph_(graph), engine_(engine), network_(network), blockers_(graph.size()) {
    timeline_.spans.assign(graph.size(), Span{.start = kNever, .end = kNever});
    index_successors();
  }

  Timeline run() {
    for (OpId id = 0; id < graph_.size(); ++id) {
      if (blockers_[id] == 0) start(id);
    }
    engine_.run();
    if (done_ != graph_.size()) throw DeadlockError(describe_stuck());
    timeline_.finish = engine_.now();
    return std::move(timeline_);
  }

  void rank_done(ExchangeId exchange, Rank rank) override {
    const auto& participants = graph_.exchanges()[exchange].participants;
    const auto found = std::lower_bound(participants.begin(), participants.end(), rank);
    finish(graph_.parts(exchange)[static_cast<std::size_t>(found - participants.begin())]);
  }

 private:
  // The graph knows what an op waits for; the execution needs who waits for an op.
  void index_successors() {
    first_successor_.assign(graph_.size() + 1, 0);
    for (OpId id = 0; id < graph_.size(); ++id) {
      const auto waits = graph_.waits_for(id);
      blockers_[id] = static_cast<std::uint32_t>(waits.size());
      for (const OpId before : waits) ++first_successor_[before + 1];
    }
    for (std::size_t i = 1; i < first_successor_.size(); ++i) {
      first_successor_[i] += first_successor_[i - 1];
    }
    successors_.resize(first_successor_.back());
    std::vector<std::uint32_t> next(first_successor_.begin(), first_successor_.end() - 1);
    for (OpId id = 0; id < graph_.size(); ++id) {
      for (const OpId before : graph_.waits_for(id)) successors_[next[before]++] = id;
    }
  }

  void start(OpId id) {
    timeline_.spans[id].start = engine_.now();
    const Op& op = graph_.op(id);
    if (op.kind == OpKind::Exchange) {
      network_.arrive(op.exchange, graph_.exchanges()[op.exchange], op.rank, *this);
    } else {
      engine_.after(op.duration, [this, id] { finish(id); });
    }
  }

  void finish(OpId id) {
    SIM_CHECK(timeline_.spans[id].end == kNever, "an operation finished twice");
    timeline_.spans[id].end = engine_.now();
    ++done_;
    for (std::uint32_t i = first_successor_[id]; i < first_successor_[id + 1]; ++i) {
      if (--blockers_[successors_[i]] == 0) start(successors_[i]);
    }
  }

  std::string describe_stuck() const {
    constexpr int kMostNamed = 8;
    std::string text = "no event is left but these operations are not done:";
    int stuck = 0;
    for (OpId id = 0; id < graph_.size(); ++id) {
      if (timeline_.spans[id].end != kNever) continue;
      // What waits only for others that are stuck tells nothing: name those that could have gone
      // on.
      if (timeline_.spans[id].start == kNever && !waits_only_for_done(id)) continue;
      if (++stuck > kMostNamed) continue;
      const Op& op = graph_.op(id);
      text += fmt::format(
          "{} rank {} {} ({})", stuck == 1 ? "" : ",", op.rank, graph_.label(op.label).name,
          timeline_.spans[id].start == kNever ? "never started" : "started, never finished");
    }
    if (stuck > kMostNamed) text += fmt::format(" and {} more", stuck - kMostNamed);
    return text;
  }

  bool waits_only_for_done(OpId id) const {
    const auto waits = graph_.waits_for(id);
    return std::all_of(waits.begin(), waits.end(),
                       [&](OpId before) { return timeline_.spans[before].end != kNever; });
  }

  const OpGraph& graph_;
  Engine& engine_;
  ExchangeModel& network_;
  std::vector<std::uint32_t> blockers_;  // what each op still waits for
  std::vector<std::uint32_t> first_successor_;
  std::vector<OpId> successors_;
  Timeline timeline_;
  std::size_t done_ = 0;
};

}  // namespace

Timeline execute(const OpGraph& graph, Engine& engine, ExchangeModel& network) {
  return Execution(graph, engine, network).run();
}

}  // namespace moesim::sim
