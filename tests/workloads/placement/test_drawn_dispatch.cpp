// Counts that are drawn against those of tokens that are drawn one by one: the same joint law.
#include "workloads/placement/drawn_dispatch.h"

#include <doctest/doctest.h>

#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tests/workloads/routing/laws/chi_square.h"
#include "workloads/routing/laws/law_sets.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

LawSpec zipf(std::uint32_t experts, std::uint32_t top_k, std::uint32_t groups,
             std::uint32_t per_token, std::uint32_t tokens) {
  return {.law = Law::Zipf,
          .skew = 0.7,
          .experts = experts,
          .top_k = top_k,
          .tokens_per_step = tokens,
          .groups = groups,
          .groups_per_token = per_token,
          .seed = 4};
}

// All that is counted, as one outcome.
std::vector<std::uint32_t> outcome_of(const DispatchCounts& counts) {
  std::vector<std::uint32_t> all = counts.rows;
  for (const auto* more : {&counts.selections, &counts.tokens, &counts.node_tokens})
    all.insert(all.end(), more->begin(), more->end());
  return all;
}

struct Both {
  Both(const LawSpec& law, const ExpertPlacement& placed, const TokenSources& from)
      : spec(law), placement(placed.layers.front()), sources(from), source(law) {}

  DispatchCounts one_by_one(std::uint32_t step) {
    LayerRouting routing;
    source.route({step, 0, 0, spec.tokens_per_step}, routing);
    DispatchCounts counts;
    count_dispatch(routing, placement, sources, {}, counts);
    return counts;
  }
  DispatchCounts drawn(std::uint32_t step) {
    if (!dispatch) dispatch = DrawnDispatch::of(*law_sets(spec, 0, 0), placement, sources.node, {});
    REQUIRE(dispatch);
    DispatchCounts counts;
    dispatch->count(law_key(spec, step, 0), 0, sources, counts);
    return counts;
  }

  LawSpec spec;
  const LayerPlacement& placement;
  TokenSources sources;
  LawSource source;
  std::optional<DrawnDispatch> dispatch = {};
};

void check_same_law(Both& both, std::uint32_t steps) {
  std::map<std::vector<std::uint32_t>, double> a, b;
  for (std::uint32_t step = 0; step < steps; ++step) {
    ++a[outcome_of(both.one_by_one(step))];
    ++b[outcome_of(both.drawn(step))];
  }
  CHECK(a.size() > 20);
  CHECK(tests::excess_between(a, b) < 5);
}

}  // namespace

