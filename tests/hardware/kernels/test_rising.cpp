#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "hardware/kernels/rising.h"

using namespace moesim::hardware;

TEST_CASE("an octave is parted in equal steps of whole numbers") {
  CHECK(octaves(8, 1) == Ladder{1, 2, 4, 8});
  // Of the first octave's middle, 1.5, there is none.
  CHECK(octaves(8, 2) == Ladder{1, 2, 3, 4, 6, 8});
}

TEST_CASE("a time that falls is pooled with those before it") {
  // The slowest so far: 12, 12, 20. The quickest from here on: 9, 9, 20.
  const RisingTimes times({{1, 2, 3}}, {12, 9, 20});
  CHECK(times.at(std::array{1.0}) == doctest::Approx(std::sqrt(12 * 9)));
  CHECK(times.at(std::array{2.0}) == doctest::Approx(std::sqrt(12 * 9)));
  CHECK(times.at(std::array{3.0}) == 20);
}

TEST_CASE("times that rise stay as they are, on a straight line between two steps") {
  const RisingTimes times({{1, 2, 4}}, {5, 7, 15});
  CHECK(times.at(std::array{1.0}) == 5);
  CHECK(times.at(std::array{2.0}) == 7);
  CHECK(times.at(std::array{3.0}) == 11);
}

TEST_CASE("times of two sizes are pooled over both") {
  // Rows of the first size: (5, 4) and (3, 6). The slowest of no more: 5 5 5 6; the quickest of no
  // less: 3 4 3 6.
  const RisingTimes times({{1, 2}, {1, 2}}, {5, 4, 3, 6});
  CHECK(times.at(std::array{1.0, 1.0}) == doctest::Approx(std::sqrt(5 * 3)));
  CHECK(times.at(std::array{1.0, 2.0}) == doctest::Approx(std::sqrt(5 * 4)));
  CHECK(times.at(std::array{2.0, 1.0}) == doctest::Approx(std::sqrt(5 * 3)));
  CHECK(times.at(std::array{2.0, 2.0}) == 6);
}
