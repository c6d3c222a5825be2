#include "tools/study/shapley.h"

#include <doctest/doctest.h>

#include <numeric>

#include "sim/random.h"

using namespace moesim;
using namespace moesim::tools;

namespace {

std::int64_t sum(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

}  // namespace

TEST_CASE("what adds up is shared out as it adds up") {
  const std::int64_t parts[] = {5, -7, 11, 0};
  const ValueOf value = [&](Changes set) {
    std::int64_t all = 100;
    for (std::size_t i = 0; i < 4; ++i) all += (set >> i & 1) ? parts[i] : 0;
    return all;
  };
  CHECK(shapley_shares(4, value) == std::vector<std::int64_t>{5, -7, 11, 0});
  CHECK(path_shares(4, value) == std::vector<std::int64_t>{5, -7, 11, 0});
}

TEST_CASE("what only all of them do is shared out alike, the odd ones to the first") {
  // 10 by three: 3.33 each; the remainder of one to the first of equals.
  const ValueOf value = [](Changes set) { return set == 7 ? std::int64_t{10} : 0; };
  CHECK(shapley_shares(3, value) == std::vector<std::int64_t>{4, 3, 3});
  // Forward the last makes it, back the first.
  CHECK(path_shares(3, value) == std::vector<std::int64_t>{5, 0, 5});
}

TEST_CASE("two changes of which one is enough share what they do") {
  // Orders: ab gives a 6, b 0; ba gives b 6, a 0. The mean is 3 and 3.
  const ValueOf value = [](Changes set) { return set == 0 ? std::int64_t{0} : 6; };
  CHECK(shapley_shares(2, value) == std::vector<std::int64_t>{3, 3});
}

TEST_CASE("nothing changed is nothing shared out") {
  const ValueOf value = [](Changes) { return std::int64_t{3}; };
  CHECK(shapley_shares(0, value).empty());
  CHECK(path_shares(0, value).empty());
}

TEST_CASE("shares sum to the difference, and change their sign with its ends") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "shapley");
    const std::size_t n = 1 + random.below(6);
    std::vector<std::int64_t> values;
    for (Changes set = 0; set < Changes{1} << n; ++set)
      values.push_back(static_cast<std::int64_t>(random.below(2'000'000'000'000)));
    const Changes all = (Changes{1} << n) - 1;
    const ValueOf there = [&](Changes set) { return values[set]; };
    const ValueOf back = [&](Changes set) { return values[all & ~set]; };
    for (auto* shares : {&shapley_shares, &path_shares}) {
      const auto forward = (*shares)(n, there);
      CHECK(sum(forward) == values[all] - values[0]);
      // Its paths go the other way round, and are the same two.
      auto backward = (*shares)(n, back);
      for (std::int64_t& share : backward) share = -share;
      CHECK(forward == backward);
    }
  }
}
