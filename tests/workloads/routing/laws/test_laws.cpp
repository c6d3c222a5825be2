#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "sim/error.h"
#include "workloads/routing/counter_random.h"
#include "workloads/routing/laws/laws.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;

namespace {

LayerRouting all_tokens(RoutingSource& source, std::uint32_t step, std::uint32_t layer) {
  LayerRouting routing;
  source.route({step, layer, 0, source.tokens_per_step()}, routing);
  return routing;
}

void check_distinct(const LayerRouting& routing) {
  for (std::uint32_t t = 0; t < routing.tokens; ++t) {
    const std::set<ExpertId> distinct(routing.token(t), routing.token(t) + routing.top_k);
    REQUIRE(distinct.size() == routing.top_k);
    REQUIRE(*distinct.rbegin() < routing.experts);
  }
}

// Each token's choices lie in so many groups of `size` experts.
void check_groups(const LayerRouting& routing, ExpertId size, std::size_t wanted) {
  for (std::uint32_t t = 0; t < routing.tokens; ++t) {
    std::set<ExpertId> groups;
    for (std::uint32_t k = 0; k < routing.top_k; ++k) groups.insert(routing.token(t)[k] / size);
    CHECK(groups.size() == wanted);
  }
}

}  // namespace

TEST_CASE("inclusion probabilities are proportional until one is full") {
  // Weights 6 1 1 with top-2: in proportion 1.5 0.25 0.25; the first takes 1, the others share 1.
  const std::vector<double> weights{6, 1, 1};
  const auto inclusion = inclusion_probabilities(weights, 2);
  CHECK(inclusion[0] == 1);
  CHECK(inclusion[1] == doctest::Approx(0.5));
  CHECK(inclusion[2] == doctest::Approx(0.5));
}

TEST_CASE("a sampler gives each expert its share, and no token an expert twice") {
  // 200,000 draws of 3 of 10: the standard deviation of a share is below 0.5 / sqrt(200000) =
  // 0.0011.
  std::vector<double> weights;
  for (int e = 0; e < 10; ++e) weights.push_back(1.0 / (e + 1));
  const auto inclusion = inclusion_probabilities(weights, 3);
  const SubsetSampler sampler(weights, 3, 99);
  std::vector<double> share(10);
  constexpr int draws = 200'000;
  for (int i = 0; i < draws; ++i) {
    ExpertId ids[3];
    sampler.draw(counter_bits(7, static_cast<std::uint64_t>(i)), ids);
    REQUIRE(ids[0] != ids[1]);
    REQUIRE(ids[0] != ids[2]);
    REQUIRE(ids[1] != ids[2]);
    for (const ExpertId id : ids) share[id] += 1.0 / draws;
  }
  for (std::size_t e = 0; e < 10; ++e) {
    CAPTURE(e);
    CHECK(std::abs(share[e] - inclusion[e]) < 0.0045);
  }
}

TEST_CASE("an expert that everyone wants and experts that nobody wants are possible") {
  const std::vector<double> weights{1, 0, 1e-9, 0, 1};
  const SubsetSampler sampler(weights, 2, 1);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ExpertId ids[2];
    sampler.draw(counter_bits(3, i), ids);
    CHECK(((ids[0] == 0 && ids[1] == 4) || (ids[0] == 4 && ids[1] == 0) || ids[0] == 2 ||
           ids[1] == 2));
  }
}

TEST_CASE("the balanced law gives every expert the same load") {
  // 64 tokens x 8 of 256 experts: stride 32, so every expert is chosen by two tokens.
  LawSource source({.law = Law::Balanced, .experts = 256, .top_k = 8, .tokens_per_step = 64});
  const auto routing = all_tokens(source, 0, 0);
  check_distinct(routing);
  for (const auto count : expert_counts(routing)) CHECK(count == 2);
}

TEST_CASE("the balanced law spreads a few tokens over the stride, and never repeats an expert") {
  // Stride ceil(8 / 2) = 4; two tokens start at 0 and 2: experts 0 4 and 2 6.
  ExpertId ids[4];
  balanced_choice(1, 2, 8, 2, ids);
  CHECK(ids[0] == 2);
  CHECK(ids[1] == 6);
  // 9 experts, top 4: the stride 3 would choose 0 3 6 0; offsets floor(9 j / 4) = 0 2 4 6 instead.
  balanced_choice(0, 100, 9, 4, ids);
  CHECK(std::vector<int>(ids, ids + 4) == std::vector<int>{0, 2, 4, 6});
}

