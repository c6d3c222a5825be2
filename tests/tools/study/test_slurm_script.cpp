// `moesim sweep script`, as a user calls it. That the shards are the whole sweep: slurm_script.
#include <doctest/doctest.h>

#include "tests/tools/study/script_calls.h"
#include "tools/moesim/sweep/slurm_script.h"

using namespace moesim;
using moesim::tests::has_line;
using moesim::tests::refused_script;
using moesim::tests::Values;

namespace {

Values three_points(const Values& more = {}) {
  return tests::three_points("slurm", "shards", "3", more);
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
  CHECK(has_line(text,
                 "# 12 points in 4 shards: an array job, and a job that waits for it and puts them "
                 "together."));
  CHECK(has_line(text, "# Made by moesim 1.2. Where sbatch is:  bash THIS_FILE"));
  CHECK(has_line(text, R"(moesim=${MOESIM:-'/opt/it'\''s/moesim'})"));
  CHECK(has_line(text, "study=('a.yaml' '--set' 'x={y: $z, @shards@}')"));
  CHECK(has_line(text, "sbatch=(sbatch --parsable '--partition=cpu' '--account=m o e')"));
  // The last of four is the third from 0; no limit unless one is asked for.
  CHECK(has_line(text, R"(  array=$("${sbatch[@]}" --job-name=moesim-shard --array=0-3 \)"));
  CHECK(text.find("--cpus-per-task=8 --requeue") != std::string::npos);
  CHECK(text.find("--jobs 8 --resume") != std::string::npos);
  CHECK(tools::slurm_script({.shards = 4, .nodes = 2}).find("--array=0-3%2 \\\n") !=
        std::string::npos);
}

TEST_CASE("a script that could not be is refused") {
  Values none = three_points();
  none.erase("slurm");
  CHECK(refused_script(none) == "sweep script: say what the script is for: --slurm, or --mpi");
  CHECK(refused_script(three_points({{"shards", {"4"}}})) ==
        "--shards: the study has 3 points: expected at most so many shards, not 4");
  CHECK(refused_script(three_points({{"shards", {"0"}}})) ==
        "--shards: expected a whole number from 1 to 100000, not \"0\"");
  CHECK(refused_script(three_points({{"nodes", {"0"}}})) ==
        "--nodes: expected a whole number from 1 to 100000, not \"0\"");
  CHECK(refused_script(three_points({{"time", {"2h"}}})) ==
        "--time: expected minutes, hours:minutes:seconds or days-hours, such as 90, 12:00:00 or "
        "2-0, not \"2h\"");
  for (const char* time : {"90", "12:00:00", "2-0", "1-12:30"})
    CHECK(refused_script(three_points({{"time", {time}}})) == "(nothing was thrown)");
  CHECK(refused_script(three_points({{"sbatch", {"account=moe"}}})) ==
        "--sbatch: expected an option of sbatch, such as --sbatch=--account=moe, not "
        "\"account=moe\"");
  Values no_file = three_points();
  no_file.erase("FILE");
  CHECK(refused_script(no_file) ==
        "sweep script: say a study's file or a scenario: moesim sweep script SCENARIO --vary "
        "KEY=VALUES");
  CHECK(refused_script(three_points({{"FILE", {"-"}}})) ==
        "sweep script: every point reads the scenario anew, which standard input cannot give: say "
        "a file");
}
