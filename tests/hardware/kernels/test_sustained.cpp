#include "hardware/kernels/sustained.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "sim/io/csv.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;

TEST_CASE("a product in 16 bits is as much slower for seconds as an H100 was") {
  // Of 8,192 rows, columns and depth: the quickest of its timings, and three seconds of it.
  const auto time_of = [](const char* file, const char* op) {
    const auto csv =
        sim::io::CsvTable::read(std::string("validation/measured/h100-2026-11-28/") + file);
    double least = 1e9;
    for (std::size_t i = 0; i < csv.rows(); ++i) {
      const auto is = [&](const char* column, const char* text) {
        return csv.text(i, csv.column(column)) == text;
      };
      if (is("op", op) && is("impl", "moesim_wgmma") && is("flops", "1099511627776"))
        least = std::min(least, csv.number(i, csv.column("p50_us")));
    }
    return least;
  };
  const double slower = time_of("power.csv", "gemm") / time_of("points.csv", "gemm");
  CHECK(slower == doctest::Approx(1.149).epsilon(0.001));
  const Device h100 = shipped("h100");
  CHECK(sustained_slowdown(h100, Precision::BF16) == doctest::Approx(slower));
  // 8 bits lose nothing; an H20 has too little arithmetic to draw that much; of Blackwell nothing
  // is known.
  CHECK(sustained_slowdown(h100, Precision::FP8) == 1);
  CHECK(sustained_slowdown(shipped("h20"), Precision::BF16) == 1);
  CHECK(sustained_slowdown(shipped("b200"), Precision::BF16) == 1);
  CHECK(sustained_slowdown(shipped("h800"), Precision::BF16) > 1.1);
}

TEST_CASE("a product in 16 bits that lasts a moment has the top clock") {
  // 1,612.512 us at 1,560 MHz are 2,515,519 cycles, which are 1,270.464 us at 1,980 MHz: of the
  // 1,403.2 us that a timing takes 0.9054.
  CHECK(brief_slowdown(shipped("h100"), Precision::BF16) ==
        doctest::Approx(1270.464 / 1403.2).epsilon(1e-6));
  CHECK(brief_slowdown(shipped("h200"), Precision::BF16) ==
        brief_slowdown(shipped("h100"), Precision::BF16));
  CHECK(brief_slowdown(shipped("h100"), Precision::FP8) == 1);
  CHECK(brief_slowdown(shipped("h20"), Precision::BF16) == 1);
  CHECK(brief_slowdown(shipped("b200"), Precision::BF16) == 1);
}
