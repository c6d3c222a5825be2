#include "workloads/routing/trace/resample.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/trace/synthetic.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;
using moesim::tests::Folder;

TEST_CASE("resampling keeps requests whole and follows the mix") {
  const Folder folder;
  write_synthetic_trace(folder / "t.h5",
                        {.law = {.law = Law::Zipf, .layers = 2, .experts = 16, .top_k = 2},
                         .requests = 20,
                         .tokens_per_request = 10,
                         .domains = 2,
                         .domain_share = 0.5});
  const auto trace = RoutingTrace::open(folder / "t.h5");
  CHECK(resample(trace, {.tokens = 1005, .mix = {{"domain-1", 3.0}, {"domain-0", 1.0}}},
                 folder / "r.h5") == 101);
  const auto again = RoutingTrace::open(folder / "r.h5");
  CHECK(again.info().tokens == 1005);
  std::vector<std::uint32_t> domains, positions;
  again.read_column(TokenColumn::Domain, 0, 1005, domains);
  again.read_column(TokenColumn::Position, 0, 1005, positions);
  double share = 0;
  for (std::size_t i = 0; i < 1005; ++i) {
    share += domains[i] / 1005.0;
    REQUIRE(positions[i] == i % 10);
  }
  CHECK(share == doctest::Approx(0.75).epsilon(0.2));  // 101 draws: standard deviation 0.043
  write_counts(folder / "c.h5",
               {.header = {.layers = 1, .experts = 2, .top_k = 1}, .counts = {1, 2}});
  CHECK_THROWS_WITH_AS(
      resample(RoutingTrace::open(folder / "c.h5"), {.tokens = 5}, folder / "x.h5"),
      ((folder / "c.h5").string() + ": holds counts; only tokens can be drawn again").c_str(),
      ConfigError);
}
