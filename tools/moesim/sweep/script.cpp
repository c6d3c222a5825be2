#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <ostream>
#include <regex>

#include "sim/error.h"
#include "tools/moesim/config_folder.h"
#include "tools/moesim/sweep/mpi_script.h"
#include "tools/moesim/sweep/slurm_script.h"
#include "tools/moesim/sweep/study_arguments.h"
#include "tools/moesim/sweep/sweep_commands.h"

namespace moesim::tools {
namespace {

// As sbatch reads it: minutes, minutes:seconds, hours:minutes:seconds,
// days-hours[:minutes[:seconds]].
std::string slurm_time(const std::string& text) {
  static const std::regex kTime(R"(\d+(:\d{1,2}){0,2}|\d+-\d+(:\d{1,2}){0,2})");
  if (!std::regex_match(text, kTime)) {
    throw sim::ConfigError(fmt::format(
        "--time: expected minutes, hours:minutes:seconds or days-hours, such as 90, 12:00:00 or "
        "2-0, not \"{}\"",
        text));
  }
  return text;
}

std::vector<std::string> sbatch_options(const Arguments& arguments) {
  std::vector<std::string> options;
  if (const auto partition = arguments.find("partition"))
    options.push_back("--partition=" + *partition);
  if (const auto time = arguments.find("time")) options.push_back("--time=" + slurm_time(*time));
  for (const std::string& option : arguments.all("sbatch")) {
    if (!option.starts_with("--") || option.size() == 2) {
      throw sim::ConfigError(fmt::format(
          "--sbatch: expected an option of sbatch, such as --sbatch=--account=moe, not \"{}\"",
          option));
    }
    options.push_back(option);
  }
  return options;
}

// Options of one kind of script mean nothing to the other.
void refuse(const Arguments& arguments, std::initializer_list<const char*> names,
            const char* kind) {
  for (const char* name : names) {
    if (arguments.has(name))
      throw sim::ConfigError(fmt::format("--{}: is of a script for {}", name, kind));
  }
}

std::string slurm(const Arguments& arguments, std::uint64_t points) {
  refuse(arguments, {"ranks", "tries"}, "--mpi");
  if (!arguments.has("shards"))
    throw sim::ConfigError("--shards: expected how many, such as --shards 16");
  const std::int64_t shards = arguments.integer("shards", 1, 100'000);
  if (static_cast<std::uint64_t>(shards) > points) {
    throw sim::ConfigError(
        fmt::format("--shards: the study has {} points: expected at most so many shards, not {}",
                    points, shards));
  }
  return slurm_script({.program = (program_folder() / "moesim").string(),
                       .version = MOESIM_VERSION,
                       .study = study_words(arguments),
                       .points = points,
                       .store = arguments.text("store"),
                       .shards = static_cast<std::uint64_t>(shards),
                       .nodes = arguments.has("nodes") ? arguments.integer("nodes", 1, 100'000) : 0,
                       .jobs = arguments.integer("jobs", 1, 1024),
                       .options = sbatch_options(arguments)});
}

std::string mpi(const Arguments& arguments, std::uint64_t points) {
  refuse(arguments, {"shards", "nodes"}, "--slurm");
  if (arguments.integer("jobs", 1, 1024) != 1)
    throw sim::ConfigError("--jobs: is of a script for --slurm: a rank plays one point at a time");
  if (!arguments.has("ranks"))
    throw sim::ConfigError(
        "--ranks: expected how many, such as --ranks 64: one hands out points, the others play");
  // What "2-0" and "12:00:00" mean sbatch says; its options are lines of the script.
  return mpi_script({.program = (program_folder() / "moesim-mpi").string(),
                     .version = MOESIM_VERSION,
                     .study = study_words(arguments),
                     .points = points,
                     .store = arguments.text("store"),
                     .ranks = arguments.integer("ranks", 2, 1'000'000),
                     .tries = arguments.has("tries") ? arguments.integer("tries", 1, 1000) : 5,
                     .options = sbatch_options(arguments)});
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  if (arguments.has("slurm") == arguments.has("mpi")) {
    throw sim::ConfigError("sweep script: say what the script is for: --slurm, or --mpi");
  }
  const std::uint64_t points = study_of(arguments, "sweep script").size();
  write_result(arguments,
               arguments.has("slurm") ? slurm(arguments, points) : mpi(arguments, points), console);
  return sim::ExitCode::Ok;
}

}  // namespace

Command sweep_script_command() {
  std::vector<Option> options = study_options();
  const std::vector<Option> more = {
      {.name = "--slurm", .help = "for sbatch: an array job of shards, and one that merges them"},
      {.name = "--mpi", .help = "for mpirun, by itself or in a job of a batch system: moesim-mpi"},
      {.name = "--ranks",
       .value = "N",
       .help = "of --mpi: ranks, of which one hands out points and writes"},
      {.name = "--tries",
       .value = "N",
       .help = "of --mpi: how often it begins, a rank being lost each time (5)"},
      {.name = "--shards",
       .value = "N",
       .help = "of --slurm: tasks of the array job: each plays every N-th point on one node"},
      {.name = "--nodes",
       .value = "N",
       .help = "of --slurm: at most so many shards at the same time; else as many as Slurm has "
               "room for"},
      {.name = "-j,--jobs",
       .value = "N",
       .help = "of --slurm: points at the same time in a shard: the processors that it asks for",
       .fallback = "1"},
      {.name = "--partition", .value = "NAME", .help = "where the jobs go"},
      {.name = "--time",
       .value = "TIME",
       .help = "the most that a job takes: minutes, hours:minutes:seconds or days-hours"},
      {.name = "--sbatch",
       .value = "OPTION",
       .help = "another option of sbatch for all jobs: --sbatch=--account=moe",
       .repeated = true},
      {.name = "--store",
       .value = "FILE",
       .help = "what the shards are put together in; theirs lie beside it",
       .fallback = "sweep.db",
       .is_file = true},
      {.name = "-o,--output",
       .value = "FILE",
       .help = "write the script there instead of to standard output",
       .is_file = true,
       .is_output = true}};
  options.insert(options.end(), more.begin(), more.end());
  return {
      .name = "sweep script",
      .summary = "a script that runs a sweep as jobs of Slurm, or by MPI",
      .description =
          "Of --slurm the script submits itself: an array job whose tasks play a shard each, and a "
          "job that "
          "waits for them, merges their stores and ends as the sweep would have. Run it where "
          "sbatch is, from a folder that all nodes see. Whatever ended a job, run again it goes on "
          "with the points that are there. Of --mpi it runs moesim-mpi on so many ranks, and "
          "again, "
          "where one is lost; sbatch takes it, too.",
      .options = std::move(options),
      .examples = {"moesim sweep script study.yaml --slurm --shards 16 -j 8 --partition cpu "
                   "--time 2:00:00 -o sweep.sh && bash sweep.sh",
                   "moesim sweep script study.yaml --mpi --ranks 64 --time 2:00:00 -o sweep.sh && "
                   "sbatch sweep.sh"},
      .run = run};
}

}  // namespace moesim::tools
