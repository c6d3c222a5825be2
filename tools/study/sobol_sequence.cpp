#include "tools/study/sobol_sequence.h"

#include <bit>

#include "sim/check.h"
#include "sim/random.h"

namespace moesim::tools {
namespace {

// A primitive polynomial of degree s over two elements, its inner coefficients as bits of a, and
// the first s direction numbers. The first dimension has none: its directions are the bits
// themselves.
struct Polynomial {
  int degree;
  std::uint32_t inner;
  std::array<std::uint32_t, 7> first;
};
constexpr std::array<Polynomial, kMostSobolDimensions - 1> kPolynomials{{
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
    {7, 4, {1, 3, 7, 13, 13, 15, 69}},
}};

std::array<std::uint32_t, 32> directions_of(std::size_t dimension) {
  std::array<std::uint32_t, 32> v{};
  if (dimension == 0) {
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::uint32_t{1} << (31 - i);
    return v;
  }
  const Polynomial& p = kPolynomials[dimension - 1];
  const auto degree = static_cast<std::size_t>(p.degree);
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (i < degree) {
      v[i] = p.first[i] << (31 - i);
      continue;
    }
    // v_i = v_(i-s) ^ (v_(i-s) >> s) ^ the sum of v_(i-k) whose coefficient is one.
    v[i] = v[i - degree] ^ (v[i - degree] >> p.degree);
    for (std::size_t k = 1; k < degree; ++k)
      if ((p.inner >> (degree - 1 - k) & 1) != 0) v[i] ^= v[i - k];
  }
  return v;
}

}  // namespace

SobolSequence::SobolSequence(std::size_t dimensions, std::uint64_t seed) {
  SIM_CHECK(dimensions >= 1 && dimensions <= kMostSobolDimensions,
            "more dimensions than are known");
  sim::Random random(seed, "sobol shift");
  for (std::size_t d = 0; d < dimensions; ++d) {
    dimensions_.push_back(
        {.directions = directions_of(d), .shift = static_cast<std::uint32_t>(random.bits() >> 32)});
  }
}

std::vector<double> SobolSequence::next() {
  std::vector<double> point;
  for (Dimension& d : dimensions_) {
    if (count_ > 0) d.at ^= d.directions[static_cast<std::size_t>(std::countr_zero(count_))];
    point.push_back(static_cast<double>(d.at ^ d.shift) / 4294967296.0);
  }
  ++count_;
  return point;
}

}  // namespace moesim::tools