TEST_CASE("the balanced law keeps to its groups, and every expert of them is as busy") {
  // 16 experts in 4 groups of 4, top-4 over 2 groups, 2 in each. Groups of token t: t and t + 2.
  // What comes to a group takes its experts two by two: token 0 has 0 1 of group 0 and, as a second
  // group, 2 3 of group 2; token 2 has groups 2 and 0 the other way round.
  const LawSpec spec{.law = Law::Balanced,
                     .experts = 16,
                     .top_k = 4,
                     .tokens_per_step = 8,
                     .groups = 4,
                     .groups_per_token = 2};
  const auto chosen = [&](std::uint32_t token) {
    ExpertId ids[4];
    balanced_choice(token, spec, ids);
    return std::vector<int>(ids, ids + 4);
  };
  CHECK(chosen(0) == std::vector{0, 1, 10, 11});
  CHECK(chosen(2) == std::vector{8, 9, 2, 3});
  // The fifth token is the second round's first: each group has had two windows, the ring is round.
  CHECK(chosen(4) == chosen(0));
  // 4 tokens x 4 choices: 16 experts once each; 8 tokens: twice.
  LawSource source(spec);
  for (const auto count : expert_counts(all_tokens(source, 0, 0))) CHECK(count == 2);
  CHECK(source.description() == "law balanced, 2 of 4 groups a token");
  // DeepSeek-V3: 256 experts in 8 groups, top-8 over 4; 4,096 tokens are 128 for each expert.
  LawSource deepseek({.law = Law::Balanced,
                      .experts = 256,
                      .top_k = 8,
                      .tokens_per_step = 4096,
                      .groups = 8,
                      .groups_per_token = 4});
  const auto routing = all_tokens(deepseek, 0, 0);
  check_distinct(routing);
  for (const auto count : expert_counts(routing)) CHECK(count == 128);
  check_groups(routing, 32, 4);
}

