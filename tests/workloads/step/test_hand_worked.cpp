// One step worked out by hand, to the picosecond: two nodes, four experts, four tokens.
#include <doctest/doctest.h>

#include <array>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace moesim::workloads;
using namespace moesim::testing;

TEST_CASE("a step of two nodes and four experts takes the time that a hand computes") {
  // Experts 0 and 1 are on rank 0, 2 and 3 on rank 1. Tokens 0 and 1 start on rank 0, 2 and 3 on
  // rank 1, and choose:
  const std::array<ExpertId, 8> choices{0, 1, 0, 2, 2, 3, 0, 1};
  const tests::TemporaryFolder folder;
  const auto trace = folder.path() / "trace.h5";
  TraceWriter writer(trace, {.layers = 1, .experts = 4, .top_k = 2});
  writer.append({.ids = choices});
  writer.close();

  // Embedding: 2 tokens read and written, 2 x 2 x 1000 x 2 B = 8,000 B           1.008000 us
  // Router: norm 4 x 2 x 1000 x 2 = 16,000 B                                     1.016000
  //         GEMM 4 x 1000 x 2 + (2 x 1000 + 2 x 4) x 2 = 12,016 B                1.012016
  //         scores and choices 2 x (4 x 4 + 8 x 2) = 64 B                        1.000064
  // Both ranks come to the dispatch at                                           4.036080
  //
  // Selections, a message of 1000 x 2 + 16 B each: rank 0 sends 1 (token 1 to expert 2), rank 1
  // sends 2 (token 3 to experts 0 and 1). Startup 10 us less the path's 1 us.
  //   rank 0: 9 + 2 x 2.016 + 1 (the path) = 14.032      done at                18.068080
  //   rank 1: 9 + 2 x 2.016 until the last byte left     done at                17.068080
  //
  // Experts: 3 launches; weights of both experts 2 x 3 x 1000 x 500 x 2 = 6,000,000 B.
  //   rank 0: 5 rows in and out, 2 x 5 x 1000 x 2 = 20,000 B: 9.020              27.088080
  //   rank 1: 3 rows: 12,000 B: 9.012                                            26.080080
  //
  // Combine, messages of 2,000 B back: rank 0 sends 2 to rank 1, which is done a path later.
  //   rank 0: 27.088080 + 9 + 4                                                  40.088080
  //   rank 1: 1 us more                                                          41.088080
  for (const hardware::Fidelity fidelity : {hardware::Fidelity::Bound, hardware::Fidelity::Fluid}) {
    CAPTURE(static_cast<int>(fidelity));
    Scenario s = hand_scenario(trace);
    s.deployment.network.fidelity = fidelity;
    const RunResult result = run(s, {.keep_timeline = true});
    CHECK(result.recording->timeline.finish == sim::Time{41'088'080_ps});

    const Conservation& sums = result.report.conservation;
    CHECK(sums.tokens == 4);
    CHECK(sums.selections == 8);
    CHECK(sums.rows == 8);
    CHECK(sums.selections_away == 3);
    const auto& dispatch = result.report.phases[index_of(Phase::Dispatch)];
    CHECK(dispatch.network_bytes == 3 * 2016);
    // Rank 0 computes 5 of the 8 rows.
    CHECK(result.report.rank_max_over_mean == 5.0 / 4);
    // Rank 1 reached the combine at 26.080 us and waited 1.008 us for rank 0: 0.504 us a rank.
    const auto& combine = result.report.phases[index_of(Phase::Combine)];
    CHECK(combine.waiting_us == doctest::Approx(0.504).epsilon(1e-9));
  }
}
