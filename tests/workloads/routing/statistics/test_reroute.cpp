#include "workloads/routing/statistics/reroute.h"

#include <doctest/doctest.h>

#include <iostream>

#include "sim/error.h"
#include "sim/io/hdf5_file.h"
#include "tests/workloads/routing/trace_files.h"

using namespace moesim::workloads;
using moesim::sim::ConfigError;
using moesim::tests::Folder;
using Ids = std::vector<ExpertId>;

TEST_CASE("recorded scores choose what was recorded, and without the bias the loads collapse") {
  const auto folder = moesim::tests::shared_routing();
  if (folder.empty()) {
    std::cout << "SKIPPED: ../shared/data/routing is not there\n";
    return;
  }
  // Its README: 99.55 % of (token, layer) the same; max/mean without the bias 4.7 to 8.0 by layer.
  const auto trace = RoutingTrace::open(folder / "deepseek-like-final-gates.h5");
  const auto same = reroute(trace, {}, "");
  CHECK(same.same > 0.995);
  CHECK(mean_max_over_mean(same.loads) == doctest::Approx(1.71).epsilon(0.01));
  const auto without = reroute(trace, {.recorded_bias = false}, "");
  CHECK(mean_max_over_mean(without.loads) > 4.7);
  CHECK(mean_max_over_mean(without.loads) < 8.0);
  // The controller brings it back, batch by batch.
  const auto controlled =
      reroute(trace, {.recorded_bias = false, .bias_rate = 0.01f, .batch = 1024, .passes = 10}, "");
  CHECK(controlled.max_over_mean.front() > 5);
  CHECK(mean_max_over_mean(controlled.loads) < 2.5);
}

TEST_CASE("rerouting needs scores, and rules that can be kept") {
  const Folder folder;
  moesim::tests::write_trace(folder / "t.h5", 1, 4, 1, {1, 2});
  CHECK_THROWS_WITH_AS(reroute(RoutingTrace::open(folder / "t.h5"), {}, ""),
                       ((folder / "t.h5").string() +
                        ": has no gate scores (/gate_scores), so no other choice can be told")
                           .c_str(),
                       ConfigError);
  moesim::sim::io::Hdf5Writer file(folder / "g.h5");
  file.attribute("format", std::string("moe-routing-trace"));
  file.attribute("version", std::int64_t{1});
  file.attribute("num_experts", std::int64_t{4});
  file.attribute("top_k", std::int64_t{1});
  const std::uint64_t id_row[] = {1, 1}, score_row[] = {1, 4};
  using Stored = moesim::sim::io::Hdf5Writer::Stored;
  file.append(file.create("/expert_ids", Stored::U1, id_row),
              std::span<const std::int32_t>(std::vector<std::int32_t>{2, 0}));
  file.append(
      file.create("/gate_scores", Stored::F4, score_row),
      std::span<const float>(std::vector<float>{0, 0.1f, 0.6f, 0.3f, 0.5f, 0.2f, 0.2f, 0.1f}));
  file.close();
  const auto trace = RoutingTrace::open(folder / "g.h5");
  CHECK(reroute(trace, {.top_k = 2}, folder / "two.h5").selections == 4);
  Ids ids;
  RoutingTrace::open(folder / "two.h5").read_ids(0, 2, ids);
  CHECK(ids == Ids{2, 3, 0, 1});
  CHECK_THROWS_WITH_AS(reroute(trace, {.top_k = 5}, ""),
                       "5 of 4 experts, in 1 of 1 groups: that cannot be chosen", ConfigError);
}
