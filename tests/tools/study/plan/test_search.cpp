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
  std::vector<std::optional<double>> parts = {};  // estimates by a part of the layers; none
  std::vector<double> busy = {};                  // watts of a GPU that works
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
        {.part = parts.empty() ? std::function<std::optional<double>(std::size_t)>()
                               : [&](std::size_t i) { return parts[i]; },
         .estimate =
             [&](std::size_t i) {
               return SearchEstimate{.capacity = estimates[i],
                                     .busy_w = busy.empty() ? 0 : busy[i]};
             },
         .measure =
             [&](std::size_t i) {
               return validation::EngineCapacity{
                   .p10 = capacities[i], .p50 = capacities[i], .p90 = capacities[i]};
             }},
        options);
  }
};

}  // namespace

TEST_CASE("as many as are to be kept are estimated on all layers, best first") {
  // Sixteen alike but for a tenth less each: by their part and the margin those behind cannot win.
  Toy toy;
  for (int i = 0; i < 16; ++i) {
    const double capacity = 30 * std::pow(0.7, i);
    toy.add(8, capacity, capacity, 1000);
    toy.parts.push_back(capacity);
  }
  const auto on_all = [&](std::size_t keep) {
    const SearchResult found = toy.search({.finalists = 1, .keep = keep});
    CHECK(found.best[0] == 0);
    for (std::size_t i = 0; i < found.on_all_layers; ++i) CHECK(found.items[i].estimate);
    CHECK(found.measured < 4);
    return found.on_all_layers;
  };
  const std::size_t needed = on_all(0);
  CHECK(needed < 8);
  CHECK(on_all(8) == 8);
  CHECK(on_all(16) == 16);
  CHECK(on_all(100) == 16);
}

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

TEST_CASE("what a part of the layers tells to be worse is not asked for all of them") {
  Toy toy;
  toy.add(8, 30, 30, 100);
  // At most 9 x 1.12 x 1.12 = 11.3 /s: three engines where one does.
  toy.add(8, 10, 10, 100);
  // No answer by a part: all layers are asked, and carry enough for no more than two engines.
  toy.add(8, 20, 20, 100);
  toy.parts = {29, 9, std::nullopt};
  const SearchResult found = toy.search({.finalists = 1});
  CHECK(found.best[0] == 0);
  CHECK(found.estimated == 3);
  CHECK(found.on_all_layers == 2);
  CHECK(found.measured == 1);
  CHECK_FALSE(found.items[1].estimate);
  CHECK(found.items[1].fate == Fate::Margin);
  CHECK(*found.items[2].estimate == 20);
  // One that a part tells to be the best and all layers do not: the next one is measured, whose
  // part is not taken for too much because of that.
  toy.parts = {29, 35, std::nullopt};
  const SearchResult other = toy.search({.finalists = 1});
  CHECK(other.best[0] == 0);
  CHECK(other.on_all_layers == 3);
  CHECK(other.measured == 1);
  // One that a part is sure carries nothing is not asked.
  toy.parts = {29, 9, 0};
  const SearchResult sure = toy.search({.finalists = 3});
  CHECK(sure.best[0] == 0);
  CHECK(sure.on_all_layers == 2);  // as many are measured as may be
  CHECK_FALSE(sure.items[2].estimate);
  CHECK(sure.items[2].fate == Fate::Margin);
}

TEST_CASE("where all layers tell more than a part did the part's margin grows") {
  Toy toy;
  // The first two are measured. The second's part is off by 26 / 18 = 1.44 (of two ratios, 1 and
  // that, the lower is the middle one), more than 1.12: the margin grows to 0.12 x 1.5^4 = 0.6075,
  // where the third may carry 17 x 1.6075 x 1.12 = 30.6, more than the 30 that are known.
  toy.add(8, 30, 30, 100);
  toy.add(8, 26, 26, 100);
  toy.add(8, 33, 33, 100);
  toy.parts = {30, 18, 17};
  const SearchResult found = toy.search({.finalists = 2});
  CHECK(found.best[0] == 2);
  CHECK(found.measured == 3);
  CHECK(found.margin_used == 0.12);
  // With nothing to learn from the third is not found.
  CHECK(toy.search({.finalists = 1}).best[0] == 0);
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
    // By a part of the layers, 10 % less and off by 5 %: the same are measured.
    for (const double estimate : toy.estimates)
      toy.parts.push_back(0.9 * estimate * (1 + 0.1 * (random.uniform() - 0.5)));
    const SearchResult by_part = toy.search({.margin = 0.2, .part_margin = 0.25, .chunk = 16});
    CHECK(by_part.best == all.best);
    CHECK(by_part.margin_used == staged.margin_used);
    CHECK(by_part.largest_error == staged.largest_error);
    CHECK(by_part.estimated == staged.estimated);
    CHECK(by_part.on_all_layers < staged.on_all_layers);
    for (std::size_t i = 0; i < toy.items.size(); ++i) {
      CHECK(by_part.items[i].fate == staged.items[i].fate);
      CHECK(by_part.items[i].capacity.has_value() == staged.items[i].capacity.has_value());
    }
  }
}
