#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ostream>

#include "sim/error.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/config_folder.h"

namespace moesim::tools {

Command calibrate_plan_command();
Command calibrate_import_command();

std::optional<std::filesystem::path> find_gpu_program(const std::optional<std::string>& named) {
  namespace fs = std::filesystem;
  constexpr const char* kName = "moesim-gpu";
  const auto runs = [](const fs::path& file) {
    std::error_code ignored;
    return fs::is_regular_file(file, ignored) && access(file.c_str(), X_OK) == 0;
  };
  if (named) {
    if (!runs(*named)) throw sim::ConfigError("--program: " + *named + " is no program");
    return fs::path(*named);
  }
  const fs::path here = program_folder();
  if (!here.empty()) {
    // Installed beside it; or built: tools/moesim and validation/cuda of one tree.
    for (const fs::path& file : {here / kName, here / "../../validation/cuda" / kName}) {
      if (runs(file)) return file.lexically_normal();
    }
  }
  const char* path = std::getenv("PATH");
  std::string folders = path == nullptr ? "" : path;
  while (!folders.empty()) {
    const std::size_t colon = folders.find(':');
    const fs::path file = fs::path(folders.substr(0, colon)) / kName;
    if (runs(file)) return file;
    folders = colon == std::string::npos ? "" : folders.substr(colon + 1);
  }
  return std::nullopt;
}

int run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments) {
  std::string name = program.string();
  std::vector<std::string> copies = arguments;
  std::vector<char*> argv{name.data()};
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  // The child tells through a pipe why it could not become the program; a start closes the pipe.
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw sim::ConfigError("no pipe can be made");
  const pid_t child = fork();
  if (child == 0) {
    execv(name.c_str(), argv.data());
    const int reason = errno;
    if (write(ends[1], &reason, sizeof reason) < 0) _exit(126);
    _exit(127);
  }
  close(ends[1]);
  int reason = 0;
  const bool failed = child < 0 || read(ends[0], &reason, sizeof reason) > 0;
  close(ends[0]);
  int status = 0;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (failed) {
    throw sim::ConfigError(name +
                           " cannot be started: " + std::strerror(child < 0 ? errno : reason));
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

namespace {

sim::ExitCode exit_code_of(int code) {
  for (const sim::ExitCode known :
       {sim::ExitCode::Ok, sim::ExitCode::Configuration, sim::ExitCode::DamagedInput,
        sim::ExitCode::Partial, sim::ExitCode::Skipped, sim::ExitCode::Interrupted}) {
    if (static_cast<int>(known) == code) return known;
  }
  return sim::ExitCode::Failed;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const auto program = find_gpu_program(arguments.find("program"));
  if (!program) {
    console.err
        << "SKIPPED: no moesim-gpu beside this program or on the PATH; it is built where the "
           "CUDA toolkit is (validation/cuda/README.md), and runs where a GPU is\n";
    return sim::ExitCode::Skipped;
  }
  console.out.flush();
  return exit_code_of(run_program(
      *program, {"run", "--plan", arguments.text("plan"), "--out", arguments.text("out"),
                 "--budget", arguments.text("budget"), "--seed", arguments.text("seed")}));
}

Command calibrate_run_command() {
  return {
      .name = "calibrate run",
      .summary = "measures a plan on this machine's GPU",
      .description =
          "Runs moesim-gpu over a plan: every point is checked against a double-precision "
          "reference, then timed, in two shuffled passes. No setting of the card is touched. Ends "
          "with 77 where there is no GPU or no moesim-gpu, with 5 where the budget did not "
          "suffice.",
      .options = {{.name = "--plan",
                   .value = "FILE",
                   .help = "what calibrate plan wrote",
                   .required = true,
                   .is_file = true},
                  {.name = "--out",
                   .value = "FILE",
                   .help = "the points, as comma-separated values",
                   .required = true,
                   .is_file = true},
                  {.name = "--budget",
                   .value = "TIME",
                   .help = "how long it may take",
                   .fallback = "240s"},
                  {.name = "--seed", .value = "N", .help = "of data and order", .fallback = "1"},
                  {.name = "--program",
                   .value = "FILE",
                   .help = "moesim-gpu, where it is not beside this program or on the PATH",
                   .is_file = true}},
      .examples = {"moesim calibrate run --plan plan.csv --out points.csv --budget 240s"},
      .run = run};
}

}  // namespace

std::vector<Command> calibrate_commands() {
  return {calibrate_plan_command(), calibrate_run_command(), calibrate_import_command()};
}

}  // namespace moesim::tools
