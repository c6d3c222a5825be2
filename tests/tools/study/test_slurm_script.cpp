// `moesim sweep script`, as a user calls it. That the shards are the whole sweep: slurm_script.
#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/thrown.h"
#include "tools/moesim/sweep/slurm_script.h"
#include "tools/moesim/sweep/sweep_commands.h"

using namespace moesim;
using moesim::tests::call;
using moesim::tests::thrown;
using moesim::tests::Values;

namespace {

Values three_points(Values more = {}) {
  Values values{{"FILE", {"mixtral-8x7b-decode-h100"}},
                {"vary", {"step.batch_per_rank=1..3"}},
                {"slurm", {"true"}},
                {"shards", {"3"}}};
  for (auto& [key, value] : more) values[key] = value;
  return values;
}

std::string refused(const Values& values) {
  return thrown<sim::ConfigError>([&] { call(tools::sweep_script_command(), values); });
}

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("what was asked for stands in the script as it was, quoted") {
  const std::string text = tools::slurm_script({.program = "/opt/it's/moesim",
                                                .version = "1.2",
                                                .study = {"a.yaml", "--set", "x={y: $z, @shards@}"},
                                                .points = 12,
                                                .store = "out.db",
                                                .shards = 4,
                                                .jobs = 8,
                                                .options = {"--partition=cpu", "--account=m o e"}});
  CHECK(has(text,
            "# 12 points in 4 shards: an array job, and a job that waits for it and puts them "
            "together."));
  CHECK(has(text, "# Made by moesim 1.2. Where sbatch is:  bash THIS_FILE"));
  CHECK(has(text, R"(moesim=${MOESIM:-'/opt/it'\''s/moesim'})"));
  CHECK(has(text, "study=('a.yaml' '--set' 'x={y: $z, @shards@}')"));
  CHECK(has(text, "sbatch=(sbatch --parsable '--partition=cpu' '--account=m o e')"));
  // The last of four is the third from 0; no limit unless one is asked for.
  CHECK(has(text, R"(  array=$("${sbatch[@]}" --job-name=moesim-shard --array=0-3 \)"));
  CHECK(text.find("--cpus-per-task=8 --requeue") != std::string::npos);
  CHECK(text.find("--jobs 8 --resume") != std::string::npos);
  CHECK(tools::slurm_script({.shards = 4, .nodes = 2}).find("--array=0-3%2 \\\n") !=
        std::string::npos);
}

TEST_CASE("a script that could not be is refused") {
  Values none = three_points();
  none.erase("slurm");
  CHECK(refused(none) == "sweep script: say what the script is for: --slurm, or --mpi");
  CHECK(refused(three_points({{"shards", {"4"}}})) ==
        "--shards: the study has 3 points: expected at most so many shards, not 4");
  CHECK(refused(three_points({{"shards", {"0"}}})) ==
        "--shards: expected a whole number from 1 to 100000, not \"0\"");
  CHECK(refused(three_points({{"nodes", {"0"}}})) ==
        "--nodes: expected a whole number from 1 to 100000, not \"0\"");
  CHECK(refused(three_points({{"time", {"2h"}}})) ==
        "--time: expected minutes, hours:minutes:seconds or days-hours, such as 90, 12:00:00 or "
        "2-0, not \"2h\"");
  for (const char* time : {"90", "12:00:00", "2-0", "1-12:30"})
    CHECK(refused(three_points({{"time", {time}}})) == "(nothing was thrown)");
  CHECK(refused(three_points({{"sbatch", {"account=moe"}}})) ==
        "--sbatch: expected an option of sbatch, such as --sbatch=--account=moe, not "
        "\"account=moe\"");
  Values no_file = three_points();
  no_file.erase("FILE");
  CHECK(refused(no_file) ==
        "sweep script: say a study's file or a scenario: moesim sweep script SCENARIO --vary "
        "KEY=VALUES");
  CHECK(refused(three_points({{"FILE", {"-"}}})) ==
        "sweep script: every point reads the scenario anew, which standard input cannot give: say "
        "a file");
}
