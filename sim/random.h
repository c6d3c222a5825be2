// Random numbers that are the same on every machine and with every compiler.
//
// A stream is named: Random(seed, "routing/layer 3"). Streams of different names are independent,
// so adding one use of randomness does not move the others. The distributions are our own, since
// those of the standard library differ between implementations.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>

namespace moesim::sim {

// splitmix64 (Steele, Lea, Flood 2014): spreads every input bit over the output.
constexpr std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Random {
 public:
  Random(std::uint64_t seed, std::string_view stream);

  // 64 random bits.
  std::uint64_t bits() { return engine_(); }
  // Uniform in [0, 1): 53 random bits.
  double uniform();
  // Uniform in 0 … n - 1, without bias. REQUIRES: n > 0
  std::uint64_t below(std::uint64_t n);
  // Mean 0, variance 1.
  double normal();
  // REQUIRES: mean > 0
  double exponential(double mean);

 private:
  std::mt19937_64 engine_;
};

}  // namespace moesim::sim
