#include "workloads/step/step_table.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace moesim::workloads {

using sim::Duration;

namespace {

constexpr std::int64_t kMostContext = std::int64_t{1} << 24;
// Cells of tokens are at most a quarter of where they begin: tiles of rows bend the line back and
// forth, and the middle of an octave may lie on it by chance. Attention is straight in contexts.
constexpr std::int64_t kTokenCells = 4, kRatioCells = 4, kContextCells = 1;
// Lines of half of the ranks full, of an eighth, …, of one.
constexpr std::int64_t kFullSteps = 4;
constexpr std::int64_t kOne = 64;  // ratios are whole numbers of 64ths

double picoseconds(Duration time) {
  return static_cast<double>(time.count());
}

Duration rounded(double ps) {
  return Duration(std::llround(ps));
}

}  // namespace

std::int64_t full_ranks(std::int64_t ranks, std::int64_t total, std::int64_t fullest,
                        double squares) {
  // A part p of them has f, the others m - p (f - m) / (1 - p), m being the mean: their variance is
  // p / (1 - p) (f - m)^2.
  const auto n = static_cast<double>(ranks);
  const double mean = static_cast<double>(total) / n;
  const double above = static_cast<double>(fullest) - mean;
  const double variance = std::max(0.0, squares / n - mean * mean);
  if (4 * above <= mean) return 1;
  // Rounding must not make half of the ranks fewer.
  const double part = variance / (variance + above * above) * (1 + 1e-9);
  const auto most = std::min<std::int64_t>(static_cast<std::int64_t>(part * n), total / fullest);
  std::int64_t full = std::max<std::int64_t>(1, ranks / 2);
  while (full > 1 && full > most) full = std::max<std::int64_t>(1, full / kFullSteps);
  return full;
}

TableRest TableBlend::of(std::size_t routing) const {
  double time = 0;
  std::array<double, kFactors> sums{};
  for (const Part& part : parts) {
    const TableRest& rest = part.sample->routings[routing];
    time += part.weight * picoseconds(rest.time);
    for (std::size_t f = 0; f < kFactors; ++f) sums[f] += part.weight * picoseconds(rest.parts[f]);
  }
  TableRest rest{.time = rounded(time)};
  for (std::size_t f = 0; f < kFactors; ++f) rest.parts[f] = rounded(sums[f]);
  return rest;
}

void StepTable::forget() {
  samples_.clear();
  bytes_ = 0;
  token_cells_.clear();
  context_cells_.clear();
}

const TableSample& StepTable::sample(const TablePoint& point) {
  if (const auto found = samples_.find(point); found != samples_.end()) return found->second;
  const TableSample& made = samples_.emplace(point, play_(point)).first->second;
  bytes_ += sizeof(TablePoint) + sizeof(TableSample) + made.routings.size() * sizeof(TableRest);
  for (const auto& groups : made.meetings) {
    for (const MetGroup& group : groups) bytes_ += group.meetings.bytes();
  }
  return made;
}

// The cell of the axis, 1 … most, that is asked for: `before(x)` says whether what is asked for
// lies before x. REQUIRES: !before(1)
template <class Before, class MarkOf>
StepTable::Cell StepTable::cell(Cells& known, const Axis& axis, Before before, MarkOf mark) {
  const auto found =
      std::ranges::partition_point(known, [&](const Cell& cell) { return !before(cell.to); });
  if (found != known.end() && !before(found->from)) return *found;
  if (!before(axis.most)) return {axis.most, axis.most};
  Cell cell{1, std::min<std::int64_t>(2, axis.most)};
  while (!before(cell.to)) cell = {cell.to, std::min(2 * cell.to, axis.most)};
  while (cell.to - cell.from > 1) {
    const std::int64_t middle = cell.from + (cell.to - cell.from) / 2;
    bool straight = false;
    if ((cell.to - cell.from) * axis.parts <= cell.from) {
      const Mark a = mark(cell.from), b = mark(cell.to), m = mark(middle);
      const double w = b.at != a.at ? (m.at - a.at) / (b.at - a.at) : 0;
      const double line = a.rest + w * (b.rest - a.rest);
      straight = std::abs(line - m.rest) <= axes_.tolerance * m.time;
    }
    (before(middle) ? cell.to : cell.from) = middle;
    if (straight) break;
  }
  known.insert(found, cell);
  return cell;
}

// Of all ranks, where the fullest, and so many others, have so many 64ths of the mean one's.
std::int64_t StepTable::total_of(std::int64_t ratio, std::int64_t fullest,
                                 std::int64_t full) const {
  return std::max(fullest * full, (fullest * axes_.ranks * kOne + ratio - 1) / ratio);
}

// What the cells of a line are remembered by.
TablePoint StepTable::line_of(TablePoint at, std::int64_t number) const {
  if (number == kOne) at.full = 1;
  at.total = number;
  at.fullest = 0;
  at.context = axes_.reference_context;
  return at;
}

