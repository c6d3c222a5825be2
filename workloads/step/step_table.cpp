#include "workloads/step/step_table.h"

#include <algorithm>
#include <cmath>

namespace moesim::workloads {

using sim::Duration;

namespace {

constexpr std::int64_t kMostContext = std::int64_t{1} << 24;
// Cells of tokens are at most a quarter of where they begin: tiles of rows bend the line back and
// forth, and the middle of an octave may lie on it by chance. Attention is straight in contexts.
constexpr std::int64_t kTokenCells = 4, kContextCells = 1;

double picoseconds(Duration time) {
  return static_cast<double>(time.count());
}

Duration rounded(double ps) {
  return Duration(std::llround(ps));
}

}  // namespace

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

bool TableBlend::extrapolated() const {
  return outside ||
         std::ranges::any_of(parts, [](const Part& part) { return part.sample->extrapolated; });
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
    for (const GroupMeetings& group : groups) bytes_ += group.after.size() * sizeof(double);
  }
  return made;
}

// The cell of the axis, 1 … most, that is asked for: `before(x)` says whether what is asked for
// lies before x. `sample(x)` is where x lies on the line, and its sample. REQUIRES: !before(1)
template <class Before, class Sample>
StepTable::Cell StepTable::cell(Cells& known, const Axis& axis, Before before, Sample sample) {
  const auto found =
      std::ranges::partition_point(known, [&](const Cell& cell) { return !before(cell.to); });
  if (found != known.end() && !before(found->from)) return *found;
  if (!before(axis.most)) return {axis.most, axis.most};
  Cell cell{1, std::min<std::int64_t>(2, axis.most)};
  while (!before(cell.to)) cell = {cell.to, std::min(2 * cell.to, axis.most)};
  while (cell.to - cell.from > 1) {
    const std::int64_t middle = cell.from + (cell.to - cell.from) / 2;
    const auto [a, from] = sample(cell.from);
    const auto [b, to] = sample(cell.to);
    const auto [m, played] = sample(middle);
    const double w = b > a ? (m - a) / (b - a) : 0;
    const double line = from->mean_rest + w * (to->mean_rest - from->mean_rest);
    const bool narrow = (cell.to - cell.from) * axis.parts <= cell.from;
    (before(middle) ? cell.to : cell.from) = middle;
    if (narrow && std::abs(line - played->mean_rest) <= axes_.tolerance * played->mean_time) break;
  }
  known.insert(found, cell);
  return cell;
}

TablePoint StepTable::point(TablePoint at, std::int64_t ratio, std::int64_t tokens) const {
  at.total = tokens * axes_.ranks;
  at.fullest = std::min(ratio * tokens, at.total);
  return at;
}

TableBlend StepTable::blend(const TablePoint& at, Duration attention) {
  TableBlend blend;
  if (at.total < axes_.ranks) {  // some rank has nothing: few such points, each played
    TablePoint itself = at;
    itself.context = axes_.reference_context;
    along_contexts(itself, attention, 1, blend);
    return blend;
  }
  // The fullest rank has as many times the tokens of the mean one.
  const double ratio =
      static_cast<double>(at.fullest * axes_.ranks) / static_cast<double>(at.total);
  std::int64_t low = 1;
  while (2 * low <= axes_.ranks && 2.0 * static_cast<double>(low) <= ratio) low *= 2;
  const std::int64_t high = std::min(2 * low, axes_.ranks);
  const double w =
      high > low ? (ratio - static_cast<double>(low)) / static_cast<double>(high - low) : 0;
  along_tokens(at, low, attention, 1 - w, blend);
  if (w > 0) along_tokens(at, high, attention, w, blend);
  return blend;
}

void StepTable::along_tokens(TablePoint at, std::int64_t ratio, Duration attention, double weight,
                             TableBlend& blend) {
  const double x = static_cast<double>(at.total) / static_cast<double>(axes_.ranks);
  at.context = axes_.reference_context;
  const Cell found = cell(
      token_cells_[point(at, ratio, 1)], {axes_.most, kTokenCells},
      [&](std::int64_t tokens) { return x < static_cast<double>(tokens); },
      [&](std::int64_t tokens) {
        return std::pair{static_cast<double>(tokens), &sample(point(at, ratio, tokens))};
      });
  const double w = found.to > found.from ? (x - static_cast<double>(found.from)) /
                                               static_cast<double>(found.to - found.from)
                                         : 0;
  along_contexts(point(at, ratio, found.from), attention, weight * (1 - w), blend);
  if (w > 0) along_contexts(point(at, ratio, found.to), attention, weight * w, blend);
}

void StepTable::along_contexts(TablePoint at, Duration attention, double weight,
                               TableBlend& blend) {
  if (axes_.adds_up) {
    blend.parts.push_back({&sample(at), weight, at.fullest * axes_.ranks != at.total});
    return;
  }
  const auto with = [&](std::int64_t context) {
    TablePoint there = at;
    there.context = context;
    return there;
  };
  const auto attention_at = [&](std::int64_t context) { return attention_(with(context)); };
  if (attention < attention_at(1) || attention > attention_at(kMostContext)) blend.outside = true;
  const Duration looked_up = std::max(attention, attention_at(1));
  const Cell found = cell(
      context_cells_[with(1)], {kMostContext, kContextCells},
      [&](std::int64_t context) { return looked_up < attention_at(context); },
      [&](std::int64_t context) {
        return std::pair{picoseconds(attention_at(context)), &sample(with(context))};
      });
  const double a = picoseconds(attention_at(found.from)), b = picoseconds(attention_at(found.to));
  const double w = b > a ? (picoseconds(looked_up) - a) / (b - a) : 0;
  blend.parts.push_back({&sample(with(found.from)), weight * (1 - w)});
  if (w > 0) blend.parts.push_back({&sample(with(found.to)), weight * w});
}

}  // namespace moesim::workloads
