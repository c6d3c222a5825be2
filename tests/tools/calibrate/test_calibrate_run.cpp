#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/error.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/calibrate/calibrate_commands.h"

using namespace moesim;

namespace {

// A program that writes its arguments to a file and ends with a code.
std::filesystem::path program_that_ends_with(const std::filesystem::path& folder, int code) {
  const std::filesystem::path file = folder / "stand-in";
  std::ofstream(file) << "#!/bin/sh\necho \"$@\" > " << (folder / "arguments").string() << "\nexit "
                      << code << "\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  return file;
}

tools::Command run_command() {
  for (tools::Command& c : tools::calibrate_commands()) {
    if (c.name == "calibrate run") return c;
  }
  throw std::runtime_error("no command calibrate run");
}

}  // namespace

TEST_CASE("calibrate run hands the plan to the program and gives its exit code back") {
  const tests::TemporaryFolder folder;
  for (const auto& [code, expected] :
       {std::pair{0, sim::ExitCode::Ok}, std::pair{77, sim::ExitCode::Skipped},
        std::pair{5, sim::ExitCode::Partial}, std::pair{4, sim::ExitCode::DamagedInput},
        std::pair{9, sim::ExitCode::Failed}}) {
    tools::Arguments arguments;
    arguments.values = {{"plan", {"p.csv"}},
                        {"out", {"o.csv"}},
                        {"budget", {"10s"}},
                        {"seed", {"3"}},
                        {"program", {program_that_ends_with(folder.path(), code).string()}}};
    std::ostringstream out, err;
    CHECK(run_command().run(arguments, {out, err}) == expected);
    std::string line;
    std::ifstream file(folder.path() / "arguments");
    std::getline(file, line);
    CHECK(line == "run --plan p.csv --out o.csv --budget 10s --seed 3");
  }
}

TEST_CASE("a program that is none is told so") {
  CHECK_THROWS_WITH_AS(tools::find_gpu_program("/nowhere/moesim-gpu"),
                       "--program: /nowhere/moesim-gpu is no program", sim::ConfigError);
  const tests::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "text";
  std::ofstream(file) << "no program\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  CHECK_THROWS_WITH_AS(tools::run_program(file, {}),
                       (file.string() + " cannot be started: Exec format error").c_str(),
                       sim::ConfigError);
}
