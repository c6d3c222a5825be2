// What `calibrate import` takes for which tool's output.
#include <doctest/doctest.h>

#include <fstream>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/command.h"

using namespace moesim;

namespace {

const std::string kLogs = "tests/validation/logs/";

const tools::Command& import_command() {
  for (const tools::Command& command : tools::commands()) {
    if (command.name == "calibrate import") return command;
  }
  throw std::runtime_error("no command calibrate import");
}

tests::Called import_of(const std::string& file, const std::string& from, tests::Values values) {
  values["POINTS"] = {file};
  values["from"] = {from};
  return tests::call(import_command(), std::move(values));
}

std::string refusal(const std::string& file, const std::string& from, tests::Values values) {
  return tests::thrown<sim::ConfigError>([&] { import_of(file, from, std::move(values)); });
}

}  // namespace

TEST_CASE("an option of another tool's output is refused") {
  CHECK(refusal(kLogs + "d4-low-latency.log", "deepep", {{"ranks", {"4"}}}) ==
        "--ranks: does not apply to --from deepep; it is of --from nccl-tests");
  CHECK(refusal(kLogs + "l1-tagged.log", "nccl-tests", {{"tokens", {"5"}}}) ==
        "--tokens: does not apply to --from nccl-tests; it is of --from deepep");
  CHECK(refusal(kLogs + "l1-tagged.log", "nccl-tests", {{"role", {"fit"}}}) ==
        "--role: does not apply to --from nccl-tests; it is of --from moesim-gpu");
  CHECK(refusal(kLogs + "p2-gbits.log", "perftest", {{"operation", {"all_reduce"}}}) ==
        "--operation: does not apply to --from perftest; it is of --from nccl-tests");
  CHECK(refusal("points.csv", "moesim-gpu", {{"nodes", {"2"}}}) ==
        "--nodes: does not apply to --from moesim-gpu; it is of --from deepep");
}

TEST_CASE("what was left out is said where nothing is left, too") {
  const tests::TemporaryFolder folder;
  const std::string file =
      folder.file("p.log",
                  " #bytes #iterations BW peak[Gb/sec] BW average[Gb/sec] MsgRate[Mpps]\n"
                  " 262144 5000 365.98 36");
  std::ostringstream out, err;
  CHECK(tests::thrown<sim::InputError>([&] {
          import_command().run({{{"POINTS", {file}}, {"from", {"perftest"}}}},
                               {.out = out, .err = err, .interrupted = [] { return false; }});
        }) == file + ": the table has no row");
  CHECK(err.str() == file + ":2: left out: the file ends within it\n");
}

TEST_CASE("what is given of a run of DeepEP reaches its row, and what is taken is told") {
  // Two ranks: the means of 41.50 and 41.72 us, 65.89 and 66.19 us.
  const tests::Called called =
      import_of(kLogs + "d4-low-latency.log", "deepep", {{"tokens", {"64"}}, {"top-k", {"6"}}});
  CHECK(called.out ==
        "node_num,hidden_size,num_token,num_topk,num_experts,dispatch_us,combine_us\n"
        "1,7168,64,6,256,41.61,66.04\n");
  CHECK(called.err == kLogs +
                          "d4-low-latency.log: the log does not say all of its shape: --hidden "
                          "7168, --experts 256, as DeepEP's tests have it, is taken\n");
}
