// A table of played steps over the tokens of a group of dp ranks, made finer where a straight line
// between its points is not good enough. Points are played when a question first needs them.
//
// Lines along the tokens of the fullest rank, which has so many times the mean's: whole numbers; a
// cell [2^k, 2^(k+1)] is halved until the point in its middle lies within `tolerance` of the line
// between its ends, or it is one wide: so both sides of a step at which a kernel changes are found.
// Unequal ranks lie between two lines. Up to twice the mean's, where many ranks are nearly as full,
// between those of 1 and 2, at the tokens of all; beyond, where few are, between those a quarter of
// an octave apart, at the fullest's. On each line half of the ranks are full, or an eighth, …, or
// one: prompts that some of the ranks have make a group of two kinds of ranks.
// Fewer tokens than ranks are points of their own. Where attention and the rest do not add up, a
// second axis: contexts of 1, 2, 4, … keys, halved likewise at each point, read by attention's
// time.
//
// Which points an answer is made of depends on the question alone, not on what was asked before.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "sim/units.h"
#include "workloads/step/factors.h"
#include "workloads/step/group_meetings.h"

namespace moesim::workloads {

// A step that is played for the table: every group of `ranks` dp ranks has `total` sequences (or,
// of prompts, tokens), `fullest` of them on each of `full` of its ranks (is_full), the rest shared
// out evenly.
struct TablePoint {
  bool prompts = false;
  std::int64_t query = 1;  // tokens of a sequence that decodes
  std::int64_t total = 1, fullest = 1, full = 1;
  std::int64_t context = 1;  // keys of each sequence, the first new one included
  auto operator<=>(const TablePoint&) const = default;
};

// Whether a rank, by its place in the group, is one of the full ones: the first, and others as far
// from each other as they can be. REQUIRES: 1 <= full <= ranks
constexpr bool is_full(std::int64_t place, std::int64_t ranks, std::int64_t full) {
  return place == 0 || place * full / ranks != (place - 1) * full / ranks;
}
// How many ranks of a point stand for a group's, whose tokens squared sum to `squares`: were all
// either as full as the fullest or alike, so many would have that sum. Half of them, an eighth, …,
// or one: the next lower. One where the fullest has at most a quarter more than the mean: what
// waits for it is more than what many such ranks take of the links.
std::int64_t full_ranks(std::int64_t ranks, std::int64_t total, std::int64_t fullest,
                        double squares);

// What of a step is not priced exactly.
struct TableRest {
  sim::Duration time{};
  FactorTimes parts{};
};
// How the ranks of a group meet in a step (Meetings), where attention and the rest add up.
struct MetGroup {
  GroupMeetings meetings;
  double more = 0;  // of the played time, ps, beyond what meetings and head come to
};
// A played point, by routing.
struct TableSample {
  std::vector<TableRest> routings;
  std::vector<std::vector<MetGroup>> meetings;  // [routing][group]; or none
  double mean_rest = 0;                         // ps, over the routings
  double mean_time = 0;                         // of the whole step
};

// A sum of samples, by weights that add up to 1.
struct TableBlend {
  struct Part {
    const TableSample* sample = nullptr;
    double weight = 1;
    std::int64_t full = 0;  // ranks of the point that are fuller than the others
  };
  std::vector<Part> parts;

  TableRest of(std::size_t routing) const;
};

class StepTable {
 public:
  struct Axes {
    std::int64_t ranks = 1;  // of a group
    std::int64_t most = 1;   // tokens of the mean rank, at most
    double tolerance = 0.005;
    bool adds_up = true;                 // attention and the rest do
    std::int64_t reference_context = 1;  // at which the tokens' cells are halved
  };
  using Play = std::function<TableSample(const TablePoint&)>;
  // The time of attention of such a step, priced exactly: grows with the context.
  using Attention = std::function<sim::Duration(const TablePoint&)>;

  StepTable(const Axes& axes, Play play, Attention attention)
      : axes_(axes), play_(std::move(play)), attention_(std::move(attention)) {}

  // `at`: without a context; attention's time instead. Valid until forget().
  // REQUIRES: 0 < total <= ranks x most
  TableBlend blend(const TablePoint& at, sim::Duration attention);
  // What it remembers, about.
  std::size_t bytes() const { return bytes_; }
  void forget();

 private:
  // Two neighbouring points of an axis; one, where `from` is `to`.
  struct Cell {
    std::int64_t from = 0, to = 0;
  };
  using Cells = std::vector<Cell>;  // ascending, those that are known
  struct Axis {
    std::int64_t most = 1;
    std::int64_t parts = 1;  // an octave has at least so many cells
  };
  // Where a point lies on an axis, and what is played there, in the mean.
  struct Mark {
    double at = 0, rest = 0, time = 0;
  };
  // A place in a cell: `weight` of its end, the rest of its beginning.
  struct Place {
    Cell cell;
    double weight = 0;
  };

  const TableSample& sample(const TablePoint& point);
  template <class Before, class MarkOf>
  Cell cell(Cells& known, const Axis& axis, Before before, MarkOf mark);
  Place between_ratios(const TablePoint& at) const;
  Place along_tokens(const TablePoint& at, std::int64_t ratio, double fullest);
  void add(const TablePoint& at, std::int64_t ratio, double fullest, sim::Duration attention,
           double weight, TableBlend& blend);
  void along_contexts(TablePoint at, sim::Duration attention, double weight, TableBlend& blend);
  std::int64_t total_of(std::int64_t ratio, std::int64_t fullest, std::int64_t full) const;
  TablePoint line_of(TablePoint at, std::int64_t number) const;
  TablePoint point(TablePoint at, std::int64_t ratio, std::int64_t fullest) const;

  Axes axes_;
  std::size_t bytes_ = 0;
  Play play_;
  Attention attention_;
  std::map<TablePoint, TableSample> samples_;
  std::map<TablePoint, Cells> token_cells_, context_cells_;  // of each line
};

}  // namespace moesim::workloads
