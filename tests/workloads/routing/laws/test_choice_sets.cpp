// The sets that a law's tokens choose, by hand and against the sampler that draws them.
#include "workloads/routing/laws/choice_sets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "tests/workloads/routing/laws/chi_square.h"
#include "workloads/routing/counter_random.h"
#include "workloads/routing/laws/law_sets.h"
#include "workloads/routing/laws/load_source.h"

using namespace moesim;
using namespace moesim::workloads;

TEST_CASE("one of three experts: the sets are the experts, by their popularity") {
  const std::vector<double> weights{2, 1, 1};
  const WeightedSets sets = subset_sets(weights, 1, 7);
  REQUIRE(sets.size() == 3);
  const double sum = std::accumulate(sets.weights.begin(), sets.weights.end(), 0.0);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(sets.weights[i] / sum == doctest::Approx(weights[sets.set(i)[0]] / 4).epsilon(1e-8));
}

TEST_CASE("an expert's share of its sets is the share that was asked for") {
  // 40 experts, the n-th wanted 1/n times as often: the first is in every set of six.
  std::vector<double> weights(40);
  for (std::size_t e = 0; e < 40; ++e) weights[e] = 1 / (1.0 + double(e));
  const WeightedSets sets = subset_sets(weights, 6, 3);
  std::vector<double> share(40);
  double sum = 0;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    CHECK(std::ranges::is_sorted(sets.set(i)));
    CHECK(std::ranges::adjacent_find(sets.set(i)) == sets.set(i).end());
    for (const std::uint32_t e : sets.set(i)) share[e] += sets.weights[i];
    sum += sets.weights[i];
  }
  const std::vector<double> wanted = inclusion_probabilities(weights, 6);
  CHECK(wanted[0] == 1);
  for (std::size_t e = 0; e < 40; ++e)
    CHECK(share[e] / sum == doctest::Approx(wanted[e]).epsilon(1e-6));
}

TEST_CASE("a sampler draws each of the sets as often as its weight says, with and without groups") {
  std::vector<double> weights(16);
  for (std::size_t e = 0; e < 16; ++e) weights[e] = 1 / (3.0 + double(e * 5 % 16));
  for (const GroupLimit limit : {GroupLimit{1, 1}, GroupLimit{4, 2}}) {
    CAPTURE(limit.groups);
    const std::uint32_t top_k = 4;
    const ChoiceSampler sampler(weights, top_k, limit.groups, limit.per_token, 11);
    const ChoiceSets sets = choice_sets(weights, top_k, limit, 11);
    // Every choice that can be: a set of groups, a set within each of them.
    std::map<std::vector<std::uint32_t>, double> law;
    const auto total = [](const WeightedSets& of) {
      return std::accumulate(of.weights.begin(), of.weights.end(), 0.0);
    };
    const auto within = [&](auto& self, std::span<const std::uint32_t> groups,
                            std::vector<std::uint32_t> chosen, double p) -> void {
      if (groups.empty()) {
        std::ranges::sort(chosen);
        law[chosen] += p;
        return;
      }
      const WeightedSets& inside = sets.inside[groups.front()];
      for (std::size_t i = 0; i < inside.size(); ++i) {
        std::vector<std::uint32_t> more = chosen;
        more.insert(more.end(), inside.set(i).begin(), inside.set(i).end());
        self(self, groups.subspan(1), more, p * inside.weights[i] / total(inside));
      }
    };
    for (std::size_t i = 0; i < sets.groups.size(); ++i)
      within(within, sets.groups.set(i), {}, sets.groups.weights[i] / total(sets.groups));
    constexpr int kDraws = 400'000;
    std::map<std::vector<std::uint32_t>, double> seen;
    for (const auto& [choice, p] : law) seen[choice] = 0;
    std::vector<ExpertId> out(top_k);
    for (std::uint64_t t = 0; t < kDraws; ++t) {
      sampler.draw(counter_bits(5, t), out.data());
      std::vector<std::uint32_t> choice(out.begin(), out.end());
      std::ranges::sort(choice);
      REQUIRE(seen.contains(choice));
      ++seen[choice];
    }
    std::vector<double> observed, expected;
    for (const auto& [choice, p] : law)
      observed.push_back(seen[choice]), expected.push_back(p * kDraws);
    CHECK(tests::excess_over(observed, expected) < 5);
  }
}

TEST_CASE("a law has sets unless it is no chance or all of them") {
  LawSpec law{.law = Law::Uniform, .experts = 16, .top_k = 2, .tokens_per_step = 64};
  CHECK_FALSE(law_sets(law, 0, 0));
  law.drift = 0.1;
  CHECK(law_sets(law, 0, 0));
  law.drift = 0, law.groups = 4, law.groups_per_token = 1;
  CHECK(law_sets(law, 0, 0)->inside.size() == 4);
  law.law = Law::Balanced;
  CHECK_FALSE(law_sets(law, 0, 0));
  CHECK(law_key(law, 0, 1) != law_key(law, 1, 0));
}

TEST_CASE("measured loads have the sets of their window") {
  // Two windows, one expert of three: loads 2 1 1 and 0 0 1. What has no load is not chosen.
  const LoadSource loads({2, 1, 3, {2, 1, 1, 0, 0, 1}}, {.top_k = 1, .tokens_per_step = 8}, "hand");
  CHECK_FALSE(loads.steady());
  const auto shares = [&](std::uint32_t step) {
    const ChoiceSets sets = *loads.sets(step, 0);
    std::vector<double> of(3);
    double sum = 0;
    for (std::size_t i = 0; i < sets.inside[0].size(); ++i)
      of[sets.inside[0].set(i)[0]] += sets.inside[0].weights[i], sum += sets.inside[0].weights[i];
    for (double& one : of) one /= sum;
    return of;
  };
  for (const std::uint32_t step : {0u, 2u}) {
    CHECK(shares(step)[0] == doctest::Approx(0.5).epsilon(1e-8));
    CHECK(shares(step)[1] == doctest::Approx(0.25).epsilon(1e-8));
  }
  CHECK(shares(1) == std::vector<double>{0, 0, 1});
  CHECK(loads.key(0, 0) != loads.key(1, 0));
}
