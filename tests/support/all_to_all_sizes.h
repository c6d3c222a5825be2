// The sizes of the all-to-all that the benchmarks and tests of the network use: the same integers
// on every machine. Uniform: every rank sends `mean` to every other. Skewed: a Zipf(0.3) popularity
// of destinations, shuffled, times a Pareto(2.5) noise of pairs capped at 10, in multiples of 7,168
// bytes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "sim/exchange.h"

namespace moesim::testing {

inline std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

inline sim::Exchange all_to_all(std::uint32_t ranks, std::int64_t mean, bool skewed,
                                std::uint64_t seed = 42) {
  std::vector<double> popularity(ranks, 1.0);
  if (skewed) {
    std::vector<std::uint32_t> place(ranks);
    std::iota(place.begin(), place.end(), 0u);
    for (std::uint32_t i = ranks - 1; i > 0; --i) {
      std::swap(place[i], place[mix64(seed * 1000003 + i) % (i + 1)]);
    }
    double sum = 0;
    for (std::uint32_t i = 0; i < ranks; ++i) {
      sum += popularity[i] = std::pow(place[i] + 1.0, -0.3);
    }
    for (double& w : popularity) w *= ranks / sum;
  }
  sim::Exchange exchange;
  exchange.name = skewed ? "skewed" : "uniform";
  exchange.participants.resize(ranks);
  std::iota(exchange.participants.begin(), exchange.participants.end(), 0u);
  exchange.transfers.reserve(std::size_t{ranks} * (ranks - 1));
  for (std::uint32_t s = 0; s < ranks; ++s) {
    for (std::uint32_t d = 0; d < ranks; ++d) {
      if (s == d) continue;
      std::int64_t bytes = mean;
      if (skewed) {
        const double u =
            static_cast<double>(mix64(seed ^ ((std::uint64_t{s} << 32) | d)) >> 11) * 0x1p-53;
        const double noise = std::min(std::pow(1 - u, -1 / 2.5) * 1.5 / 2.5, 10.0);
        bytes = std::llround(static_cast<double>(mean) * popularity[d] * noise / 7168) * 7168;
      }
      exchange.transfers.push_back({s, d, sim::Bytes(bytes)});
    }
  }
  return exchange;
}

}  // namespace moesim::testing