TEST_CASE("loads under zipf follow the ranks") {
  // 32 experts, top-1, skew 1: the most popular gets 1 / H(32) = 1 / 4.0585 of 100,000 tokens; the
  // standard deviation is 137.
  LawSource source(
      {.law = Law::Zipf, .skew = 1, .layers = 2, .experts = 32, .tokens_per_step = 100'000});
  auto counts = expert_counts(all_tokens(source, 0, 1));
  const auto first = expert_counts(all_tokens(source, 0, 0));
  CHECK(counts != first);  // another layer has other favourites
  std::sort(counts.rbegin(), counts.rend());
  CHECK(std::abs(counts[0] - 100'000 / 4.0585) < 5 * 137);
  CHECK(std::abs(counts[1] - 50'000 / 4.0585) < 5 * 110);
}

TEST_CASE("a layer keeps its favourites from step to step") {
  LawSource source(
      {.law = Law::LogNormal, .skew = 1, .experts = 64, .top_k = 4, .tokens_per_step = 50'000});
  const auto a = expert_counts(all_tokens(source, 0, 0));
  const auto b = expert_counts(all_tokens(source, 1, 0));
  CHECK(a != b);
  for (std::size_t e = 0; e < 64; ++e) {
    CHECK(std::abs(double(a[e]) - double(b[e])) < 8 * std::sqrt(double(a[e]) + 1));
  }
}

TEST_CASE("every law chooses different experts and gives the same for the same question") {
  for (const Law law : {Law::Balanced, Law::Uniform, Law::Zipf, Law::PowerLaw, Law::LogNormal}) {
    for (const auto& shape : {std::pair{8u, 2u}, {9u, 4u}, {64u, 1u}, {256u, 8u}, {5u, 5u}}) {
      const std::uint32_t experts = shape.first, top_k = shape.second;
      CAPTURE(name_of(law));
      CAPTURE(experts);
      const LawSpec spec{.law = law,
                         .skew = 1.2,
                         .layers = 3,
                         .experts = experts,
                         .top_k = top_k,
                         .tokens_per_step = 777};
      LawSource source(spec), again(spec);
      const auto whole = all_tokens(source, 4, 2);
      check_distinct(whole);
      LayerRouting part;
      again.route({4, 2, 300, 100}, part);
      REQUIRE(part.ids.size() == 100 * top_k);
      CHECK(std::equal(part.ids.begin(), part.ids.end(), whole.token(300)));
    }
  }
}

TEST_CASE("uniform sets are equally likely") {
  // 6 sets of 2 of 4, 60,000 draws: 10,000 each, standard deviation 91.
  LawSource source({.law = Law::Uniform, .experts = 4, .top_k = 2, .tokens_per_step = 60'000});
  const auto routing = all_tokens(source, 0, 0);
  std::vector<int> sets(16);
  for (std::uint32_t t = 0; t < routing.tokens; ++t) {
    const auto [low, high] = std::minmax(routing.token(t)[0], routing.token(t)[1]);
    ++sets[low * 4u + high];
  }
  for (const std::size_t set : {1u, 2u, 3u, 6u, 7u, 11u}) CHECK(std::abs(sets[set] - 10'000) < 400);
}

TEST_CASE("group-limited tokens stay within their groups") {
  // 256 experts in 8 groups, 8 choices over 4 of them: 2 in each.
  LawSource source({.law = Law::Zipf,
                    .skew = 0.5,
                    .experts = 256,
                    .top_k = 8,
                    .tokens_per_step = 1000,
                    .groups = 8,
                    .groups_per_token = 4});
  const auto routing = all_tokens(source, 0, 0);
  check_distinct(routing);
  CHECK(routing.tokens == 1000);
  check_groups(routing, 32, 4);
}

TEST_CASE("the power law's skew grows with the number of tokens as its generator's does") {
  // The published generator, 256 experts, top 8, alpha 1.01, EP 8 (32 experts a rank): the busiest
  // rank has 1.30 times the mean at 128 tokens, 1.45 at 4,096, 1.54 at 16,384 (means of 40 draws).
  const auto busiest = [](std::uint32_t tokens) {
    double sum = 0;
    for (std::uint32_t layer = 0; layer < 40; ++layer) {
      const auto inclusion = inclusion_probabilities(popularity({.law = Law::PowerLaw,
                                                                 .skew = 1.01,
                                                                 .layers = 40,
                                                                 .experts = 256,
                                                                 .top_k = 8,
                                                                 .tokens_per_step = tokens},
                                                                layer),
                                                     8);
      double most = 0;
      for (int r = 0; r < 8; ++r) {
        double load = 0;
        for (int e = 0; e < 32; ++e)
          load += inclusion[static_cast<std::size_t>(r) * 32 + static_cast<std::size_t>(e)];
        most = std::max(most, load);
      }
      sum += most;  // of a mean of 1
    }
    return sum / 40;
  };
  CHECK(busiest(128) == doctest::Approx(1.30).epsilon(0.05));
  CHECK(busiest(4096) == doctest::Approx(1.45).epsilon(0.05));
  CHECK(busiest(16384) == doctest::Approx(1.54).epsilon(0.05));
}

TEST_CASE("a law that cannot be is an error that says why") {
  CHECK_THROWS_WITH_AS(law_from_name("zpif"),
                       "routing: expected a law, one of balanced, uniform, zipf, power_law, "
                       "log_normal, not \"zpif\"",
                       ConfigError);
  CHECK(law_from_name("power_law") == Law::PowerLaw);
  CHECK_THROWS_WITH_AS(LawSource({.experts = 8, .top_k = 9}),
                       "routing: top_k is 9, but a token chooses 1 to 8 of 8 experts", ConfigError);
  CHECK_THROWS_WITH_AS(LawSource({.skew = -1, .experts = 8}),
                       "routing: skew: expected a number from 0 to 10, not -1", ConfigError);
  CHECK_THROWS_WITH_AS(LawSource({.layers = 0}), "routing: a law needs at least one MoE layer",
                       ConfigError);
  CHECK_THROWS_WITH_AS(LawSource({.experts = 2'000'000}),
                       "routing: expected 1 to 1048576 experts, not 2000000", ConfigError);
  CHECK_THROWS_WITH_AS(
      LawSource({.experts = 100, .top_k = 8, .groups = 8, .groups_per_token = 4}),
      "routing: 100 experts in 8 groups, top_k 8 over 4 of them: the numbers do not divide",
      ConfigError);
  CHECK_THROWS_WITH_AS(LawSource({.experts = 8, .groups = 2, .groups_per_token = 3}),
                       "routing: a token's experts lie in 3 of 2 groups", ConfigError);
}

TEST_CASE("a law says what it is") {
  CHECK(LawSource({.law = Law::Balanced, .experts = 8}).description() == "law balanced");
  CHECK(LawSource({.law = Law::Zipf,
                   .skew = 0.7,
                   .experts = 256,
                   .top_k = 8,
                   .groups = 8,
                   .groups_per_token = 4})
            .description() == "law zipf, skew 0.7, 4 of 8 groups a token");
}

TEST_CASE("a drift multiplies popularities by a log-normal factor, anew in each step") {
  // Of 4,096 factors exp(0.3 z) the standard deviation of the logarithm is 0.3, give or take 0.01
  // (three standard errors of 0.3 / sqrt(2 x 4096)).
  LawSpec spec{.law = Law::LogNormal, .skew = 1, .drift = 0.3, .experts = 4096, .top_k = 8};
  const auto base = popularity(spec, 0);
  const auto step = popularity(spec, 0, 5);
  double sum = 0, squares = 0;
  for (std::size_t e = 0; e < base.size(); ++e) {
    const double log = std::log(step[e] / base[e]);
    sum += log;
    squares += log * log;
  }
  const double mean = sum / 4096;
  CHECK(std::abs(mean) < 3 * 0.3 / 64);
  CHECK(std::sqrt(squares / 4096 - mean * mean) == doctest::Approx(0.3).epsilon(0.035));
  CHECK(step != popularity(spec, 0, 6));
  spec.drift = 0;
  CHECK(popularity(spec, 0, 5) == base);
  spec.law = Law::Balanced;
  spec.drift = 0.1;
  CHECK_THROWS_WITH_AS(
      check(spec),
      "routing: drift: expected a number from 0 to 3 of a law that is not balanced, not 0.1",
      ConfigError);
}