TablePoint StepTable::point(TablePoint at, std::int64_t ratio, std::int64_t fullest) const {
  if (ratio == kOne) at.full = 1;  // all are alike
  at.total = total_of(ratio, fullest, at.full);
  at.fullest = fullest;
  at.context = axes_.reference_context;
  return at;
}

TableBlend StepTable::blend(const TablePoint& at, Duration attention) {
  TableBlend blend;
  if (at.total < axes_.ranks) {  // some rank has nothing: few such points, each played
    TablePoint itself = at;
    itself.full = 1;
    itself.context = axes_.reference_context;
    along_contexts(itself, attention, 1, blend);
    return blend;
  }
  const double ratio = static_cast<double>(at.fullest) * static_cast<double>(axes_.ranks) /
                       static_cast<double>(at.total);
  if (ratio < 2) {
    // About equal: what all have counts, and ranks as full as the fullest are many.
    const double mean = static_cast<double>(at.total) / static_cast<double>(axes_.ranks);
    add(at, kOne, mean, attention, 2 - ratio, blend);
    if (ratio > 1) add(at, 2 * kOne, 2 * mean, attention, ratio - 1, blend);
    return blend;
  }
  // A few are far fuller: what the fullest has counts.
  const auto [lines, weight] = between_ratios(at);
  const auto fullest = static_cast<double>(at.fullest);
  add(at, lines.from, fullest, attention, 1 - weight, blend);
  if (weight > 0) add(at, lines.to, fullest, attention, weight, blend);
  return blend;
}

// Of a fullest rank: between which lines the tokens of all lie.
StepTable::Place StepTable::between_ratios(const TablePoint& at) const {
  const std::int64_t ratio = at.fullest * axes_.ranks * kOne / at.total;
  const auto width =
      static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(ratio))) / kRatioCells;
  // Where the fullest has more than the mean may have the others have less.
  const std::int64_t least = (at.fullest * kOne + axes_.most - 1) / axes_.most;
  const std::int64_t below = ratio / width * width;
  const Cell lines{std::max(below, least),
                   std::max(std::min(below + width, axes_.ranks * kOne / at.full), least)};
  const auto from = static_cast<double>(total_of(lines.from, at.fullest, at.full)),
             to = static_cast<double>(total_of(lines.to, at.fullest, at.full));
  return {lines, from > to ? (from - static_cast<double>(at.total)) / (from - to) : 0};
}

// On a line: where so many tokens of the fullest lie.
StepTable::Place StepTable::along_tokens(const TablePoint& at, std::int64_t ratio, double fullest) {
  const Cell found = cell(
      token_cells_[line_of(at, ratio)], {axes_.most * ratio / kOne, kTokenCells},
      [&](std::int64_t tokens) { return fullest < static_cast<double>(tokens); },
      [&](std::int64_t tokens) {
        const TableSample& played = sample(point(at, ratio, tokens));
        return Mark{static_cast<double>(tokens), played.mean_rest, played.mean_time};
      });
  const auto width = static_cast<double>(found.to - found.from);
  return {found, width > 0 ? (fullest - static_cast<double>(found.from)) / width : 0};
}

void StepTable::add(const TablePoint& at, std::int64_t ratio, double fullest, Duration attention,
                    double weight, TableBlend& blend) {
  const Place place = along_tokens(at, ratio, fullest);
  along_contexts(point(at, ratio, place.cell.from), attention, weight * (1 - place.weight), blend);
  if (place.weight > 0)
    along_contexts(point(at, ratio, place.cell.to), attention, weight * place.weight, blend);
}

void StepTable::along_contexts(TablePoint at, Duration attention, double weight,
                               TableBlend& blend) {
  if (axes_.adds_up) {
    const bool alike = at.fullest * axes_.ranks == at.total;
    blend.parts.push_back({&sample(at), weight, alike ? 0 : at.full});
    return;
  }
  const auto with = [&](std::int64_t context) {
    TablePoint there = at;
    there.context = context;
    return there;
  };
  const auto attention_at = [&](std::int64_t context) { return attention_(with(context)); };
  const Duration looked_up = std::max(attention, attention_at(1));
  const Cell found = cell(
      context_cells_[with(1)], {kMostContext, kContextCells},
      [&](std::int64_t context) { return looked_up < attention_at(context); },
      [&](std::int64_t context) {
        const TableSample& played = sample(with(context));
        return Mark{picoseconds(attention_at(context)), played.mean_rest, played.mean_time};
      });
  const double a = picoseconds(attention_at(found.from)), b = picoseconds(attention_at(found.to));
  const double w = b > a ? (picoseconds(looked_up) - a) / (b - a) : 0;
  blend.parts.push_back({&sample(with(found.from)), weight * (1 - w)});
  if (w > 0) blend.parts.push_back({&sample(with(found.to)), weight * w});
}

}  // namespace moesim::workloads
