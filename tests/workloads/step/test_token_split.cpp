#include <doctest/doctest.h>

#include "workloads/step/token_split.h"

using namespace moesim::workloads;
using Ranks = std::vector<Rank>;
using Begins = std::vector<std::uint32_t>;

TEST_CASE("things divide into parts that differ by one, the larger first") {
  // 11 in 4 parts: 3, 3, 3, 2.
  CHECK(part_of(11, 4, 0) == 3);
  CHECK(part_of(11, 4, 2) == 3);
  CHECK(part_of(11, 4, 3) == 2);
}

TEST_CASE("with one tp rank each rank routes the tokens of its dp rank") {
  // dp 4 = ep 4: one group of all ranks, 5 tokens each.
  const auto groups = expert_groups(RankLayout({.dp = 4, .ep = 4}), std::array<std::int64_t, 1>{5});
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].ranks == Ranks{0, 1, 2, 3});
  CHECK(groups[0].begin == Begins{0, 5, 10, 15, 20});
}

TEST_CASE("tp ranks share out the tokens where experts are spread over them") {
  // tp 2 x dp 2 = ep 4; 5 tokens a dp rank: its tp ranks take 3 and 2.
  const auto groups =
      expert_groups(RankLayout({.tp = 2, .dp = 2, .ep = 4}), std::array<std::int64_t, 1>{5});
  REQUIRE(groups.size() == 1);
  CHECK(groups[0].begin == Begins{0, 3, 5, 8, 10});
}

TEST_CASE("replicas of the experts are groups of their own, whose tokens lie together") {
  // dp 4 = ep 2 x edp 2: ranks 0, 1 and ranks 2, 3.
  const auto groups = expert_groups(RankLayout({.dp = 4, .ep = 2}), std::array<std::int64_t, 1>{3});
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].first_token == 0);
  CHECK(groups[1].ranks == Ranks{2, 3});
  CHECK(groups[1].first_token == 6);
}

TEST_CASE("experts split like the dense part leave every tp rank with all tokens") {
  // tp 4 = etp 4, dp 2: two groups of one, each with the 7 tokens of its dp rank.
  const Parallelism shape{.tp = 4, .dp = 2, .etp = 4};
  CHECK_FALSE(tokens_are_sharded(shape));
  const auto groups = expert_groups(RankLayout(shape), std::array<std::int64_t, 1>{7});
  REQUIRE(groups.size() == 2);
  CHECK(groups[1].ranks == Ranks{4});
  CHECK(groups[1].begin == Begins{0, 7});
  CHECK(groups[1].first_token == 7);
}

TEST_CASE("an engine that keeps all tokens on every tp rank counts them once for its experts") {
  // tp 4 = ep 2 x etp 2, dp 2: the experts of ranks 0 to 3 and of 4 to 7 are divided in two; ranks
  // 0 and 2 (4 and 6) are the ep group of the first tp rank. All 7 tokens count as that rank's.
  const Parallelism shape{.tp = 4, .dp = 2, .ep = 2, .etp = 2};
  constexpr auto kReplicated = ExpertsInTensorGroup::Replicated;
  CHECK(tokens_are_sharded(shape));
  CHECK_FALSE(tokens_are_sharded(shape, kReplicated));
  const auto groups = expert_groups(RankLayout(shape), std::array<std::int64_t, 1>{7}, kReplicated);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].ranks == Ranks{0, 2});
  CHECK(groups[0].begin == Begins{0, 7, 7});
  CHECK(groups[0].replicated);
  CHECK(groups[1].ranks == Ranks{4, 6});
  CHECK(groups[1].first_token == 7);
  // Experts over more than the tp ranks, or numbered apart from them, are sent their tokens.
  CHECK(tokens_are_sharded({.tp = 2, .dp = 2, .ep = 4}, kReplicated));
  CHECK(tokens_are_sharded({.tp = 2, .dp = 2, .ep = 2, .order = "dp-tp-cp-ep-pp"}, kReplicated));
  // One rank holds its own alone.
  CHECK_FALSE(
      expert_groups(RankLayout({.tp = 4, .etp = 4}), std::array<std::int64_t, 1>{7}, kReplicated)[0]
          .replicated);
}

TEST_CASE("every token of a micro-batch is routed by exactly one rank") {
  for (const Parallelism& shape :
       {Parallelism{.tp = 2, .dp = 4, .ep = 8}, Parallelism{.tp = 2, .dp = 4, .ep = 2, .etp = 4},
        Parallelism{.tp = 4, .dp = 2, .ep = 4, .cp = 2}, Parallelism{.pp = 2, .dp = 4, .ep = 4},
        Parallelism{.tp = 2, .dp = 2, .etp = 2}}) {
    CAPTURE(shape.ep);
    std::uint32_t sum = 0;
    for (const ExpertGroup& group :
         expert_groups(RankLayout(shape), std::array<std::int64_t, 1>{13})) {
      CHECK(group.first_token == sum);
      sum += group.tokens();
    }
    CHECK(sum == 13 * shape.dp);
  }
}
