#include "tools/study/plan/search.h"

#include <doctest/doctest.h>

#include <cmath>

#include "sim/random.h"

using namespace moesim;
using namespace moesim::tools;

namespace {

// Engines whose capacities are known: what they carry, its estimate and its ceiling.
struct Toy {
  std::vector<SearchItem> items;
  std::vector<double> estimates, capacities;
  std::vector<double> busy = {};  // watts of a GPU that works
  std::vector<Demand> questions = {
      {.rate = 24, .confidence = 0.8, .objective = Objective::Cost, .limits = {.gpus = 64}},
      {.rate = 24, .confidence = 0.5, .objective = Objective::Gpus, .limits = {.gpus = 64}}};

  void add(std::int64_t gpus, double capacity, double estimate, double ceiling) {
    items.push_back(
        {.terms = {.gpus = gpus, .gpus_per_node = 8, .price = 2, .most = 64}, .ceiling = ceiling});
    estimates.push_back(estimate);
    capacities.push_back(capacity);
  }
  SearchResult search(const SearchOptions& options) const {
    return tools::search(
        items, questions,
        [&](std::size_t i) {
          return SearchEstimate{.capacity = estimates[i], .busy_w = busy.empty() ? 0 : busy[i]};
        },
        [&](std::size_t i) {
          return validation::EngineCapacity{
              .p10 = capacities[i], .p50 = capacities[i], .p90 = capacities[i]};
        },
        options);
  }
};

}  // namespace

TEST_CASE("what its ceiling proves worse is not even estimated") {
  Toy toy;
  // 24 /s at 0.8 and a deviation of 0.1 are 26.1: one engine of 8 GPUs.
  toy.add(8, 30, 30, 60);
  // At most 10 /s of 8 GPUs: three engines, 24 GPUs; and 1 /s: 27 of 8, beyond the limit.
  toy.add(8, 9, 9, 10);
  toy.add(8, 1, 1, 1);
  const SearchResult found = toy.search({.chunk = 1});
  CHECK(found.best[0] == 0);
  CHECK(found.best[1] == 0);
  CHECK(found.items[0].fate == Fate::Measured);
  CHECK(found.items[1].fate == Fate::Dominated);
  CHECK(found.items[2].fate == Fate::Dominated);
  CHECK(found.estimated == 1);
  CHECK(found.measured == 1);
}

TEST_CASE("estimates count up to what all of them leave out") {
  Toy toy;
  // All estimates are twice what is carried: scaled by the first they are exact.
  toy.add(8, 14, 28, 100);  // 24 / 14: two engines
  toy.add(8, 28, 56, 100);  // one
  toy.add(8, 13, 26, 100);
  const SearchResult found = toy.search({.margin = 0.1, .finalists = 1});
  CHECK(found.best[0] == 1);
  CHECK(found.measured == 1);
  CHECK(found.items[0].fate == Fate::Margin);
  CHECK(found.largest_error == doctest::Approx(0));
  CHECK(found.margin_used == 0.1);
}

TEST_CASE("by power the least watts win, and what is not known yet is taken to wait") {
  Toy toy;
  toy.questions.front().objective = Objective::Power;
  // 24 /s at 0.8: 26.1. One engine of 8 carries 30, works 24 / 30 of the time: 8 x (100 + 0.8 x
  // 500) = 4,000 W. Two of 4 carry 28 and draw 8 x (100 + 24 / 28 x 300) = 2,857 W. Three of 4 at 9
  // wait with 1,200 W: that could be less, and 12 x (100 + 24 / 27 x 300) = 4,400 W are not.
  toy.add(8, 30, 30, 60);
  toy.add(4, 14, 14, 60);
  toy.add(4, 9, 9, 9);
  for (SearchItem& item : toy.items) item.terms.idle_w = item.terms.busy_w = 100;
  toy.busy = {600, 400, 400};
  for (const bool exhaustive : {false, true}) {
    const SearchResult found = toy.search({.exhaustive = exhaustive});
    CHECK(found.best[0] == 1);
    // The fewest GPUs: both take eight, and the first carries more.
    CHECK(found.best[1] == 0);
    CHECK(found.estimated == 3);
  }
}

TEST_CASE("an engine that was estimated too low is found once the margin has grown") {
  Toy toy;
  // The first two are measured. Their ratios are 0.715 and 1, the middle one (of two the lower) is
  // 0.715, by which the second is 1.4 times its estimate: the margin grows from 0.05 to 0.57. The
  // third, 26 x 0.715 = 18.6, may then carry 29.2, more than the 28.6 that are known.
  toy.add(8, 28.6, 40, 100);
  toy.add(8, 27.0, 27, 100);
  toy.add(8, 33.0, 26, 100);
  const SearchResult narrow = toy.search({.margin = 0.05, .finalists = 2});
  CHECK(narrow.best[0] == 2);
  CHECK(narrow.margin_used == doctest::Approx(0.05 * std::pow(1.5, 6)));
  CHECK(narrow.measured == 3);
}

TEST_CASE("a staged search finds what an exhaustive one does") {
  // 100 problems of 60 engines: capacities log-normal by size, ceilings up to three times them,
  // estimates off by up to 8 % of a common factor.
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "plan search");
    Toy toy;
    const double common = 0.7 + 0.9 * random.uniform();
    for (int i = 0; i < 60; ++i) {
      const auto gpus = std::int64_t{1} << random.below(5);
      const double capacity = static_cast<double>(gpus) * std::exp(random.uniform() - 0.5);
      const double estimate = common * capacity * (1 + 0.16 * (random.uniform() - 0.5));
      toy.add(gpus, capacity, estimate, capacity * (1 + 2 * random.uniform()));
    }
    const SearchResult staged = toy.search({.margin = 0.2, .chunk = 16});
    const SearchResult all = toy.search({.exhaustive = true});
    CHECK(staged.best == all.best);
    CHECK(staged.measured < 40);
    CHECK(all.measured == 60);
  }
}
