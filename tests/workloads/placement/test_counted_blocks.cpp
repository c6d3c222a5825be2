#include "workloads/placement/counted_blocks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "sim/random.h"
#include "tests/workloads/placement/same_counts.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

// A table of choices that stays, one in a hundred missing; its experts dealt out to ranks at
// random.
template <class Id>
struct Table {
  Table(std::uint32_t rows, std::uint32_t choices, std::uint32_t all, std::uint32_t ranks,
        std::uint64_t seed)
      : top_k(choices), experts(all) {
    sim::Random random(seed, "counted blocks");
    for (std::size_t i = 0; i < std::size_t{rows} * top_k; ++i)
      ids.push_back(random.below(100) == 0 ? static_cast<Id>(-1)
                                           : static_cast<Id>(random.below(experts)));
    std::vector<ExpertId> slots(experts);
    std::iota(slots.begin(), slots.end(), 0u);
    for (std::size_t i = slots.size(); i > 1; --i) std::swap(slots[i - 1], slots[random.below(i)]);
    placement.emplace(slots, experts, ranks);
  }
  RoutingView view(const std::vector<std::uint32_t>& of) const {
    RoutingView v;
    v.tokens = static_cast<std::uint32_t>(of.size());
    v.top_k = top_k;
    v.experts = experts;
    v.ids = ids.data();
    v.rows = of.data();
    v.kept = static_cast<std::uint32_t>(ids.size() / top_k);
    return v;
  }
  std::uint32_t top_k, experts;
  std::vector<Id> ids;
  std::optional<LayerPlacement> placement;
};

// Steps of requests that are drawn, windows that go round, and single rows, cut where ranks end.
template <class Id>
void check_steps(const Table<Id>& table, const DispatchWanted& wanted, std::uint32_t ranks,
                 std::uint32_t ranks_per_node) {
  const auto all = static_cast<std::uint32_t>(table.ids.size() / table.top_k);
  const TokenSources sources = even_sources(ranks, 4 * all / ranks + 1, ranks_per_node);
  CountedBlocks blocks(*table.placement, sources.node);
  sim::Random random(7, "steps");
  DispatchCounts counts, again;
  for (int step = 0; step < 40; ++step) {
    std::vector<std::uint32_t> rows;
    while (rows.size() < sources.begin.back()) {
      const auto first = static_cast<std::uint32_t>(random.below(all));
      const std::uint64_t most = step % 3 == 0 ? 1 : step % 3 == 1 ? 60 : 2000;
      for (std::uint64_t i = 0; i < most && rows.size() < sources.begin.back(); ++i)
        rows.push_back(static_cast<std::uint32_t>((first + i) % all));
    }
    blocks.count(table.view(rows), sources, wanted, counts);
    count_dispatch(table.view(rows), *table.placement, sources, wanted, again);
    CAPTURE(step);
    check_equal(counts, again);
  }
  CHECK(blocks.block() > 0);
}

}  // namespace

TEST_CASE("blocks of a table that stays count what its tokens would, one by one") {
  const DispatchWanted rows{.selections = true, .tokens = false, .node_tokens = false};
  check_steps(Table<std::uint8_t>(1000, 2, 8, 4, 1), {}, 4, 2);
  check_steps(Table<std::uint8_t>(1000, 2, 8, 4, 2), rows, 4, 2);
  check_steps(Table<std::uint16_t>(3001, 8, 256, 16, 3), {}, 16, 8);
  // Of more places than are bits of a token.
  check_steps(Table<std::uint16_t>(777, 8, 512, 256, 4), {}, 256, 8);
  check_steps(Table<ExpertId>(640, 6, 64, 1, 5), {}, 1, 0);
}

TEST_CASE("a run whose counts do not fit 16 bits is counted in parts") {
  // 70,000 rows that all choose experts 0 and 1: as many rows for each, over 65,535.
  Table<std::uint8_t> table(70'000, 2, 2, 1, 6);
  for (std::size_t i = 0; i < table.ids.size(); ++i) table.ids[i] = i % 2;
  const TokenSources sources = even_sources(1, 280'000);
  std::vector<std::uint32_t> rows(280'000);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::uint32_t>(i % 70'000);
  CountedBlocks blocks(*table.placement, sources.node);
  DispatchCounts counts;
  blocks.count(table.view(rows), sources, {}, counts);
  CHECK(counts.rows == std::vector<std::uint32_t>{280'000, 280'000});
  CHECK(counts.tokens == std::vector<std::uint32_t>{280'000});
  CHECK(blocks.block() > 0);
}

TEST_CASE("blocks are for steps that take a table several times, of one that stays") {
  const Table<std::uint8_t> table(1000, 2, 8, 4, 1);
  const TokenSources sources = even_sources(4, 1000), fewer = even_sources(4, 999);
  std::vector<std::uint32_t> rows(4000), of_fewer(3996);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::uint32_t>(i % 1000);
  std::copy_n(rows.begin(), of_fewer.size(), of_fewer.begin());
  DispatchCounts counts, again;
  CountedBlocks blocks(*table.placement, sources.node);
  blocks.count(table.view(of_fewer), fewer, {}, counts);
  CHECK(blocks.block() == 0);
  blocks.count(table.view(rows), sources, {}, counts);
  CHECK(blocks.block() == 16);
  // A step of fewer tokens after it is counted one by one.
  blocks.count(table.view(of_fewer), fewer, {}, counts);
  count_dispatch(table.view(of_fewer), *table.placement, fewer, {}, again);
  check_equal(counts, again);

  CountedBlocks moving(*table.placement, sources.node);
  RoutingView view = table.view(rows);
  view.kept = 0;
  for (int i = 0; i < 5; ++i) moving.count(view, sources, {}, counts);
  CHECK(moving.block() == 0);

  // Each source goes to replicas of its own.
  const LayerPlacement doubled({0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7}, 8, 4);
  CountedBlocks replicas(doubled, sources.node);
  for (int i = 0; i < 5; ++i) replicas.count(table.view(rows), sources, {}, counts);
  CHECK(replicas.block() == 0);
  count_dispatch(table.view(rows), doubled, sources, {}, again);
  check_equal(counts, again);
}
