// `moesim sweep script --mpi`, as a user calls it. That the ranks are the whole sweep: mpi_ranks.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/temporary_folder.h"
#include "tests/tools/study/script_calls.h"
#include "tools/moesim/sweep/mpi_script.h"
#include "tools/moesim/sweep/script_text.h"

using namespace moesim;
using moesim::tests::has_line;
using moesim::tests::refused_script;
using moesim::tests::Values;

namespace {

std::string told(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

Values three_points(const Values& more = {}) {
  return tests::three_points("mpi", "ranks", "4", more);
}

}  // namespace

TEST_CASE("an @ that names no field stays, and what is put in is not looked at again") {
  CHECK(tools::filled("a @x@ @ @y@ b@", {{"x", "@y@"}, {"y", "2"}}) == "a @y@ @ 2 b@");
  CHECK(tools::words_text({"a b", "it's"}, " ") == R"( 'a b' 'it'\''s')");
  CHECK(tools::words_text({}, " ").empty());
}

TEST_CASE("what was asked for stands in the script of MPI as it was, quoted") {
  const std::string text = tools::mpi_script({.program = "/opt/it's/moesim-mpi",
                                              .version = "1.2",
                                              .study = {"a.yaml", "--set", "x={y: $z}"},
                                              .points = 12,
                                              .store = "out 1.db",
                                              .ranks = 64,
                                              .tries = 3,
                                              .options = {"--partition=cpu", "--time=2-0"}});
  CHECK(
      text.starts_with("#!/bin/bash\n#SBATCH --job-name=moesim\n#SBATCH --ntasks=64\n"
                       "#SBATCH --signal=B:USR1@60\n#SBATCH --partition=cpu\n#SBATCH "
                       "--time=2-0\n"));
  CHECK(has_line(text, "# 12 points on 64 ranks: one hands them out and writes, the others play."));
  CHECK(has_line(text, R"(moesim_mpi=${MOESIM_MPI:-'/opt/it'\''s/moesim-mpi'})"));
  CHECK(has_line(text, "study=('a.yaml' '--set' 'x={y: $z}')"));
  CHECK(has_line(text, "store='out 1.db'"));
  CHECK(has_line(text, "for ((try = 1; try <= 3; try++)); do"));
  CHECK(has_line(
      text,
      R"(  "${mpirun[@]}" -np 64 "$moesim_mpi" sweep "${study[@]}" --resume --output "$store" &)"));
}

TEST_CASE("what is not there is told, and is no rank that was lost") {
  const tests::TemporaryFolder folder;
  const auto script = folder.file("run.sh", tools::mpi_script({.program = "/nowhere/moesim-mpi",
                                                               .version = "1",
                                                               .study = {"a.yaml"},
                                                               .points = 1,
                                                               .store = "a.db",
                                                               .ranks = 2,
                                                               .tries = 3}));
  const auto said = folder.path() / "said";
  const auto run = [&](const std::string& settings) {
    const std::string command = "env -u MOESIM_MPI " + settings + " bash '" + script.string() +
                                "' 2>'" + said.string() + "'";
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
  };
  const std::string where =
      " not found: MPIRUN='…' or MOESIM_MPI=… before the command say where they are\n";
  CHECK(run("MPIRUN='/nowhere/mpirun --quiet'") == 2);
  CHECK(told(said) == script.string() + ": /nowhere/mpirun" + where);
  CHECK(run("MPIRUN=true") == 2);
  CHECK(told(said) == script.string() + ": /nowhere/moesim-mpi" + where);
  // With both it is tried, and a rank that is lost is one: `false` ends with 1 each time.
  CHECK(run("MPIRUN=false MOESIM_MPI=true") == 1);
  CHECK(told(said).ends_with("try 3 of 3 ended with 1: a rank was lost\n"));
}

TEST_CASE("a script of MPI that could not be is refused") {
  Values both = three_points({{"slurm", {"true"}}});
  CHECK(refused_script(both) == "sweep script: say what the script is for: --slurm, or --mpi");
  Values no_ranks = three_points();
  no_ranks.erase("ranks");
  CHECK(refused_script(no_ranks) ==
        "--ranks: expected how many, such as --ranks 64: one hands out points, the others play");
  CHECK(refused_script(three_points({{"ranks", {"1"}}})) ==
        "--ranks: expected a whole number from 2 to 1000000, not \"1\"");
  CHECK(refused_script(three_points({{"tries", {"0"}}})) ==
        "--tries: expected a whole number from 1 to 1000, not \"0\"");
  CHECK(refused_script(three_points({{"shards", {"3"}}})) ==
        "--shards: is of a script for --slurm");
  CHECK(refused_script(three_points({{"jobs", {"2"}}})) ==
        "--jobs: is of a script for --slurm: a rank plays one point at a time");
  Values slurm = three_points({{"slurm", {"true"}}, {"shards", {"3"}}});
  slurm.erase("mpi");
  CHECK(refused_script(slurm) == "--ranks: is of a script for --mpi");
  slurm.erase("ranks");
  CHECK(refused_script(slurm) == "(nothing was thrown)");
  slurm.erase("shards");
  CHECK(refused_script(slurm) == "--shards: expected how many, such as --shards 16");
  CHECK(refused_script(three_points()) == "(nothing was thrown)");
}
