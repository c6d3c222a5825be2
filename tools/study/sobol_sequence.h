// Sobol's points: even in every dimension, and in most pairs of them, at any power of two of
// points.
//
// Direction numbers of Joe and Kuo (2008, new-joe-kuo-6.21201), in the order of Antonov and Saleev
// (a Gray code), shifted by random bits of each dimension (a digital shift, which keeps the
// evenness and makes an estimate unbiased). The first 2^m points have one in each of the 2^m
// intervals of every dimension, whatever the seed.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace moesim::tools {

inline constexpr std::size_t kMostSobolDimensions = 21;

class SobolSequence {
 public:
  // REQUIRES: 1 <= dimensions <= kMostSobolDimensions
  SobolSequence(std::size_t dimensions, std::uint64_t seed);

  // The next point, of numbers from 0 to below 1. REQUIRES: fewer than 2^32 were asked for
  std::vector<double> next();

 private:
  struct Dimension {
    std::array<std::uint32_t, 32> directions{};
    std::uint32_t at = 0, shift = 0;
  };
  std::vector<Dimension> dimensions_;
  std::uint32_t count_ = 0;
};

}  // namespace moesim::tools
