#include "workloads/step/expert_work.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "sim/check.h"
#include "sim/random.h"

namespace moesim::workloads {

ExpertRows::ExpertRows(const RankLayout& layout) : layout_(layout) {
  const Parallelism& p = layout.parallelism();
  tokens_.resize(static_cast<std::size_t>(p.ep * p.edp()));
}

std::size_t ExpertRows::cell(Rank rank) const {
  const ExpertCoordinate& at = layout_.expert(rank);
  return static_cast<std::size_t>(at.ep + layout_.parallelism().ep * at.edp);
}

void ExpertRows::clear(std::uint32_t slots_per_rank) {
  slots_ = slots_per_rank;
  rows_.assign(tokens_.size() * slots_, 0);
  std::fill(tokens_.begin(), tokens_.end(), 0);
}

void ExpertRows::add(const ExpertGroup& group, const DispatchCounts& counts) {
  SIM_CHECK(counts.slots_per_rank == slots_, "counts of another placement");
  for (std::size_t r = 0; r < group.ranks.size(); ++r) {
    const std::size_t to = cell(group.ranks[r]);
    for (std::size_t slot = 0; slot < slots_; ++slot) {
      rows_[to * slots_ + slot] += counts.rows[r * slots_ + slot];
    }
    if (group.replicated) {
      tokens_[to] += group.tokens();
      continue;
    }
    if (counts.tokens.empty()) {
      tokens_[to] += counts.rank_rows(static_cast<std::uint32_t>(r));
      continue;
    }
    for (std::size_t source = 0; source < group.ranks.size(); ++source) {
      tokens_[to] += counts.tokens[source * group.ranks.size() + r];
    }
  }
}

std::span<const std::int64_t> ExpertRows::cell_rows(std::size_t cell) const {
  return std::span(rows_).subspan(cell * slots_, slots_);
}

std::span<const std::int64_t> ExpertRows::rows(Rank rank) const {
  return cell_rows(cell(rank));
}

// Which expert has how many rows does not matter, only how many experts have how many: in order,
// 16 bits each. Nothing where they are more than 4, or one has more rows.
std::optional<std::uint64_t> ExpertPricer::packed(std::span<const std::int64_t> rows) {
  if (rows.size() > 4) return {};
  std::array<std::int64_t, 4> sorted{};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::size_t at = i;
    for (; at > 0 && sorted[at - 1] < rows[i]; --at) sorted[at] = sorted[at - 1];
    sorted[at] = rows[i];
  }
  if (sorted[0] > 0xFFFF) return {};
  std::uint64_t bits = 0;
  for (const std::int64_t count : sorted) bits = bits << 16 | static_cast<std::uint64_t>(count);
  return bits;
}

std::size_t ExpertPricer::HashOfMany::operator()(const Many& many) const {
  std::uint64_t hash = static_cast<std::uint64_t>(many.tokens);
  const auto add = [&](double number) {
    hash = sim::mix(hash ^ std::bit_cast<std::uint64_t>(number));
  };
  for (const double tiles : many.rows.tiles) add(tiles);
  add(many.rows.rows);
  add(many.rows.active);
  add(many.rows.most);
  return hash;
}

const Work& ExpertPricer::price(const MoeFfn& moe, std::span<const std::int64_t> rows,
                                std::int64_t tokens) {
  Kind& kind = kind_of(moe, rows.size());
  const auto bits = packed(rows);
  if (!bits || tokens > std::numeric_limits<std::uint32_t>::max()) {
    const Many question{.rows = hardware::group_rows(rows), .tokens = tokens};
    const auto [known, is_new] = kind.many.try_emplace(question);
    if (is_new) known->second = work_of(kind, question.rows, tokens);
    return known->second;
  }
  make_room(kind);
  const auto reaching = static_cast<std::uint32_t>(tokens);
  Few& place = place_of(*bits, reaching, kind.few);
  if (place.work == 0) {
    works_.push_back(work_of(kind, hardware::group_rows(rows), tokens));
    place = {*bits, reaching, static_cast<std::uint32_t>(works_.size())};
    ++kind.taken;
  }
  return works_[place.work - 1];
}

ExpertPricer::Kind& ExpertPricer::kind_of(const MoeFfn& moe, std::size_t slots) {
  for (Kind& kind : kinds_)
    if (kind.moe == &moe && kind.slots == slots) return kind;
  return kinds_.emplace_back(
      Kind{.moe = &moe,
           .slots = slots,
           .costs = pricing_.kernels.moe_costs({.hidden = moe.dispatch_width(pricing_.model.hidden),
                                                .inter = (moe.inter + etp_ - 1) / etp_,
                                                .top_k = moe.top_k,
                                                .experts = moe.experts,
                                                .rows = {},
                                                .precision = pricing_.precision.experts,
                                                .gated = moe.gated,
                                                .routed = !sorted_},
                                               pricing_.share)});
}

// For one more of few.
void ExpertPricer::make_room(Kind& kind) {
  if (2 * kind.taken < kind.few.size()) return;
  std::vector<Few> table(std::max<std::size_t>(256, 2 * kind.few.size()));
  for (const Few& one : kind.few)
    if (one.work != 0) place_of(one.rows, one.tokens, table) = one;
  kind.few = std::move(table);
}

ExpertPricer::Few& ExpertPricer::place_of(std::uint64_t rows, std::uint32_t tokens,
                                          std::vector<Few>& table) {
  const std::uint64_t bits = (rows ^ std::uint64_t{tokens} << 40) * 0x9E3779B97F4A7C15;
  const std::size_t mask = table.size() - 1;
  std::size_t at = (bits ^ bits >> 32) & mask;
  while (table[at].work != 0 && (table[at].rows != rows || table[at].tokens != tokens))
    at = (at + 1) & mask;
  return table[at];
}

Work ExpertPricer::work_of(const Kind& kind, const hardware::GroupRows& rows, std::int64_t tokens) {
  Work work;
  if (rows.rows > 0) work += kind.costs.of(tokens, rows);
  return work;
}

}  // namespace moesim::workloads
