// Did any prediction move? The report of every scenario that ships, and the end of its first step
// to the picosecond, against the files beside this one.
//
// A change that means to move a prediction rewrites them with
//   MOESIM_UPDATE_GOLDEN=1 ctest --preset ci -L golden
// and says in its commit what moved and why.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "sim/io/atomic_file.h"
#include "sim/io/csv.h"
#include "tools/report/text_report.h"
#include "workloads/run.h"

using namespace moesim;

namespace {

const std::filesystem::path kFolder = "tests/golden";

// As the program prints it; the large ones by the closed form of the network, which is quick.
std::string prediction(const std::string& scenario) {
  const bool large = scenario.starts_with("deepseek");
  const auto overrides =
      large ? std::vector<std::string>{"network=bound"} : std::vector<std::string>{};
  const workloads::RunResult result =
      workloads::run(workloads::load_scenario("configs/scenarios/" + scenario + ".yaml", overrides),
                     {.keep_timeline = true});
  return fmt::format("{}\nfirst step ends at {} ps\n", tools::text_report(result.report),
                     result.recording->timeline.finish.time_since_epoch().count());
}

void check_against_file(const std::string& name, const std::string& text) {
  const std::filesystem::path file = kFolder / (name + ".txt");
  if (std::getenv("MOESIM_UPDATE_GOLDEN") != nullptr) sim::io::write_file(file, text);
  CHECK(text == sim::io::read_text(file));
}

}  // namespace

TEST_CASE("the report of each scenario that ships is as it was") {
  for (const char* scenario : {"mixtral-8x7b-decode-h100", "mixtral-8x7b-prefill-h100",
                               "qwen3-235b-decode-h200", "llama-2-70b-decode-h100",
                               "deepseek-v3-decode-h800-ep128", "deepseek-v3-prefill-h800-ep32"}) {
    CAPTURE(scenario);
    check_against_file(scenario, prediction(scenario));
  }
}
