#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "workloads/routing/laws/table_routing.h"

using namespace moesim::workloads;

namespace {

std::int64_t sum(const std::vector<std::int64_t>& rows) {
  return std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
}

}  // namespace

TEST_CASE("every selection is computed once and no expert sees a token twice") {
  for (const TableLaw law : {TableLaw::Balanced, TableLaw::PowerLaw, TableLaw::Uniform}) {
    for (const std::int64_t tokens : {1, 7, 64, 1000}) {
      for (std::uint64_t draw = 0; draw < 4; ++draw) {
        const TableRouting r{
            .tokens = tokens, .experts = 64, .top_k = 6, .ranks = 8, .law = law, .alpha = 1.2};
        const std::vector<std::int64_t> loads = table_loads(r, draw);
        CHECK(sum(loads) == tokens * 6);
        CHECK(*std::ranges::max_element(loads) <= tokens);
        CHECK(*std::ranges::min_element(loads) >= 0);
      }
    }
  }
}

TEST_CASE("balanced routing takes every ceil(E / K)-th expert") {
  // E = 8, K = 2: stride 4. Tokens 0, 1, 2 take 0 and 4, 1 and 5, 2 and 6 of T = 4 >= 4.
  const TableRouting r{.tokens = 4, .experts = 8, .top_k = 2, .ranks = 1};
  CHECK(table_loads(r, 0) == std::vector<std::int64_t>{1, 1, 1, 1, 1, 1, 1, 1});
  // T = 2 < 4: token 1 begins at 1 x 4 / 2 = 2.
  const TableRouting few{.tokens = 2, .experts = 8, .top_k = 2, .ranks = 1};
  CHECK(table_loads(few, 0) == std::vector<std::int64_t>{1, 0, 1, 0, 1, 0, 1, 0});
}

TEST_CASE("the measured rank is the most loaded one") {
  const TableRouting r{.tokens = 4096,
                       .experts = 256,
                       .top_k = 8,
                       .ranks = 32,
                       .law = TableLaw::PowerLaw,
                       .alpha = 1.01};
  const std::vector<std::int64_t> loads = table_loads(r, 3), rows = table_rows(r, 3);
  CHECK(rows.size() == 8);
  for (std::size_t rank = 0; rank < 32; ++rank)
    CHECK(sum(rows) >= std::accumulate(loads.begin() + static_cast<std::ptrdiff_t>(rank) * 8,
                                       loads.begin() + static_cast<std::ptrdiff_t>(rank + 1) * 8,
                                       std::int64_t{0}));
}

TEST_CASE("the skew is that of the public generator") {
  // Rows of the most loaded rank over the mean, E = 256, K = 8, mean of 40 draws, read off the
  // generator itself: alpha 1.01, T = 4096: 1.45, 2.55, 3.73, 8.2 with 8, 32, 64, 256 ranks;
  // alpha 1.2: 1.66, 3.39, 5.46, 15.7.
  struct Known {
    double alpha;
    std::int64_t ranks;
    double skew;
  };
  for (const Known& known :
       {Known{1.01, 8, 1.45}, Known{1.01, 32, 2.55}, Known{1.01, 64, 3.73}, Known{1.01, 256, 8.2},
        Known{1.2, 8, 1.66}, Known{1.2, 32, 3.39}, Known{1.2, 64, 5.46}, Known{1.2, 256, 15.7}}) {
    double skew = 0;
    constexpr int kDraws = 40;
    for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
      const TableRouting r{.tokens = 4096,
                           .experts = 256,
                           .top_k = 8,
                           .ranks = known.ranks,
                           .law = TableLaw::PowerLaw,
                           .alpha = known.alpha};
      skew += static_cast<double>(sum(table_rows(r, draw)) * known.ranks) / (4096 * 8) / kDraws;
    }
    CAPTURE(known.alpha);
    CAPTURE(known.ranks);
    CHECK(skew == doctest::Approx(known.skew).epsilon(0.08));
  }
}

TEST_CASE("a law's name carries its exponent") {
  TableRouting r;
  CHECK(parse_table_law("power_law_1.2", r));
  CHECK(r.alpha == 1.2);
  CHECK(parse_table_law("uniform", r));
  CHECK(!parse_table_law("power_law_", r));
  CHECK(!parse_table_law("power_law_x", r));
  CHECK(!parse_table_law("zipf", r));
}

TEST_CASE("EPLB's slots share the hottest experts and the most loaded rank has less to do") {
  for (const std::uint64_t draw : {0, 1, 2, 3}) {
    CAPTURE(draw);
    TableRouting r{.tokens = 4096, .experts = 256, .top_k = 8, .ranks = 8};
    REQUIRE(parse_table_law("power_law_1.2_eplb", r));
    CHECK(r.eplb);
    CHECK(r.alpha == 1.2);
    r.slots = 288;
    const auto placed = table_rows(r, draw);
    CHECK(placed.size() == 36);
    const auto sum = [](const std::vector<std::int64_t>& rows) {
      return std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
    };
    // No rank has less than a fair share of all, if it is the most loaded; in order it has more.
    CHECK(sum(placed) >= 4096);
    TableRouting in_order = r;
    in_order.eplb = false;
    CHECK(sum(placed) < sum(table_rows(in_order, draw)));
    // On one rank all slots are there, and so are all rows.
    r.ranks = 1;
    CHECK(sum(table_rows(r, draw)) == 4096 * 8);
  }
}

TEST_CASE("a replica halves the hottest expert, and the least loaded rank takes the next slot") {
  // A power law's loads are not known by hand; those of 4 tokens on 2 experts with both chosen are:
  // 4 and 4. Four slots: 4 -> 2 + 2, 4 -> 2 + 2; two ranks of two slots each have 2 + 2.
  TableRouting r{.tokens = 4, .experts = 2, .top_k = 2, .ranks = 2};
  REQUIRE(parse_table_law("power_law_1.01_eplb", r));
  r.slots = 4;
  CHECK(table_rows(r, 0) == std::vector<std::int64_t>{2, 2});
  // Three slots for one rank: one expert is shared. 4, 2, 2.
  r.slots = 3;
  r.ranks = 1;
  CHECK(table_rows(r, 0) == std::vector<std::int64_t>{4, 2, 2});
}
