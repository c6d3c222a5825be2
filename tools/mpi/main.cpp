// moesim-mpi: moesim sweep, its points played by the ranks of an MPI job.
//
// Rank 0 is moesim sweep: it reads the study, hands out points and is the only one that writes the
// store. The others read scenarios, play them and answer with the report.
#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "sim/error.h"
#include "tools/moesim/completion.h"
#include "tools/moesim/program.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/moesim/trace_cache.h"
#include "tools/mpi/ranks.h"

using namespace moesim;
using namespace moesim::tools;
using sim::io::Json;

namespace {

std::string question_of(const PointRun& run) {
  return Json{{"base", run.base.string()}, {"set", run.overrides}}.dump();
}
PointRun run_of(const std::string& question) {
  const Json json = sim::io::parse_json(question, "rank 0's question");
  return {json.at("base").get<std::string>(), json.at("set").get<std::vector<std::string>>()};
}

// Bytes of a file that are no UTF-8 may be quoted in a reason.
std::string answer_of(const Point& point) {
  return Json{{"id", point.id},
              {"status", static_cast<int>(point.status)},
              {"reason", point.reason},
              {"report", point.report}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}
Point point_of(const std::string& answer, int rank) {
  // A report, as text in a text, may be longer than what a user's file may be.
  const Json json = sim::io::parse_json(answer, fmt::format("the answer of rank {}", rank),
                                        {.bytes = std::size_t{1} << 30});
  return {.id = json.at("id").get<std::string>(),
          .status = static_cast<PointStatus>(json.at("status").get<int>()),
          .reason = json.at("reason").get<std::string>(),
          .report = json.at("report").get<std::string>()};
}

void play_points() {
  // Whoever asks decides when it is over.
  for (const int signal : {SIGINT, SIGUSR1}) std::signal(signal, SIG_IGN);
  StudyInputs inputs(shipped(), trace_cache(std::getenv));
  answer_questions([&](const std::string& question) {
    return answer_of(play_point(run_of(question), inputs, MOESIM_VERSION));
  });
}

}  // namespace

int main(int argc, char** argv) {
  // Help and the manual page need no job.
  const bool sweeps = argc > 1 && std::string_view(argv[1]) == "sweep";
  std::unique_ptr<MpiJob> job;
  std::unique_ptr<Ranks> ranks;
  try {
    if (sweeps) job = std::make_unique<MpiJob>(argc, argv);
    if (job && job->rank() != 0) {
      play_points();
      return 0;
    }
    if (job) ranks = std::make_unique<Ranks>();
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return static_cast<int>(sim::ExitCode::Failed);
  }
  const Crew crew{.size = [&]() -> unsigned {
                    if (job->size() > 1) return static_cast<unsigned>(job->size() - 1);
                    throw sim::ConfigError(
                        "moesim-mpi: rank 0 hands out points and plays none: expected two ranks or "
                        "more, as mpirun -np 3 gives (moesim sweep -j N needs no MPI)");
                  },
                  .play =
                      [&](std::size_t thread, const PointRun& run) {
                        const int rank = static_cast<int>(thread) + 1;
                        return point_of(ranks->ask(rank, question_of(run)), rank);
                      }};
  std::vector<Command> commands{sweep_command(crew)};
  commands.front().examples = {"mpirun -np 64 moesim-mpi sweep study.yaml -o study.db --resume"};
  commands.push_back(man_command(
      [&] { return std::span<const Command>(commands); },
      {.program = "moesim-mpi",
       .summary = "moesim's sweeps on the ranks of an MPI job",
       .description =
           "What moesim sweep does, by all ranks but the first: rank 0 hands out points and is the "
           "only one that writes the store, which is the same as that of one process. All ranks "
           "read "
           "the same files. A rank that is lost ends the job; with --resume another goes on with "
           "every point that had been answered."}));
  return run_program({.name = "moesim-mpi",
                      .description = "moesim-mpi: moesim's sweeps on the ranks of an MPI job.",
                      .commands = commands},
                     argc, argv);
}
