#include "validation/serving/e2e_bars.h"

#include <doctest/doctest.h>

using namespace moesim::validation;
using doctest::Approx;

namespace {

E2ePrediction row_of(const char* system, const char* engine, double predicted_ms,
                     double measured_ms) {
  E2ePrediction p;
  p.row.system = system;
  p.row.engine = engine;
  p.tpot_ms = predicted_ms;
  p.row.tpot_ms = measured_ms;
  return p;
}

}  // namespace

TEST_CASE("errors of a generation are those of its cards, and each engine's bias is its own") {
  std::vector<E2ePrediction> rows{
      row_of("h100_sxm", "vllm", 11, 10), row_of("h200_sxm", "sglang", 8, 10),
      row_of("gh200", "vllm", 13, 10),    row_of("b200_sxm", "vllm", 15, 10),
      row_of("gb200", "vllm", 5, 10),     row_of("a100_sxm", "vllm", 90, 10),
      row_of("h100_sxm", "vllm", 90, 10), row_of("h100_sxm", "vllm", 90, 0)};
  rows[6].failed = "does not fit";
  const auto [hopper, blackwell] = by_generation(rows);
  // +10, -20 and +30 %: the middle of 10, 20 and 30, and of -20, 10 and 30.
  CHECK(hopper.all.n == 3);
  CHECK(hopper.all.median == Approx(20));
  CHECK(hopper.all.bias == Approx(10));
  CHECK(hopper.by_engine.at("vllm").bias == Approx(20));
  CHECK(hopper.by_engine.at("sglang").bias == Approx(-20));
  CHECK(hopper.bar.median == 10);
  CHECK_FALSE(hopper.bar.met(hopper.all));
  CHECK(blackwell.all.n == 2);
  CHECK(blackwell.all.median == Approx(50));
  CHECK(blackwell.all.bias == Approx(0));
  CHECK(by_generation({})[0].all.n == 0);
}

TEST_CASE("where the cache binds a loop's rate is that of its clients, and the queue is the TTFT") {
  // 10 clients, 11 tokens. Measured 1,000 + 10 x 100 = 2 s a request: 55 tokens/s; predicted 600 +
  // 10 x 100 = 1.6 s: 68.75, 25 % more. The first token: 40 % less.
  E2ePrediction p = row_of("h100_sxm", "vllm", 100, 100);
  p.row.concurrency = 10;
  p.row.osl = 11;
  p.row.ttft_ms = 1000;
  p.ttft_ms = 600;
  p.demand = 1.5;
  E2ePrediction fits = p;  // in the cache
  fits.demand = 1;
  fits.ttft_ms = 5000;
  const CacheBound found = where_cache_binds({p, fits});
  CHECK(found.throughput.n == 1);
  CHECK(found.throughput.median == Approx(25));
  CHECK(found.throughput.bias == Approx(25));
  CHECK(found.ttft.n == 1);
  CHECK(found.ttft.bias == Approx(-40));
  // A table that has the rate says it itself; what was not measured is left out.
  p.row.throughput = 50;
  p.throughput = 55;
  p.row.ttft_ms = 0;
  const CacheBound told = where_cache_binds({p});
  CHECK(told.throughput.bias == Approx(10));
  CHECK(told.ttft.n == 0);
  p.row.throughput = 0;
  CHECK(where_cache_binds({p}).throughput.n == 0);
}

TEST_CASE("a bar is met at its numbers, and missed by either") {
  CHECK(kCacheBar.met({.median = 15, .p90 = 30}));
  CHECK_FALSE(kCacheBar.met({.median = 15.1, .p90 = 30}));
  CHECK_FALSE(kCacheBar.met({.median = 15, .p90 = 30.1}));
}
