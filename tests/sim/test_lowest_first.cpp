#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "sim/lowest_first.h"
#include "sim/random.h"

using namespace moesim;
using sim::LowestFirst;

TEST_CASE("links come by level, and at equal levels by number") {
  // 7 has the lowest level; 3 and 9 share the next, below zero or not; infinity is a level too.
  const std::vector<LowestFirst::Link> links{9, 7, 3, 1};
  const auto level = [](LowestFirst::Link link) {
    return link == 7 ? -2.5 : link == 1 ? std::numeric_limits<double>::infinity() : -1.0;
  };
  LowestFirst waiting;
  waiting.assign(links, level);
  std::vector<LowestFirst::Link> order;
  for (; waiting.top() != LowestFirst::kNone; waiting.drop_top()) {
    CHECK(waiting.top_level() == level(waiting.top()));
    order.push_back(waiting.top());
  }
  CHECK(order == std::vector<LowestFirst::Link>{7, 3, 9, 1});
}

TEST_CASE("a link whose level has changed waits where it belongs") {
  // Against a search through all pairs of level and link.
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "lowest first");
    std::vector<std::pair<double, LowestFirst::Link>> all;
    std::vector<LowestFirst::Link> links;
    const std::uint64_t count = random.below(40);
    for (std::uint32_t link = 0; link < count; ++link) {
      links.push_back(link * 3);
      all.emplace_back(static_cast<double>(random.below(20)) - 5, link * 3);
    }
    LowestFirst waiting;
    waiting.assign(links, [&](LowestFirst::Link link) { return all[link / 3].first; });
    while (!all.empty()) {
      const auto lowest = std::min_element(all.begin(), all.end());
      REQUIRE(waiting.top() == lowest->second);
      CHECK(waiting.top_level() == lowest->first);
      if (random.below(3) == 0) {
        waiting.drop_top();
        all.erase(lowest);
      } else {
        lowest->first = static_cast<double>(random.below(40)) - 5;
        waiting.change_top(lowest->first);
      }
    }
    CHECK(waiting.top() == LowestFirst::kNone);
  }
}
