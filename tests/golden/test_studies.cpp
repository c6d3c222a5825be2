// The sweep, the comparison and the plans that the README and the guide show, as the program prints
// them.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/command.h"
#include "tools/moesim/sweep/sweep_commands.h"

namespace moesim::tools {
Command compare_command();
Command plan_command();
}  // namespace moesim::tools

using namespace moesim;
using moesim::tests::printed;

namespace {

void check_against_file(const std::string& name, const std::string& text) {
  const std::filesystem::path file = "tests/golden/" + name + ".txt";
  if (std::getenv("MOESIM_UPDATE_GOLDEN") != nullptr) sim::io::write_file(file, text);
  CHECK(text == sim::io::read_text(file));
}

}  // namespace

TEST_CASE("the sweep of the README is as it was") {
  const tests::TemporaryFolder folder;
  const std::string store = (folder.path() / "batch.db").string();
  std::string text = printed(
      tools::sweep_command(),
      {{"FILE", {"mixtral-8x7b-decode-h100"}},
       {"set", {"network=bound"}},
       {"vary", {"step.batch_per_rank=1..256*4"}},
       {"measure", {"step_time_us.mean", "throughput.tokens_per_s_per_gpu", "memory.peak_bytes"}},
       {"output", {store}}});
  text.replace(text.find(store), store.size(), "batch.db");
  check_against_file("readme_sweep", text);
}

TEST_CASE("the comparison of the README is as it was") {
  check_against_file("readme_compare", printed(tools::compare_command(),
                                               {{"INPUT", {"mixtral-8x7b-decode-h100"}},
                                                {"set", {"cluster=h200:1x8", "step.context=4096"}},
                                                {"why", {"true"}}}));
}

TEST_CASE("the plan of the README is as it was") {
  check_against_file("readme_plan",
                     printed(tools::plan_command(), {{"model", {"mixtral-8x7b"}},
                                                     {"gpu", {"h100=2.40"}},
                                                     {"rate", {"150"}},
                                                     {"input", {"500"}},
                                                     {"output", {"150"}},
                                                     {"ttft", {"1s"}},
                                                     {"tpot", {"50ms"}},
                                                     {"most", {"8"}},
                                                     {"engine", {"vllm"}},
                                                     {"set", {"kernels.moe=trtllm"}}}));
}

TEST_CASE("the plan of a run of training in the guide is as it was") {
  check_against_file("guide_training_plan",
                     printed(tools::plan_command(), {{"FILE", {"mixtral-8x7b-training-h100"}}}));
}

TEST_CASE("the plan of DeepSeek-V3 in the guide is as it was") {
  check_against_file("guide_plan", printed(tools::plan_command(),
                                           {{"FILE", {"configs/plans/deepseek-v3-h200.yaml"}}}));
}
