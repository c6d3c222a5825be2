#include "sim/random.h"

#include <cmath>
#include <numbers>

#include "sim/check.h"

namespace moesim::sim {
namespace {

std::uint64_t seed_of(std::uint64_t seed, std::string_view stream) {
  std::uint64_t hash = mix(seed);
  for (const char c : stream) hash = mix(hash ^ static_cast<unsigned char>(c));
  return mix(hash ^ stream.size());
}

}  // namespace

Random::Random(std::uint64_t seed, std::string_view stream) : engine_(seed_of(seed, stream)) {}

double Random::uniform() {
  return static_cast<double>(bits() >> 11) * 0x1p-53;
}

std::uint64_t Random::below(std::uint64_t n) {
  SIM_CHECK(n > 0, "there is no number below zero");
  // Values below 2^64 mod n would make the small results more likely: draw again.
  const std::uint64_t rejected = (0 - n) % n;
  std::uint64_t drawn = bits();
  while (drawn < rejected) drawn = bits();
  return drawn % n;
}

double Random::normal() {
  // Box and Muller 1958; 1 - uniform() is never zero.
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Random::exponential(double mean) {
  return -mean * std::log(1 - uniform());
}

}  // namespace moesim::sim
