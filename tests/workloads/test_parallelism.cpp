#include <doctest/doctest.h>

#include <algorithm>

#include "sim/error.h"
#include "workloads/placement/parallelism.h"

using namespace moesim::workloads;
using Ranks = std::vector<Rank>;

TEST_CASE("ranks are numbered tp fastest, then dp, then pp; experts etp, then ep") {
  // 16 GPUs: tp 2 x dp 4 x pp 2; stages of 8 = etp 1 x ep 4 x edp 2.
  const RankLayout layout({.tp = 2, .pp = 2, .dp = 4, .ep = 4});
  CHECK(layout.ranks() == 16);
  CHECK(layout.tp_group(5) == Ranks{4, 5});
  CHECK(layout.dp_group(5) == Ranks{1, 3, 5, 7});
  // Experts of stage 0: ranks 0-3 hold one whole set, 4-7 another.
  CHECK(layout.ep_group(5) == Ranks{4, 5, 6, 7});
  CHECK(layout.expert(5).ep == 1);
  CHECK(layout.expert(5).edp == 1);
  CHECK(layout.dense(13).pp == 1);
  CHECK(layout.ep_group(13) == Ranks{12, 13, 14, 15});
}

TEST_CASE("tensor parallelism inside experts takes neighbours") {
  // 8 GPUs: tp 4 x dp 2 = etp 2 x ep 4.
  const RankLayout layout({.tp = 4, .dp = 2, .ep = 4, .etp = 2});
  CHECK(layout.etp_group(5) == Ranks{4, 5});
  CHECK(layout.ep_group(5) == Ranks{1, 3, 5, 7});
}

TEST_CASE("another order folds the ranks another way") {
  // dp fastest: with dp 2 x tp 2 the tp group of rank 0 is 0 and 2.
  const RankLayout layout({.tp = 2, .dp = 2, .ep = 2, .etp = 2, .order = "dp-tp-cp-ep-pp"});
  CHECK(layout.tp_group(0) == Ranks{0, 2});
}

TEST_CASE("every rank is in the group it is asked for, and groups partition the ranks") {
  const Parallelism shape{.tp = 2, .pp = 3, .dp = 4, .ep = 4, .etp = 2, .cp = 2};
  const RankLayout layout(shape);
  for (Rank rank = 0; rank < layout.ranks(); ++rank) {
    CHECK(layout.rank_of(layout.dense(rank)) == rank);
    CHECK(layout.rank_of(layout.expert(rank)) == rank);
    for (const Ranks& group : {layout.tp_group(rank), layout.cp_group(rank), layout.dp_group(rank),
                               layout.ep_group(rank), layout.etp_group(rank)}) {
      CHECK(std::find(group.begin(), group.end(), rank) != group.end());
      // A group lies in one stage.
      for (const Rank other : group) CHECK(layout.dense(other).pp == layout.dense(rank).pp);
    }
  }
}

TEST_CASE("a layout that does not divide is refused with what would do") {
  CHECK(check_layout({.tp = 2, .dp = 3, .ep = 4}) ==
        "etp x ep = 1 x 4 does not divide the 6 GPUs of a stage (tp x cp x dp = 2 x 1 x 3); an ep "
        "that divides 6 would");
  CHECK(check_layout({.tp = 2, .etp = 4}) ==
        "etp = 4 does not divide the 2 GPUs of a stage (tp x cp x dp = 2 x 1 x 1)");
  CHECK(check_layout({.dp = 0}) == "dp is 0; a dimension is from 1 to 1048576");
  CHECK(check_layout({.dp = 1 << 20, .cp = 1 << 20}) ==
        "tp x cp x dp x pp = 1099511627776 GPUs; at most 1048576 can be simulated");
  CHECK(check_layout({.order = "tp-dp-pp"}) ==
        "order \"tp-dp-pp\" must name tp, cp, ep and dp once each and end with pp, as "
        "\"tp-cp-ep-dp-pp\" does");
  CHECK_THROWS_WITH_AS(RankLayout({.dp = 3, .ep = 2}),
                       "parallelism: etp x ep = 1 x 2 does not divide the 3 GPUs of a stage (tp x "
                       "cp x dp = 1 x 1 x 3); an ep that divides 3 would",
                       moesim::sim::ConfigError);
}
