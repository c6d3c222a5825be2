#include "workloads/placement/counted_runs.h"

#include <doctest/doctest.h>

#include <numeric>

#include "sim/random.h"
#include "tests/workloads/placement/same_counts.h"

using namespace moesim::workloads;

namespace {

// A stored trace of 1,000 tokens, two choices of 8 experts each; one in a hundred is missing.
struct Stored {
  explicit Stored(std::uint64_t seed) {
    moesim::sim::Random random(seed, "test");
    for (int i = 0; i < 2000; ++i)
      ids.push_back(random.below(100) == 0 ? std::uint16_t{0xFFFF}
                                           : static_cast<std::uint16_t>(random.below(8)));
  }
  RoutingView view(const std::vector<std::uint32_t>& rows) const {
    RoutingView v;
    v.tokens = static_cast<std::uint32_t>(rows.size());
    v.top_k = 2;
    v.experts = 8;
    v.ids = ids.data();
    v.rows = rows.data();
    return v;
  }
  std::vector<std::uint16_t> ids;
};

// Runs of consecutive rows, one after another.
std::vector<std::uint32_t> rows_of(
    std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> runs) {
  std::vector<std::uint32_t> rows;
  for (const auto& [first, count] : runs)
    for (std::uint32_t i = 0; i < count; ++i) rows.push_back(first + i);
  return rows;
}

}  // namespace

TEST_CASE("remembered runs of tokens count what counting them again would") {
  // Four ranks on two nodes, 200 tokens each. Requests of 150 and 64 tokens come several times, cut
  // where a rank ends; runs of 10 are too short to remember.
  const Stored stored(1), other(2);
  std::vector<ExpertId> slots(8);
  std::iota(slots.begin(), slots.end(), 0u);
  for (const bool shuffled : {false, true}) {
    if (shuffled) std::swap(slots[1], slots[6]);
    const LayerPlacement placement(slots, 8, 4);
    const TokenSources sources = even_sources(4, 200, 2);
    const std::vector<std::uint32_t> rows = rows_of({{300, 150},
                                                     {10, 10},
                                                     {600, 40},  // rank 0
                                                     {300, 150},
                                                     {20, 50},  // 1
                                                     {0, 64},
                                                     {0, 64},
                                                     {64, 72},  // 2
                                                     {300, 150},
                                                     {900, 50}});  // 3
    for (const DispatchWanted& wanted : {DispatchWanted{}, DispatchWanted{true, false, false},
                                         DispatchWanted{false, true, false}}) {
      CountedRuns runs(placement);
      DispatchCounts counted, remembered;
      count_dispatch(stored.view(rows), placement, sources, wanted, counted);
      for (int again = 0; again < 2; ++again) {
        const RowRuns of_rows(rows.data(), sources);
        runs.count(stored.view(rows), sources, wanted, remembered, again == 0 ? nullptr : &of_rows);
        check_equal(remembered, counted);
        // 300 to 449, 600 to 639, 20 to 69, 0 to 63, 900 to 949; and, where 0 to 63 are followed by
        // 64 to 135, all of these.
        CHECK(runs.remembered() == 6);
      }
      // The same rows of another trace are other choices.
      count_dispatch(other.view(rows), placement, sources, wanted, counted);
      runs.count(other.view(rows), sources, wanted, remembered);
      check_equal(remembered, counted);
    }
  }
}

TEST_CASE("a routing that lies nowhere is counted as it is") {
  LayerRouting routing{200, 1, 2, std::vector<ExpertId>(200, 1)};
  const LayerPlacement placement({0, 1}, 2, 2);
  CountedRuns runs(placement);
  DispatchCounts counts;
  runs.count(routing, even_sources(2, 100), {}, counts);
  CHECK(counts.rows == std::vector<std::uint32_t>{0, 200});
  CHECK(runs.remembered() == 0);
}

TEST_CASE("rows that follow each other are a run, as far as a source goes") {
  // Rank 0 has rows 5, 6, 7, 7; rank 1 none; rank 2 rows 8 and 9, which follow rank 0's.
  const std::vector<std::uint32_t> rows{5, 6, 7, 7, 8, 9};
  const RowRuns runs(rows.data(), {{0, 4, 4, 6}, {}});
  const auto is = [&](std::uint32_t source, std::size_t i, std::uint32_t row,
                      std::uint32_t tokens) {
    return runs.of(source)[i].row == row && runs.of(source)[i].tokens == tokens;
  };
  REQUIRE(runs.of(0).size() == 2);
  CHECK(is(0, 0, 5, 3));
  CHECK(is(0, 1, 7, 1));
  CHECK(runs.of(1).empty());
  REQUIRE(runs.of(2).size() == 1);
  CHECK(is(2, 0, 8, 2));
}
