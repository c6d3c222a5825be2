// `moesim sweep find`, as a user calls it.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/thrown.h"
#include "tools/moesim/sweep/sweep_commands.h"

using namespace moesim;
using moesim::tests::printed;
using moesim::tests::Values;

namespace {

Values mixtral(const std::string& condition, const std::string& over) {
  return {{"SCENARIO", {"mixtral-8x7b-decode-h100"}},
          {"CONDITION", {condition}},
          {"over", {over}},
          {"set", {"network=bound", "step.count=1", "routing={law: balanced}"}}};
}

}  // namespace

TEST_CASE("the largest batch whose step takes no longer is found, and its neighbour takes longer") {
  Values values = mixtral("step_time_us.mean < 20000", "step.batch_per_rank=1..256");
  values["format"] = {"json"};
  const auto json = nlohmann::json::parse(printed(tools::sweep_find_command(), values));
  REQUIRE(json["crossings"].size() == 1);
  const auto crossing = json["crossings"][0];
  CHECK(crossing["holds_after"] == false);
  CHECK(json["holds_at_from"] == true);
  CHECK(std::stoi(crossing["after"].get<std::string>()) ==
        std::stoi(crossing["before"].get<std::string>()) + 1);
  // In 80 % of what the cost models may be off it is not far from there.
  const auto number = [](const nlohmann::json& text) { return std::stoi(text.get<std::string>()); };
  const int largest = number(crossing["before"]), low = number(crossing["interval"]["p10"]),
            high = number(crossing["interval"]["p90"]);
  CHECK(low < largest);
  CHECK(high > largest);
  CHECK(low > largest / 2);
  CHECK(high < 2 * largest);
  CHECK(printed(tools::sweep_find_command(),
                mixtral("step_time_us.mean > 0", "step.batch_per_rank=1..4")) ==
        "step_time_us.mean > 0, over step.batch_per_rank from 1 to 4 (4 runs)\n"
        "  holds at all of 4 values that were asked\n");
}

// A GPU holds 262 sequences (`moesim memory`): a time that the 263rd would keep is no answer.
TEST_CASE("what does not fit is no largest batch, and the answer says so") {
  const std::string text =
      printed(tools::sweep_find_command(),
              mixtral("step_time_us.mean < 100000", "step.batch_per_rank=200..300"));
  CHECK(text.find("\n  holds up to 262: no more at 263, which does not fit: needs 85.") !=
        std::string::npos);
  CHECK(text.find("262 sequences a dp rank would fit (step.batch_per_rank)\n") !=
        std::string::npos);
  // Who asks what fits is answered.
  CHECK(printed(tools::sweep_find_command(),
                mixtral("not memory.fits", "step.batch_per_rank=200..300"))
            .find("\n  holds from 263 on: not yet at 262\n") != std::string::npos);
  // Nothing fits: exit code 3.
  Values values = mixtral("step_time_us.mean > 0", "step.batch_per_rank=400..403");
  values["format"] = {"json"};
  const auto [code, out, err] = moesim::tests::call(tools::sweep_find_command(), values);
  CHECK(code == sim::ExitCode::Infeasible);
  const auto json = nlohmann::json::parse(out);
  CHECK(json["do_not_fit"].size() == json["values"].get<std::size_t>());
  CHECK(json["holds_at_from"] == false);
}

TEST_CASE("variants are compared with each other") {
  // Twice the context reads twice the cache: longer at every batch.
  Values values =
      mixtral("long.step_time_us.mean < short.step_time_us.mean", "step.batch_per_rank=1..4");
  values["variant"] = {"long:step.context=4096", "short:step.context=2048"};
  CHECK(printed(tools::sweep_find_command(), values) ==
        "long.step_time_us.mean < short.step_time_us.mean, over step.batch_per_rank from 1 to 4 (8 "
        "runs)\n  holds at none of 4 values that were asked\n");
  values["variant"] = {"parallelism.ep=16"};
  CHECK(moesim::tests::thrown<sim::ConfigError>(
            [&] { (void)printed(tools::sweep_find_command(), values); }) ==
        "--variant: expected NAME:KEY=VALUE, such as A:parallelism.ep=16, not "
        "\"parallelism.ep=16\"");
}

TEST_CASE("values that a scenario refuses are skipped, and said to be") {
  // Four dp ranks: multiples of 4 from 4 on; below 10 that are 4 and 8.
  Values values = mixtral("training.step_time_us > 0", "training.global_batch=4..10");
  values["SCENARIO"] = {"mixtral-8x7b-training-h100"};
  values["set"] = {"network=bound", "routing={law: balanced}",
                   "parallelism={tp: 4, pp: 4, dp: 4, ep: 8, etp: 1}"};
  const std::string text = printed(tools::sweep_find_command(), values);
  CHECK(text.find("(2 runs)\n  holds at all of 2 values that were asked\n"
                  "  skipped as invalid: 5 values, such as 5: ") != std::string::npos);
  CHECK(text.find("global_batch: 5 sequences are no whole number") != std::string::npos);
}
