#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/reference/reference.h"

using namespace moesim::validation::cuda;

TEST_CASE("every fp8 code reads back as itself") {
  for (unsigned code = 0; code < 256; ++code) {
    const Fp8 x{static_cast<std::uint8_t>(code)};
    if ((code & 0x7fu) == 0x7fu) {
      CHECK(std::isnan(to_float(x)));
    } else {
      CHECK(to_fp8(to_float(x)).bits == code);
    }
  }
}

TEST_CASE("fp8 has the values that the standard gives") {
  // OCP 8-bit floating point 1.0, table 2: largest 448, smallest normal 2^-6, smallest 2^-9.
  CHECK(to_float(Fp8{0x7e}) == 448.0f);
  CHECK(to_float(Fp8{0x08}) == 0x1p-6f);
  CHECK(to_float(Fp8{0x01}) == 0x1p-9f);
  CHECK(to_float(Fp8{0xb8}) == -1.0f);
}

TEST_CASE("fp8 rounds to the nearest, ties to even, and saturates") {
  // Between 16 and 18 (step 2): 17 is a tie; 16 = 0x58 is even.
  CHECK(to_float(to_fp8(17.0f)) == 16.0f);
  CHECK(to_float(to_fp8(17.01f)) == 18.0f);
  CHECK(to_float(to_fp8(19.0f)) == 20.0f);
  // Subnormal step 2^-9: 1.5 steps is a tie and goes to 2.
  CHECK(to_float(to_fp8(1.5f * 0x1p-9f)) == 0x1p-8f);
  CHECK(to_float(to_fp8(0.5f * 0x1p-9f)) == 0.0f);
  CHECK(to_float(to_fp8(1e9f)) == 448.0f);
  CHECK(to_float(to_fp8(-1e9f)) == -448.0f);
  // The last subnormal rounds up into the first normal.
  CHECK(to_float(to_fp8(7.9f * 0x1p-9f)) == 0x1p-6f);
}

TEST_CASE("fp8 is the nearest of all codes") {
  for (int i = 0; i < 20'000; ++i) {
    const float x = 30 * hash_normal(7, static_cast<std::uint64_t>(i));
    double best = std::numeric_limits<double>::infinity();
    for (unsigned code = 0; code < 256; ++code) {
      const double value = to_float(Fp8{static_cast<std::uint8_t>(code)});
      if (!std::isnan(value)) best = std::min(best, std::fabs(value - x));
    }
    CHECK(std::fabs(to_float(to_fp8(x)) - double{x}) == best);
  }
}

TEST_CASE("bf16 rounds to the nearest, ties to even") {
  // 8 bits of significand: beside 1 the step is 2^-7.
  CHECK(to_float(to_bf16(1.0f + 0x1p-8f)) == 1.0f);
  CHECK(to_float(to_bf16(1.0f + 3 * 0x1p-8f)) == 1.0f + 0x1p-6f);
  CHECK(to_float(to_bf16(1.0f + 0x1.8p-8f)) == 1.0f + 0x1p-7f);
  CHECK(std::isnan(to_float(to_bf16(NAN))));
  CHECK(pack_bf16(1.0f, -2.0f) == 0xc0003f80u);
  CHECK(low_bf16(0xc0003f80u) == 1.0f);
  CHECK(high_bf16(0xc0003f80u) == -2.0f);
}

TEST_CASE("hashed values have mean 0 and variance 1") {
  double sum = 0, squares = 0;
  constexpr int kCount = 100'000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double x = hash_normal(3, i);
    sum += x;
    squares += x * x;
  }
  // The mean of 1e5 has a deviation of 3e-3; the variance of (less than normal's) 4e-3.
  CHECK(std::fabs(sum / kCount) < 0.012);
  CHECK(std::fabs(squares / kCount - 1) < 0.02);
}

TEST_CASE("a relative error of something unwritten holds no bound") {
  RelativeError error;
  error.add(1, 1);
  error.add(NAN, 1);
  CHECK_FALSE(error.value() <= 1e9);
}

TEST_CASE("the reference router chooses as written by hand") {
  // Sigmoids of 0, 2, 1, -1 are 0.5, 0.881, 0.731, 0.269; the bias lifts the last above all.
  RouterRule rule{4, 2, true, 1, 1, true, 1};
  const std::vector<float> logits{0, 2, 1, -1}, bias{0, 0, 0, 1};
  const Chosen chosen = reference_router(rule, logits, bias);
  CHECK(chosen.ids == std::vector<int>{3, 1});
  // Weights are without bias: 0.2689 and 0.8808 over their sum.
  CHECK(chosen.weights[0] == doctest::Approx(0.2689414 / (0.2689414 + 0.8807971)));
  // In two groups, {0.5, 0.881} sums to 1.381, {0.731, 1.269} to 2: only the second counts.
  rule.groups = 2;
  CHECK(reference_router(rule, logits, bias).ids == std::vector<int>{3, 2});
}

TEST_CASE("powers of two, and nothing of what is hidden") {
  CHECK(power_of_two(3) == 8);
  CHECK(power_of_two(-1) == 0.5f);
  CHECK(power_of_two(-INFINITY) == 0);
}

TEST_CASE("the reference sort keeps the order of selections") {
  // Experts 1 and 2 live here. Selections by expert: 1 has the 1st and 4th, 2 the 3rd.
  const std::vector<int> ids{1, 0, 2, 1, 3, 0};
  const Sorted sorted = reference_sort(ids, 2, 1, 2);
  CHECK(sorted.offsets == std::vector<int>{0, 2, 3});
  CHECK(sorted.row_of == std::vector<int>{0, -1, 2, 1, -1, -1});
  CHECK(sorted.token_of == std::vector<int>{0, 1, 1});
}

TEST_CASE("random operands are the same values whoever makes them") {
  // Long enough to be made in parts, and no multiple of them.
  const std::size_t count = (std::size_t{5} << 20) + 3;
  const std::vector<float> values = random_float(7, count, 2);
  REQUIRE(values.size() == count);
  std::size_t unequal = 0;
  for (std::size_t i = 0; i < count; ++i) unequal += values[i] == 2 * hash_normal(7, i) ? 0 : 1;
  CHECK(unequal == 0);
}
