#include "tools/study/shapley.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "sim/check.h"

namespace moesim::tools {

std::vector<std::int64_t> whole_shares(const std::vector<std::int64_t>& numerators,
                                       std::int64_t denominator) {
  std::vector<std::int64_t> whole, remainder;
  std::int64_t left = 0;
  for (const std::int64_t numerator : numerators) {
    whole.push_back(numerator / denominator);
    remainder.push_back(numerator % denominator);
    left += remainder.back();
  }
  SIM_CHECK(left % denominator == 0, "shares of no whole number");
  left /= denominator;
  const std::int64_t sign = left < 0 ? -1 : 1;
  std::vector<std::size_t> order(whole.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(
      order, [&](auto a, auto b) { return sign * remainder[a] > sign * remainder[b]; });
  for (std::size_t i = 0; left != 0; ++i, left -= sign) whole[order[i]] += sign;
  return whole;
}

std::vector<std::int64_t> shapley_shares(std::size_t changes, const ValueOf& value) {
  SIM_CHECK(changes <= kMostShapley, "too many changes for all of their sets");
  const auto factorial = [](std::size_t n) {
    std::int64_t product = 1;
    for (std::size_t i = 2; i <= n; ++i) product *= static_cast<std::int64_t>(i);
    return product;
  };
  std::vector<std::int64_t> values;
  for (Changes set = 0; set < Changes{1} << changes; ++set) values.push_back(value(set));
  std::vector<std::int64_t> numerators(changes);
  for (Changes set = 0; set < values.size(); ++set) {
    const auto made = static_cast<std::size_t>(std::popcount(set));
    for (std::size_t i = 0; i < changes; ++i) {
      const Changes with = set | Changes{1} << i;
      if (with == set) continue;
      // Orders in which exactly these were made before i.
      numerators[i] +=
          factorial(made) * factorial(changes - 1 - made) * (values[with] - values[set]);
    }
  }
  return whole_shares(numerators, factorial(changes));
}

std::vector<std::int64_t> path_shares(std::size_t changes, const ValueOf& value) {
  const Changes all = (Changes{1} << changes) - 1;
  std::vector<std::int64_t> numerators(changes);
  Changes first = 0, last = all;
  for (std::size_t i = 0; i < changes; ++i) {
    const Changes one = Changes{1} << i;
    numerators[i] += value(first | one) - value(first);  // after all before it
    numerators[i] += value(last) - value(last & ~one);   // after all behind it
    first |= one;
    last &= ~one;
  }
  return whole_shares(numerators, 2);
}

}  // namespace moesim::tools
