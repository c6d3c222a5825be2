// What the expert placements make of a step, as workloads/placement/README.md prints it
// (tests/docs). MOESIM_UPDATE_GOLDEN=1 rewrites placements.csv, with a commit that says what moved
// and why.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "tools/moesim/placement/study.h"
#include "tools/moesim/routed_scenario.h"

using namespace moesim;

TEST_CASE("the placements of DeepSeek-V3's experts on 32 H800 are as they were") {
  tools::RoutedQuestion question{.trace = "configs/traces/deepseek-like.h5",
                                 .model = "configs/models/deepseek-v3.yaml",
                                 .cluster = "configs/clusters/h800-4x8.yaml"};
  question.redundant = 32;
  question.steps = 1;
  const auto study = tools::placement_study(tools::routed_scenario(question), 2);
  const auto source = tools::open_source(study);
  std::string table = "placement,redundant,rank_max_over_mean,nodes_a_token,step_ms\n";
  for (const auto& [name, redundant] : {std::pair{"linear", 0u},
                                        {"eplb", 32u},
                                        {"greedy", 32u},
                                        {"coactivation", 32u},
                                        {"topology", 32u}}) {
    const auto entry = tools::judge(study, *source, name, redundant);
    table +=
        fmt::format("{},{},{:.4f},{:.4f},{:.4f}\n", name, redundant, entry.score.rank_max_over_mean,
                    entry.score.nodes_per_token, entry.report.step_time_us.mean / 1000);
  }
  const std::string golden = "tests/golden/placements.csv";
  if (std::getenv("MOESIM_UPDATE_GOLDEN") != nullptr) sim::io::write_file(golden, table);
  CHECK(table == sim::io::read_text(golden));
}