TEST_CASE("few tokens' counts, all together, come as often as those of tokens") {
  // So few that each vector of all counts comes many times: what is bound to what shows in it.
  SUBCASE("without groups, two nodes of two ranks") {
    const auto placement = linear_placement({.experts = 8, .ranks = 4});
    Both both(zipf(8, 3, 1, 1, 2), placement, {{0, 2, 2, 2, 2}, {0, 0, 1, 1}});
    check_same_law(both, 60'000);
  }
  SUBCASE("a group lies on two ranks of its own, two groups on a node") {
    const auto placement = linear_placement({.experts = 16, .ranks = 8});
    Both both(zipf(16, 4, 4, 2, 1), placement,
              {{0, 0, 1, 1, 1, 1, 1, 1, 1}, {0, 0, 0, 0, 1, 1, 1, 1}});
    check_same_law(both, 60'000);
  }
  SUBCASE("two groups on a rank, two ranks on a node") {
    const auto placement = linear_placement({.experts = 8, .ranks = 4});
    Both both(zipf(8, 4, 8, 4, 2), placement, {{0, 0, 2, 2, 2}, {0, 0, 1, 1}});
    check_same_law(both, 60'000);
  }
  SUBCASE("a group over two nodes of its own, experts dealt within it") {
    // Slots of a rank out of order: which expert a row is of shows.
    const ExpertPlacement placement{"hand", {LayerPlacement({2, 1, 3, 0, 7, 5, 4, 6}, 8, 4)}};
    Both both(zipf(8, 2, 2, 1, 2), placement, {{0, 1, 1, 1, 2}, {0, 1, 2, 3}});
    check_same_law(both, 60'000);
  }
}

TEST_CASE("many tokens' counts have the means and the spread of tokens' counts, and add up") {
  // 8 ranks on two nodes, 1,024 tokens each but the last, which has none; groups of two ranks.
  for (const std::uint32_t groups : {1u, 4u}) {
    CAPTURE(groups);
    const auto placement = linear_placement({.experts = 32, .ranks = 8});
    TokenSources sources = even_sources(8, 1024, 4);
    sources.begin.back() = 7 * 1024;
    Both both(zipf(32, 4, groups, groups == 1 ? 1 : 2, 7 * 1024), placement, sources);
    constexpr std::uint32_t kSteps = 300;
    std::vector<double> mean[2], square[2];
    for (std::uint32_t step = 0; step < kSteps; ++step) {
      for (int which = 0; which < 2; ++which) {
        const DispatchCounts counts = which == 0 ? both.one_by_one(step) : both.drawn(step);
        REQUIRE(std::accumulate(counts.rows.begin(), counts.rows.end(), 0u) == 7 * 1024 * 4);
        for (std::uint32_t r = 0; r < 8; ++r) {
          std::uint32_t received = 0;
          for (std::uint32_t s = 0; s < 8; ++s) {
            received += counts.selections[s * 8 + r];
            REQUIRE(counts.tokens[s * 8 + r] <= counts.selections[s * 8 + r]);
            REQUIRE(counts.tokens[s * 8 + r] <= counts.node_tokens[s * 2 + r / 4]);
          }
          REQUIRE(received == counts.rank_rows(r));
          REQUIRE(counts.selections[7 * 8 + r] == 0);
        }
        const std::vector<std::uint32_t> all = outcome_of(counts);
        mean[which].resize(all.size()), square[which].resize(all.size());
        for (std::size_t i = 0; i < all.size(); ++i) {
          mean[which][i] += all[i] / double(kSteps);
          square[which][i] += double(all[i]) * all[i] / kSteps;
        }
      }
    }
    double ratios = 0;
    std::size_t spread = 0;
    for (std::size_t i = 0; i < mean[0].size(); ++i) {
      const double a = square[0][i] - mean[0][i] * mean[0][i];
      const double b = square[1][i] - mean[1][i] * mean[1][i];
      CAPTURE(i);
      CHECK(std::abs(mean[0][i] - mean[1][i]) <= 5 * std::sqrt((a + b) / kSteps) + 1e-9);
      if (a < 1) continue;
      ratios += std::log(b / a), ++spread;
    }
    // The log of a ratio of two variances has a standard deviation of 2 / sqrt(300) = 0.12; the
    // mean of a hundred, of which some are bound to each other, is well within a third of that.
    REQUIRE(spread > 100);
    CHECK(std::abs(ratios / double(spread)) < 0.04);
  }
}

TEST_CASE("the same tokens have the same counts, others others") {
  const auto placement = linear_placement({.experts = 8, .ranks = 2});
  Both both(zipf(8, 2, 1, 1, 512), placement, even_sources(2, 256));
  CHECK(outcome_of(both.drawn(3)) == outcome_of(both.drawn(3)));
  CHECK(outcome_of(both.drawn(3)) != outcome_of(both.drawn(4)));
  DispatchCounts first, later;
  both.dispatch->count(7, 0, both.sources, first);
  both.dispatch->count(7, 512, both.sources, later);
  CHECK(outcome_of(first) != outcome_of(later));
}

TEST_CASE("what is not wanted is empty, and what is wanted has the same law") {
  const auto placement = linear_placement({.experts = 8, .ranks = 4});
  const LawSpec law = zipf(8, 3, 1, 1, 2);
  const TokenSources sources{{0, 2, 2, 2, 2}, {0, 0, 1, 1}};
  Both both(law, placement, sources);
  // Without selections sets of one rank and of the same rank twice are one class.
  both.dispatch = DrawnDispatch::of(*law_sets(law, 0, 0), placement.layers.front(), sources.node,
                                    {.selections = false});
  CHECK(both.drawn(0).selections.empty());
  CHECK(
      both.dispatch->draws() <
      DrawnDispatch::of(*law_sets(law, 0, 0), placement.layers.front(), sources.node, {})->draws());
  std::map<std::vector<std::uint32_t>, double> a, b;
  for (std::uint32_t step = 0; step < 60'000; ++step) {
    DispatchCounts counts = both.one_by_one(step);
    counts.selections.clear();
    ++a[outcome_of(counts)];
    ++b[outcome_of(both.drawn(step))];
  }
  CHECK(tests::excess_between(a, b) < 5);
  both.dispatch = DrawnDispatch::of(*law_sets(law, 0, 0), placement.layers.front(), sources.node,
                                    {true, false, false});
  CHECK(both.drawn(0).tokens.empty());
  CHECK(both.drawn(0).node_tokens.empty());
  CHECK(both.drawn(0).selections.size() == 16);
}

TEST_CASE("replicas and groups that share some places are left to tokens") {
  const ChoiceSets sets = *law_sets(zipf(16, 4, 4, 2, 64), 0, 0);
  const auto replicas = linear_placement({.experts = 16, .redundant = 4, .ranks = 4});
  CHECK_FALSE(DrawnDispatch::of(sets, replicas.layers.front(), {}, {}));
  // Dealt like cards each of 4 groups has an expert on each of 4 ranks.
  const auto dealt = round_robin_placement({.experts = 16, .ranks = 4});
  CHECK_FALSE(DrawnDispatch::of(sets, dealt.layers.front(), {}, {}));
  // Choices alone are told by the groups' own sets.
  CHECK(DrawnDispatch::of(sets, dealt.layers.front(), {}, {true, false, false}));
  const auto linear = linear_placement({.experts = 16, .ranks = 4});
  CHECK(DrawnDispatch::of(sets, linear.layers.front(), {}, {}));
}
