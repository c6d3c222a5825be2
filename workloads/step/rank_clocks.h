// When each rank is done with what it does, reckoned operation by operation in the order in which
// RankOps would put them into a graph: where exchanges are closed forms nothing needs to be queued.
// The times are those that the graph's play gives, to the picosecond.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/network/bound_clocks.h"
#include "sim/exchange.h"
#include "sim/timeline.h"
#include "workloads/step/factors.h"
#include "workloads/step/phases.h"
#include "workloads/step/work.h"

namespace moesim::workloads {

using sim::Rank;

// What is kept beside the times: how each rank's time divides, and what the step waited for.
struct KeptTimes {
  bool ranks = true;
  // A rank never does two things at once: its time divides as it goes, and no operation is kept.
  // REQUIRES: that it is so, and one stage
  bool one_by_one = false;
  bool path = true;
  bool meetings = false;
};

// Where ranks wait for each other: each of their dispatches, and the end of the layers. REQUIRES:
// one micro-batch, one stage
struct Meetings {
  // Of each rank at each meeting: how long after all had come to the one before it came, its
  // attention since then apart.
  std::vector<std::vector<sim::Duration>> after;  // [rank][meeting]
  std::vector<sim::Time> done;                    // of each rank: the end
};

// An instant, and the operation that ended then.
struct ClockNode {
  sim::Time at{};
  std::uint32_t mark = ~std::uint32_t{0};
};

// How the ranks' time divides: of each, what is nobody's work; of all of them, by place_of().
struct RankTimes {
  std::vector<sim::RankTime> ranks;  // without phases
  std::vector<sim::PhaseTime> places;
  // Takes what a rank has by place.
  void add(sim::RankTime&& rank);
};

class RankClocks {
 public:
  using Node = ClockNode;
  using Chain = std::vector<Node>;
  static constexpr Node kNothing{};
  using Label = std::uint32_t;  // place_of()

  // Both outlive this. `per_launch` as for RankOps; `stage_ranks` ranks a stage, one after another.
  RankClocks(const hardware::Cluster& cluster, hardware::BoundClocks& network, Rank ranks,
             Rank stage_ranks, sim::Duration per_launch, const KeptTimes& kept);

  Label label(const char*, std::int64_t layer, Phase phase, char) {
    if (phase == Phase::Head && kept_.meetings && !in_head_) part();
    const Label place = place_of(layer, phase);
    places_ = std::max(places_, place + 1);
    return place;
  }
  Node think(Rank rank, Label label, sim::Duration time, const Node& after);
  Node compute(Rank rank, Label label, const Work& work, const Node& after);
  void exchange(sim::Exchange what, Label label, Chain& chain);
  void send(const sim::Exchange& what, Rank source, Rank destination, Label label, Chain& chain);
  // What counts begins here: what was before filled the pipeline.
  void start_counting();

  sim::Time finish() const { return latest_; }
  sim::Duration time() const { return latest_ - filled_; }
  // As rank_times() of the graph over the windows of PlayedStep. REQUIRES: they were kept
  RankTimes rank_times() const;
  // As path_of() of the played step. REQUIRES: it was kept
  PhaseTimes path() const;
  // REQUIRES: they were kept; ends the step
  Meetings meetings();

 private:
  // What an operation took of the time that counts, and the one that it waited for.
  struct Mark {
    sim::Duration time{};
    std::uint32_t before = 0;
    Rank rank = 0;
    Phase phase{};
    sim::OpKind kind{};
  };
  const Node& later(const Node& a, const Node& b) const;
  Node done(Rank rank, Label place, sim::OpKind kind, const Node& from, sim::Time end);
  void keep(Rank rank, const sim::RankSpan& span);
  void play(const sim::Exchange& exchange, Label place, std::span<const Node> from);
  void meet(const sim::Exchange& exchange);
  void part();
  sim::Time last_of(Rank rank) const;

  Rank stage_ranks_;
  sim::Duration per_launch_;
  KeptTimes kept_;
  hardware::BoundClocks& network_;
  std::vector<double> speed_;                // of each rank
  std::vector<Node> host_, compute_, wire_;  // of each rank: what its host and streams did last
  std::vector<Mark> marks_;
  std::vector<std::vector<sim::RankSpan>>
      spans_;  // of each rank; none where it divides as it goes:
  struct Divided {
    sim::Duration idle{};
    sim::Time until{};
  };
  std::vector<Divided> divided_;                // of each rank, so far
  std::vector<sim::PhaseTime> divided_places_;  // of all
  std::vector<sim::Duration> waited_for_;
  sim::Time latest_{}, filled_{};
  std::vector<sim::Time> stage_done_;
  std::vector<Node> arrivals_, ends_;  // of the exchange at hand
  std::vector<sim::Time> instants_;
  Meetings meetings_;
  std::vector<sim::Time> met_;            // of each rank: when all had come to its last meeting
  std::vector<sim::Duration> attention_;  // of each rank, since then
  bool in_head_ = false;
  Label places_ = kPhases;  // above all that were asked for
};

}  // namespace moesim::workloads
